/* pollset.h -- what of an HTTP answer is new.
 *
 * Takes the bodies one after the other, in the form of messages (13 columns, with
 * or without header) or of a weekly file (counters; the readings of the answer
 * before are kept, so that a feed of only the newest readings has differences
 * too), and hands out the rows that the answer before did not have. Pure: no
 * network, no clock. */
#ifndef TURNSTILE_PRODUCER_POLLSET_H
#define TURNSTILE_PRODUCER_POLLSET_H

#include "base/err.h"
#include "producer/intern.h"
#include "producer/row.h"

#define POLLSET_MAX_BODY_BYTES ((size_t)64 * 1024 * 1024) /* of one answer */

struct pollset {
    struct intern current;    /* rows of the last answer as joined fields */
    struct buf last_readings; /* the weekly answer before */
    uint32_t *fresh;          /* numbers in `current`, in the answer's order */
    size_t fresh_count, fresh_capacity, next;
    int64_t max_step;
    int64_t last_event_ms; /* for a row whose TIMESTAMP cannot be read: the reader rejects it */
    struct timefmt timestamp;
    uint64_t skipped; /* rows that do not have the columns */
};

void pollset_init(struct pollset *p, int64_t max_step);
void pollset_deinit(struct pollset *p);

/* 0, and pollset_next() hands out what is new; or ERR_PARSE, ERR_TOO_LARGE: the answer counts as
 * not received. Rows not yet handed out of the answer before are dropped. */
int pollset_take(struct pollset *p, struct slice body, struct err *err) MUST_CHECK;
bool pollset_next(struct pollset *p, struct row *row); /* views valid until pollset_take() */

#endif
