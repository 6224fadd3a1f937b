/* Lines of side and raw objects. The oracle is jansson: every line must parse, and give the same
 * bytes back. */
#include "core/encode.h"

#include "base/mem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static size_t base64_decode(const char *text, char *out)
{
    size_t len = 0, n = strlen(text);
    assert_int_equal(n % 4, 0);
    for (size_t i = 0; i < n; i += 4) {
        int bits = 0;
        for (size_t k = 0; k < 4; k++) {
            const int digit = base64_digit(text[i + k]);
            assert_true(digit >= 0 || (text[i + k] == '=' && i + 4 == n && k >= 2));
            bits = bits << 6 | (digit >= 0 ? digit : 0);
        }
        out[len++] = (char)(bits >> 16);
        if (text[i + 2] != '=')
            out[len++] = (char)(bits >> 8);
        if (text[i + 3] != '=')
            out[len++] = (char)bits;
    }
    return len;
}

/* Encode, parse, compare. Returns whether the value was written as text. */
static bool round_trip(struct slice value)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(
        encode_side_line(&out, "mta-turnstile", 3, 1234567890123, 7, REJECT_QUOTE, value), 0);
    assert_true(out.len > 0 && out.data[out.len - 1] == '\n');
    assert_null(memchr(out.data, '\n', out.len - 1)); /* one line */
    json_error_t why;
    json_t *line = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &why);
    if (line == NULL)
        fail_msg("%s: %.*s", why.text, (int)out.len, out.data);
    assert_int_equal(json_object_size(line), 6);
    assert_string_equal(json_string_value(json_object_get(line, "topic")), "mta-turnstile");
    assert_int_equal(json_integer_value(json_object_get(line, "partition")), 3);
    assert_int_equal(json_integer_value(json_object_get(line, "offset")), 1234567890123);
    assert_int_equal(json_integer_value(json_object_get(line, "row")), 7);
    assert_string_equal(json_string_value(json_object_get(line, "reason")), "quote");
    const json_t *text = json_object_get(line, "value");
    const json_t *base64 = json_object_get(line, "value_base64");
    assert_true((text != NULL) != (base64 != NULL));
    if (text != NULL) {
        assert_int_equal(json_string_length(text), value.len);
        if (value.len > 0)
            assert_memory_equal(json_string_value(text), value.ptr, value.len);
    } else {
        char *bytes = mem_alloc(value.len + 3);
        assert_int_equal(base64_decode(json_string_value(base64), bytes), value.len);
        assert_memory_equal(bytes, value.ptr, value.len);
        mem_free(bytes);
    }
    const bool was_text = text != NULL;
    json_decref(line);
    buf_deinit(&out);
    return was_text;
}

static void every_byte_alone_and_every_pair_comes_back(void **state)
{
    UNUSED(state);
    for (unsigned a = 0; a < 256; a++) {
        const char one[1] = {(char)a};
        assert_int_equal(round_trip((struct slice){one, 1}), a > 0 && a < 0x80);
        for (unsigned b = 0; b < 256; b++) {
            const char two[2] = {(char)a, (char)b};
            round_trip((struct slice){two, 2});
        }
    }
    assert_true(round_trip((struct slice){NULL, 0}));
}

static void every_code_point_is_text_and_every_near_miss_is_not(void **state)
{
    UNUSED(state);
    static const struct {
        const char *bytes;
        bool text;
    } cases[] = {
        {"caf\xc3\xa9", true},       {"\xef\xbf\xbf", true},      {"\xf4\x8f\xbf\xbf", true},
        {"\xed\x9f\xbf", true},      {"\xee\x80\x80", true},      {"\xf0\x90\x80\x80", true},
        {"\xc0\x80", false},         {"\xe0\x9f\xbf", false},     {"\xed\xa0\x80", false},
        {"\xf0\x8f\xbf\xbf", false}, {"\xf4\x90\x80\x80", false}, {"\xf5\x80\x80\x80", false},
        {"\xe2\x82", false},         {"a\xf0\x9f\x98", false},    {"\x80", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(round_trip(slice_of(cases[i].bytes)), cases[i].text);
}

static void random_bytes_come_back(void **state)
{
    UNUSED(state);
    static const char pool[] =
        "a\"\\/\n\r\t\b,{}\x01\x1f\x7f\x80\xbf\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff";
    uint32_t seed = 1;
    for (int run = 0; run < 20000; run++) {
        char bytes[40];
        size_t len = 0;
        do {
            seed = seed * 1664525u + 1013904223u;
            bytes[len++] = pool[(seed >> 16) % sizeof(pool)]; /* its NUL included */
        } while (len < sizeof(bytes) && (seed >> 8) % 16 != 0);
        round_trip((struct slice){bytes, len});
    }
}

static void a_tombstone_is_null_and_an_empty_value_is_empty(void **state)
{
    UNUSED(state);
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(
        encode_side_line(&out, "t", 0, 5, 0, REJECT_TOMBSTONE, (struct slice){NULL, 0}), 0);
    assert_int_equal(
        encode_side_line(&out, "t\"\xff", 0, 6, 0, REJECT_COLUMNS, (struct slice){"", 0}), 0);
    const char *expected = "{\"topic\":\"t\",\"partition\":0,\"offset\":5,\"row\":0,\"reason\":"
                           "\"tombstone\",\"value\":null}\n"
                           "{\"topic\":\"t\\\"\xef\xbf\xbd\",\"partition\":0,\"offset\":6,\"row\":"
                           "0,\"reason\":\"columns\","
                           "\"value\":\"\"}\n";
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
    buf_deinit(&out);
}

/* Escapes can make six bytes of one; what is large is written so that its size is foreseen. */
static void many_bytes_are_base64_though_they_are_text(void **state)
{
    UNUSED(state);
    const size_t most = ENCODE_TEXT_MAX_BYTES;
    char *bytes = mem_calloc(1, most + 1);
    memset(bytes, '\x01', most + 1);
    struct buf out;
    buf_init(&out, 7 * most);
    assert_int_equal(
        encode_side_line(&out, "t", 0, 0, 0, REJECT_OVERSIZED, (struct slice){bytes, most}), 0);
    assert_in_range(out.len, 6 * most, 6 * most + 200);
    buf_clear(&out);
    assert_int_equal(
        encode_side_line(&out, "t", 0, 0, 0, REJECT_OVERSIZED, (struct slice){bytes, most + 1}), 0);
    assert_in_range(out.len, most / 3 * 4, most / 3 * 4 + 200);
    buf_deinit(&out);
    mem_free(bytes);
}

static void a_raw_line_tells_null_from_empty(void **state)
{
    UNUSED(state);
    const struct slice none = {NULL, 0}, empty = {"", 0}, binary = {"\xff\x00", 2};
    static const char expected[] =
        "{\"topic\":\"t\",\"partition\":1,\"offset\":5,\"timestamp_ms\":null,"
        "\"key\":null,\"value\":null}\n"
        "{\"topic\":\"t\",\"partition\":1,\"offset\":6,\"timestamp_ms\":-1,"
        "\"key\":\"\",\"value\":\"\"}\n"
        "{\"topic\":\"t\",\"partition\":1,\"offset\":7,\"timestamp_ms\":0,"
        "\"key_base64\":\"/wA=\",\"value\":\"a\\\"b\\n\"}\n"
        "{\"topic\":\"t\",\"partition\":1,\"offset\":8,\"timestamp_ms\":1721649600000,"
        "\"key\":\"id\",\"value_base64\":\"/wA=\"}\n";
    const struct record records[] = {
        {.offset = 5, .timestamp_ms = RECORD_NO_TIMESTAMP, .key = none, .tombstone = true},
        {.offset = 6, .timestamp_ms = -1, .key = empty, .value = empty},
        {.offset = 7, .key = binary, .value = slice_of("a\"b\n")},
        {.offset = 8, .timestamp_ms = 1721649600000, .key = slice_of("id"), .value = binary},
    };
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        assert_int_equal(encode_raw_line(&out, "t", 1, &records[i]), 0);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
    buf_deinit(&out);
}

static void what_does_not_fit_leaves_nothing_behind(void **state)
{
    UNUSED(state);
    const struct slice text = SLICE_LITERAL("a,b\"c\n"), binary = SLICE_LITERAL("\xff\xfe\xfd\xfc");
    for (size_t max = 0; max < 130; max++) {
        for (int i = 0; i < 2; i++) {
            struct buf out;
            buf_init(&out, max);
            const int rc = encode_side_line(&out, "topic", 1, 2, 3, REJECT_LATE, i ? text : binary);
            assert_true(rc == 0 ? out.len <= max && out.len > 80 : out.len == 0);
            assert_true(rc == 0 || rc == ERR_TOO_LARGE);
            buf_deinit(&out);

            const struct record record = {.offset = 2, .key = text, .value = i ? text : binary};
            buf_init(&out, max);
            const int raw_rc = encode_raw_line(&out, "topic", 1, &record);
            assert_true(raw_rc == 0 ? out.len <= max && out.len > 80 : out.len == 0);
            assert_true(raw_rc == 0 || raw_rc == ERR_TOO_LARGE);
            buf_deinit(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_alone_and_every_pair_comes_back),
        cmocka_unit_test(every_code_point_is_text_and_every_near_miss_is_not),
        cmocka_unit_test(random_bytes_come_back),
        cmocka_unit_test(a_tombstone_is_null_and_an_empty_value_is_empty),
        cmocka_unit_test(many_bytes_are_base64_though_they_are_text),
        cmocka_unit_test(a_raw_line_tells_null_from_empty),
        cmocka_unit_test(what_does_not_fit_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
