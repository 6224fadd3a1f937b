#include "producer/rng.h"

#include <stdio.h>
#include <sys/random.h>
#include <xxhash.h>

void rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
    *r = (struct rng){.seed = XXH3_64bits_withSeed(&stream, sizeof stream, seed)};
}

void rng_init_random(struct rng *r)
{
    ASSERT(getrandom(r, sizeof *r, 0) == (ssize_t)sizeof *r);
}

uint64_t rng_next(struct rng *r)
{
    r->counter++;
    return XXH3_64bits_withSeed(&r->counter, sizeof r->counter, r->seed);
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    ASSERT(bound > 0);
    const uint64_t uneven = UINT64_MAX - UINT64_MAX % bound; /* from here on: draw again */
    uint64_t n;
    do
        n = rng_next(r);
    while (n >= uneven);
    return n % bound;
}

bool rng_chance(struct rng *r, double fraction)
{
    /* No draw at 0, so that an unused disturbance costs nothing. 53 bits fill a double. */
    return fraction > 0 && (double)(rng_next(r) >> 11) * 0x1p-53 < fraction;
}

void uuid_format(uint64_t high, uint64_t low, unsigned version, char out[UUID_TEXT_BYTES])
{
    high = (high & ~UINT64_C(0xf000)) | (uint64_t)(version & 0xf) << 12;
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62; /* variant 10 */
    snprintf(out, UUID_TEXT_BYTES, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

void rng_uuid4(struct rng *r, char out[UUID_TEXT_BYTES])
{
    const uint64_t high = rng_next(r);
    uuid_format(high, rng_next(r), 4, out);
}
