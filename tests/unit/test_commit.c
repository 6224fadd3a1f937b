#include "core/commit.h"
#include "core/record.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static struct commit_record example(void)
{
    struct commit_record r = {.floor = 1234567890123,
                              .watermark_ms = -86400000,
                              .frontier_ms = WATERMARK_NONE,
                              .side_offset = 1234567890200,
                              .raw_offset = RECORD_NO_OFFSET,
                              .check_offset = 1234567890123,
                              .check = 0x0badcafe,
                              .fingerprint = UINT64_C(0x0123456789abcdef),
                              .cut_count = 2};
    r.cuts[0] = (struct commit_cut){1234567890123, 1721682600000};
    r.cuts[1] = (struct commit_cut){1234567890300, WATERMARK_NONE};
    return r;
}

static void assert_same(const struct commit_record *a, const struct commit_record *b)
{
    assert_int_equal(a->floor, b->floor);
    assert_int_equal(a->watermark_ms, b->watermark_ms);
    assert_int_equal(a->frontier_ms, b->frontier_ms);
    assert_int_equal(a->side_offset, b->side_offset);
    assert_int_equal(a->raw_offset, b->raw_offset);
    assert_int_equal(a->check_offset, b->check_offset);
    assert_int_equal(a->check, b->check);
    assert_int_equal(a->fingerprint, b->fingerprint);
    assert_int_equal(a->cut_count, b->cut_count);
    for (unsigned i = 0; i < a->cut_count; i++) {
        assert_int_equal(a->cuts[i].offset, b->cuts[i].offset);
        assert_int_equal(a->cuts[i].watermark_ms, b->cuts[i].watermark_ms);
    }
}

static void what_is_encoded_is_decoded(void **state)
{
    UNUSED(state);
    const struct commit_record r = example();
    struct commit_record back;
    struct buf text;
    struct err err;
    buf_init(&text, 4096);
    assert_int_equal(commit_encode(&r, &text), 0);
    assert_int_equal(commit_decode(buf_slice(&text), r.floor, &back, &err), 0);
    assert_same(&r, &back);
    buf_deinit(&text);
}

/* One bit anywhere, one byte less, or another offset: never taken for a record. */
static void any_damage_is_found(void **state)
{
    UNUSED(state);
    const struct commit_record r = example();
    struct commit_record back;
    struct buf text;
    struct err err;
    buf_init(&text, 4096);
    assert_int_equal(commit_encode(&r, &text), 0);
    assert_true(commit_decode(buf_slice(&text), r.floor + 1, &back, &err) < 0);
    for (size_t i = 0; i < text.len; i++) {
        assert_true(commit_decode((struct slice){text.data, i}, r.floor, &back, &err) < 0);
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
            assert_true(commit_decode(buf_slice(&text), r.floor, &back, &err) < 0);
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
        }
    }
    buf_deinit(&text);
}

static void a_version_it_does_not_know_is_named(void **state)
{
    UNUSED(state);
    struct commit_record back;
    struct err err;
    assert_int_equal(commit_decode(SLICE_LITERAL("T2 whatever follows"), 5, &back, &err),
                     ERR_CONFIG);
    assert_non_null(strstr(err.text, "version 2"));
    assert_int_equal(commit_decode(SLICE_LITERAL(""), 5, &back, &err), ERR_PARSE);
    assert_int_equal(commit_decode(SLICE_LITERAL("somebody else's"), 5, &back, &err), ERR_PARSE);
}

static void never_longer_than_kafka_takes(void **state)
{
    UNUSED(state);
    struct commit_record r = example();
    struct buf text;
    buf_init(&text, 8192);
    unsigned fit = 0;
    for (unsigned n = 0; n <= COMMIT_MAX_CUTS; n++) {
        r.cut_count = n;
        for (unsigned i = 0; i < n; i++)
            r.cuts[i] = (struct commit_cut){r.floor + 1000000000000 + i, -1721682600000};
        buf_clear(&text);
        if (commit_encode(&r, &text) != 0)
            break;
        assert_true(text.len <= COMMIT_MAX_BYTES);
        fit = n;
    }
    assert_true(fit >= 90);

    /* What fits once must fit for ever: the other numbers of a partition's record grow. */
    r.cut_count = fit;
    r.watermark_ms = r.frontier_ms = -253402300799999;
    r.side_offset = r.raw_offset = r.check_offset = INT64_MAX;
    buf_clear(&text);
    assert_int_equal(commit_encode(&r, &text), 0);
    buf_deinit(&text);
}

/* The cuts that COMMIT_MAX_CUTS promises: within a thousand million records, times of this age. */
static void the_promised_number_of_cuts_fits(void **state)
{
    UNUSED(state);
    struct commit_record r = example();
    struct buf text;
    buf_init(&text, 8192);
    r.cut_count = COMMIT_MAX_CUTS;
    for (unsigned i = 0; i < r.cut_count; i++)
        r.cuts[i] = (struct commit_cut){r.floor + 999999000 + i, 9999999999999};
    assert_int_equal(commit_encode(&r, &text), 0);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(any_damage_is_found),
        cmocka_unit_test(a_version_it_does_not_know_is_named),
        cmocka_unit_test(never_longer_than_kafka_takes),
        cmocka_unit_test(the_promised_number_of_cuts_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
