/* rng.h -- random numbers that a seed repeats.
 *
 * XXH3 of a counter: with a seed the same numbers on every machine, each `stream`
 * independent of the others, so that switching a disturbance on leaves the clean
 * rows as they were. Not for secrets. */
#ifndef TURNSTILE_PRODUCER_RNG_H
#define TURNSTILE_PRODUCER_RNG_H

#include "base/base.h"

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_BYTES 37 /* 36 characters and a NUL */

struct rng {
    uint64_t seed, counter;
};

void rng_init(struct rng *r, uint64_t seed, uint64_t stream);
void rng_init_random(struct rng *r); /* from the operating system */

uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* 0 .. bound - 1, even; bound > 0 */
bool rng_chance(struct rng *r, double fraction);   /* true in `fraction` of the calls */

/* 128 bits as text in the form of a UUID (RFC 9562) of this version. */
void uuid_format(uint64_t high, uint64_t low, unsigned version, char out[UUID_TEXT_BYTES]);
void rng_uuid4(struct rng *r, char out[UUID_TEXT_BYTES]);

#endif
