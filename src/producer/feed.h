/* feed.h -- where rows come from: one call, one row, in event order.
 *
 * A feed knows nothing of Kafka, pace or disturbance. Its fields are valid until
 * its next call. */
#ifndef TURNSTILE_PRODUCER_FEED_H
#define TURNSTILE_PRODUCER_FEED_H

#include "producer/row.h"

enum feed_result {
    FEED_ROW,   /* *row is set */
    FEED_AGAIN, /* nothing now: call again after *wait_ms */
    FEED_END    /* nothing more */
};

/* `now_ms`: local wall time read as UTC. */
typedef enum feed_result feed_next(void *self, int64_t now_ms, struct row *row, int64_t *wait_ms);

struct feed {
    feed_next *next;
    void *self;
};

#endif
