#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void pieces_stay_where_they_are(void **state)
{
    UNUSED(state);
    enum { PIECES = 500, BYTES = 1000 };
    struct arena a;
    arena_init(&a, 1024 * 1024);
    unsigned char *pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&a, BYTES);
        assert_int_equal((uintptr_t)pieces[i] % sizeof(int64_t), 0);
        memset(pieces[i], i % 251, BYTES);
        memset(arena_reserve(&a, 7), 0xff, 7);
        arena_commit(&a, 3); /* odd on purpose */
    }
    for (int i = 0; i < PIECES; i++) {
        for (int b = 0; b < BYTES; b++)
            assert_int_equal(pieces[i][b], i % 251);
    }
    arena_deinit(&a);
}

static void a_warm_round_needs_no_new_memory(void **state)
{
    UNUSED(state);
    struct arena a;
    arena_init(&a, 1024 * 1024);
    size_t held_bytes = 0;
    for (int round = 0; round < 5; round++) {
        arena_reset(&a);
        for (int i = 0; i < 300; i++)
            memset(arena_alloc(&a, 1001), round, 1001);
        if (round > 0)
            assert_int_equal(a.held_bytes, held_bytes);
        held_bytes = a.held_bytes;
    }
    assert_int_equal(a.newest == NULL, 0);
    arena_deinit(&a);
}

static void gives_back_what_is_too_much_to_keep(void **state)
{
    UNUSED(state);
    struct arena a;
    arena_init(&a, 100 * 1024);
    memset(arena_alloc(&a, 10 * 1024 * 1024), 1, 10 * 1024 * 1024);
    assert_true(a.held_bytes >= 10 * 1024 * 1024);
    arena_reset(&a);
    assert_int_equal(a.held_bytes, 0);
    assert_non_null(arena_alloc(&a, 0));
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stay_where_they_are),
        cmocka_unit_test(a_warm_round_needs_no_new_memory),
        cmocka_unit_test(gives_back_what_is_too_much_to_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
