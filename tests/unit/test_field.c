#include "core/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct decimal_case {
    const char *text;
    unsigned scale;
    enum reject_reason reason;
    int64_t value;
};

static const struct decimal_case DECIMALS[] = {
    {"0", 0, REJECT_NONE, 0},
    {"12.5", 2, REJECT_NONE, 1250},
    {" -12.50\t", 2, REJECT_NONE, -1250},
    {"+.5", 1, REJECT_NONE, 5},
    {"-.05", 2, REJECT_NONE, -5},
    {"7", 3, REJECT_NONE, 7000},
    {"007.10", 1, REJECT_NONE, 71},
    {"1.000", 0, REJECT_NONE, 1},
    {"1.2300000000000000000000", 2, REJECT_NONE, 123},
    {"9223372036854775807", 0, REJECT_NONE, INT64_MAX},
    {"-9223372036854775808", 0, REJECT_NONE, INT64_MIN},
    {"-92233720368547758.08", 2, REJECT_NONE, INT64_MIN},
    {"9223372036854775808", 0, REJECT_RANGE, 0},
    {"9223372036854775807", 1, REJECT_RANGE, 0},
    {"99999999999999999999999999", 9, REJECT_RANGE, 0},
    {"1.234", 2, REJECT_RANGE, 0},
    {"0.001", 2, REJECT_RANGE, 0},
    {"1.5", 0, REJECT_RANGE, 0},
    {"", 2, REJECT_TYPE, 0},
    {" ", 2, REJECT_TYPE, 0},
    {".", 2, REJECT_TYPE, 0},
    {"-", 2, REJECT_TYPE, 0},
    {"-.", 2, REJECT_TYPE, 0},
    {"5.", 2, REJECT_TYPE, 0},
    {"1.2.3", 2, REJECT_TYPE, 0},
    {"1,5", 2, REJECT_TYPE, 0},
    {"1e2", 2, REJECT_TYPE, 0},
    {"0x10", 2, REJECT_TYPE, 0},
    {"nan", 2, REJECT_TYPE, 0},
    {"- 1", 2, REJECT_TYPE, 0},
    {"--1", 2, REJECT_TYPE, 0},
    {"1.234x", 2, REJECT_TYPE, 0},
};

static void reads_decimals_exactly(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < ARRAY_LEN(DECIMALS); i++) {
        const struct decimal_case *c = &DECIMALS[i];
        int64_t value = 0;
        const enum reject_reason reason = field_decimal(slice_of(c->text), c->scale, &value);
        if (reason != c->reason || value != c->value)
            fail_msg("\"%s\" scale %u: %s %lld", c->text, c->scale, reject_name(reason),
                     (long long)value);
    }
}

static void reads_integers_up_to_their_ends(void **state)
{
    UNUSED(state);
    int64_t value = 0;
    assert_int_equal(field_int(slice_of("9223372036854775807"), INT64_MIN, INT64_MAX, &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(field_int(slice_of("-9223372036854775808"), INT64_MIN, INT64_MAX, &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(field_int(slice_of("9223372036854775808"), INT64_MIN, INT64_MAX, &value),
                     REJECT_RANGE);
    assert_int_equal(field_int(slice_of("-9223372036854775809"), INT64_MIN, INT64_MAX, &value),
                     REJECT_RANGE);
    assert_int_equal(field_int(slice_of("1.0"), INT64_MIN, INT64_MAX, &value), REJECT_TYPE);
}

static void writes_one_form_of_a_number(void **state)
{
    UNUSED(state);
    static const struct {
        int64_t value;
        unsigned scale;
        const char *text;
    } cases[] = {
        {0, 0, "0"},
        {0, 2, "0.00"},
        {5, 2, "0.05"},
        {-5, 2, "-0.05"},
        {1250, 2, "12.50"},
        {-7, 0, "-7"},
        {INT64_MAX, 0, "9223372036854775807"},
        {INT64_MIN, 9, "-9223372036.854775808"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[FIELD_NUMBER_BYTES];
        const size_t len = field_write_decimal(cases[i].value, cases[i].scale, out);
        assert_string_equal(out, cases[i].text);
        assert_int_equal(len, strlen(cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_decimals_exactly),
        cmocka_unit_test(reads_integers_up_to_their_ends),
        cmocka_unit_test(writes_one_form_of_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
