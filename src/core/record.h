/* record.h -- what one Kafka record looks like to the core: a borrowed view.
 *
 * A batch of records is one partition's, in offset order. The bytes belong to the
 * caller and are valid only during the pipeline_step() they come in with. */
#ifndef TURNSTILE_CORE_RECORD_H
#define TURNSTILE_CORE_RECORD_H

#include "base/slice.h"

#include <stdint.h>

#define RECORD_NO_TIMESTAMP INT64_MIN
#define RECORD_NO_OFFSET INT64_C(-1)

struct record {
    int64_t offset;       /* >= 0 */
    int64_t timestamp_ms; /* Kafka's timestamp (UTC), or RECORD_NO_TIMESTAMP */
    struct slice key;
    struct slice value;
    bool tombstone; /* the value is null, which is not the same as empty */
};

/* Why a row is not in a window. REJECT_NONE is a row that fits the schema. The
 * short names are those of the side output and of metrics (reject_name()). */
#define REJECT_TABLE(X)                                                                            \
    X(REJECT_NONE, "none")                                                                         \
    X(REJECT_COLUMNS, "columns")     /* a column missing, or another number of fields */           \
    X(REJECT_TYPE, "type")           /* not a number where the schema says number */               \
    X(REJECT_RANGE, "range")         /* a number that its type cannot hold */                      \
    X(REJECT_TIMESTAMP, "timestamp") /* the event time does not match its format, or its windows   \
                                        leave the years 0 to 9999 */                               \
    X(REJECT_DATE, "date")           /* another date or time column does not */                    \
    X(REJECT_OVERSIZED, "oversized") /* message, row, field or number of columns over its limit */ \
    X(REJECT_TOMBSTONE, "tombstone") /* a null value */                                            \
    X(REJECT_UTF8, "utf8")           /* not valid UTF-8 */                                         \
    X(REJECT_NUL, "nul")             /* a NUL byte */                                              \
    X(REJECT_QUOTE, "quote")         /* quoting against RFC 4180 */                                \
    X(REJECT_JSON, "json")           /* a JSON string with a wrong escape or control byte */       \
    X(REJECT_FUTURE, "future")       /* event time too far ahead of the record's timestamp */      \
    X(REJECT_LATE, "late")           /* fits, but every window it belongs to has closed */         \
    X(REJECT_ADOPT, "adopt")         /* only in windows before an adopted frontier */

enum reject_reason {
#define REJECT_ENUM(name, text) name,
    REJECT_TABLE(REJECT_ENUM)
#undef REJECT_ENUM
        REJECT_COUNT
};

/* The short name, never NULL. */
const char *reject_name(enum reject_reason reason);

#endif
