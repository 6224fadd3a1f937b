/* backoff.h -- how long to wait before the next try: exponential, with full jitter.
 *
 * A pure function of attempt and seed state: no clock, no global randomness. Full
 * jitter (uniform in 0 .. ceiling) after "Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015. The generator is SplitMix64 (Steele, Lea, Flood, 2014):
 * good enough to keep clients apart, not for secrets. */
#ifndef TURNSTILE_CORE_BACKOFF_H
#define TURNSTILE_CORE_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint64_t state; /* any value is a good seed */
};

/* Milliseconds in 0 .. min(cap_ms, base_ms * 2^attempt); `attempt` counts from 0 and may be any
 * number. Both times must be >= 0. Advances the state. */
int64_t backoff_next_ms(struct backoff *b, unsigned attempt, int64_t base_ms, int64_t cap_ms);

#endif
