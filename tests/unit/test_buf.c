#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void grows_up_to_its_maximum_and_keeps_what_was_there(void **state)
{
    UNUSED(state);
    struct buf b;
    buf_init(&b, 600);
    for (int i = 0; i < 300; i++)
        assert_int_equal(buf_append(&b, "xy", 2), 0);
    assert_int_equal(buf_append_byte(&b, 'z'), ERR_TOO_LARGE);
    assert_int_equal(b.len, 600);
    assert_memory_equal(b.data + 598, "xy", 2);
    buf_deinit(&b);
}

static void refuses_sizes_that_would_wrap(void **state)
{
    UNUSED(state);
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(buf_append(&b, "abc", 3), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_TOO_LARGE);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), ERR_TOO_LARGE);
    assert_int_equal(buf_reserve(&b, 97), 0);
    buf_deinit(&b);
}

static void take_hands_the_bytes_over(void **state)
{
    UNUSED(state);
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(buf_printf(&b, "%d-%s", 7, "a"), 0);
    char *bytes = buf_take(&b);
    assert_memory_equal(bytes, "7-a", 3);
    assert_int_equal(b.len, 0);
    mem_free(bytes);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_maximum_and_keeps_what_was_there),
        cmocka_unit_test(refuses_sizes_that_would_wrap),
        cmocka_unit_test(take_hands_the_bytes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
