/* decode_row.h -- the fields of one row, typed: the inner half of decode.h.
 *
 * Knows the schema and where in a row its columns are; knows no messages. */
#ifndef TURNSTILE_CORE_DECODE_ROW_H
#define TURNSTILE_CORE_DECODE_ROW_H

#include "base/arena.h"
#include "core/decode.h"
#include "core/schema.h"
#include "core/split.h"

/* Where the columns of the schema are in the rows of a message. */
struct row_layout {
    size_t field_count; /* that a row must have */
    bool refused;       /* the header lacks a column or has one twice */
    unsigned field_of[SCHEMA_MAX_COLUMNS];
};

/* Without a header: the schema's own order. */
void row_layout_default(struct row_layout *layout, const struct schema *schema);

/* By the names of a header row. */
void row_layout_of_header(struct row_layout *layout, const struct schema *schema,
                          const struct split_row *header);

/* The last text of a date or time column, what it means and how a group writes it: rows come in
 * order of time, so most of them repeat it. Changes no result. */
struct row_memo {
    size_t text_len; /* 0: none yet */
    size_t out_len;  /* 0: not written yet */
    int64_t ms;
    char text[TIMEFMT_MAX_TEXT];
    char out[TIMEFMT_MAX_TEXT];
};

struct row_decoder {
    const struct schema *schema;
    int64_t max_future_skew_ms;         /* < 0: not checked */
    struct arena *arena;                /* takes groups and measures */
    int64_t values[SCHEMA_MAX_COLUMNS]; /* scratch: of the typed columns of the current row */
    struct row_memo memos[SCHEMA_MAX_COLUMNS];
};

/* Fills in `out` from `reject` on, all but `text`. timestamp_ms is the record's. */
void row_decode(struct row_decoder *d, const struct row_layout *layout,
                const struct split_row *split, int64_t timestamp_ms, struct row *out);

#endif
