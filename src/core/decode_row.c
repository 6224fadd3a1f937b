#include "core/decode_row.h"

#include "base/mem.h"
#include "core/field.h"
#include "core/utf8.h"

#include <limits.h>
#include <xxhash.h>

#define NO_FIELD UINT_MAX
#define KEY_LENGTH_BYTES sizeof(uint32_t) /* before each part of a key */

/* ---- layout ---- */

void row_layout_default(struct row_layout *layout, const struct schema *schema)
{
    layout->field_count = schema->column_count;
    layout->refused = false;
    for (unsigned i = 0; i < schema->column_count; i++)
        layout->field_of[i] = i;
}

void row_layout_of_header(struct row_layout *layout, const struct schema *schema,
                          const struct split_row *header)
{
    layout->field_count = header->field_count;
    layout->refused = false;
    for (unsigned i = 0; i < schema->column_count; i++)
        layout->field_of[i] = NO_FIELD;
    for (unsigned field = 0; field < header->field_count; field++) {
        const int column = schema_find(schema, header->fields[field]);
        if (column < 0)
            continue;
        layout->refused = layout->refused || layout->field_of[column] != NO_FIELD;
        layout->field_of[column] = field;
    }
    for (unsigned i = 0; i < schema->column_count; i++)
        layout->refused = layout->refused || layout->field_of[i] == NO_FIELD;
}

/* ---- values ---- */

static bool read_time(struct row_decoder *d, unsigned column, struct slice field, int64_t *ms)
{
    struct row_memo *memo = &d->memos[column];
    if (field.len != memo->text_len || memcmp(field.ptr, memo->text, field.len) != 0) {
        const struct schema_column *c = &d->schema->columns[column];
        memo->text_len = 0; /* an empty text is never a time, so it never matches this */
        if (!timefmt_parse(&c->format, field, &memo->ms))
            return false;
        memcpy(memo->text, field.ptr, field.len); /* parsed: shorter than TIMEFMT_MAX_TEXT */
        memo->text_len = field.len;
        memo->out_len = 0;
    }
    *ms = memo->ms;
    return field.len > 0;
}

static enum reject_reason read_value(struct row_decoder *d, unsigned column, struct slice field,
                                     int64_t *value)
{
    const struct schema_column *c = &d->schema->columns[column];
    switch (c->type) {
    case SCHEMA_STRING:
        return REJECT_NONE;
    case SCHEMA_INT32:
        return field_int(field, INT32_MIN, INT32_MAX, value);
    case SCHEMA_INT64:
        return field_int(field, INT64_MIN, INT64_MAX, value);
    case SCHEMA_DECIMAL:
        return field_decimal(field, c->scale, value);
    case SCHEMA_DATE:
    case SCHEMA_TIMESTAMP:
        if (read_time(d, column, field, value))
            return REJECT_NONE;
        return column == d->schema->event_time ? REJECT_TIMESTAMP : REJECT_DATE;
    }
    return REJECT_TYPE;
}

static enum reject_reason read_values(struct row_decoder *d, const struct row_layout *layout,
                                      const struct slice *fields)
{
    for (unsigned i = 0; i < d->schema->column_count; i++) {
        const enum reject_reason reason =
            read_value(d, i, fields[layout->field_of[i]], &d->values[i]);
        if (reason != REJECT_NONE)
            return reason;
    }
    return REJECT_NONE;
}

/* A clock that is wrong by years must not close windows for ever. */
static bool is_future(const struct row_decoder *d, int64_t timestamp_ms)
{
    if (d->max_future_skew_ms < 0 || timestamp_ms == RECORD_NO_TIMESTAMP)
        return false;
    const unsigned column = d->schema->event_time;
    const int64_t utc_ms = d->values[column] - d->schema->columns[column].utc_offset_ms;
    int64_t ahead_ms; /* a timestamp can be any number; overflow: it is as far away as can be */
    if (__builtin_sub_overflow(utc_ms, timestamp_ms, &ahead_ms))
        return timestamp_ms < 0;
    return ahead_ms > d->max_future_skew_ms;
}

/* ---- group, key, measures ---- */

static size_t group_bound(const struct row_decoder *d, const struct row_layout *layout,
                          const struct slice *fields)
{
    size_t bytes = 1;
    for (unsigned i = 0; i < d->schema->group_count; i++)
        bytes += fields[layout->field_of[d->schema->group[i]]].len + TIMEFMT_MAX_TEXT + 1;
    return bytes;
}

static size_t write_time(struct row_decoder *d, unsigned column, char *out)
{
    struct row_memo *memo = &d->memos[column];
    if (memo->out_len == 0)
        memo->out_len =
            timefmt_format(&d->schema->columns[column].output_format, memo->ms, memo->out);
    memcpy(out, memo->out, memo->out_len);
    return memo->out_len;
}

/* The output form of a group column; returns its length. */
static size_t write_group_value(struct row_decoder *d, unsigned column, struct slice field,
                                char *out)
{
    const struct schema_column *c = &d->schema->columns[column];
    switch (c->type) {
    case SCHEMA_STRING:
        if (field.len > 0)
            memcpy(out, field.ptr, field.len);
        return field.len;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        return field_write_decimal(d->values[column], 0, out);
    case SCHEMA_DECIMAL:
        return field_write_decimal(d->values[column], c->scale, out);
    case SCHEMA_DATE:
    case SCHEMA_TIMESTAMP:
        return write_time(d, column, out);
    }
    return 0;
}

static void put_group(struct row_decoder *d, const struct row_layout *layout,
                      const struct slice *fields, struct row *out)
{
    char *const start = arena_reserve(d->arena, group_bound(d, layout, fields));
    char *at = start;
    for (unsigned i = 0; i < d->schema->group_count; i++) {
        const unsigned column = d->schema->group[i];
        if (i > 0)
            *at++ = '\0';
        at += write_group_value(d, column, fields[layout->field_of[column]], at);
    }
    out->group = (struct slice){start, (size_t)(at - start)};
    arena_commit(d->arena, out->group.len);
    out->group_hash = XXH3_64bits(out->group.ptr, out->group.len);
}

/* Each part of the key with its length before it, so that no two keys are one sequence of bytes.
 * The event time counts as a time: equal instants are equal however they are written. */
static void put_key(struct row_decoder *d, const struct row_layout *layout,
                    const struct slice *fields, struct row *out)
{
    const struct schema *schema = d->schema;
    size_t bound = 0;
    for (unsigned i = 0; i < schema->key_count; i++)
        bound += fields[layout->field_of[schema->key[i]]].len + KEY_LENGTH_BYTES + sizeof(int64_t);
    char *const start = arena_reserve(d->arena, bound);
    char *at = start;
    for (unsigned i = 0; i < schema->key_count; i++) {
        const unsigned column = schema->key[i];
        struct slice part = fields[layout->field_of[column]];
        if (column == schema->event_time)
            part = (struct slice){(const char *)&d->values[column], sizeof(d->values[column])};
        const uint32_t len = (uint32_t)part.len;
        memcpy(at, &len, KEY_LENGTH_BYTES);
        at += KEY_LENGTH_BYTES;
        if (part.len > 0)
            memcpy(at, part.ptr, part.len);
        at += part.len;
    }
    const XXH128_hash_t hash =
        XXH3_128bits(start, (size_t)(at - start)); /* not committed: scratch */
    out->key[0] = hash.low64;
    out->key[1] = hash.high64;
}

static void put_measures(struct row_decoder *d, struct row *out)
{
    const struct schema *schema = d->schema;
    int64_t *measures = arena_alloc(d->arena, schema->measure_count * sizeof(*measures));
    for (unsigned i = 0; i < schema->measure_count; i++) {
        const struct schema_measure *m = &schema->measures[i];
        measures[i] = m->function == SCHEMA_COUNT ? 1 : d->values[m->column];
    }
    out->measures = measures;
}

/* ---- the row ---- */

static enum reject_reason judge(struct row_decoder *d, const struct row_layout *layout,
                                const struct split_row *split, int64_t timestamp_ms)
{
    if (split->oversized)
        return REJECT_OVERSIZED;
    if (split->has_nul)
        return REJECT_NUL;
    if (split->has_high && !utf8_valid(split->text))
        return REJECT_UTF8;
    if (split->malformed)
        return REJECT_QUOTE;
    if (layout->refused || split->field_count != layout->field_count)
        return REJECT_COLUMNS;
    const enum reject_reason reason = read_values(d, layout, split->fields);
    if (reason != REJECT_NONE)
        return reason;
    return is_future(d, timestamp_ms) ? REJECT_FUTURE : REJECT_NONE;
}

void row_decode(struct row_decoder *d, const struct row_layout *layout,
                const struct split_row *split, int64_t timestamp_ms, struct row *out)
{
    out->reject = judge(d, layout, split, timestamp_ms);
    if (out->reject != REJECT_NONE)
        return;
    out->event_ms = d->values[d->schema->event_time];
    put_measures(d, out);
    put_group(d, layout, split->fields, out);
    put_key(d, layout, split->fields, out);
}
