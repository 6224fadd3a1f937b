#include "core/encode.h"

#include "base/mem.h"
#include "base/timefmt.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

/* ---- CSV ---- */

/* One line under way. Counts fields, because Python's csv module, which pandas writes with, quotes
 * a record whose only field is empty: an empty line would be no record at all. */
struct line {
    struct buf *out;
    size_t start;
    unsigned fields;
    int rc; /* first failure; later writes are no-ops */
};

static void line_bytes(struct line *l, const char *bytes, size_t len)
{
    if (l->rc == 0)
        l->rc = buf_append(l->out, bytes, len);
}

static void line_separator(struct line *l)
{
    if (l->fields++ > 0)
        line_bytes(l, ",", 1);
}

/* A lone CR is quoted too: Python does so from 3.13 on, before it wrote what no reader reads. */
static bool needs_quotes(struct slice field)
{
    for (size_t i = 0; i < field.len; i++) {
        const char c = field.ptr[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r')
            return true;
    }
    return false;
}

static void line_text(struct line *l, struct slice field)
{
    line_separator(l);
    if (!needs_quotes(field)) {
        line_bytes(l, field.ptr, field.len);
        return;
    }
    line_bytes(l, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < field.len; i++) {
        if (field.ptr[i] != '"')
            continue;
        line_bytes(l, field.ptr + from, i + 1 - from); /* up to and with the quote, */
        from = i;                                      /* which so comes twice */
    }
    line_bytes(l, field.ptr + from, field.len - from);
    line_bytes(l, "\"", 1);
}

#define SUM_DIGITS 39 /* of 2^127 */

/* `scale` digits stand behind the point. printf knows no 128-bit integers. */
static void line_sum(struct line *l, groups_sum value, unsigned scale)
{
    ASSERT(scale < SUM_DIGITS);
    char text[SUM_DIGITS + 3]; /* and sign, point, spare */
    size_t at = sizeof(text);
    unsigned digits = 0;
    const bool negative = value < 0;
    /* the magnitude as unsigned: that of the smallest value has no signed counterpart */
    __extension__ typedef unsigned __int128 magnitude;
    magnitude rest = negative ? -(magnitude)value : (magnitude)value;
    while (rest > 0 || digits <= scale) {
        if (scale > 0 && digits == scale)
            text[--at] = '.';
        text[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
        digits++;
    }
    if (negative)
        text[--at] = '-';
    line_separator(l);
    line_bytes(l, text + at, sizeof(text) - at);
}

static int line_end(struct line *l)
{
    if (l->rc == 0 && l->fields == 1 && l->out->len == l->start)
        line_bytes(l, "\"\"", 2);
    line_bytes(l, "\n", 1);
    return l->rc;
}

static unsigned measure_scale(const struct schema *schema, const struct schema_measure *measure)
{
    if (measure->function == SCHEMA_COUNT)
        return 0;
    const struct schema_column *column = &schema->columns[measure->column];
    return column->type == SCHEMA_DECIMAL ? column->scale : 0;
}

static int csv_header(const struct schema *schema, struct buf *out)
{
    struct line l = {.out = out, .start = out->len};
    if (schema->row_number)
        line_text(&l, SLICE_LITERAL(""));
    for (unsigned i = 0; i < schema->output_count; i++)
        line_text(&l, slice_of(schema->outputs[i].name));
    return line_end(&l);
}

/* The window's two times, formatted once for all rows. */
struct window_texts {
    char text[SCHEMA_MAX_COLUMNS][TIMEFMT_MAX_TEXT];
    size_t len[SCHEMA_MAX_COLUMNS];
};

static void format_window(const struct schema *schema, const struct object *object,
                          struct window_texts *texts)
{
    ASSERT(schema->output_count <= SCHEMA_MAX_COLUMNS);
    for (unsigned i = 0; i < schema->output_count; i++) {
        const struct schema_output *output = &schema->outputs[i];
        if (output->source == SCHEMA_OUT_WINDOW_START)
            texts->len[i] =
                timefmt_format(&output->format, object->window_start_ms, texts->text[i]);
        else if (output->source == SCHEMA_OUT_WINDOW_END)
            texts->len[i] = timefmt_format(&output->format, object->window_end_ms, texts->text[i]);
    }
}

/* The key is the group's values, each in its output form, with a NUL between two. */
static void split_key(const struct schema *schema, struct slice key, struct slice *values)
{
    for (unsigned i = 0; i + 1 < schema->group_count; i++) {
        const char *nul = key.len ? memchr(key.ptr, '\0', key.len) : NULL;
        ASSERT(nul != NULL);
        values[i] = (struct slice){key.ptr, (size_t)(nul - key.ptr)};
        key = (struct slice){nul + 1, key.len - values[i].len - 1};
    }
    if (schema->group_count > 0)
        values[schema->group_count - 1] = key;
}

static int csv_row(const struct schema *schema, const struct window_texts *texts, size_t number,
                   const struct slice *values, const groups_sum *totals, struct buf *out)
{
    struct line l = {.out = out, .start = out->len};
    if (schema->row_number)
        line_sum(&l, (groups_sum)number, 0);
    for (unsigned i = 0; i < schema->output_count; i++) {
        const struct schema_output *output = &schema->outputs[i];
        switch (output->source) {
        case SCHEMA_OUT_GROUP:
            line_text(&l, values[output->index]);
            break;
        case SCHEMA_OUT_MEASURE:
            line_sum(&l, totals[output->index],
                     measure_scale(schema, &schema->measures[output->index]));
            break;
        case SCHEMA_OUT_WINDOW_START:
        case SCHEMA_OUT_WINDOW_END:
            line_text(&l, (struct slice){texts->text[i], texts->len[i]});
            break;
        }
    }
    return line_end(&l);
}

/* ---- rows that the reader downstream takes for one ---- */

static XXH128_hash_t unique_hash(const struct schema *schema, const struct slice *values)
{
    XXH128_hash_t hash = {0, 0};
    for (unsigned i = 0; i < schema->unique_count; i++) {
        const struct slice value = values[schema->unique[i]];
        const XXH128_hash_t part = XXH3_128bits_withSeed(value.ptr, value.len, hash.low64);
        const uint64_t chain[2] = {hash.high64 ^ part.high64, part.low64};
        hash = XXH3_128bits(chain, sizeof(chain));
    }
    return hash;
}

static int compare_hashes(const void *a, const void *b)
{
    return XXH128_cmp(a, b);
}

static uint64_t count_collisions(XXH128_hash_t *hashes, size_t count)
{
    uint64_t collisions = 0;
    qsort(hashes, count, sizeof(*hashes), compare_hashes);
    for (size_t i = 1; i < count; i++)
        collisions += XXH128_isEqual(hashes[i - 1], hashes[i]) ? 1 : 0;
    return collisions;
}

static int encode_batch(const struct schema *schema, const struct object *object, struct buf *out,
                        struct encode_report *report)
{
    const size_t count = groups_count(object->groups);
    const bool unique = schema->unique_count > 0;
    XXH128_hash_t *hashes = unique ? mem_calloc(count, sizeof(*hashes)) : NULL;
    struct window_texts *texts = mem_calloc(1, sizeof(*texts));
    format_window(schema, object, texts);
    int rc = csv_header(schema, out);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct slice key, values[SCHEMA_MAX_GROUP];
        const groups_sum *totals = groups_entry(object->groups, i, &key);
        split_key(schema, key, values);
        if (unique)
            hashes[i] = unique_hash(schema, values);
        rc = csv_row(schema, texts, i, values, totals, out);
    }
    if (rc == 0)
        *report = (struct encode_report){
            .rows = count, .unique_collisions = unique ? count_collisions(hashes, count) : 0};
    mem_free(texts);
    mem_free(hashes);
    return rc;
}

int encode_object(const struct schema *schema, const struct object *object, struct buf *out,
                  struct encode_report *report)
{
    *report = (struct encode_report){0};
    switch (object->kind) {
    case OBJECT_MINI_BATCH:
        return encode_batch(schema, object, out, report);
    case OBJECT_SIDE:
    case OBJECT_RAW:
        report->rows = object->rows;
        return buf_append(out, object->lines.data, object->lines.len);
    }
    ASSERT(object->kind == OBJECT_SIDE); /* no other kind */
    return ERR_FATAL;
}

/* ---- gzip ---- */

#define GZIP_WINDOW_BITS (15 + 16) /* the largest window; 16 asks zlib for a gzip wrapper */
#define GZIP_MEM_LEVEL 8           /* zlib's default, named so that no build can differ */
#define GZIP_STEP_BYTES (64 * 1024)

/* avail_in is 32 bits wide, so long input goes in pieces. */
static void feed(z_stream *z, struct slice *plain)
{
    if (z->avail_in > 0 || plain->len == 0)
        return;
    const size_t n = plain->len < UINT_MAX ? plain->len : UINT_MAX;
    z->next_in = (Bytef *)(uintptr_t)plain->ptr; /* zlib's in-pointer lacks const by default */
    z->avail_in = (uInt)n;
    *plain = (struct slice){plain->ptr + n, plain->len - n};
}

int encode_gzip(struct slice plain, int level, struct buf *out)
{
    const size_t before = out->len;
    z_stream z = {0};
    /* without deflateSetHeader() zlib writes mtime 0 and no name */
    ASSERT(deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEM_LEVEL,
                        Z_DEFAULT_STRATEGY) == Z_OK);
    int state = Z_OK, rc = 0;
    while (rc == 0 && state != Z_STREAM_END) {
        feed(&z, &plain);
        size_t room = out->max_bytes - out->len;
        if (room > GZIP_STEP_BYTES)
            room = GZIP_STEP_BYTES;
        rc = room > 0 ? buf_reserve(out, room) : ERR_TOO_LARGE;
        if (rc != 0)
            break;
        z.next_out = (Bytef *)out->data + out->len;
        z.avail_out = (uInt)room;
        state = deflate(&z, plain.len == 0 ? Z_FINISH : Z_NO_FLUSH);
        ASSERT(state != Z_STREAM_ERROR);
        out->len += room - z.avail_out;
    }
    deflateEnd(&z);
    if (rc != 0)
        out->len = before;
    return rc;
}
