/* The expected bytes of the first test were written by Python's csv module
 * (golden/encode_batch.py). Gzip bytes are never compared, only what they unpack to. */
#include "core/encode.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>
#include <cmocka.h>

enum { CA, LINENAME, DATE, DESC, ENTRIES, EXITS, FARE, COLUMNS };

static struct schema_column columns[COLUMNS] = {
    [CA] = {.name = (char[]){"CA"}, .type = SCHEMA_STRING},
    [LINENAME] = {.name = (char[]){"LINENAME"}, .type = SCHEMA_STRING},
    [DATE] = {.name = (char[]){"DATE"}, .type = SCHEMA_DATE},
    [DESC] = {.name = (char[]){"DESC"}, .type = SCHEMA_STRING},
    [ENTRIES] = {.name = (char[]){"ENTRIES"}, .type = SCHEMA_INT64},
    [EXITS] = {.name = (char[]){"EXITS"}, .type = SCHEMA_INT64},
    [FARE] = {.name = (char[]){"FARE"}, .type = SCHEMA_DECIMAL, .scale = 2},
};

#define MEASURES 4

static struct schema_output outputs[] = {
    {.name = (char[]){"CA"}, .source = SCHEMA_OUT_GROUP, .index = 0},
    {.name = (char[]){"LINENAME"}, .source = SCHEMA_OUT_GROUP, .index = 1},
    {.name = (char[]){"DATE"}, .source = SCHEMA_OUT_GROUP, .index = 2},
    {.name = (char[]){"TIME"}, .source = SCHEMA_OUT_WINDOW_END},
    {.name = (char[]){"DESC"}, .source = SCHEMA_OUT_GROUP, .index = 3},
    {.name = (char[]){"ENTRIES"}, .source = SCHEMA_OUT_MEASURE, .index = 0},
    {.name = (char[]){"EXITS"}, .source = SCHEMA_OUT_MEASURE, .index = 1},
    {.name = (char[]){"FARE"}, .source = SCHEMA_OUT_MEASURE, .index = 2},
    {.name = (char[]){"ROWS"}, .source = SCHEMA_OUT_MEASURE, .index = 3},
    {.name = (char[]){"START"}, .source = SCHEMA_OUT_WINDOW_START},
};

static struct schema schema_of_test(void)
{
    struct err err;
    assert_int_equal(timefmt_compile(&outputs[3].format, "%H:%M:%S", false, &err), 0);
    assert_int_equal(timefmt_compile(&outputs[9].format, "%Y-%m-%d %H:%M:%S", false, &err), 0);
    return (struct schema){.columns = columns,
                           .column_count = COLUMNS,
                           .group = {CA, LINENAME, DATE, DESC},
                           .group_count = 4,
                           .measures = {{SCHEMA_SUM, ENTRIES},
                                        {SCHEMA_SUM, EXITS},
                                        {SCHEMA_SUM, FARE},
                                        {SCHEMA_COUNT, 0}},
                           .measure_count = MEASURES,
                           .outputs = outputs,
                           .output_count = ARRAY_LEN(outputs),
                           .row_number = true,
                           .unique = {0, 2},
                           .unique_count = 2};
}

static const struct {
    struct slice key; /* one NUL between two values */
    int64_t measures[MEASURES];
} rows[] = {
    {SLICE_LITERAL("A005\0=1+1\00007/23/2024\0NA"), {INT64_C(1000000000000000000), 0, 7, 1}},
    {SLICE_LITERAL("A003\0'\00007/23/2024\0caf\xc3\xa9; tab\t"), {INT64_MAX, INT64_MIN, 50, 1}},
    {SLICE_LITERAL("\0\00007/22/2024\0"), {0, 0, 0, 1}},
    {SLICE_LITERAL("A\"002\"\0a,b\00007/22/2024\0two\nlines"), {INT64_MAX, INT64_MIN, -5, 1}},
    {SLICE_LITERAL("A003\0'\00007/23/2024\0caf\xc3\xa9; tab\t"), {INT64_MAX, INT64_MIN, 75, 1}},
    {SLICE_LITERAL("A004\0\\\00007/23/2024\0\""), {1, 2, -100, 1}},
    {SLICE_LITERAL(" A001 \000456NQR\00007/22/2024\0REGULAR"), {9, -10, 1234, 1}},
    {SLICE_LITERAL("A003\0'\00007/23/2024\0caf\xc3\xa9; tab\t"), {INT64_MAX, INT64_MIN, -25, 1}},
};

#define END_MS (INT64_C(1721606700000)) /* 2024-07-22 00:05:00 */
#define START_MS (END_MS - 600000)

static struct object *batch(struct groups *groups)
{
    struct object *o = mem_calloc(1, sizeof(*o));
    o->kind = OBJECT_MINI_BATCH;
    o->name = object_batch_name("turnstile", START_MS, END_MS, 300000, -1);
    o->window_start_ms = START_MS;
    o->window_end_ms = END_MS;
    groups_sort(groups);
    o->groups = groups;
    buf_init(&o->lines, 0);
    return o;
}

static uint64_t hash_of(struct slice key)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * 1099511628211u;
    return hash;
}

static struct groups *groups_of_test(const struct schema *schema)
{
    struct groups *g = groups_new(schema);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        groups_add(g, hash_of(rows[i].key), rows[i].key, rows[i].measures);
    return g;
}

static void assert_bytes(const struct buf *out, const char *expected, size_t len)
{
    if (out->len != len || memcmp(out->data, expected, len) != 0)
        fail_msg("expected:\n%.*sbut got:\n%.*s", (int)len, expected, (int)out->len, out->data);
}

static void writes_what_python_writes(void **state)
{
    UNUSED(state);
    char expected[4096];
    FILE *file = fopen(GOLDEN_DIR "/encode_batch.csv", "rb");
    assert_non_null(file);
    const size_t len = fread(expected, 1, sizeof(expected), file);
    fclose(file);
    const struct schema schema = schema_of_test();
    struct object *o = batch(groups_of_test(&schema));
    struct encode_report report;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(encode_object(&schema, o, &out, &report), 0);
    assert_bytes(&out, expected, len);
    assert_int_equal(report.rows, 6);
    assert_int_equal(report.unique_collisions, 0);
    buf_deinit(&out);
    object_free(o);
}

static void a_carriage_return_is_quoted(void **state)
{
    UNUSED(state);
    struct schema schema = schema_of_test();
    schema.group_count = schema.output_count = 1;
    schema.unique_count = 0;
    schema.row_number = false;
    struct groups *g = groups_new(&schema);
    const struct slice key = SLICE_LITERAL("a\rb");
    groups_add(g, hash_of(key), key, rows[0].measures);
    groups_add(g, hash_of(SLICE_LITERAL("")), SLICE_LITERAL(""), rows[0].measures);
    struct object *o = batch(g);
    struct encode_report report;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(encode_object(&schema, o, &out, &report), 0);
    /* a record whose only field is empty is written as two quotes */
    const char *expected = "CA\n\"\"\n\"a\rb\"\n";
    assert_bytes(&out, expected, strlen(expected));
    buf_deinit(&out);
    object_free(o);
}

static void counts_rows_that_the_warehouse_takes_for_one(void **state)
{
    UNUSED(state);
    static const struct slice keys[] = {
        SLICE_LITERAL("A\0x\0D\0p"), SLICE_LITERAL("A\0y\0D\0p"), SLICE_LITERAL("A\0z\0D\0q"),
        SLICE_LITERAL("A\0x\0E\0p"), SLICE_LITERAL("B\0x\0D\0p"), SLICE_LITERAL("AD\0x\0\0p"),
        SLICE_LITERAL("\0x\0AD\0p"),
    };
    const struct schema schema = schema_of_test();
    struct groups *g = groups_new(&schema);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        groups_add(g, hash_of(keys[i]), keys[i], rows[0].measures);
    struct object *o = batch(g);
    struct encode_report report;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(encode_object(&schema, o, &out, &report), 0);
    assert_int_equal(report.unique_collisions, 2); /* A, D thrice */
    buf_deinit(&out);
    object_free(o);
}

static void numbers_at_the_ends_of_their_range(void **state)
{
    UNUSED(state);
    struct schema schema = schema_of_test();
    struct groups *g = groups_new(&schema);
    /* 2^40 times the smallest value: far beyond 64 bits, still exact */
    const int64_t extreme[] = {INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX};
    groups_add(g, 1, SLICE_LITERAL("a\0b\0c\0d"), extreme);
    for (int i = 0; i < 40; i++) {
        struct groups *twice = groups_new(&schema);
        groups_merge(twice, g);
        groups_merge(twice, g);
        groups_free(g);
        g = twice;
    }
    struct object *o = batch(g);
    struct encode_report report;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(encode_object(&schema, o, &out, &report), 0);
    const char *line = memchr(out.data, '\n', out.len);
    assert_non_null(line);
    /* python3 -c 'print(-2**103, (2**63-1) * 2**40, -2**103)' */
    const char *expected = "\n0,a,b,c,00:05:00,d,-10141204801825835211973625643008,"
                           "10141204801825835210874114015232,-101412048018258352119736256430.08,";
    assert_memory_equal(line, expected, strlen(expected));
    buf_deinit(&out);
    object_free(o);
}

static void names_are_those_of_the_contract(void **state)
{
    UNUSED(state);
    static const struct {
        int64_t start, end, slide;
        int32_t partition;
        const char *name;
    } cases[] = {
        {START_MS, END_MS, 300000, -1, "turnstile/batch_5738687_20240722_000500.csv.gz"},
        {START_MS, END_MS, 300000, 12, "turnstile/batch_5738687_20240722_000500_p12.csv.gz"},
        {0, 300000, 300000, 0, "turnstile/batch_0_19700101_000500_p0.csv.gz"},
        {-300000, 0, 300000, -1, "turnstile/batch_-1_19700101_000000.csv.gz"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *name = object_batch_name("turnstile", cases[i].start, cases[i].end, cases[i].slide,
                                       cases[i].partition);
        assert_string_equal(name, cases[i].name);
        mem_free(name);
    }
    char *side = object_side_name("rejected", "mta-turnstile", 3, INT64_C(12345678901));
    assert_string_equal(side, "rejected/mta-turnstile-3-12345678901.jsonl.gz");
    mem_free(side);
}

static size_t gunzip(struct slice packed, char *out, size_t cap)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)packed.ptr;
    z.avail_in = (uInt)packed.len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END); /* checks CRC and length too */
    assert_int_equal(z.avail_in, 0);
    const size_t len = cap - z.avail_out;
    inflateEnd(&z);
    return len;
}

static void gzip_gives_the_bytes_back_and_carries_no_time(void **state)
{
    UNUSED(state);
    static char plain[300000], back[300001];
    uint32_t seed = 3;
    for (size_t i = 0; i < sizeof(plain); i++) {
        seed = seed * 1664525u + 1013904223u;
        plain[i] = (char)(seed >> (i % 3 ? 24 : 30));
    }
    static const size_t lengths[] = {0, 1, 1000, 65536, sizeof(plain)};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(encode_gzip((struct slice){plain, lengths[i]}, ENCODE_GZIP_LEVEL, &out),
                         0);
        assert_memory_equal(out.data, "\x1f\x8b\x08\x00\x00\x00\x00\x00", 8); /* no name, mtime 0 */
        assert_int_equal(gunzip(buf_slice(&out), back, sizeof(back)), lengths[i]);
        assert_memory_equal(back, plain, lengths[i]);
        buf_deinit(&out);
    }
}

static void what_does_not_fit_is_an_error(void **state)
{
    UNUSED(state);
    const struct schema schema = schema_of_test();
    struct object *o = batch(groups_of_test(&schema));
    struct encode_report report;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(encode_object(&schema, o, &out, &report), 0);
    const size_t whole = out.len;
    buf_deinit(&out);
    for (size_t max = 0; max < whole; max++) {
        buf_init(&out, max);
        assert_int_equal(encode_object(&schema, o, &out, &report), ERR_TOO_LARGE);
        buf_deinit(&out);
    }
    for (size_t max = 0; max < 20; max++) {
        buf_init(&out, max);
        assert_int_equal(encode_gzip(SLICE_LITERAL("abc"), 6, &out), ERR_TOO_LARGE);
        assert_int_equal(out.len, 0);
        buf_deinit(&out);
    }
    object_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_python_writes),
        cmocka_unit_test(a_carriage_return_is_quoted),
        cmocka_unit_test(counts_rows_that_the_warehouse_takes_for_one),
        cmocka_unit_test(numbers_at_the_ends_of_their_range),
        cmocka_unit_test(names_are_those_of_the_contract),
        cmocka_unit_test(gzip_gives_the_bytes_back_and_carries_no_time),
        cmocka_unit_test(what_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
