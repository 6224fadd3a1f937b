/* Where raw chunks begin and end, what they are called, and what the pipeline makes of them. The
 * recovery of it all is the simulation's. */
#include "core/raw.h"

#include "pipeline_rig.h"

#include <stdio.h>

/* 22 July 2024, noon. */
#define NOON_MS INT64_C(1721649600000)

static struct record record_at(int64_t offset, int64_t timestamp_ms, const char *value)
{
    return (struct record){
        .offset = offset, .timestamp_ms = timestamp_ms, .value = slice_of(value)};
}

static void add(struct raw *r, int64_t offset, int64_t timestamp_ms, const char *value)
{
    const struct record record = record_at(offset, timestamp_ms, value);
    const struct origin origin = {.offset = offset};
    raw_add(r, "t", 3, &record, &origin, 10);
}

/* Cut, compare, acknowledge nothing. */
static void cut_is(struct raw *r, const char *name, uint64_t rows, const char *lines)
{
    struct object *o = raw_cut(r, "raw", "t", 3);
    assert_non_null(o);
    assert_int_equal(o->kind, OBJECT_RAW);
    assert_string_equal(o->name, name);
    assert_int_equal(o->rows, rows);
    assert_int_equal(o->partition, 3);
    if (lines != NULL) {
        assert_int_equal(o->lines.len, strlen(lines));
        assert_memory_equal(o->lines.data, lines, o->lines.len);
    }
    object_free(o);
    assert_null(raw_cut(r, "raw", "t", 3));
}

static void a_chunk_ends_at_the_next_multiple(void **state)
{
    UNUSED(state);
    struct raw r;
    raw_init(&r, 7);
    assert_null(raw_cut(&r, "raw", "t", 3));
    assert_false(raw_is_complete(&r, INT64_MAX));
    add(&r, 8, NOON_MS, "a");
    assert_false(raw_is_complete(&r, 9));
    assert_true(raw_is_complete(&r, 10));
    assert_true(raw_is_complete(&r, 31)); /* a gap */
    add(&r, 9, NOON_MS + 86400000, "b");
    cut_is(&r, "raw/t/2024/07/22/3-8.jsonl.gz", 2,
           "{\"topic\":\"t\",\"partition\":3,\"offset\":8,\"timestamp_ms\":1721649600000,"
           "\"key\":null,\"value\":\"a\"}\n"
           "{\"topic\":\"t\",\"partition\":3,\"offset\":9,\"timestamp_ms\":1721736000000,"
           "\"key\":null,\"value\":\"b\"}\n");
    add(&r, 20, NOON_MS, "c");
    assert_false(raw_is_complete(&r, 29));
    assert_true(raw_is_complete(&r, 30));
    raw_deinit(&r);
}

static void a_chunk_ends_once_it_is_large(void **state)
{
    UNUSED(state);
    struct raw r;
    char *large = mem_calloc(1, RAW_MAX_BYTES / 4);
    memset(large, 'x', RAW_MAX_BYTES / 4 - 1);
    raw_init(&r, 0);
    for (int64_t i = 0; i < 4; i++) {
        assert_false(raw_is_complete(&r, i));
        add(&r, i, NOON_MS, large); /* with the rest of its line a little over a fourth */
    }
    assert_true(raw_is_complete(&r, 4));
    cut_is(&r, "raw/t/2024/07/22/3-0.jsonl.gz", 4, NULL);
    add(&r, 4, NOON_MS, "the same multiple, another object");
    cut_is(&r, "raw/t/2024/07/22/3-4.jsonl.gz", 1, NULL);
    mem_free(large);
    raw_deinit(&r);
}

static void the_first_message_dates_it(void **state)
{
    UNUSED(state);
    static const struct {
        int64_t ms;
        const char *day;
    } cases[] = {
        {0, "1970/01/01"},
        {-1, "1969/12/31"},
        {INT64_C(1709251199999), "2024/02/29"},
        {INT64_C(1709251200000), "2024/03/01"},
        {RECORD_NO_TIMESTAMP, "1970/01/01"},
        {INT64_MAX, "1970/01/01"}, /* no year has so many digits */
        {INT64_C(253402300799999), "9999/12/31"},
        {INT64_C(253402300800000), "1970/01/01"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct raw r;
        char name[64];
        raw_init(&r, 0);
        add(&r, 5, cases[i].ms, "x");
        snprintf(name, sizeof(name), "raw/t/%s/3-5.jsonl.gz", cases[i].day);
        cut_is(&r, name, 1, NULL);
        raw_deinit(&r);
    }
}

static void the_last_offsets_there_are(void **state)
{
    UNUSED(state);
    struct raw r;
    raw_init(&r, 0);
    add(&r, INT64_MAX - 1, NOON_MS, "x");
    assert_false(raw_is_complete(&r, INT64_MAX - 1));
    assert_true(raw_is_complete(&r, INT64_MAX));
    raw_deinit(&r);
}

static void what_is_not_durable_is_known(void **state)
{
    UNUSED(state);
    struct raw r;
    struct origin first = {0};
    raw_init(&r, 0);
    assert_false(raw_first(&r, &first));
    for (int64_t i = 0; i < 3; i++) {
        add(&r, 10 * i, NOON_MS, "x");
        const struct origin origin = r.origin;
        object_free(raw_cut(&r, "raw", "t", 3));
        pending_add(&r.pending, (uint64_t)(100 + i), &origin);
    }
    add(&r, 30, NOON_MS, "open");
    static const struct {
        uint64_t stored;
        int64_t first;
    } steps[] = {{999, 0}, {101, 0}, {100, 20}, {102, 30}, {102, 30}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        pending_stored(&r.pending, steps[i].stored);
        assert_true(raw_first(&r, &first));
        assert_int_equal(first.offset, steps[i].first);
    }
    raw_deinit(&r);
}

/* ---- in the pipeline ---- */

static void raw_rig(struct rig *r, int32_t partitions, int64_t chunk)
{
    rig_init(r, partitions);
    r->config.raw = true;
    r->config.raw_prefix = "raw";
    r->config.raw_chunk_records = chunk;
}

/* Held in memory, an open chunk holds L down; stored, it lets it go. */
static void an_open_chunk_holds_the_floor(void **state)
{
    UNUSED(state);
    struct rig r;
    raw_rig(&r, 1, 4);
    rig_start(&r);
    rig_settle(&r);
    for (int i = 0; i < 3; i++)
        rig_row_at(&r, 0, "a", 60 * i);
    rig_settle(&r);
    assert_int_equal(r.partitions[0].committed, 0); /* windows are durable, the chunk is open */
    rig_hand_in(&r, 0, "no row, but a message");
    assert_string_equal(r.names[r.name_count - 1], "raw/t/1970/01/01/0-0.jsonl.gz");
    rig_row_at(&r, 0, "a", 300);
    rig_row_at(&r, 0, "a", 360);
    rig_settle(&r);
    assert_int_equal(r.partitions[0].committed, 4);
    assert_non_null(strstr(r.partitions[0].metadata, " R=4 "));
    rig_deinit(&r);
}

static size_t raw_names(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->name_count; i++)
        n += strncmp(r->names[i], "raw/", 4) == 0;
    return n;
}

/* A quiet partition beside a busy one: its chunk goes when it was silent for --idle-close,
 * committed before; nothing else of it changes. */
static void a_silent_partition_gives_up_its_chunk(void **state)
{
    UNUSED(state);
    struct rig r;
    raw_rig(&r, 2, 1000);
    r.config.idle_close_ms = MINUTE;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_end_of_log(&r, 0);
    for (int i = 0; i < 20; i++) {
        r.now_ms += 10 * SECOND;
        rig_row_at(&r, 1, "b", i);
        assert_int_equal(raw_names(&r), i > 4); /* 10 s and the 4 s of rig_settle() each */
        rig_settle(&r);
    }
    assert_int_equal(raw_names(&r), 1);
    assert_non_null(strstr(r.names[0], "/0-0.jsonl.gz"));
    assert_non_null(strstr(r.partitions[0].metadata, " R=1 "));
    assert_int_equal(rig_watermark(&r, 0), rig_watermark(&r, 1) - 14 * SECOND);
    rig_deinit(&r);
}

static void without_raw_there_is_nothing_of_it(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.once = true;
    r.partitions[0].high = 1;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_settle(&r);
    assert_true(r.drained);
    assert_int_equal(r.name_count, 0);
    assert_non_null(strstr(r.partitions[0].metadata, " R=- "));
    rig_deinit(&r);
}

static void the_fingerprint_knows_the_chunks(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.raw_chunk_records = 5; /* the default is there without --raw, too */
    const uint64_t without = pipeline_fingerprint(&r.config);
    r.config.raw_chunk_records = 6;
    assert_true(pipeline_fingerprint(&r.config) == without);
    r.config.raw = true;
    const uint64_t six = pipeline_fingerprint(&r.config);
    r.config.raw_chunk_records = 5;
    const uint64_t five = pipeline_fingerprint(&r.config);
    assert_true(six != without && five != without && five != six);
    rig_deinit(&r);
}

static void odd_chunks_are_refused(void **state)
{
    UNUSED(state);
    static const int64_t wrong[] = {INT64_MIN, -1, 0, RAW_MAX_CHUNK_RECORDS + 1, INT64_MAX};
    struct rig r;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        raw_rig(&r, 1, wrong[i]);
        assert_int_equal(pipeline_check_config(&r.config, &err), ERR_USAGE);
        assert_non_null(strstr(err.text, "--batch-size"));
        rig_deinit(&r);
    }
    raw_rig(&r, 1, RAW_MAX_CHUNK_RECORDS);
    assert_int_equal(pipeline_check_config(&r.config, &err), 0);
    rig_deinit(&r);
}

/* What is kept for the raw layer is memory like any other. */
static void an_open_chunk_is_counted(void **state)
{
    UNUSED(state);
    struct rig r;
    struct pipeline_totals totals;
    char *large = mem_calloc(1, 1 << 19);
    memset(large, 'x', (1 << 19) - 1);
    raw_rig(&r, 1, 1000);
    r.config.memory_limit_bytes = 3 << 20;
    rig_start(&r);
    rig_settle(&r);
    for (int i = 0; i < 10 && r.partitions[0].stopped[0] == '\0'; i++) {
        rig_hand_in(&r, 0, large);
        rig_answer_stores(&r); /* of rejected rows, which are kept as well */
        for (int k = 0; k < 16; k++)
            rig_step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    }
    pipeline_totals(r.pipeline, &totals);
    assert_true(totals.memory_bytes >= 3 << 20);
    assert_non_null(strstr(r.partitions[0].stopped, "--batch-size"));
    mem_free(large);
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_ends_at_the_next_multiple),
        cmocka_unit_test(a_chunk_ends_once_it_is_large),
        cmocka_unit_test(the_first_message_dates_it),
        cmocka_unit_test(the_last_offsets_there_are),
        cmocka_unit_test(what_is_not_durable_is_known),
        cmocka_unit_test(an_open_chunk_holds_the_floor),
        cmocka_unit_test(a_silent_partition_gives_up_its_chunk),
        cmocka_unit_test(without_raw_there_is_nothing_of_it),
        cmocka_unit_test(the_fingerprint_knows_the_chunks),
        cmocka_unit_test(odd_chunks_are_refused),
        cmocka_unit_test(an_open_chunk_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
