/* schema.h -- the static schema: what a row is, read once from a JSON file.
 *
 * Says which columns there are, which of them make the dedup key, the event time,
 * the groups and the measures, and what the mini-batch looks like. Nothing about
 * any feed is compiled in. Immutable after schema_parse(), so worker threads may
 * read it. docs/schema.md is the user's description of the file. */
#ifndef TURNSTILE_CORE_SCHEMA_H
#define TURNSTILE_CORE_SCHEMA_H

#include "base/err.h"
#include "base/slice.h"
#include "base/timefmt.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHEMA_FILE_MAX_BYTES (1024 * 1024) /* a schema is a page, not a megabyte */
#define SCHEMA_MAX_COLUMNS 256              /* more is refused by schema_parse() */
#define SCHEMA_MAX_MEASURES 16
#define SCHEMA_MAX_GROUP 32
#define SCHEMA_MAX_ALIASES 8 /* of one column */
#define SCHEMA_MAX_NAME_BYTES 128

enum schema_type {
    SCHEMA_STRING,
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_DECIMAL,  /* fixed point: `scale` digits behind the point, held as int64 */
    SCHEMA_DATE,     /* a civil date or time in `format`, output in `output_format` */
    SCHEMA_TIMESTAMP /* an instant in `format` */
};

struct schema_column {
    char *name; /* as the output header writes it, NUL-terminated */
    char *aliases[SCHEMA_MAX_ALIASES];
    unsigned alias_count;
    enum schema_type type;
    unsigned scale;        /* of SCHEMA_DECIMAL, 0..9 */
    struct timefmt format; /* of DATE and TIMESTAMP, as read */
    struct timefmt
        output_format; /* as written; the same as format unless the file says otherwise */
    bool has_offset;   /* `utc_offset` is given: local time minus it is UTC */
    int64_t utc_offset_ms;
};

enum schema_function { SCHEMA_SUM, SCHEMA_COUNT, SCHEMA_MIN, SCHEMA_MAX };

struct schema_measure {
    enum schema_function function;
    unsigned column; /* index into columns; unused for SCHEMA_COUNT */
};

/* A column of the mini-batch, in the order of the file's `output`. */
enum schema_output_source {
    SCHEMA_OUT_GROUP,
    SCHEMA_OUT_MEASURE,
    SCHEMA_OUT_WINDOW_START,
    SCHEMA_OUT_WINDOW_END
};

struct schema_output {
    char *name;
    enum schema_output_source source;
    unsigned index;        /* into group[] or measures[] */
    struct timefmt format; /* of the two window sources */
};

struct schema {
    char *name;
    struct schema_column *columns;
    unsigned column_count;
    unsigned event_time; /* column index; type TIMESTAMP */
    unsigned *key; /* the dedup key: column indexes in the file's order; 0 of them: no dedup */
    unsigned key_count;
    bool key_has_event_time;          /* else copies are found within one pane only */
    unsigned group[SCHEMA_MAX_GROUP]; /* column indexes, in the order of the file's `group_by` */
    unsigned group_count;
    struct schema_measure measures[SCHEMA_MAX_MEASURES];
    unsigned measure_count;
    struct schema_output *outputs;
    unsigned output_count;
    bool row_number; /* a leading column without a name, 0..n-1 */
    /* Indexes into group[]: rows of one mini-batch that agree in these columns are one row to the
     * reader downstream, so they are counted (section 3.6 of the design). May be empty. */
    unsigned unique[SCHEMA_MAX_GROUP];
    unsigned unique_count;
    uint64_t fingerprint[2]; /* of everything above that decides content, stable across builds */
};

/* `text` is the file's content; `err` names key and reason, the caller adds the file with
 * err_prefix(). 0 and *out (free with schema_free()), or ERR_CONFIG. */
int schema_parse(struct slice text, struct schema **out, struct err *err) MUST_CHECK;
void schema_free(struct schema *s); /* NULL is a no-op */

/* The fingerprint of what decides content: columns with aliases, types and formats, key, groups,
 * measures, outputs; not the schema's name, not `unique`. XXH3-128 over a canonical serialisation.
 */
void schema_fingerprint(const struct schema *s, uint64_t fingerprint[2]);

/* Index of the column with this name or alias (case-insensitive, surrounding blanks ignored), or
 * -1. */
int schema_find(const struct schema *s, struct slice name);

#endif
