#include "producer/counters.h"

void counter_trend_add(struct counter_trend *t, int64_t before, int64_t now, int64_t max_step)
{
    const int64_t step = now - before;
    if (step > 0 && step <= max_step)
        t->rises++;
    else if (step < 0 && -step <= max_step)
        t->falls++;
}

bool counter_trend_is_down(const struct counter_trend *t)
{
    return t->falls > t->rises;
}

enum counter_verdict counter_step(bool runs_down, int64_t before, int64_t now, int64_t max_step,
                                  int64_t *delta)
{
    const int64_t forward = runs_down ? before - now : now - before;
    *delta = 0;
    if (forward > max_step)
        return COUNTER_JUMP;
    if (forward >= 0) {
        *delta = forward;
        return runs_down && forward > 0 ? COUNTER_DOWN : COUNTER_UP;
    }
    /* Below half of what it was: 9,000 -> 8,990 is a counter gone wrong, not one begun anew. */
    if (!runs_down && now <= max_step && now < before / 2) {
        *delta = now;
        return COUNTER_RESET;
    }
    return COUNTER_BACKWARD;
}

bool counter_verdict_has_delta(enum counter_verdict verdict)
{
    return verdict == COUNTER_UP || verdict == COUNTER_DOWN || verdict == COUNTER_RESET;
}
