/* decode.h -- from message bytes to typed rows, a batch at a time.
 *
 * Understands every form of section 2 of the design: bare CSV, CSV in a JSON
 * string, several rows, a header before rows; RFC 4180 quoting. A row that does
 * not fit the schema becomes a row with a reason; it never spoils its neighbours,
 * and nothing that came in is left out: a message without a single row (empty,
 * tombstone, header only) still yields one rejected row. Text is split either by
 * the fast splitter (no quote) or by libcsv, with the same result.
 *
 * JSON or CSV: a value that is one JSON string and nothing else (blanks and a byte
 * order mark aside) is JSON; any other leading quote is CSV quoting.
 *
 * Header: the first row is one when at least two and at least half of its fields are
 * names or aliases of columns. Names that the schema does not know are ignored columns;
 * a column that the header lacks or names twice rejects every row of the message.
 *
 * Where several reasons apply, the first of: oversized, nul, utf8, json or quote,
 * columns; then type, range, date or timestamp of the first column (in the schema's
 * order) that does not fit, whether it is used or not; then future.
 *
 * Pure. A decoder is scratch memory for one thread; it keeps nothing between calls
 * that changes a result. */
#ifndef TURNSTILE_CORE_DECODE_H
#define TURNSTILE_CORE_DECODE_H

#include "core/record.h"
#include "core/schema.h"
#include "core/split.h"

#define DECODE_MAX_MESSAGE_BYTES (1024 * 1024) /* Kafka's own default limit; longer: oversized */
#define DECODE_MAX_FIELD_BYTES SPLIT_MAX_FIELD_BYTES

/* Rows of a message; what follows is one row, oversized. Sixteen bytes of message a row, half of
 * what a row of the default schema needs at least; without it a message of newlines and letters
 * would take fifty times its size as rows. */
#define DECODE_MAX_ROWS 65536

/* One row, decoded. Slices point into the message or into the decoder's arena: valid until the
 * next decode on the same decoder, and as long as the message. */
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
void decoder_free(struct decoder *d); /* NULL is a no-op */

/* Decode `count` records into rows; *rows is valid until the next call on d. Returns the number of
 * rows, >= count: several of one message are several rows, and every message has at least one. */
size_t decoder_run(struct decoder *d, const struct record *records, size_t count,
                   const struct row **rows);

/* Bytes held for reuse; part of the memory that the limit counts. */
size_t decoder_memory_bytes(const struct decoder *d);

#endif
