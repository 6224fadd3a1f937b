#include "core/dedup.h"

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void key_of(uint64_t n, uint64_t key[2])
{
    uint64_t state = n;
    key[0] = next_random(&state);
    key[1] = next_random(&state);
}

static void a_key_is_new_once_in_each_set(void **state)
{
    UNUSED(state);
    struct dedup *d = dedup_new();
    const uint16_t a = dedup_open(d), b = dedup_open(d);
    for (uint64_t n = 0; n < 50000; n++) {
        uint64_t key[2];
        key_of(n, key);
        assert_true(dedup_add(d, a, key));
        assert_true(dedup_add(d, b, key));
    }
    for (uint64_t n = 0; n < 50000; n++) {
        uint64_t key[2];
        key_of(n, key);
        assert_false(dedup_add(d, a, key));
        assert_false(dedup_add(d, b, key));
    }
    assert_int_equal(dedup_live(d), 100000);
    assert_true(dedup_memory_bytes(d) / dedup_live(d) <= 48);
    dedup_free(d);
}

/* 112 bits are compared: keys that differ in any of them are different. */
static void keys_that_differ_in_one_bit_are_two(void **state)
{
    UNUSED(state);
    struct dedup *d = dedup_new();
    const uint16_t set = dedup_open(d);
    uint64_t key[2] = {0, 0};
    assert_true(dedup_add(d, set, key));
    for (unsigned bit = 0; bit < 64; bit++) {
        key[0] = UINT64_C(1) << bit;
        assert_true(dedup_add(d, set, key));
    }
    key[0] = 0;
    for (unsigned bit = 16; bit < 64; bit++) {
        key[1] = UINT64_C(1) << bit;
        assert_true(dedup_add(d, set, key));
    }
    dedup_free(d);
}

/* A long stream through few open sets: nothing is forgotten early, memory stays flat, and set
 * numbers are used again (more sets than there are numbers) without meeting old entries. */
static void sets_come_and_go(void **state)
{
    UNUSED(state);
    enum { OPEN = 3, KEYS = 40, SETS = 200000 };
    struct dedup *d = dedup_new();
    uint16_t open[OPEN] = {0};
    size_t most = 0;
    for (uint64_t s = 0; s < SETS; s++) {
        if (open[s % OPEN] != DEDUP_NO_SET)
            dedup_close(d, open[s % OPEN], KEYS);
        open[s % OPEN] = dedup_open(d);
        assert_int_not_equal(open[s % OPEN], DEDUP_NO_SET);
        for (uint64_t n = 0; n < KEYS; n++) {
            uint64_t key[2];
            key_of(n, key); /* the same keys in every set */
            assert_true(dedup_add(d, open[s % OPEN], key));
        }
        uint64_t again[2];
        key_of(s % KEYS, again);
        assert_false(dedup_add(d, open[s % OPEN], again));
        most = dedup_memory_bytes(d) > most ? dedup_memory_bytes(d) : most;
    }
    assert_true(most <= 64 * 1024);
    dedup_free(d);
}

/* A number of a closed set may come again only when its keys are out of the table. */
static void a_set_does_not_inherit_from_its_number(void **state)
{
    UNUSED(state);
    struct dedup *d = dedup_new();
    uint64_t key[2];
    key_of(1, key);
    const uint16_t first = dedup_open(d);
    assert_true(dedup_add(d, first, key));
    dedup_close(d, first, 1);
    for (unsigned i = 0; i < 2 * DEDUP_MAX_SETS; i++) {
        const uint16_t set = dedup_open(d);
        const bool again = set == first;
        if (again)
            assert_true(dedup_add(d, set, key));
        dedup_close(d, set, again);
    }
    dedup_free(d);
}

static void gives_memory_back(void **state)
{
    UNUSED(state);
    struct dedup *d = dedup_new();
    const size_t empty = dedup_memory_bytes(d);
    const uint16_t set = dedup_open(d);
    for (uint64_t n = 0; n < 200000; n++) {
        uint64_t key[2];
        key_of(n, key);
        dedup_add(d, set, key);
    }
    dedup_close(d, set, 200000);
    assert_int_equal(dedup_memory_bytes(d), empty);
    dedup_free(d);
}

static void says_when_no_set_is_left(void **state)
{
    UNUSED(state);
    struct dedup *d = dedup_new();
    for (int i = 0; i < DEDUP_MAX_SETS; i++)
        assert_int_not_equal(dedup_open(d), DEDUP_NO_SET);
    assert_int_equal(dedup_open(d), DEDUP_NO_SET);
    dedup_close(d, 77, 0);
    assert_int_equal(dedup_open(d), 77);
    dedup_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_new_once_in_each_set),
        cmocka_unit_test(keys_that_differ_in_one_bit_are_two),
        cmocka_unit_test(sets_come_and_go),
        cmocka_unit_test(a_set_does_not_inherit_from_its_number),
        cmocka_unit_test(gives_memory_back),
        cmocka_unit_test(says_when_no_set_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
