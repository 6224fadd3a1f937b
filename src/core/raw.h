/* raw.h -- the messages of one partition as they came, on their way to the lake.
 *
 * Messages are gathered into chunks. Chunk k holds the offsets [k * n, (k + 1) * n)
 * for a fixed n, and is cut earlier where its lines reach RAW_MAX_BYTES and at every
 * committed punctuation: all pure functions of the log and its punctuations, so a
 * replay that begins where a chunk begins cuts the same ones. What is not durable
 * holds the floor back, an open chunk included.
 *
 * Costs a copy of every message, and nothing where the raw layer is off: then
 * nothing here is called. */
#ifndef TURNSTILE_CORE_RAW_H
#define TURNSTILE_CORE_RAW_H

#include "core/object.h"
#include "core/pending.h"
#include "core/record.h"

/* Messages of a chunk at most: what a crash re-reads, what an object holds. */
#define RAW_MAX_CHUNK_RECORDS 1000000
/* Plain bytes of a chunk, soft: one message more. Bounds what a partition holds in memory. Part of
 * what decides content (pipeline_fingerprint()). */
#define RAW_MAX_BYTES (8 * 1024 * 1024)

struct raw {
    int64_t durable_offset; /* R: messages below are durable; never falls */
    struct buf lines;       /* of the chunk being filled */
    uint64_t rows;          /* messages in it; 0: none is open */
    struct origin origin;   /* of its first message */
    int64_t timestamp_ms;   /* of its first message: dates the object */
    int64_t end_offset;     /* it holds offsets below */
    struct pending pending;
};

void raw_init(struct raw *r, int64_t durable_offset);
void raw_deinit(struct raw *r);

/* Append a message at or above R. `origin` is the message's, looked at when it opens a chunk (one
 * that ends at the next multiple of chunk_records). */
void raw_add(struct raw *r, const char *topic, int32_t partition, const struct record *record,
             const struct origin *origin, int64_t chunk_records);

/* Is a chunk open that a log read up to `position` has completed? Asked between messages. */
bool raw_is_complete(const struct raw *r, int64_t position);

/* The open chunk, to be stored and then announced with pending_add(); NULL when none is open. */
struct object *raw_cut(struct raw *r, const char *prefix, const char *topic, int32_t partition);

/* Origin of the first message that is not durable; false: there is none. */
bool raw_first(const struct raw *r, struct origin *first);

#endif
