/* Decoding by other schemas than the default one: every type as a group, every measure, offsets
 * from UTC, a schema without groups and key. */
#include "core/decode.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ALL_TYPES                                                                         \
    "{\"name\": \"t\", \"columns\": ["                                                    \
    "{\"name\": \"s\", \"type\": \"string\"}, {\"name\": \"i\", \"type\": \"int32\"},"    \
    "{\"name\": \"l\", \"type\": \"int64\"},"                                             \
    "{\"name\": \"c\", \"type\": \"decimal\", \"scale\": 2},"                             \
    "{\"name\": \"d\", \"type\": \"date\", \"format\": \"%d.%m.%Y\", \"lenient\": true}," \
    "{\"name\": \"u\", \"type\": \"timestamp\", \"format\": \"%Y%m%d\"},"                 \
    "{\"name\": \"t\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%dT%H:%M%z\","        \
    " \"output_format\": \"%H:%M\"}], \"event_time\": \"t\", \"key\": [\"t\", \"s\"],"    \
    "\"group_by\": [\"t\", \"s\", \"i\", \"l\", \"c\", \"d\", \"u\"],"                    \
    "\"output\": [\"t\", \"s\", \"i\", \"l\", \"c\", \"d\", \"u\", {\"count\": true},"    \
    "{\"min\": \"l\", \"name\": \"1\"}, {\"max\": \"c\", \"name\": \"2\"},"               \
    "{\"sum\": \"c\", \"name\": \"3\"}]}"

#define BARE(extra)                                                                           \
    "{\"name\": \"t\", \"columns\": [{\"name\": \"t\", \"type\": \"timestamp\", \"format\": " \
    "\"%Y-%m-%d %H:%M\"" extra "}], \"event_time\": \"t\", \"key\": [], \"group_by\": [],"    \
    "\"output\": [{\"count\": true}]}"

static struct schema *schema;
static struct decoder *decoder;

static void use(const char *text, int64_t max_future_skew_ms)
{
    struct err err = {.text = ""};
    const int rc = schema_parse(slice_of(text), &schema, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    const struct decode_options options = {.max_future_skew_ms = max_future_skew_ms};
    decoder = decoder_new(schema, &options);
}

static int tear_down(void **state)
{
    UNUSED(state);
    decoder_free(decoder);
    schema_free(schema);
    return 0;
}

/* The only row of a message; the next call may overwrite it. */
static struct row decoded(const char *value, int64_t timestamp_ms)
{
    const struct record record = {.timestamp_ms = timestamp_ms, .value = slice_of(value)};
    const struct row *rows;
    assert_int_equal(decoder_run(decoder, &record, 1, &rows), 1);
    return rows[0];
}

static void every_type_has_one_form_in_a_group(void **state)
{
    UNUSED(state);
    use(ALL_TYPES, -1);
    static const char *const rows[] = {
        "x,7,-8,1.5,2.1.2024,20240103,2024-01-01T10:30Z",
        "x, +007 ,-08,01.500,02.01.2024,20240103,2024-01-01T11:30+01:00",
        "\"x\",7,-8,+1.5,2.01.2024,\"20240103\",2024-01-01T05:00-0530",
    };
    const char group[] = "10:30\0x\0"
                         "7\0-8\0"
                         "1.50\0"
                         "02.01.2024\0"
                         "20240103";
    uint64_t key[2] = {0, 0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row row = decoded(rows[i], RECORD_NO_TIMESTAMP);
        assert_string_equal(reject_name(row.reject), "none");
        assert_int_equal(row.group.len, sizeof(group) - 1);
        assert_memory_equal(row.group.ptr, group, sizeof(group) - 1);
        assert_int_equal(row.event_ms, INT64_C(1704105000000));
        static const int64_t measures[] = {1, -8, 150, 150};
        for (size_t m = 0; m < ARRAY_LEN(measures); m++)
            assert_int_equal(row.measures[m], measures[m]);
        if (i == 0)
            memcpy(key, row.key, sizeof(key));
        assert_memory_equal(row.key, key, sizeof(key)); /* equal instants, equal keys */
    }
}

static void every_typed_column_is_checked(void **state)
{
    UNUSED(state);
    use(ALL_TYPES, -1);
    static const struct {
        const char *row;
        enum reject_reason reason;
    } cases[] = {
        {"x,7,-8,1.5,2.1.2024,20240103,2024-01-01T10:30", REJECT_TIMESTAMP},
        {"x,7,-8,1.5,2.1.2024,20240133,2024-01-01T10:30Z", REJECT_DATE},
        {"x,7,-8,1.5,2.1.24,20240103,2024-01-01T10:30Z", REJECT_DATE},
        {"x,7,-8,1.505,2.1.2024,20240103,2024-01-01T10:30Z", REJECT_RANGE},
        {"x,7,9223372036854775808,1,2.1.2024,20240103,2024-01-01T10:30Z", REJECT_RANGE},
        {"x,y,-8,1.5,2.1.2024,20240103,2024-01-01T10:30Z", REJECT_TYPE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(reject_name(decoded(cases[i].row, RECORD_NO_TIMESTAMP).reject),
                            reject_name(cases[i].reason));
    }
}

static void a_schema_without_groups_and_key_counts_rows(void **state)
{
    UNUSED(state);
    use(BARE(""), 0);
    const struct row row = decoded("1970-01-01 00:01", RECORD_NO_TIMESTAMP);
    assert_string_equal(reject_name(row.reject), "none");
    assert_int_equal(row.event_ms, 60000);
    assert_int_equal(row.measures[0], 1);
    assert_int_equal(row.group.len, 0);
    assert_non_null(row.group.ptr);
    assert_int_equal(decoded("1970-01-01 00:01", 59999).reject, REJECT_FUTURE);
    assert_int_equal(decoded("1970-01-01 00:01", 60000).reject, REJECT_NONE);
}

static void an_offset_moves_the_future_but_not_the_event_time(void **state)
{
    UNUSED(state);
    use(BARE(", \"utc_offset\": \"-05:00\""), 0);
    const struct row row = decoded("1970-01-01 00:00", 5 * 3600 * 1000);
    assert_string_equal(reject_name(row.reject), "none");
    assert_int_equal(row.event_ms, 0);
    assert_int_equal(decoded("1970-01-01 00:00", 5 * 3600 * 1000 - 1).reject, REJECT_FUTURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_type_has_one_form_in_a_group, tear_down),
        cmocka_unit_test_teardown(every_typed_column_is_checked, tear_down),
        cmocka_unit_test_teardown(a_schema_without_groups_and_key_counts_rows, tear_down),
        cmocka_unit_test_teardown(an_offset_moves_the_future_but_not_the_event_time, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
