#include "core/decode.h"

#include "base/arena.h"
#include "base/mem.h"
#include "core/decode_row.h"
#include "core/jsonstr.h"
#include "core/utf8.h"

/* What a decoder keeps between batches: one of some thousand messages, not the largest ever. */
#define KEEP_ARENA_BYTES (8u * 1024 * 1024)
#define KEEP_ROWS 65536u

/* A filter in front of schema_find(): which pairs of length and first letter names have. */
#define NAME_BITS 32

struct decoder {
    const struct schema *schema;
    struct arena arena;
    struct splitter *splitter;
    struct row_decoder row_decoder;
    struct row_layout positional; /* of rows without a header */
    struct row_layout by_header;  /* of the current message */
    uint32_t names[NAME_BITS];    /* [length % 32] bit: first letter % 32 */
    struct row *rows;
    size_t row_count, row_cap;
};

/* ---- life ---- */

static void add_to_names(struct decoder *d, const char *name)
{
    d->names[strlen(name) % NAME_BITS] |= UINT32_C(1) << (name[0] & 31);
}

struct decoder *decoder_new(const struct schema *schema, const struct decode_options *options)
{
    struct decoder *d = mem_calloc(1, sizeof(*d));
    d->schema = schema;
    arena_init(&d->arena, KEEP_ARENA_BYTES);
    d->splitter = splitter_new(options->libcsv_only);
    d->row_decoder.schema = schema;
    d->row_decoder.arena = &d->arena;
    d->row_decoder.max_future_skew_ms = options->max_future_skew_ms;
    row_layout_default(&d->positional, schema);
    for (unsigned i = 0; i < schema->column_count; i++) {
        add_to_names(d, schema->columns[i].name);
        for (unsigned a = 0; a < schema->columns[i].alias_count; a++)
            add_to_names(d, schema->columns[i].aliases[a]);
    }
    return d;
}

void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    splitter_free(d->splitter);
    arena_deinit(&d->arena);
    mem_free(d->rows);
    mem_free(d);
}

size_t decoder_memory_bytes(const struct decoder *d)
{
    return sizeof(*d) + d->arena.held_bytes + d->row_cap * sizeof(*d->rows) +
           splitter_memory_bytes(d->splitter);
}

/* ---- rows of a message ---- */

/* A message while it is decoded. */
struct message {
    const struct record *record;
    uint32_t index;   /* in the batch */
    size_t first_row; /* in d->rows */
};

static struct row *add_row(struct decoder *d, const struct message *m, struct slice text)
{
    if (d->row_count == d->row_cap) {
        d->row_cap = d->row_cap > 0 ? d->row_cap * 2 : 256;
        d->rows = mem_realloc(d->rows, d->row_cap * sizeof(*d->rows));
    }
    struct row *row = &d->rows[d->row_count];
    row->offset = m->record->offset;
    row->record = m->index;
    row->number = (uint32_t)(d->row_count - m->first_row);
    row->text = text;
    d->row_count++;
    return row;
}

static void reject_message(struct decoder *d, const struct message *m, enum reject_reason reason)
{
    add_row(d, m, m->record->value)->reject = reason;
}

static bool may_be_name(const struct decoder *d, struct slice field)
{
    while (field.len > 0 && (field.ptr[0] == ' ' || field.ptr[0] == '\t'))
        field = (struct slice){field.ptr + 1, field.len - 1};
    while (field.len > 0 && (field.ptr[field.len - 1] == ' ' || field.ptr[field.len - 1] == '\t'))
        field.len--;
    return field.len > 0 && (d->names[field.len % NAME_BITS] >> (field.ptr[0] & 31) & 1) != 0;
}

/* At least two and at least half of the fields are names of columns. */
static bool is_header(const struct decoder *d, const struct split_row *row)
{
    if (row->malformed || row->oversized || row->has_nul)
        return false;
    size_t names = 0, others = 0;
    for (size_t i = 0; i < row->field_count && others * 2 <= row->field_count; i++) {
        if (may_be_name(d, row->fields[i]) && schema_find(d->schema, row->fields[i]) >= 0)
            names++;
        else
            others++;
    }
    return names >= 2 && others * 2 <= row->field_count;
}

static void decode_text(struct decoder *d, const struct message *m, struct slice text)
{
    const struct row_layout *layout = &d->positional;
    struct split_row split;
    splitter_start(d->splitter, text);
    bool first = true;
    while (splitter_next(d->splitter, &split)) {
        if (first && is_header(d, &split)) {
            row_layout_of_header(&d->by_header, d->schema, &split);
            layout = &d->by_header;
            first = false;
            continue;
        }
        first = false;
        struct row *row = add_row(d, m, split.text);
        if (row->number == DECODE_MAX_ROWS - 1) {
            row->reject = REJECT_OVERSIZED;
            row->text.len = (size_t)(text.ptr + text.len - split.text.ptr);
            return;
        }
        row_decode(&d->row_decoder, layout, &split, m->record->timestamp_ms, row);
    }
}

/* ---- a message ---- */

static struct slice without_mark(struct slice value)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (value.len >= 3 && memcmp(value.ptr, mark, 3) == 0)
        return (struct slice){value.ptr + 3, value.len - 3};
    return value;
}

/* The text of a message, its JSON string undone. */
static enum reject_reason unwrap(struct decoder *d, struct slice value, struct slice *text)
{
    *text = without_mark(value);
    struct slice inner;
    if (text->len == 0 || !jsonstr_find(*text, &inner))
        return REJECT_NONE;
    if (jsonstr_is_plain(inner)) {
        *text = without_mark(inner);
        return REJECT_NONE;
    }
    char *const room = arena_reserve(&d->arena, inner.len);
    size_t len;
    if (jsonstr_decode(inner, room, &len)) {
        arena_commit(&d->arena, len);
        *text = without_mark((struct slice){room, len});
        return REJECT_NONE;
    }
    if (memchr(value.ptr, '\0', value.len) != NULL)
        return REJECT_NUL;
    return utf8_valid(value) ? REJECT_JSON : REJECT_UTF8;
}

static void decode_message(struct decoder *d, const struct message *m)
{
    const struct slice value = m->record->value;
    if (m->record->tombstone) {
        reject_message(d, m, REJECT_TOMBSTONE);
        return;
    }
    if (value.len > DECODE_MAX_MESSAGE_BYTES) {
        reject_message(d, m, REJECT_OVERSIZED);
        return;
    }
    struct slice text;
    const enum reject_reason reason = unwrap(d, value, &text);
    if (reason != REJECT_NONE) {
        reject_message(d, m, reason);
        return;
    }
    decode_text(d, m, text);
    if (d->row_count == m->first_row)
        reject_message(d, m, REJECT_COLUMNS); /* empty, blank lines, a header and nothing else */
    else if (d->row_count == m->first_row + 1)
        d->rows[m->first_row].text = value;
}

size_t decoder_run(struct decoder *d, const struct record *records, size_t count,
                   const struct row **rows)
{
    ASSERT(count <= UINT32_MAX);
    arena_reset(&d->arena);
    if (d->row_cap > KEEP_ROWS) {
        mem_free(d->rows);
        d->rows = NULL;
        d->row_cap = 0;
    }
    d->row_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct message m = {&records[i], (uint32_t)i, d->row_count};
        decode_message(d, &m);
    }
    *rows = d->rows;
    return d->row_count;
}
