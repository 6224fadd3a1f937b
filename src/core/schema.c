#include "core/schema.h"

#include "base/buf.h"
#include "base/mem.h"

#include <xxhash.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool name_equal(const char *name, struct slice text)
{
    size_t i = 0;
    while (i < text.len && name[i] != '\0' && lower(name[i]) == lower(text.ptr[i]))
        i++;
    return i == text.len && name[i] == '\0';
}

int schema_find(const struct schema *s, struct slice name)
{
    while (name.len > 0 && is_blank(name.ptr[0]))
        name = (struct slice){name.ptr + 1, name.len - 1};
    while (name.len > 0 && is_blank(name.ptr[name.len - 1]))
        name.len--;
    for (unsigned i = 0; i < s->column_count; i++) {
        const struct schema_column *column = &s->columns[i];
        if (name_equal(column->name, name))
            return (int)i;
        for (unsigned a = 0; a < column->alias_count; a++) {
            if (name_equal(column->aliases[a], name))
                return (int)i;
        }
    }
    return -1;
}

void schema_free(struct schema *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->column_count; i++) {
        mem_free(s->columns[i].name);
        for (unsigned a = 0; a < s->columns[i].alias_count; a++)
            mem_free(s->columns[i].aliases[a]);
    }
    for (unsigned i = 0; i < s->output_count; i++)
        mem_free(s->outputs[i].name);
    mem_free(s->columns);
    mem_free(s->outputs);
    mem_free(s->key);
    mem_free(s->name);
    mem_free(s);
}

/* ---- fingerprint ---- */

#define CANONICAL_VERSION 1
#define CANONICAL_MAX_BYTES (4u * 1024 * 1024) /* 256 columns of 9 names of 128 bytes: 300 KiB */

static void put_bytes(struct buf *b, const void *bytes, size_t len)
{
    const int rc = buf_append(b, bytes, len);
    ASSERT(rc == 0);
}

static void put_number(struct buf *b, int64_t number)
{
    const int rc = buf_printf(b, "%lld;", (long long)number);
    ASSERT(rc == 0);
}

static void put_text(struct buf *b, const char *text)
{
    put_number(b, (int64_t)strlen(text));
    put_bytes(b, text, strlen(text));
}

static void put_format(struct buf *b, const struct timefmt *f)
{
    put_number(b, f->count);
    put_bytes(b, f->parts, f->count);
    for (unsigned i = 0; i < f->count; i++)
        put_number(b, f->is_conversion[i]);
    put_number(b, f->lenient);
}

static void put_indexes(struct buf *b, const unsigned *indexes, unsigned count)
{
    put_number(b, count);
    for (unsigned i = 0; i < count; i++)
        put_number(b, indexes[i]);
}

static void put_column(struct buf *b, const struct schema_column *column)
{
    put_text(b, column->name);
    put_number(b, column->alias_count);
    for (unsigned i = 0; i < column->alias_count; i++)
        put_text(b, column->aliases[i]);
    put_number(b, column->type);
    put_number(b, column->scale);
    put_format(b, &column->format);
    put_format(b, &column->output_format);
    put_number(b, column->has_offset);
    put_number(b, column->utc_offset_ms);
}

static void put_output(struct buf *b, const struct schema_output *output)
{
    put_text(b, output->name);
    put_number(b, output->source);
    put_number(b, output->index);
    put_format(b, &output->format);
}

void schema_fingerprint(const struct schema *s, uint64_t fingerprint[2])
{
    struct buf b;
    buf_init(&b, CANONICAL_MAX_BYTES);
    put_number(&b, CANONICAL_VERSION);
    put_number(&b, s->column_count);
    for (unsigned i = 0; i < s->column_count; i++)
        put_column(&b, &s->columns[i]);
    put_number(&b, s->event_time);
    put_indexes(&b, s->key, s->key_count);
    put_indexes(&b, s->group, s->group_count);
    put_number(&b, s->measure_count);
    for (unsigned i = 0; i < s->measure_count; i++) {
        put_number(&b, s->measures[i].function);
        put_number(&b, s->measures[i].column);
    }
    put_number(&b, s->output_count);
    for (unsigned i = 0; i < s->output_count; i++)
        put_output(&b, &s->outputs[i]);
    put_number(&b, s->row_number);
    const XXH128_hash_t hash = XXH3_128bits(b.data, b.len);
    fingerprint[0] = hash.low64;
    fingerprint[1] = hash.high64;
    buf_deinit(&b);
}
