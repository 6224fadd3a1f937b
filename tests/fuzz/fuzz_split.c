/* The splitter against libcsv and against itself. libcsv reads the whole text in one go here, so
 * that it finds the rows too; where it sees no mistake, rows and fields must be the same. */
#include "base/mem.h"
#include "core/split.h"
#include "fuzz.h"

#include <csv.h>
#include <string.h>

/* Rows and fields as one text: every field ends with its length, every row with a mark. */
struct trace {
    char *bytes;
    size_t len, cap;
    size_t rows;
};

static void put(struct trace *t, const void *bytes, size_t len)
{
    if (t->cap - t->len < len) {
        t->cap = 2 * (t->cap + len);
        t->bytes = mem_realloc(t->bytes, t->cap);
    }
    if (len > 0)
        memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static void put_field(void *bytes, size_t len, void *trace)
{
    put(trace, bytes, len);
    put(trace, &len, sizeof(len));
}

static void put_row(int terminator, void *trace)
{
    const size_t mark = SIZE_MAX;
    UNUSED(terminator);
    put(trace, &mark, sizeof(mark));
    ((struct trace *)trace)->rows++;
}

static int never(unsigned char byte)
{
    UNUSED(byte);
    return 0;
}

static bool trace_libcsv(struct slice text, struct trace *t)
{
    struct csv_parser parser;
    ASSERT(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
    csv_set_space_func(&parser, never);
    const bool ok = csv_parse(&parser, text.ptr, text.len, put_field, put_row, t) == text.len &&
                    csv_fini(&parser, put_field, put_row, t) == 0;
    csv_free(&parser);
    return ok;
}

/* False: a row is malformed or too large. */
static bool trace_splitter(struct splitter *s, struct slice text, struct trace *t, bool *malformed)
{
    bool ok = true;
    const char *last_end = text.ptr;
    struct split_row row;
    splitter_start(s, text);
    while (splitter_next(s, &row)) {
        ASSERT(row.text.len > 0 && row.text.ptr >= last_end);
        for (const char *gap = last_end; gap < row.text.ptr; gap++)
            ASSERT(*gap == '\n' || *gap == '\r'); /* nothing else is left out */
        last_end = row.text.ptr + row.text.len;
        ASSERT(last_end <= text.ptr + text.len);
        ASSERT(row.has_nul == (memchr(row.text.ptr, 0, row.text.len) != NULL));
        ok = ok && !row.malformed && !row.oversized;
        *malformed = *malformed || row.malformed;
        if (row.malformed || row.oversized) /* libcsv's trace has no such field */
            put(t, row.malformed ? "malformed" : "oversized", 9);
        for (size_t i = 0; !row.malformed && !row.oversized && i < row.field_count; i++) {
            ASSERT(row.fields[i].len <= row.text.len);
            put_field((char *)(uintptr_t)row.fields[i].ptr, row.fields[i].len, t);
        }
        put_row(0, t);
    }
    for (const char *gap = last_end; gap < text.ptr + text.len; gap++)
        ASSERT(*gap == '\n' || *gap == '\r');
    return ok;
}

static void compare(const struct trace *a, const struct trace *b)
{
    ASSERT(a->rows == b->rows && a->len == b->len);
    ASSERT(a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = {size > 0 ? (const char *)data : "", size};
    static struct splitter *fast, *slow; /* kept: a text must not change what the next one gives */
    if (fast == NULL) {
        fast = splitter_new(false);
        slow = splitter_new(true);
    }
    struct trace a = {0}, b = {0}, c = {0};
    bool malformed = false;
    const bool ok = trace_splitter(fast, text, &a, &malformed);
    ASSERT(trace_splitter(slow, text, &b, &malformed) == ok);
    compare(&a, &b);
    const bool oracle_ok = trace_libcsv(text, &c);
    if (ok)
        compare(&a, &c);
    ASSERT(oracle_ok || !ok);
    ASSERT(!malformed || !oracle_ok); /* what we reject, libcsv rejects */
    mem_free(a.bytes);
    mem_free(b.bytes);
    mem_free(c.bytes);
    return 0;
}
