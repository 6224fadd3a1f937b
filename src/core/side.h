/* side.h -- late and rejected rows of one partition on their way to the lake.
 *
 * Rows are gathered into an object that is cut, at the end of a message only, when
 * W has crossed a multiple of the slide, at SIDE_MAX_ROWS or SIDE_MAX_BYTES after
 * its start, and at a punctuation: all pure functions of the log and its committed
 * punctuations, so a replay cuts the same objects. What is not durable holds the
 * floor back. */
#ifndef TURNSTILE_CORE_SIDE_H
#define TURNSTILE_CORE_SIDE_H

#include "core/object.h"
#include "core/pending.h"
#include "core/record.h"

/* Raising either makes fewer, larger objects and more to re-read after a crash. Part of what
 * decides content: a change needs a new content version (pipeline_fingerprint()). */
#define SIDE_MAX_ROWS 1000
#define SIDE_MAX_BYTES (4 * 1024 * 1024) /* soft: one message more */

struct side {
    int64_t durable_offset; /* S: rows of messages below are durable; never falls */
    struct buf lines;       /* of the object being filled */
    uint64_t rows;          /* in it; 0: none is open */
    struct origin origin;   /* of its first row */
    struct pending pending;
};

void side_init(struct side *s, int64_t durable_offset);
void side_deinit(struct side *s);

/* Append a row; nothing happens when its message lies below S. */
void side_add(struct side *s, const char *topic, int32_t partition, const struct origin *origin,
              uint32_t row, enum reject_reason reason, struct slice value);

/* Is the open object full? Asked at the end of a message. */
bool side_is_full(const struct side *s);

/* The open object, to be stored and then announced with pending_add(); NULL when none is open. */
struct object *side_cut(struct side *s, const char *prefix, const char *topic, int32_t partition);

/* Origin of the first row that is not durable; false: there is none. */
bool side_first(const struct side *s, struct origin *first);

#endif
