#include "core/window.h"

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* By the definition: try every multiple of the slide near t. */
static void slow_ends(const struct window_shape *w, int64_t t, int64_t *first, int64_t *last)
{
    *first = INT64_MAX;
    *last = INT64_MIN;
    for (int64_t k = -200; k <= 200; k++) {
        const int64_t start = (t / w->slide_ms + k) * w->slide_ms;
        const int64_t end = start + w->duration_ms;
        if (start <= t && t < end) {
            *first = end < *first ? end : *first;
            *last = end > *last ? end : *last;
        }
    }
}

static void ends_follow_the_definition(void **state)
{
    UNUSED(state);
    const int64_t shapes[][2] = {{10, 10}, {12, 5}, {30, 10}, {35, 20}, {7, 7}, {60, 5}, {13, 12}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const struct window_shape w = window_shape_of(shapes[i][0], shapes[i][1]);
        for (int64_t t = -150; t <= 150; t++) {
            int64_t first, last;
            slow_ends(&w, t, &first, &last);
            assert_int_equal(window_last_end(&w, t), last);
            assert_int_equal(window_first_end(&w, t), first);
            assert_true(first <= last); /* slide <= duration: no time is in no window */
            /* All times of a pane are in the same windows. */
            int64_t pane_first, pane_last;
            slow_ends(&w, window_pane(&w, t), &pane_first, &pane_last);
            assert_int_equal(pane_first, first);
            assert_int_equal(pane_last, last);
            const int64_t before = window_end_at_or_before(&w, t);
            assert_true(before <= t && before + w.slide_ms > t);
            assert_int_equal(timefmt_floor(before - w.duration_ms, w.slide_ms),
                             before - w.duration_ms);
        }
    }
}

/* What Spark was seen to do: 12/5 at 12 and at -7. */
static void agrees_with_sparks_formula(void **state)
{
    UNUSED(state);
    const struct window_shape w = window_shape_of(12, 5);
    assert_int_equal(window_last_end(&w, 12), 22);
    assert_int_equal(window_first_end(&w, 12), 17);
    assert_int_equal(window_last_end(&w, -7), 2);
    assert_int_equal(window_first_end(&w, -7), -3);
    assert_int_equal(w.pane_ms, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_follow_the_definition),
        cmocka_unit_test(agrees_with_sparks_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
