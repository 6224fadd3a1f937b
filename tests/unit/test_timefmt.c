#include "base/timefmt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct timefmt compiled(const char *pattern, bool lenient)
{
    struct timefmt f;
    struct err err = {.text = ""};
    const int rc = timefmt_compile(&f, pattern, lenient, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return f;
}

static const int64_t NO_TIME = INT64_MIN;

static int64_t parsed(const char *pattern, bool lenient, const char *text)
{
    const struct timefmt f = compiled(pattern, lenient);
    int64_t ms = NO_TIME;
    const bool ok = timefmt_parse(&f, slice_of(text), &ms);
    assert_int_equal(ok, ms != NO_TIME);
    return ms;
}

/* Counts days one by one, the way a calendar is written on paper. */
static void next_day(struct timefmt_civil *c)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int length = lengths[c->month - 1];
    if (c->month == 2 && (c->year % 400 == 0 || (c->year % 100 != 0 && c->year % 4 == 0)))
        length = 29;
    if (++c->day <= length)
        return;
    c->day = 1;
    if (++c->month <= 12)
        return;
    c->month = 1;
    c->year++;
}

static void agrees_with_a_slow_calendar_for_800_years(void **state)
{
    UNUSED(state);
    const struct timefmt f = compiled("%Y-%m-%d", false);
    struct timefmt_civil slow = {.year = 1600, .month = 1, .day = 1};
    int64_t ms = INT64_C(-135140) * TIMEFMT_MS_PER_DAY; /* 135,140 days from there to 1970 */
    for (; slow.year <= 2400; ms += TIMEFMT_MS_PER_DAY, next_day(&slow)) {
        if (slow.year == 1970 && slow.month == 1 && slow.day == 1)
            assert_int_equal(ms, 0);
        struct timefmt_civil fast;
        timefmt_from_ms(ms, &fast);
        if (fast.year != slow.year || fast.month != slow.month || fast.day != slow.day)
            fail_msg("%d-%d-%d is %d-%d-%d here", slow.year, slow.month, slow.day, fast.year,
                     fast.month, fast.day);
        assert_int_equal(timefmt_to_ms(&slow), ms);
        char text[TIMEFMT_MAX_TEXT];
        int64_t again;
        const size_t len = timefmt_format(&f, ms, text);
        assert_int_equal(len, 10);
        assert_true(timefmt_parse(&f, (struct slice){text, len}, &again));
        assert_int_equal(again, ms);
    }
}

static void knows_leap_years(void **state)
{
    UNUSED(state);
    assert_int_not_equal(parsed("%Y-%m-%d", false, "2000-02-29"), NO_TIME);
    assert_int_not_equal(parsed("%Y-%m-%d", false, "2024-02-29"), NO_TIME);
    assert_int_equal(parsed("%Y-%m-%d", false, "1900-02-29"), NO_TIME);
    assert_int_equal(parsed("%Y-%m-%d", false, "2023-02-29"), NO_TIME);
    assert_int_equal(parsed("%Y-%m-%d", false, "2024-02-30"), NO_TIME);
}

static void reads_the_forms_of_the_seed(void **state)
{
    UNUSED(state);
    const int64_t ms = INT64_C(1721682601000);
    assert_int_equal(parsed("%Y-%m-%d %H:%M:%S", false, "2024-07-22 21:10:01"), ms);
    assert_int_equal(parsed("%m-%d-%y", false, "07-22-24"), INT64_C(1721606400000));
    assert_int_equal(parsed("%m-%d-%y", true, "7-22-24"), INT64_C(1721606400000));
    assert_int_equal(parsed("%m-%d-%y", true, "7-4-24"), INT64_C(1720051200000));
    assert_int_equal(parsed("%m-%d-%y", false, "7-4-24"), NO_TIME);
    assert_int_equal(parsed("%H:%M:%S", false, "00:00:01"), 1000);
}

static void two_digit_years_turn_at_69(void **state)
{
    UNUSED(state);
    assert_int_equal(parsed("%y-%m-%d", false, "70-01-01"), 0);
    assert_int_equal(parsed("%y-%m-%d", false, "69-01-01"), -365 * TIMEFMT_MS_PER_DAY);
    assert_int_equal(parsed("%y-%m-%d", false, "68-01-01"),
                     parsed("%Y-%m-%d", false, "2068-01-01"));
}

static void reads_fractions_and_offsets(void **state)
{
    UNUSED(state);
    assert_int_equal(parsed("%S.%f", false, "01.5"), 1500);
    assert_int_equal(parsed("%S.%f", false, "01.123456789"), 1123);
    assert_int_equal(parsed("%S.%f", false, "01.0009"), 1000);
    const char *const iso = "%Y-%m-%dT%H:%M:%S%z";
    assert_int_equal(parsed(iso, false, "1970-01-01T01:00:00Z"), 3600000);
    assert_int_equal(parsed(iso, false, "1970-01-01T01:00:00+01:00"), 0);
    assert_int_equal(parsed(iso, false, "1970-01-01T01:00:00-0130"), 9000000);
    assert_int_equal(parsed(iso, false, "0000-01-01T00:00:00+00:01"), NO_TIME);
    assert_int_equal(parsed(iso, false, "9999-12-31T23:59:59-00:01"), NO_TIME);
    assert_int_not_equal(parsed(iso, false, "9999-12-31T23:59:59Z"), NO_TIME);
}

static void refuses_what_is_not_wholly_a_time(void **state)
{
    UNUSED(state);
    static const char *const wrong[] = {
        "",
        " ",
        "2024-07-22",
        "2024-07-22 21:10",
        "2024-07-22 21:10:0",
        "2024-07-22 21:10:011",
        " 2024-07-22 21:10:01",
        "2024-07-22 21:10:01 ",
        "2024-07-22T21:10:01",
        "2024/07/22 21:10:01",
        "24-07-22 21:10:01",
        "02024-07-22 21:10:01",
        "2024-00-22 21:10:01",
        "2024-13-22 21:10:01",
        "2024-07-00 21:10:01",
        "2024-07-32 21:10:01",
        "2024-06-31 21:10:01",
        "2024-07-22 24:00:00",
        "2024-07-22 21:60:01",
        "2024-07-22 21:10:60",
        "2024-07-22 -1:10:01",
        "2024-07-22 +1:10:01",
        "2024-7-22 21:10:01",
        "2024-07-22 21:10:0x",
        "2024-07-22 21:10: 1",
        "2024-07-22 21:10:01.5",
        "2024-07-22 21:10:01Z",
        "9024-07-22 21:10:01 9024-07-22 21:10:01 9024-07-22 21:10:01 9024-07-22",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (parsed("%Y-%m-%d %H:%M:%S", false, wrong[i]) != NO_TIME)
            fail_msg("accepted \"%s\"", wrong[i]);
    }
    static const char *const wrong_offsets[] = {"",       "z",      "01:00", "+1:00",   "+01",
                                                "+24:00", "+01:60", "+01:0", "+01::00", "Z0"};
    for (size_t i = 0; i < ARRAY_LEN(wrong_offsets); i++)
        assert_int_equal(parsed("%z", false, wrong_offsets[i]), NO_TIME);
    assert_int_equal(parsed("%f", false, "1234567890"), NO_TIME);
}

static void writes_every_conversion(void **state)
{
    UNUSED(state);
    const struct timefmt f = compiled("%y %% %m/%d %H:%M:%S.%f%z", false);
    char text[TIMEFMT_MAX_TEXT];
    const size_t len = timefmt_format(&f, INT64_C(1721682601007), text);
    assert_string_equal(text, "24 % 07/22 21:10:01.007Z");
    assert_int_equal(len, 24);
    const struct timefmt year = compiled("%Y", false);
    timefmt_format(&year, -INT64_C(62167219200000), text); /* 0000-01-01 */
    assert_string_equal(text, "0000");
}

static void longest_text_fits(void **state)
{
    UNUSED(state);
    const struct timefmt f = compiled("%Y%m%d%H%M%S%f%zxxxxxxxxxxxxxxxxxxxxxxxx", false);
    char text[TIMEFMT_MAX_TEXT];
    assert_true(timefmt_format(&f, 0, text) < TIMEFMT_MAX_TEXT);
}

static void refuses_bad_formats_with_a_reason(void **state)
{
    UNUSED(state);
    static const struct {
        const char *pattern, *reason;
    } cases[] = {
        {"", "format is empty"},
        {"%Q", "unknown conversion %Q"},
        {"%Y-%", "lone %"},
        {"%Y %Y", "%Y gives the same part of the time twice"},
        {"%Y %y", "%y gives the same part of the time twice"},
        {"123456789012345678901234567890123", "more than 32 parts"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct timefmt f;
        struct err err = {.text = ""};
        assert_int_equal(timefmt_compile(&f, cases[i].pattern, false, &err), ERR_CONFIG);
        if (strstr(err.text, cases[i].reason) == NULL)
            fail_msg("\"%s\": %s", cases[i].pattern, err.text);
    }
}

static void floors_towards_minus_infinity(void **state)
{
    UNUSED(state);
    assert_int_equal(timefmt_floor(7, 5), 5);
    assert_int_equal(timefmt_floor(-1, 5), -5);
    assert_int_equal(timefmt_floor(-5, 5), -5);
    assert_int_equal(timefmt_floor(0, 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_slow_calendar_for_800_years),
        cmocka_unit_test(knows_leap_years),
        cmocka_unit_test(reads_the_forms_of_the_seed),
        cmocka_unit_test(two_digit_years_turn_at_69),
        cmocka_unit_test(reads_fractions_and_offsets),
        cmocka_unit_test(refuses_what_is_not_wholly_a_time),
        cmocka_unit_test(writes_every_conversion),
        cmocka_unit_test(longest_text_fits),
        cmocka_unit_test(refuses_bad_formats_with_a_reason),
        cmocka_unit_test(floors_towards_minus_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
