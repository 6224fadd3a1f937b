#include "base/mem.h"
#include "core/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/* Four measures, one of each function; the rest of the schema does not matter here. */
static struct schema four_measures(void)
{
    struct schema s = {.measure_count = 4};
    s.measures[0].function = SCHEMA_SUM;
    s.measures[1].function = SCHEMA_COUNT;
    s.measures[2].function = SCHEMA_MIN;
    s.measures[3].function = SCHEMA_MAX;
    return s;
}

static void add(struct groups *g, const char *key, uint64_t hash, int64_t value)
{
    groups_add(g, hash, slice_of(key), (int64_t[]){value, 1, value, value});
}

static void totals_of_one_group(void **state)
{
    UNUSED(state);
    const struct schema s = four_measures();
    struct groups *g = groups_new(&s);
    add(g, "a", 1, 5);
    add(g, "a", 1, -7);
    add(g, "a", 1, 3);
    struct slice key;
    const groups_sum *t = groups_entry(g, 0, &key);
    assert_int_equal(groups_count(g), 1);
    assert_true(t[0] == 1 && t[1] == 3 && t[2] == -7 && t[3] == 5);
    groups_free(g);
}

/* Equal hashes must not make equal groups. */
static void keys_decide_not_hashes(void **state)
{
    UNUSED(state);
    const struct schema s = four_measures();
    struct groups *g = groups_new(&s);
    char key[16];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        add(g, key, (uint64_t)(i % 3), i);
    }
    assert_int_equal(groups_count(g), 500);
    groups_free(g);
}

static void sums_pass_64_bits(void **state)
{
    UNUSED(state);
    const struct schema s = four_measures();
    struct groups *g = groups_new(&s), *h = groups_new(&s);
    add(g, "a", 9, INT64_MAX);
    add(h, "a", 9, INT64_MAX);
    for (int i = 0; i < 100; i++)
        groups_merge(g, h);
    struct slice key;
    const groups_sum *t = groups_entry(g, 0, &key);
    assert_true(t[0] == (groups_sum)INT64_MAX * 101);
    groups_free(g);
    groups_free(h);
}

static void sorts_bytewise_and_still_finds(void **state)
{
    UNUSED(state);
    const struct schema s = four_measures();
    struct groups *g = groups_new(&s);
    const char *const keys[] = {"b", "a\xff", "", "ab", "a", "B"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        add(g, keys[i], i * 7, (int64_t)i);
    groups_sort(g);
    const char *const sorted[] = {"", "B", "a", "ab", "a\xff", "b"};
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        struct slice key;
        groups_entry(g, i, &key);
        assert_true(slice_equal(key, slice_of(sorted[i])));
    }
    add(g, "ab", 21, 100);
    assert_int_equal(groups_count(g), ARRAY_LEN(keys));
    groups_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_of_one_group),
        cmocka_unit_test(keys_decide_not_hashes),
        cmocka_unit_test(sums_pass_64_bits),
        cmocka_unit_test(sorts_bytewise_and_still_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
