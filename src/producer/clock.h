/* clock.h -- the only two clocks of the producer. */
#ifndef TURNSTILE_PRODUCER_CLOCK_H
#define TURNSTILE_PRODUCER_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ns(void); /* for pace and progress */
int64_t clock_local_ms(void);     /* local wall time read as UTC: event times of live feeds */

#endif
