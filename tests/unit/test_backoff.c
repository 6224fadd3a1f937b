#include "core/backoff.h"

#include "base/base.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void stays_below_the_doubled_base_and_the_cap(void **state)
{
    UNUSED(state);
    struct backoff b = {.state = 7};
    int64_t ceiling = 100;
    for (unsigned attempt = 0; attempt < 40; attempt++) {
        int64_t largest = 0;
        for (int i = 0; i < 2000; i++) {
            const int64_t delay = backoff_next_ms(&b, attempt, 100, 60000);
            assert_in_range(delay, 0, ceiling);
            largest = delay > largest ? delay : largest;
        }
        assert_true(largest > ceiling * 9 / 10); /* full jitter: the whole range is used */
        ceiling = ceiling * 2 < 60000 ? ceiling * 2 : 60000;
    }
}

static void the_same_seed_gives_the_same_delays(void **state)
{
    UNUSED(state);
    struct backoff a = {.state = 99}, b = {.state = 99}, other = {.state = 100};
    int differences = 0;
    for (unsigned attempt = 0; attempt < 20; attempt++) {
        const int64_t delay = backoff_next_ms(&a, attempt, 100, 60000);
        assert_int_equal(delay, backoff_next_ms(&b, attempt, 100, 60000));
        differences += delay != backoff_next_ms(&other, attempt, 100, 60000);
    }
    assert_true(differences > 10);
}

static void takes_extreme_numbers(void **state)
{
    UNUSED(state);
    struct backoff b = {.state = 1};
    assert_int_equal(backoff_next_ms(&b, UINT_MAX, 0, 60000), 0);
    assert_int_equal(backoff_next_ms(&b, UINT_MAX, 100, 0), 0);
    for (int i = 0; i < 100; i++)
        assert_true(backoff_next_ms(&b, UINT_MAX, 1, INT64_MAX) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_below_the_doubled_base_and_the_cap),
        cmocka_unit_test(the_same_seed_gives_the_same_delays),
        cmocka_unit_test(takes_extreme_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
