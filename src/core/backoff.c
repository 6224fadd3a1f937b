#include "core/backoff.h"

#include "base/base.h"

static uint64_t next_random(struct backoff *b)
{
    b->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = b->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t backoff_next_ms(struct backoff *b, unsigned attempt, int64_t base_ms, int64_t cap_ms)
{
    ASSERT(base_ms >= 0 && cap_ms >= 0);
    int64_t ceiling = base_ms < cap_ms ? base_ms : cap_ms;
    for (unsigned i = 0; i < attempt && ceiling < cap_ms && ceiling > 0; i++)
        ceiling = ceiling > cap_ms / 2 ? cap_ms : ceiling * 2;
    /* the bias of the remainder is below 2^-32 for any ceiling of days */
    return (int64_t)(next_random(b) % ((uint64_t)ceiling + 1));
}
