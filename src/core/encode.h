/* encode.h -- the bytes of an object: CSV of a mini-batch, JSON lines of a side
 * or raw object, gzip of them.
 *
 * Pure functions of their arguments; called on worker threads. The CSV is byte
 * for byte what pandas' to_csv writes for the same table: header, a leading row
 * number where the schema says so, minimal quoting, `\n`. gzip has mtime 0 and no
 * name, so equal content is equal bytes with the same zlib; the identity of an
 * object is the SHA-256 of its plain bytes, which no zlib changes. */
#ifndef TURNSTILE_CORE_ENCODE_H
#define TURNSTILE_CORE_ENCODE_H

#include "base/buf.h"
#include "base/err.h"
#include "core/object.h"
#include "core/record.h"
#include "core/schema.h"

#define ENCODE_GZIP_LEVEL 6 /* 9 is 4 times slower for 12 % less on real data; 1 is 17 % larger */

/* Longer bytes are written in base64 even where they are text: escaping can make six bytes of one,
 * and a message that may not be left out must fit an object. */
#define ENCODE_TEXT_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct encode_report {
    uint64_t rows;
    uint64_t unique_collisions; /* rows that agree with an earlier one in schema->unique */
};

/* Plain content of the object, appended to `out`. 0 or ERR_TOO_LARGE. */
int encode_object(const struct schema *schema, const struct object *object, struct buf *out,
                  struct encode_report *report) MUST_CHECK;

/* One gzip member. 0 or ERR_TOO_LARGE. */
int encode_gzip(struct slice plain, int level, struct buf *out) MUST_CHECK;

/* One line of a side object, with its '\n':
 * {"topic":..,"partition":..,"offset":..,"row":..,"reason":..,"value":..}, or "value_base64"
 * where the bytes are not UTF-8, hold a NUL or are many; "value":null for a tombstone. 0 or
 * ERR_TOO_LARGE, then nothing was appended. */
int encode_side_line(struct buf *out, const char *topic, int32_t partition, int64_t offset,
                     uint32_t row, enum reject_reason reason, struct slice value) MUST_CHECK;

/* One line of a raw object, with its '\n': {"topic":..,"partition":..,"offset":..,
 * "timestamp_ms":..,"key":..,"value":..}; "key_base64" and "value_base64" where the bytes are not
 * UTF-8, hold a NUL or are many, null for a timestamp, key or value that the record does not have
 * (a key without ptr). 0 or ERR_TOO_LARGE, then nothing was appended. */
int encode_raw_line(struct buf *out, const char *topic, int32_t partition,
                    const struct record *record) MUST_CHECK;

#endif
