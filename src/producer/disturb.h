/* disturb.h -- what a consumer has to live with, on purpose and in known measure.
 *
 * Takes clean rows in event order and emits messages: the rows, perhaps out of
 * order, and beside them (never instead of them) copies, malformed messages and
 * late rows, so that the totals of the clean rows stay what they were.
 *
 * Invariants, for rows that come in event order:
 * - a row or copy is emitted when no row more than `disorder_ms` newer has been:
 *   the bound holds for the whole topic, hence for each partition of it;
 * - a copy follows its original and has the same key and bytes;
 * - the same seed and rows make the same messages in the same order. */
#ifndef TURNSTILE_PRODUCER_DISTURB_H
#define TURNSTILE_PRODUCER_DISTURB_H

#include "base/err.h"
#include "producer/message.h"
#include "producer/rng.h"

/* Rows held back for the sake of disorder. When it is full the next in line goes early, which
 * makes less disorder, never more. */
#define DISTURB_MAX_HELD_BYTES ((size_t)128 * 1024 * 1024)

struct disturb_config {
    int64_t disorder_ms;
    double duplicates, malformed, late; /* fractions of the rows, 0..1 */
    int64_t late_by_ms;                 /* how far behind its row a late row is */
    bool seeded;
    uint64_t seed;
    enum message_format format;
    enum message_key key_by;
};

/* The message is valid during the call. Nonzero stops and is handed back. */
typedef int disturb_emit(void *arg, const struct message *message, struct err *err);

struct held;

struct disturb {
    struct disturb_config config;
    disturb_emit *emit;
    void *arg;
    struct rng rng;
    struct row_formats formats;
    struct message_writer writer;
    unsigned next_fault;
    struct held **heap; /* the earliest first */
    size_t held, capacity, held_bytes;
    uint64_t sequence;
};

void disturb_init(struct disturb *d, const struct disturb_config *config, disturb_emit *emit,
                  void *arg);
void disturb_deinit(struct disturb *d); /* what is held is dropped */

/* 0, or what `emit` returned, or ERR_TOO_LARGE for a row that fits no message. */
int disturb_row(struct disturb *d, const struct row *row, struct err *err) MUST_CHECK;
int disturb_finish(struct disturb *d, struct err *err) MUST_CHECK; /* emit all that is held */

#endif
