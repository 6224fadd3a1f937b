#include "base/log.h"
#include "base/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHEN_MS INT64_C(1721682601007) /* 2024-07-22T21:10:01.007Z */

static const char *line_of(struct buf *b, enum log_format format, int64_t unix_ms,
                           const struct log_field *fields, size_t count, uint64_t repeated)
{
    buf_clear(b);
    log_line(b, format, unix_ms, LOG_LEVEL_INFO, "stored", fields, count, repeated);
    assert_int_equal(buf_append_byte(b, '\0'), 0);
    return b->data;
}

static void writes_both_formats(void **state)
{
    UNUSED(state);
    struct buf b;
    buf_init(&b, LOG_LINE_MAX_BYTES);
    const struct log_field fields[] = {LOG_STR("object", "a/b_1.csv.gz"), LOG_STR("why", "a b"),
                                       LOG_INT("rows", INT64_MIN), LOG_STR("empty", "")};
    assert_string_equal(line_of(&b, LOG_FORMAT_LOGFMT, WHEN_MS, fields, 4, 0),
                        "time=2024-07-22T21:10:01.007Z level=info event=stored object=a/b_1.csv.gz "
                        "why=\"a b\" rows=-9223372036854775808 empty=\"\"\n");
    assert_string_equal(line_of(&b, LOG_FORMAT_JSON, WHEN_MS, fields, 4, 7),
                        "{\"time\":\"2024-07-22T21:10:01.007Z\",\"level\":\"info\","
                        "\"event\":\"stored\",\"object\":\"a/b_1.csv.gz\",\"why\":\"a b\","
                        "\"rows\":-9223372036854775808,\"empty\":\"\",\"repeated\":7}\n");
    assert_string_equal(line_of(&b, LOG_FORMAT_LOGFMT, -1, NULL, 0, 0),
                        "time=1969-12-31T23:59:59.999Z level=info event=stored\n");
    buf_deinit(&b);
}

static void escapes_what_could_forge_a_line_or_drive_a_terminal(void **state)
{
    UNUSED(state);
    static const struct {
        const char *value, *logfmt;
    } cases[] = {
        {"a\nevent=x", "v=\"a\\nevent=x\""},
        {"\x1b[31m\x7f", "v=\"\\u001b[31m\\u007f\""},
        {"a=b", "v=\"a=b\""},
        {"c:\\x \"y\"\t\r", "v=\"c:\\\\x \\\"y\\\"\\t\\r\""},
        {"caf\xc3\xa9", "v=\"caf\xc3\xa9\""},
        {"\xc2\x85", "v=\"\\u0085\""},                  /* a C1 control */
        {"\xff\xc3", "v=\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* no lead byte; cut short */
        {"\xc0\x80", "v=\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* overlong NUL */
        {"\xed\xa0\x80", "v=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xf0\x9f\x9a\x87", "v=\"\xf0\x9f\x9a\x87\""},
    };
    struct buf b;
    buf_init(&b, LOG_LINE_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct log_field field = LOG_STR("v", cases[i].value);
        const char *line = line_of(&b, LOG_FORMAT_LOGFMT, 0, &field, 1, 0);
        const char *got = strstr(line, " v=");
        assert_non_null(got);
        char expected[128];
        snprintf(expected, sizeof(expected), " %s\n", cases[i].logfmt);
        assert_string_equal(got, expected);
    }
    buf_deinit(&b);
}

static void cuts_long_values_between_characters(void **state)
{
    UNUSED(state);
    char text[2 * LOG_VALUE_BYTES];
    memset(text, 'x', sizeof(text));
    memcpy(text + LOG_VALUE_BYTES - 1, "\xc3\xa9", 2); /* would straddle the limit */
    text[sizeof(text) - 1] = '\0';
    struct buf b;
    buf_init(&b, LOG_LINE_MAX_BYTES);
    const struct log_field field = LOG_STR("v", text);
    const char *value = strstr(line_of(&b, LOG_FORMAT_LOGFMT, 0, &field, 1, 0), " v=") + 3;
    assert_int_equal(strlen(value), 1 + (LOG_VALUE_BYTES - 1) + 3 + 2);
    assert_string_equal(value + LOG_VALUE_BYTES, "...\"\n");
    text[LOG_VALUE_BYTES] = '\0';
    text[LOG_VALUE_BYTES - 1] = 'x';
    value = strstr(line_of(&b, LOG_FORMAT_LOGFMT, 0, &field, 1, 0), " v=") + 3;
    assert_int_equal(strlen(value), LOG_VALUE_BYTES + 1); /* fits: no quotes, no dots */
    buf_deinit(&b);
}

static void the_longest_line_fits(void **state)
{
    UNUSED(state);
    char text[LOG_VALUE_BYTES + 100];
    memset(text, 1, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct log_field fields[LOG_MAX_FIELDS];
    for (size_t i = 0; i < LOG_MAX_FIELDS; i++)
        fields[i] = LOG_STR("key", text);
    struct buf b;
    buf_init(&b, LOG_LINE_MAX_BYTES);
    log_line(&b, LOG_FORMAT_JSON, WHEN_MS, LOG_LEVEL_ERROR, "e", fields, LOG_MAX_FIELDS, 1);
    assert_true(b.len > LOG_MAX_FIELDS * LOG_VALUE_BYTES * 6);
    buf_deinit(&b);
}

static void holds_repeats_back_and_counts_them(void **state)
{
    UNUSED(state);
    struct log_limit *limit = calloc(1, sizeof(*limit));
    uint64_t repeated;
    for (int i = 0; i < LOG_BURST; i++)
        assert_true(log_limit_admit(limit, LOG_LEVEL_INFO, "a", 5, &repeated));
    for (int i = 0; i < 3; i++)
        assert_false(log_limit_admit(limit, LOG_LEVEL_INFO, "a", 6, &repeated));
    assert_true(log_limit_admit(limit, LOG_LEVEL_WARN, "a", 6, &repeated)); /* another level */
    assert_true(log_limit_admit(limit, LOG_LEVEL_INFO, "b", 6, &repeated)); /* another name */
    assert_int_equal(repeated, 0);
    assert_false(log_limit_admit(limit, LOG_LEVEL_INFO, "a", 4 + LOG_LIMIT_PERIOD_MS, &repeated));
    assert_true(log_limit_admit(limit, LOG_LEVEL_INFO, "a", 5 + LOG_LIMIT_PERIOD_MS, &repeated));
    assert_int_equal(repeated, 4);
    for (int i = 0; i < 2 * LOG_BURST; i++)
        assert_true(log_limit_admit(limit, LOG_LEVEL_ERROR, "a", 5, &repeated));
    free(limit);
}

static void a_full_table_lets_lines_through(void **state)
{
    UNUSED(state);
    struct log_limit *limit = calloc(1, sizeof(*limit));
    uint64_t repeated;
    char name[16];
    for (int i = 0; i < LOG_LIMIT_SLOTS; i++) {
        snprintf(name, sizeof(name), "e%d", i);
        assert_true(log_limit_admit(limit, LOG_LEVEL_INFO, name, 0, &repeated));
    }
    for (int i = 0; i < 2 * LOG_BURST; i++)
        assert_true(log_limit_admit(limit, LOG_LEVEL_INFO, "one more", 0, &repeated));
    free(limit);
}

static void knows_its_names(void **state)
{
    UNUSED(state);
    enum log_level level = LOG_LEVEL_INFO;
    enum log_format format = LOG_FORMAT_LOGFMT;
    assert_true(log_level_parse("warn", &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_false(log_level_parse("WARN!", &level));
    assert_true(log_format_parse("json", &format));
    assert_int_equal(format, LOG_FORMAT_JSON);
    assert_false(log_format_parse("xml", &format));
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        log_write_always(LOG_LEVEL_INFO, "many",
                         (const struct log_field[]){LOG_STR("who", arg), LOG_INT("i", i)}, 2);
    return NULL;
}

/* stderr is a file for the test, read back afterwards. */
static void threads_do_not_mix_lines(void **state)
{
    UNUSED(state);
    FILE *file = tmpfile();
    assert_non_null(file);
    const int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    pthread_t other;
    char names[2][8] = {"one", "two"};
    assert_int_equal(pthread_create(&other, NULL, write_many, names[0]), 0);
    write_many(names[1]);
    pthread_join(other, NULL);
    LOG_DEBUG("hidden", LOG_INT("i", 1));
    dup2(saved, STDERR_FILENO);
    close(saved);

    rewind(file);
    char line[256];
    int lines = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_memory_equal(line, "time=", 5);
        assert_non_null(strstr(line, " level=info event=many who="));
        lines++;
    }
    assert_int_equal(lines, 400);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_both_formats),
        cmocka_unit_test(escapes_what_could_forge_a_line_or_drive_a_terminal),
        cmocka_unit_test(cuts_long_values_between_characters),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(holds_repeats_back_and_counts_them),
        cmocka_unit_test(a_full_table_lets_lines_through),
        cmocka_unit_test(knows_its_names),
        cmocka_unit_test(threads_do_not_mix_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
