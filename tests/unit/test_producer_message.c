/* Rows, ids, JSON and messages: byte for byte. */
#include "base/err.h"
#include "producer/feed_dummy.h"
#include "producer/json.h"
#include "producer/message.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void assert_slice(struct slice got, const char *want)
{
    if (!slice_equal(got, slice_of(want)))
        fail_msg("got '%.*s', want '%s'", (int)got.len, got.ptr, want);
}

/* The right column is what Python's json.dumps() printed for the left. */
static void test_json_string(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        const char *json;
    } examples[] = {
        {SLICE_LITERAL(""), "\"\""},
        {SLICE_LITERAL("plain /~"), "\"plain /~\""},
        {SLICE_LITERAL("q\"b\\"), "\"q\\\"b\\\\\""},
        {SLICE_LITERAL("\b\f\n\r\t\0\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\""},
        {SLICE_LITERAL("caf\xc3\xa9 \xe6\xbc\xa2"), "\"caf\\u00e9 \\u6f22\""},
        {SLICE_LITERAL("\xf0\x9f\x8e\x89"), "\"\\ud83c\\udf89\""},
        {SLICE_LITERAL("\xf4\x8f\xbf\xbf"), "\"\\udbff\\udfff\""},
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        buf_clear(&out);
        assert_int_equal(json_append_string(&out, examples[i].text), 0);
        assert_slice(buf_slice(&out), examples[i].json);
    }
    buf_deinit(&out);
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(json_is_utf8(SLICE_LITERAL("")));
    assert_true(json_is_utf8(SLICE_LITERAL("a\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x8e\x89")));
    static const char *const wrong[] = {"\x80",
                                        "\xc3",
                                        "\xc3(",
                                        "\xc0\xaf",
                                        "\xe0\x80\xaf",
                                        "\xed\xa0\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xe6\xbc"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (json_is_utf8(slice_of(wrong[i])))
            fail_msg("wrong[%zu] passed", i);
}

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        struct slice bytes;
        const char *text;
    } examples[] = {/* RFC 4648 section 10 */
                    {SLICE_LITERAL(""), ""},
                    {SLICE_LITERAL("f"), "Zg=="},
                    {SLICE_LITERAL("fo"), "Zm8="},
                    {SLICE_LITERAL("foo"), "Zm9v"},
                    {SLICE_LITERAL("foob"), "Zm9vYg=="},
                    {SLICE_LITERAL("fooba"), "Zm9vYmE="},
                    {SLICE_LITERAL("foobar"), "Zm9vYmFy"},
                    {SLICE_LITERAL("\xff\xfe"), "//4="}};
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        buf_clear(&out);
        assert_int_equal(json_append_base64(&out, examples[i].bytes), 0);
        assert_slice(buf_slice(&out), examples[i].text);
    }
    buf_deinit(&out);
}

static void test_uuid(void **state)
{
    (void)state;
    char text[UUID_TEXT_BYTES];
    uuid_format(0x0123456789abcdef, 0xfedcba9876543210, 4, text);
    assert_string_equal(text, "01234567-89ab-4def-bedc-ba9876543210");
    uuid_format(UINT64_MAX, UINT64_MAX, 8, text);
    assert_string_equal(text, "ffffffff-ffff-8fff-bfff-ffffffffffff");
    uuid_format(0, 0, 4, text);
    assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
}

static void test_csv_quotes_where_needed(void **state)
{
    (void)state;
    const struct slice fields[] = {SLICE_LITERAL("plain"),      SLICE_LITERAL("a,b"),
                                   SLICE_LITERAL("say \"hi\""), SLICE_LITERAL(""),
                                   SLICE_LITERAL("two\nlines"), SLICE_LITERAL(" blank ")};
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(row_append_csv(&out, fields, ARRAY_LEN(fields), ROW_NOT_RAW), 0);
    assert_slice(buf_slice(&out), "plain,\"a,b\",\"say \"\"hi\"\"\",,\"two\nlines\", blank ");
    buf_clear(&out);
    assert_int_equal(row_append_csv(&out, &fields[2], 1, 0), 0);
    assert_slice(buf_slice(&out), "say \"hi\"");
    buf_clear(&out);
    out.max_bytes = 10;
    assert_int_equal(row_append_csv(&out, fields, ARRAY_LEN(fields), ROW_NOT_RAW), ERR_TOO_LARGE);
    buf_deinit(&out);
}

/* The row that the course's producer shows in its documentation. */
static struct row known_row(struct row_times *times)
{
    struct row_formats formats;
    row_formats_init(&formats);
    struct row row = {.field = {SLICE_LITERAL("A001"),
                                SLICE_LITERAL("R002"),
                                SLICE_LITERAL("02-00-00"),
                                SLICE_LITERAL("Test-Station1"),
                                SLICE_LITERAL("456NQR"),
                                SLICE_LITERAL("BMT"),
                                {0},
                                {0},
                                SLICE_LITERAL("REGULAR"),
                                SLICE_LITERAL("9"),
                                SLICE_LITERAL("10"),
                                SLICE_LITERAL("00000000-0000-4000-8000-000000000001"),
                                {0}}};
    row_set_event(&row, &formats, times, INT64_C(1721682601999)); /* 2024-07-22 21:10:01.999 */
    return row;
}

static void test_forms_and_keys(void **state)
{
    (void)state;
    struct row_times times;
    const struct row row = known_row(&times);
    struct message_writer w;
    struct message m;
    message_writer_init(&w, MESSAGE_JSON, MESSAGE_KEY_ID);
    assert_int_equal(message_write(&w, &row, MESSAGE_ROW, &m), 0);
    assert_slice(m.key, "00000000-0000-4000-8000-000000000001");
    assert_slice(m.value, "\"A001,R002,02-00-00,Test-Station1,456NQR,BMT,07-22-24,21:10:01,REGULAR,"
                          "9,10,00000000-0000-4000-8000-000000000001,2024-07-22 21:10:01\"");
    assert_false(m.tombstone);
    message_writer_deinit(&w);

    message_writer_init(&w, MESSAGE_CSV, MESSAGE_KEY_TURNSTILE);
    assert_int_equal(message_write(&w, &row, MESSAGE_ROW, &m), 0);
    assert_slice(m.key, "A001,R002,02-00-00");
    assert_slice(m.value, "A001,R002,02-00-00,Test-Station1,456NQR,BMT,07-22-24,21:10:01,REGULAR,"
                          "9,10,00000000-0000-4000-8000-000000000001,2024-07-22 21:10:01");
    message_writer_deinit(&w);
}

#define HEAD "A001,R002,02-00-00,"
#define MIDDLE ",456NQR,BMT,07-22-24,21:10:01,REGULAR,"
#define ID ",00000000-0000-4000-8000-000000000001"
#define STAMP ",2024-07-22 21:10:01"

static void test_faults(void **state)
{
    (void)state;
    static const struct slice want[MESSAGE_FAULTS] = {
        [FAULT_COLUMN_MISSING] = SLICE_LITERAL("\"" HEAD "Test-Station1" MIDDLE "9,10" ID "\""),
        [FAULT_COLUMN_EXTRA] =
            SLICE_LITERAL("\"" HEAD "Test-Station1" MIDDLE "9,10" ID STAMP ",extra\""),
        [FAULT_LETTERS] = SLICE_LITERAL("\"" HEAD "Test-Station1" MIDDLE "12a,10" ID STAMP "\""),
        [FAULT_OVERFLOW] =
            SLICE_LITERAL("\"" HEAD "Test-Station1" MIDDLE "2147483648,10" ID STAMP "\""),
        [FAULT_TIMESTAMP] =
            SLICE_LITERAL("\"" HEAD "Test-Station1" MIDDLE "9,10" ID ",2024-02-30 25:61:00\""),
        [FAULT_DATE] = SLICE_LITERAL("\"" HEAD "Test-Station1,456NQR,BMT,13-45-24,21:10:01,REGULAR,"
                                     "9,10" ID STAMP "\""),
        [FAULT_QUOTE] = SLICE_LITERAL("\"" HEAD "\\\"Broken" MIDDLE "9,10" ID STAMP "\""),
        [FAULT_UTF8] = SLICE_LITERAL("\"" HEAD "Caf\xc3(" MIDDLE "9,10" ID STAMP "\""),
        [FAULT_NUL] = SLICE_LITERAL("\"" HEAD "Nul\\u0000" MIDDLE "9,10" ID STAMP "\""),
        [FAULT_JSON_ESCAPE] =
            SLICE_LITERAL("\"" HEAD "Test-Station1" MIDDLE "9,10" ID STAMP "\\q\""),
        [FAULT_EMPTY] = SLICE_LITERAL(""),
        [FAULT_TOMBSTONE] = SLICE_LITERAL(""),
    };
    struct row_times times;
    const struct row row = known_row(&times);
    struct message_writer w;
    message_writer_init(&w, MESSAGE_JSON, MESSAGE_KEY_ID);
    for (unsigned fault = 0; fault < MESSAGE_FAULTS; fault++) {
        struct message m;
        assert_int_equal(message_write_malformed(&w, &row, (enum message_fault)fault, &m), 0);
        if (!slice_equal(m.value, want[fault]))
            fail_msg("fault %u: %.*s", fault, (int)m.value.len, m.value.ptr);
        assert_int_equal(m.tombstone, fault == FAULT_TOMBSTONE);
        assert_int_equal(m.kind, MESSAGE_MALFORMED);
    }
    message_writer_deinit(&w);
}

static void test_dummy_golden(void **state)
{
    (void)state;
    const struct feed_dummy_config config = {.seeded = true,
                                             .seed = 42,
                                             .simulated = true,
                                             .start_ms = INT64_C(1721682595000),
                                             .step_ms = 10000};
    static const char *const want[] = {
        "A002,R002,02-00-00,Test-Station1,456NQR,BMT,07-22-24,21:09:55,REGULAR,5,8,99cbb7ef-6924-"
        "43c4-9cc7-9834004871f8,2024-07-22 21:09:55",
        "A002,R001,02-00-00,Test-Station2,456NQR,BMT,07-22-24,21:10:05,REGULAR,7,9,70cb3576-1a8a-"
        "48d8-9f4c-f0313e2b1682,2024-07-22 21:10:05",
        "A002,R002,02-00-00,Test-Station1,456NQR,BMT,07-22-24,21:10:15,REGULAR,10,8,d073fdeb-3192-"
        "4cd0-8c08-6c649a5761e9,2024-07-22 21:10:15",
    };
    struct feed_dummy f;
    struct buf out;
    feed_dummy_init(&f, &config);
    buf_init(&out, 1000);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct row row;
        int64_t wait_ms;
        buf_clear(&out);
        assert_int_equal(feed_dummy_next(&f, 0, &row, &wait_ms), FEED_ROW);
        assert_int_equal(row_append_csv(&out, row.field, ROW_COLUMNS, ROW_NOT_RAW), 0);
        assert_slice(buf_slice(&out), want[i]);
    }
    buf_deinit(&out);
}

static bool is_one_of(struct slice text, const char *first, const char *second)
{
    return slice_equal(text, slice_of(first)) || slice_equal(text, slice_of(second));
}

/* Without a seed: the ranges, the clock, and ids that do not repeat. */
static void test_dummy_ranges(void **state)
{
    (void)state;
    const struct feed_dummy_config config = {0};
    struct feed_dummy f;
    char last_id[UUID_TEXT_BYTES] = "";
    unsigned seen[11] = {0};
    feed_dummy_init(&f, &config);
    for (int i = 0; i < 1000; i++) {
        struct row row;
        int64_t wait_ms;
        assert_int_equal(feed_dummy_next(&f, 1721682601000, &row, &wait_ms), FEED_ROW);
        assert_true(is_one_of(row.field[ROW_CA], "A001", "A002"));
        assert_true(is_one_of(row.field[ROW_UNIT], "R001", "R002"));
        assert_true(is_one_of(row.field[ROW_STATION], "Test-Station1", "Test-Station2"));
        const struct slice entries = row.field[ROW_ENTRIES];
        const int n = entries.len == 2 ? 10 : entries.ptr[0] - '0';
        assert_in_range(n, 5, 10);
        seen[n]++;
        assert_slice(row.field[ROW_TIMESTAMP], "2024-07-22 21:10:01");
        assert_slice(row.field[ROW_DATE], "07-22-24");
        assert_int_equal(row.field[ROW_ID].len, 36);
        assert_int_equal(row.field[ROW_ID].ptr[14], '4');
        assert_string_not_equal(f.id, last_id);
        memcpy(last_id, f.id, sizeof last_id);
    }
    for (int n = 5; n <= 10; n++)
        assert_true(seen[n] > 0);
}

static void test_dummy_turnstiles_are_distinct(void **state)
{
    (void)state;
    const struct feed_dummy_config config = {.seeded = true, .turnstiles = 25};
    struct feed_dummy f;
    char names[25][80];
    feed_dummy_init(&f, &config);
    for (int i = 0; i < 50; i++) {
        struct row row;
        int64_t wait_ms;
        char name[80];
        feed_dummy_next(&f, 0, &row, &wait_ms);
        snprintf(name, sizeof name, "%s,%s,%s", f.ca, f.unit, f.scp);
        for (int j = 0; j < i && i < 25; j++)
            assert_string_not_equal(name, names[j]);
        if (i < 25)
            memcpy(names[i], name, sizeof name);
        else
            assert_string_equal(name, names[i - 25]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_string),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_csv_quotes_where_needed),
        cmocka_unit_test(test_forms_and_keys),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_dummy_golden),
        cmocka_unit_test(test_dummy_ranges),
        cmocka_unit_test(test_dummy_turnstiles_are_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
