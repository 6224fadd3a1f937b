/* actions.h -- what the core says is done: objects and records are on their way
 * from here on. What can be seen to be wrong at once is a violation. */
#ifndef TURNSTILE_SIMULATION_ACTIONS_H
#define TURNSTILE_SIMULATION_ACTIONS_H

#include "life.h"

/* Takes the object of a STORE. `index` is the pipeline's. */
void actions_carry_out(struct life *l, unsigned index, const struct pipeline_action *action);

#endif
