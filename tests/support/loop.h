/* loop.h -- run a libuv loop in a test until something has happened. A test that
 * waits for what never comes fails after LOOP_GUARD_MS instead of hanging. */
#ifndef TURNSTILE_TESTS_LOOP_H
#define TURNSTILE_TESTS_LOOP_H

#include <stdbool.h>
#include <uv.h>

#define LOOP_GUARD_MS 60000 /* far above what any test needs, sanitizers included */

/* Aborts with a word when *done does not become true in time. */
void loop_run_until(uv_loop_t *loop, const bool *done);

/* Sets the bool that `arg` points to: a `closed` callback. */
void loop_set_flag(void *arg);

/* The loop must have no handle left; closes it. */
void loop_close(uv_loop_t *loop);

#endif
