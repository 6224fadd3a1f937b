#include "core/decode.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define ROW_WITH(date, entries, exits, id, timestamp)                                          \
    "A001,R002,02-00-00,Test-Station1,456NQR,BMT," date ",21:10:01,REGULAR," entries "," exits \
    "," id "," timestamp
#define ROW ROW_WITH("07-22-24", "9", "10", "id-1", "2024-07-22 21:10:01")
#define ROW2 ROW_WITH("07-22-24", "5", "6", "id-2", "2024-07-22 21:10:02")
#define BAD ROW_WITH("07-22-24", "x", "6", "id-3", "2024-07-22 21:10:02")
#define HEADER "CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS,ID,TIMESTAMP"
#define GROUP                   \
    "A001\0R002\0"              \
    "02-00-00\0Test-Station1\0" \
    "456NQR\0"                  \
    "BMT\0"                     \
    "07/22/2024\0REGULAR"
#define EVENT_MS INT64_C(1721682601000)

static struct schema *load_schema(void)
{
    static char text[64 * 1024];
    FILE *file = fopen(TURNSTILE_SOURCE_DIR "/schemas/mta-turnstile.json", "rb");
    assert_non_null(file);
    const size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    struct schema *schema = NULL;
    struct err err = {.text = ""};
    assert_int_equal(schema_parse((struct slice){text, len}, &schema, &err), 0);
    return schema;
}

struct fixture {
    struct schema *schema;
    struct decoder *decoder;
    const struct row *rows; /* of the last decode */
    size_t count;
};

static int setup(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    f->schema = load_schema();
    const struct decode_options options = {.max_future_skew_ms = 1000};
    f->decoder = decoder_new(f->schema, &options);
    *state = f;
    return 0;
}

static int setup_libcsv(void **state)
{
    setup(state);
    struct fixture *f = *state;
    decoder_free(f->decoder);
    const struct decode_options options = {.max_future_skew_ms = 1000, .libcsv_only = true};
    f->decoder = decoder_new(f->schema, &options);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    decoder_free(f->decoder);
    schema_free(f->schema);
    mem_free(f);
    return 0;
}

static void decode(struct fixture *f, const char *value, size_t len)
{
    const struct record record = {
        .offset = 77, .timestamp_ms = RECORD_NO_TIMESTAMP, .value = {value, len}};
    f->count = decoder_run(f->decoder, &record, 1, &f->rows);
    assert_true(f->count >= 1);
    for (size_t i = 0; i < f->count; i++) {
        assert_int_equal(f->rows[i].offset, 77);
        assert_int_equal(f->rows[i].record, 0);
        assert_int_equal(f->rows[i].number, i);
    }
}

#define DECODE(f, literal) decode((f), (literal), sizeof(literal) - 1)

static void expect(struct fixture *f, size_t count, const enum reject_reason *reasons)
{
    assert_int_equal(f->count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(reject_name(f->rows[i].reject), reject_name(reasons[i]));
}

#define EXPECT(f, ...)                                       \
    do {                                                     \
        const enum reject_reason reasons_[] = {__VA_ARGS__}; \
        expect((f), ARRAY_LEN(reasons_), reasons_);          \
    } while (0)

static void expect_text(const struct row *row, const char *text)
{
    assert_int_equal(row->text.len, strlen(text));
    assert_memory_equal(row->text.ptr, text, row->text.len);
}

static void expect_first(const struct row *row)
{
    assert_int_equal(row->reject, REJECT_NONE);
    assert_int_equal(row->event_ms, EVENT_MS);
    assert_int_equal(row->group.len, sizeof(GROUP) - 1);
    assert_memory_equal(row->group.ptr, GROUP, sizeof(GROUP) - 1);
    assert_int_equal(row->measures[0], 9);
    assert_int_equal(row->measures[1], 10);
}

/* ---- forms ---- */

static void every_form_of_a_row_means_the_same(void **state)
{
    struct fixture *f = *state;
    static const char *const forms[] = {
        ROW,
        ROW "\n",
        ROW "\r\n",
        ROW "\r",
        "\n\r\n" ROW "\n\n",
        "\xef\xbb\xbf" ROW,
        "\"" ROW "\"",
        " \t\"" ROW "\" \r\n",
        "\xef\xbb\xbf\"" ROW "\"",
        "\"" ROW "\\n\"",
        "\"\xef\xbb\xbf" ROW "\"",
        "\"\\ufeff" ROW "\"",
        "\"" HEADER "\\n" ROW "\"",
        HEADER "\n" ROW,
        HEADER "\r\n" ROW "\r\n",
        "\"\\u0041001,R002,02-00-00,Test-Station1,456NQR,BMT,07\\u002d22-24,21:10:01,REGULAR,9,10,"
        "id-1,2024-07-22 21:10:01\"",
        "\"A001\",\"R002\",\"02-00-00\",\"Test-Station1\",\"456NQR\",\"BMT\",\"07-22-24\","
        "\"21:10:01\",\"REGULAR\",\"9\",\"10\",\"id-1\",\"2024-07-22 21:10:01\"",
        "A001,R002,02-00-00,Test-Station1,456NQR,BMT,7-22-24,21:10:01,REGULAR, 9 ,+10,id-1,"
        "2024-07-22 21:10:01",
        "\"\\\"A001\\\",R002,02-00-00,Test-Station1,456NQR,BMT,07-22-24,21:10:01,REGULAR,9,10,id-1,"
        "2024-07-22 21:10:01\"",
        "timestamp,id,exits,entries,desc,time,date,division,linename,station,scp,unit, c/a \n"
        "2024-07-22 21:10:01,id-1,10,9,REGULAR,21:10:01,07-22-24,BMT,456NQR,Test-Station1,02-00-00,"
        "R002,A001",
        "EXTRA,AC,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS,ID,TIMESTAMP\n"
        "?," ROW,
    };
    uint64_t key[2] = {0, 0}, hash = 0;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        decode(f, forms[i], strlen(forms[i]));
        assert_int_equal(f->count, 1);
        expect_first(&f->rows[0]);
        expect_text(&f->rows[0], forms[i]); /* one row: the whole value */
        if (i == 0) {
            memcpy(key, f->rows[0].key, sizeof(key));
            hash = f->rows[0].group_hash;
        }
        assert_memory_equal(f->rows[0].key, key, sizeof(key));
        assert_int_equal(f->rows[0].group_hash, hash);
    }
}

static void several_rows_keep_their_own_bytes(void **state)
{
    struct fixture *f = *state;
    DECODE(f, ROW "\n" BAD "\r\n\r\n" ROW2);
    EXPECT(f, REJECT_NONE, REJECT_TYPE, REJECT_NONE);
    expect_text(&f->rows[0], ROW);
    expect_text(&f->rows[1], BAD);
    expect_text(&f->rows[2], ROW2);
    DECODE(f, "\"" ROW "\\n" BAD "\\r\\n" ROW2 "\"");
    EXPECT(f, REJECT_NONE, REJECT_TYPE, REJECT_NONE);
    expect_first(&f->rows[0]);
    expect_text(&f->rows[1], BAD);
}

static void quoted_newlines_and_quotes_are_data(void **state)
{
    struct fixture *f = *state;
    DECODE(f, "A001,R002,02-00-00,\"a \"\"b\"\",\r\nc\",456NQR,BMT,07-22-24,,REGULAR,9,10,,"
              "2024-07-22 21:10:01\n" ROW2);
    EXPECT(f, REJECT_NONE, REJECT_NONE);
    const char group[] = "A001\0R002\0"
                         "02-00-00\0a \"b\",\r\nc\0"
                         "456NQR\0"
                         "BMT\0"
                         "07/22/2024\0REGULAR";
    assert_int_equal(f->rows[0].group.len, sizeof(group) - 1);
    assert_memory_equal(f->rows[0].group.ptr, group, sizeof(group) - 1);
}

static void blanks_around_strings_are_data(void **state)
{
    struct fixture *f = *state;
    DECODE(f, " A001,R002,,, ,\xc3\xa9,07-22-24,,\t,9,10,i,2024-07-22 21:10:01");
    EXPECT(f, REJECT_NONE);
    const char group[] = " A001\0R002\0\0\0 \0\xc3\xa9\0"
                         "07/22/2024\0\t";
    assert_int_equal(f->rows[0].group.len, sizeof(group) - 1);
    assert_memory_equal(f->rows[0].group.ptr, group, sizeof(group) - 1);
}

static void keys_tell_rows_apart(void **state)
{
    struct fixture *f = *state;
    DECODE(f, ROW "\n" ROW2 "\n" ROW_WITH("01-01-99", "1", "1", "id-1", "2024-07-22 21:10:01"));
    EXPECT(f, REJECT_NONE, REJECT_NONE, REJECT_NONE);
    assert_memory_not_equal(f->rows[0].key, f->rows[1].key, 16);
    assert_memory_equal(f->rows[0].key, f->rows[2].key, 16); /* id, station, time */
    DECODE(f, "x,x,x,Test-Station1,x,x,07-22-24,x,x,9,10,id-1 ,2024-07-22 21:10:01\n" ROW);
    EXPECT(f, REJECT_NONE, REJECT_NONE);
    assert_memory_not_equal(f->rows[0].key, f->rows[1].key, 16); /* blanks are data */
    /* The same bytes in a row, parted elsewhere. */
    DECODE(f, "x,x,x,est-Station1,x,x,07-22-24,x,x,9,10,id-1T,2024-07-22 21:10:01\n" ROW);
    EXPECT(f, REJECT_NONE, REJECT_NONE);
    assert_memory_not_equal(f->rows[0].key, f->rows[1].key, 16);
}

/* ---- headers ---- */

static void a_wrong_header_rejects_its_rows(void **state)
{
    struct fixture *f = *state;
    /* The C# producer of the seed: no TIMESTAMP. */
    DECODE(f, "\"A/C,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS,ID\\n"
              "A001,R002,02-00-00,S,456NQR,BMT,07-22-24,21:10:01,REGULAR,500,600,id-1\"");
    EXPECT(f, REJECT_COLUMNS);
    DECODE(f, HEADER ",CA\n" ROW ",x\n" ROW2);
    EXPECT(f, REJECT_COLUMNS, REJECT_COLUMNS);
    DECODE(f, HEADER ",MORE\n" ROW "\n" ROW2 ",more");
    EXPECT(f, REJECT_COLUMNS, REJECT_NONE);
}

static void a_header_is_only_the_first_row_and_only_for_its_message(void **state)
{
    struct fixture *f = *state;
    DECODE(f, ROW "\n" HEADER);
    EXPECT(f, REJECT_NONE, REJECT_DATE);
    DECODE(f, "ID,UNIT,UNIT,SCP\nID,x,x,x"); /* half: a header */
    EXPECT(f, REJECT_COLUMNS);
    DECODE(f, "ID,UNIT,x,x,x"); /* two of five: a row */
    EXPECT(f, REJECT_COLUMNS);
    assert_int_equal(f->rows[0].number, 0);
    DECODE(f, "ID\nID"); /* one name is no header */
    EXPECT(f, REJECT_COLUMNS, REJECT_COLUMNS);
    DECODE(f, ROW);
    EXPECT(f, REJECT_NONE);
}

static void nothing_is_a_row_too(void **state)
{
    struct fixture *f = *state;
    static const char *const empty[] = {"",         "\n\n",           "\"\"",
                                        "\"\\n\"",  HEADER,           HEADER "\n",
                                        " \"\" \n", "\"" HEADER "\"", "\xef\xbb\xbf"};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        decode(f, empty[i], strlen(empty[i]));
        EXPECT(f, REJECT_COLUMNS);
        expect_text(&f->rows[0], empty[i]);
    }
    const struct record tombstone = {.offset = 1, .tombstone = true};
    f->count = decoder_run(f->decoder, &tombstone, 1, &f->rows);
    EXPECT(f, REJECT_TOMBSTONE);
    assert_int_equal(f->rows[0].text.len, 0);
}

/* ---- reasons ---- */

static void every_reason_has_its_row(void **state)
{
    struct fixture *f = *state;
#define TIME_OK "2024-07-22 21:10:01"
    static const struct {
        const char *value;
        enum reject_reason reason;
    } cases[] = {
        {"hello", REJECT_COLUMNS},
        {ROW ",", REJECT_COLUMNS},
        {"{\"CA\": 1}", REJECT_QUOTE},
        {ROW_WITH("07-22-24", "", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", " ", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "-", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "1.0", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "1e3", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "0x1", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "+ 1", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "1 1", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "99999999999999999999x", "1", "i", TIME_OK), REJECT_TYPE},
        {ROW_WITH("07-22-24", "2147483648", "1", "i", TIME_OK), REJECT_RANGE},
        {ROW_WITH("07-22-24", "-2147483649", "1", "i", TIME_OK), REJECT_RANGE},
        {ROW_WITH("07-22-24", "99999999999999999999", "1", "i", TIME_OK), REJECT_RANGE},
        {ROW_WITH("07-22-24", "2147483647", "-2147483648", "i", TIME_OK), REJECT_NONE},
        {ROW_WITH("07-22-24", "0000000000000000000000007", "-0", "i", TIME_OK), REJECT_NONE},
        {ROW_WITH("07-22-24", "1", "1", "i", ""), REJECT_TIMESTAMP},
        {ROW_WITH("07-22-24", "1", "1", "i", "2024-07-22"), REJECT_TIMESTAMP},
        {ROW_WITH("07-22-24", "1", "1", "i", TIME_OK " "), REJECT_TIMESTAMP},
        {ROW_WITH("07-22-24", "1", "1", "i", "2023-02-29 00:00:00"), REJECT_TIMESTAMP},
        {ROW_WITH("22-07-24", "1", "1", "i", TIME_OK), REJECT_DATE},
        {ROW_WITH("07/22/24", "1", "1", "i", TIME_OK), REJECT_DATE},
        {ROW_WITH("", "1", "1", "i", TIME_OK), REJECT_DATE},
        {ROW_WITH("07-22-24", "1", "1", "caf\xe9", TIME_OK), REJECT_UTF8},
        {ROW_WITH("07-22-24", "1", "1", "\xc0\x80", TIME_OK), REJECT_UTF8},
        {ROW_WITH("07-22-24", "1", "1", "\xed\xa0\x80", TIME_OK), REJECT_UTF8},
        {ROW_WITH("07-22-24", "1", "1", "a\"b", TIME_OK), REJECT_QUOTE},
        {ROW_WITH("07-22-24", "1", "1", "\"a\"b", TIME_OK), REJECT_QUOTE},
        {ROW_WITH("07-22-24", "1", "1", " \"a\"", TIME_OK), REJECT_QUOTE},
        {ROW_WITH("07-22-24", "1", "1", "\"a\" ", TIME_OK), REJECT_QUOTE},
        {ROW_WITH("07-22-24", "1", "1", "\"a", TIME_OK), REJECT_QUOTE},
        {"\"" ROW, REJECT_QUOTE},
        {"\"a\\q\"", REJECT_JSON},
        {"\"\\ud800\"", REJECT_JSON},
        {"\"\\ud800\\u0041\"", REJECT_JSON},
        {"\"\\udc00\"", REJECT_JSON},
        {"\"\\u12g4\"", REJECT_JSON},
        {"\"\\u12\"", REJECT_JSON},
        {"\"a\tb\"", REJECT_JSON},
        {"\"a\nb\"", REJECT_JSON},
        {"\"a\\q\xff\"", REJECT_UTF8},
        {"\"a\\u0000b\"", REJECT_NUL},
        /* Precedence: the first that applies. */
        {ROW_WITH("x", "x", "1", "\xff", "x"), REJECT_UTF8},
        {ROW_WITH("x", "x", "1", "\"", "x"), REJECT_QUOTE},
        {ROW_WITH("x", "x", "1", "i", "x"), REJECT_DATE},
        {ROW_WITH("07-22-24", "x", "99999999999", "i", "x"), REJECT_TYPE},
        {ROW_WITH("07-22-24", "99999999999", "x", "i", "x"), REJECT_RANGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        decode(f, cases[i].value, strlen(cases[i].value));
        if (f->count != 1 || f->rows[0].reject != cases[i].reason)
            fail_msg("%s: %zu rows, %s", cases[i].value, f->count, reject_name(f->rows[0].reject));
        expect_text(&f->rows[0], cases[i].value);
        DECODE(f, ROW); /* and the next message is as always */
        expect_first(&f->rows[0]);
    }
}

static void nul_bytes_reject_their_row(void **state)
{
    struct fixture *f = *state;
    DECODE(f, ROW "\na,\0,c\n" ROW2);
    EXPECT(f, REJECT_NONE, REJECT_NUL, REJECT_NONE);
    DECODE(f, "\"" ROW "\\na,\\u0000,c\\n" ROW2 "\"");
    EXPECT(f, REJECT_NONE, REJECT_NUL, REJECT_NONE);
    DECODE(f, "a,\"\0\xff\",c");
    EXPECT(f, REJECT_NUL);
    DECODE(f, "\"a\0b\"");
    EXPECT(f, REJECT_NUL);
}

static void a_bad_quote_ends_with_its_line(void **state)
{
    struct fixture *f = *state;
    DECODE(f, ROW "\na,b\"c\"\n" ROW2 "\n\"x\"y,\"\r\n" ROW);
    EXPECT(f, REJECT_NONE, REJECT_QUOTE, REJECT_NONE, REJECT_QUOTE, REJECT_NONE);
    DECODE(f, ROW "\n\"a\n" ROW2 "\n" ROW2);
    EXPECT(f, REJECT_NONE, REJECT_QUOTE);
    expect_text(&f->rows[1], "\"a\n" ROW2 "\n" ROW2);
}

static void the_future_is_bounded_by_the_record(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t timestamp_ms;
        enum reject_reason reason;
    } cases[] = {
        {EVENT_MS, REJECT_NONE},
        {EVENT_MS - 1000, REJECT_NONE},
        {EVENT_MS - 1001, REJECT_FUTURE},
        {EVENT_MS + 1000000000, REJECT_NONE},
        {0, REJECT_FUTURE},
        {INT64_MAX, REJECT_NONE},
        {INT64_MIN + 1, REJECT_FUTURE},
        {RECORD_NO_TIMESTAMP, REJECT_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct record record = {.timestamp_ms = cases[i].timestamp_ms,
                                      .value = SLICE_LITERAL(ROW)};
        f->count = decoder_run(f->decoder, &record, 1, &f->rows);
        EXPECT(f, cases[i].reason);
    }
}

/* ---- hostile ---- */

static char *filled(char byte, size_t len)
{
    char *bytes = mem_alloc(len);
    memset(bytes, byte, len);
    return bytes;
}

static void too_much_is_oversized(void **state)
{
    struct fixture *f = *state;
    char *bytes = filled('a', 10 * 1024 * 1024);
    decode(f, bytes, 10 * 1024 * 1024);
    EXPECT(f, REJECT_OVERSIZED);
    assert_int_equal(f->rows[0].text.len, 10 * 1024 * 1024);
    decode(f, bytes, DECODE_MAX_MESSAGE_BYTES + 1);
    EXPECT(f, REJECT_OVERSIZED);
    decode(f, bytes, DECODE_MAX_FIELD_BYTES + 1);
    EXPECT(f, REJECT_OVERSIZED);
    decode(f, bytes, DECODE_MAX_FIELD_BYTES);
    EXPECT(f, REJECT_COLUMNS);
    memset(bytes, ',', 100000);
    decode(f, bytes, 100000);
    EXPECT(f, REJECT_OVERSIZED);
    decode(f, bytes, SPLIT_MAX_COLUMNS); /* one field more than commas */
    EXPECT(f, REJECT_OVERSIZED);
    decode(f, bytes, SPLIT_MAX_COLUMNS - 1);
    EXPECT(f, REJECT_COLUMNS);
    bytes[0] = '"';
    memset(bytes + 1, '"', 200000);
    decode(f, bytes, 200000); /* 99,999 quotes in one field */
    EXPECT(f, REJECT_OVERSIZED);
    decode(f, bytes, 200001);
    EXPECT(f, REJECT_QUOTE);
    mem_free(bytes);
    DECODE(f, ROW);
    expect_first(&f->rows[0]);
}

static void a_message_of_a_million_rows_is_cut(void **state)
{
    struct fixture *f = *state;
    char *bytes = mem_alloc(DECODE_MAX_MESSAGE_BYTES);
    for (size_t i = 0; i < DECODE_MAX_MESSAGE_BYTES; i++)
        bytes[i] = i % 2 == 0 ? 'a' : '\n';
    decode(f, bytes, DECODE_MAX_MESSAGE_BYTES);
    assert_int_equal(f->count, DECODE_MAX_ROWS);
    const struct row *last = &f->rows[f->count - 1];
    assert_int_equal(last->reject, REJECT_OVERSIZED);
    assert_ptr_equal(last->text.ptr + last->text.len, bytes + DECODE_MAX_MESSAGE_BYTES);
    assert_int_equal(last[-1].reject, REJECT_COLUMNS);
    mem_free(bytes);
    DECODE(f, ROW);
    expect_first(&f->rows[0]);
}

/* ---- batches ---- */

static void messages_of_a_batch_do_not_touch_each_other(void **state)
{
    struct fixture *f = *state;
    const struct record records[] = {
        {.offset = 10, .timestamp_ms = RECORD_NO_TIMESTAMP, .value = SLICE_LITERAL(ROW)},
        {.offset = 11, .timestamp_ms = RECORD_NO_TIMESTAMP, .value = SLICE_LITERAL("\"a\",\"")},
        {.offset = 13,
         .timestamp_ms = RECORD_NO_TIMESTAMP,
         .value = SLICE_LITERAL("\"" ROW2 "\\n" ROW "\"")},
        {.offset = 14, .timestamp_ms = RECORD_NO_TIMESTAMP, .tombstone = true},
        {.offset = 15, .timestamp_ms = RECORD_NO_TIMESTAMP, .value = SLICE_LITERAL(ROW)},
    };
    f->count = decoder_run(f->decoder, records, ARRAY_LEN(records), &f->rows);
    EXPECT(f, REJECT_NONE, REJECT_QUOTE, REJECT_NONE, REJECT_NONE, REJECT_TOMBSTONE, REJECT_NONE);
    static const struct {
        int64_t offset;
        uint32_t record, number;
    } places[] = {{10, 0, 0}, {11, 1, 0}, {13, 2, 0}, {13, 2, 1}, {14, 3, 0}, {15, 4, 0}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        assert_int_equal(f->rows[i].offset, places[i].offset);
        assert_int_equal(f->rows[i].record, places[i].record);
        assert_int_equal(f->rows[i].number, places[i].number);
    }
    expect_first(&f->rows[0]);
    expect_first(&f->rows[3]);
    expect_first(&f->rows[5]);
    assert_int_equal(decoder_run(f->decoder, records, 0, &f->rows), 0);
}

static void memory_settles(void **state)
{
    struct fixture *f = *state;
    enum { MESSAGES = 3000 };
    struct record *records = mem_calloc(MESSAGES, sizeof(*records));
    for (size_t i = 0; i < MESSAGES; i++)
        records[i] = (struct record){.value = SLICE_LITERAL("\"" ROW "\\n" ROW2 "\"")};
    decoder_run(f->decoder, records, MESSAGES, &f->rows);
    decoder_run(f->decoder, records, MESSAGES, &f->rows);
    const size_t warm = decoder_memory_bytes(f->decoder);
    for (int i = 0; i < 10; i++)
        assert_int_equal(decoder_run(f->decoder, records, MESSAGES, &f->rows), 2 * MESSAGES);
    assert_int_equal(decoder_memory_bytes(f->decoder), warm);
    mem_free(records);
}

int main(void)
{
#define DECODE_TEST(name)                                          \
    {#name, name, setup, teardown, NULL},                          \
    {                                                              \
#name " (libcsv only)", name, setup_libcsv, teardown, NULL \
    }
    const struct CMUnitTest tests[] = {
        DECODE_TEST(every_form_of_a_row_means_the_same),
        DECODE_TEST(several_rows_keep_their_own_bytes),
        DECODE_TEST(quoted_newlines_and_quotes_are_data),
        DECODE_TEST(blanks_around_strings_are_data),
        DECODE_TEST(keys_tell_rows_apart),
        DECODE_TEST(a_wrong_header_rejects_its_rows),
        DECODE_TEST(a_header_is_only_the_first_row_and_only_for_its_message),
        DECODE_TEST(nothing_is_a_row_too),
        DECODE_TEST(every_reason_has_its_row),
        DECODE_TEST(nul_bytes_reject_their_row),
        DECODE_TEST(a_bad_quote_ends_with_its_line),
        DECODE_TEST(the_future_is_bounded_by_the_record),
        DECODE_TEST(too_much_is_oversized),
        DECODE_TEST(a_message_of_a_million_rows_is_cut),
        DECODE_TEST(messages_of_a_batch_do_not_touch_each_other),
        DECODE_TEST(memory_settles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
