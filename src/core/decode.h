/* decode.h -- from message bytes to typed rows, a batch at a time.
 *
 * Understands every form of section 2 of the design: bare CSV, CSV in a JSON
 * string, several rows, a header before rows; RFC 4180 quoting. A row that does
 * not fit the schema becomes a row with a reason; it never spoils its neighbours,
 * and nothing that came in is left out: a message without a single row (empty,
 * tombstone, header only) still yields one rejected row. Text is split either by
 * the fast splitter (no quote, one row) or by libcsv, with the same result.
 *
 * Pure. A decoder is scratch memory for one thread; it keeps nothing between calls
 * that changes a result. */
#ifndef TURNSTILE_CORE_DECODE_H
#define TURNSTILE_CORE_DECODE_H

#include "core/record.h"
#include "core/schema.h"

#define DECODE_MAX_MESSAGE_BYTES (1024 * 1024) /* Kafka's own default limit; longer: oversized */
#define DECODE_MAX_FIELD_BYTES (64 * 1024)     /* of one field after unquoting; longer: oversized */

/* One row, decoded. Slices point into the message or into the decoder's arena: valid until the
 * next decode on the same decoder. */
struct row {
    int64_t offset;            /* of its message */
    uint32_t record;           /* index of its message in the batch */
    uint32_t number;           /* of the row in its message, from 0, header not counted */
    enum reject_reason reject; /* REJECT_NONE, or never LATE / ADOPT here */
    int64_t event_ms;          /* from here on valid only with REJECT_NONE */
    uint64_t key[2];           /* 128-bit fingerprint (XXH3) of the dedup key */
    uint64_t group_hash;       /* XXH3-64 of `group` */
    struct slice group;      /* group-by values in output form, each followed by a NUL byte but the
                                last: memcmp order is the order of the fields. */
    const int64_t *measures; /* schema->measure_count values; 1 for COUNT */
    struct slice text;       /* always valid: the original bytes. The whole value where the message
                                has one row, else the row's own bytes (JSON escapes undone) */
};

struct decoder;

struct decode_options {
    int64_t max_future_skew_ms; /* < 0: not checked */
    bool libcsv_only; /* never the fast splitter: for differential tests and as a fallback */
};

struct decoder *decoder_new(const struct schema *schema, const struct decode_options *options);
void decoder_free(struct decoder *d);

/* Decode `count` records into rows; *rows is valid until the next call on d. Returns the number of
 * rows, >= count (a header with several rows yields several). */
size_t decoder_run(struct decoder *d, const struct record *records, size_t count,
                   const struct row **rows);

/* Bytes held for reuse; part of the memory that the limit counts. */
size_t decoder_memory_bytes(const struct decoder *d);

#endif
