/* counters.h -- what two successive readings of a turnstile's counter say.
 *
 * A turnstile reports a running counter, not passages. Pure arithmetic, for one
 * counter (ENTRIES or EXITS) of one turnstile; docs/producer.md has the rules. */
#ifndef TURNSTILE_PRODUCER_COUNTERS_H
#define TURNSTILE_PRODUCER_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

/* More passages than this between two readings is a broken counter, not a crowd: at about one
 * reading each four hours the busiest real turnstiles stay below 5,000. */
#define COUNTERS_DEFAULT_MAX_STEP 10000

enum counter_verdict {
    COUNTER_UP,       /* delta = the rise */
    COUNTER_DOWN,     /* this counter runs backwards: delta = the fall */
    COUNTER_RESET,    /* fell to a small value: delta = that value, what it counted since */
    COUNTER_JUMP,     /* moved its way, too far to be true: no delta */
    COUNTER_BACKWARD, /* moved against its way, and not a reset: no delta */
    COUNTER_VERDICTS
};

/* Which way a counter runs: the way most of its believable steps go. */
struct counter_trend {
    uint64_t rises, falls;
};

void counter_trend_add(struct counter_trend *t, int64_t before, int64_t now, int64_t max_step);
bool counter_trend_is_down(const struct counter_trend *t);

/* Readings are >= 0. *delta is set to 0 .. max_step; 0 where the verdict gives none. */
enum counter_verdict counter_step(bool runs_down, int64_t before, int64_t now, int64_t max_step,
                                  int64_t *delta);
bool counter_verdict_has_delta(enum counter_verdict verdict);

#endif
