/* The arithmetic of counters, on cases made by hand. */
#include "producer/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MAX 10000

struct example {
    const char *what;
    bool down;
    int64_t before, now;
    enum counter_verdict verdict;
    int64_t delta;
};

static void test_step(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a quiet night", false, 102019, 102019, COUNTER_UP, 0},
        {"four hours of passages", false, 102019, 102024, COUNTER_UP, 5},
        {"as many as can be true", false, 0, MAX, COUNTER_UP, MAX},
        {"one more than can be true", false, 0, MAX + 1, COUNTER_JUMP, 0},
        {"a counter gone wild", false, 277, 1343226133, COUNTER_JUMP, 0},
        {"begun anew", false, 189085, 40, COUNTER_RESET, 40},
        {"begun anew, nobody since", false, 62186, 0, COUNTER_RESET, 0},
        {"small, and still less than half", false, 9000, 4000, COUNTER_RESET, 4000},
        {"a bit less: no reset", false, 9000, 8990, COUNTER_BACKWARD, 0},
        {"fell, but not to a small value", false, 6042111, 262702, COUNTER_BACKWARD, 0},
        {"one back to zero", false, 1, 0, COUNTER_BACKWARD, 0},
        {"counts down", true, 2147178400, 2147178300, COUNTER_DOWN, 100},
        {"counts down, a quiet night", true, 500, 500, COUNTER_UP, 0},
        {"counts down to zero", true, 500, 0, COUNTER_DOWN, 500},
        {"counts down, too far", true, 500000, 480000, COUNTER_JUMP, 0},
        {"counts down, but rose", true, 500, 510, COUNTER_BACKWARD, 0},
        {"counts down, wrapped", true, 3, 2147483647, COUNTER_BACKWARD, 0},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *e = &examples[i];
        int64_t delta = -1;
        const enum counter_verdict verdict = counter_step(e->down, e->before, e->now, MAX, &delta);
        if (verdict != e->verdict || delta != e->delta)
            fail_msg("%s: verdict %d, delta %lld", e->what, (int)verdict, (long long)delta);
        assert_true(counter_verdict_has_delta(verdict) || delta == 0);
    }
}

/* Whatever two readings say, a delta is never negative and never above the bound. */
static void test_delta_is_bounded(void **state)
{
    (void)state;
    static const int64_t values[] = {0,     1,     5,     4999,       5000,        9999,
                                     10000, 10001, 20001, 2147483647, 999999999999};
    const size_t n = sizeof values / sizeof values[0];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (int down = 0; down < 2; down++) {
                int64_t delta;
                counter_step(down, values[i], values[j], MAX, &delta);
                assert_in_range(delta, 0, MAX);
            }
}

static bool trend(const int64_t *values, size_t count)
{
    struct counter_trend t = {0};
    for (size_t i = 1; i < count; i++)
        counter_trend_add(&t, values[i - 1], values[i], MAX);
    return counter_trend_is_down(&t);
}

static void test_trend(void **state)
{
    (void)state;
    assert_false(trend((const int64_t[]){5}, 1));
    assert_false(trend((const int64_t[]){5, 5, 5}, 3));
    assert_false(trend((const int64_t[]){5, 8, 20, 3, 9}, 5)); /* one reset on the way up */
    assert_true(trend((const int64_t[]){50, 40, 40, 35, 36}, 5));
    assert_false(trend((const int64_t[]){50, 40, 45}, 3));              /* undecided: up */
    assert_false(trend((const int64_t[]){900000, 5, 800000, 4, 6}, 5)); /* jumps do not vote */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_delta_is_bounded),
        cmocka_unit_test(test_trend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
