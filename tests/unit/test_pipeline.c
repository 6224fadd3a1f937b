/* Corners of the step function that scenarios cannot say: records of other settings, the memory
 * limit, times at the edge of the calendar, records that are nearly full. */
#include "core/partition.h"
#include "pipeline_rig.h"

#include "core/side.h"

#include <stdio.h>

/* ---- the edge of the calendar ---- */

/* A window that ends after 9999 or starts before 0000 cannot be named. */
static void rows_whose_windows_leave_the_calendar_are_rejected(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.duration_ms = 90 * SECOND; /* starts at 0000-01-01T00:00:30 among others */
    r.config.slide_ms = 45 * SECOND;
    r.config.once = r.config.flush = true;
    r.partitions[0].high = 3;
    rig_start(&r);
    rig_settle(&r);
    rig_hand_in(&r, 0, "a,0000-01-01 00:00:10,1");
    rig_hand_in(&r, 0, "b,2024-07-22 00:00:00,1");
    rig_hand_in(&r, 0, "c,9999-12-31 23:59:59,1");
    rig_settle(&r);
    assert_true(r.drained);
    const struct pipeline_counters c = rig_counters(&r, 0);
    assert_int_equal(c.rejected[REJECT_TIMESTAMP], 2);
    assert_int_equal(c.windowed, 1);
    rig_deinit(&r);
}

/* ---- memory ---- */

/* Rows of distinct groups until half of the limit is passed. */
static void fill(struct rig *r, int32_t partition, int64_t second)
{
    struct pipeline_totals totals;
    for (int i = 0; i < 100000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "g%d", i);
        rig_row_at(r, partition, id, second);
        pipeline_totals(r->pipeline, &totals);
        if (totals.memory_bytes >= r->config.memory_limit_bytes / 2)
            return;
    }
    fail_msg("the memory is not filled");
}

/* A partition that --once has read to its end is not behind, however low its W. */
static void once_does_not_wait_for_a_partition_that_is_done(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 2);
    r.config.once = true;
    r.config.memory_limit_bytes = 2 << 20;
    r.partitions[0].high = 1;
    r.partitions[1].high = 1000000;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    fill(&r, 1, 30);
    rig_settle(&r);
    assert_true(rig_may_read(&r, 1));
    rig_deinit(&r);
}

/* Above half of the limit what is ahead waits, unless nobody behind has anything. */
static void those_ahead_wait_above_half_of_the_memory(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 2);
    r.config.memory_limit_bytes = 2 << 20;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    fill(&r, 1, 30);
    assert_true(rig_may_read(&r, 0));
    assert_false(rig_may_read(&r, 1));
    rig_end_of_log(&r, 0);
    assert_true(rig_may_read(&r, 1));
    rig_deinit(&r);
}

/* At the limit nothing is read while an upload may free memory; when none is left it stops. */
static void at_the_memory_limit_it_waits_or_stops(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.memory_limit_bytes = 2 << 20;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_row_at(&r, 0, "a", 65);
    assert_int_equal(r.store_count, 1);
    for (int i = 0; i < 100000 && rig_may_read(&r, 0); i++) {
        char id[16];
        snprintf(id, sizeof(id), "g%d", i);
        rig_row_at(&r, 0, id, 70);
    }
    assert_false(rig_may_read(&r, 0));
    assert_int_equal(r.partitions[0].stopped[0], 0);
    rig_answer_stores(&r);
    assert_non_null(strstr(r.partitions[0].stopped, "--memory-limit"));
    rig_deinit(&r);
}

/* A flush hands out no more windows than the lake can take: the next one comes when one is stored,
 * and till then the partition is not read. */
static void a_flush_goes_window_by_window(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.delay_ms = 10 * MINUTE;
    r.config.once = r.config.flush = true;
    r.config.rows_under_way = 1;
    r.partitions[0].high = 3;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_row_at(&r, 0, "b", 65);
    rig_row_at(&r, 0, "c", 125);
    while (rig_answer_commits(&r)) /* of the punctuation, too */
        continue;
    for (size_t window = 1; window <= 3; window++) {
        assert_int_equal(r.store_count, 1);
        assert_int_equal(r.name_count, window);
        assert_false(r.drained);
        const uint64_t id = r.stores[--r.store_count];
        rig_step(&r, (struct pipeline_event){.kind = EVENT_STORED, .stored = {.object_id = id}});
    }
    rig_settle(&r);
    assert_int_equal(r.name_count, 3);
    assert_true(r.drained);
    rig_deinit(&r);
}

/* In catch-up a partition at its end holds the windows back until it counts as idle: it is waited
 * for, and heard, or every start would end at the limit. */
static void at_the_memory_limit_silence_is_waited_for(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 2);
    r.config.memory_limit_bytes = 2 << 20;
    r.config.idle_timeout_ms = MINUTE;
    rig_start(&r);
    rig_settle(&r);
    rig_end_of_log(&r, 0);
    rig_row_at(&r, 1, "a", 5);
    for (int i = 0; i < 100000 && rig_may_read(&r, 1); i++) {
        char id[16];
        snprintf(id, sizeof(id), "g%d", i);
        rig_row_at(&r, 1, id, 30 + i / 10);
    }
    assert_int_equal(r.partitions[0].stopped[0], 0);
    assert_true(rig_may_read(&r, 0));
    r.now_ms += MINUTE;
    rig_step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    rig_answer_commits(&r);
    assert_true(r.store_count > 0);
    rig_settle(&r);
    assert_int_equal(r.partitions[0].stopped[0], 0);
    assert_true(rig_may_read(&r, 1));
    rig_deinit(&r);
}

/* What cannot be heard is no silence: while the shell reads nothing, records may lie behind the end
 * that was told last. */
static void no_partition_is_silent_while_the_shell_does_not_read(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.idle_close_ms = MINUTE;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_end_of_log(&r, 0);
    rig_settle(&r);
    for (int i = 0; i < 20; i++) {
        r.now_ms += 30 * SECOND;
        rig_step(&r, (struct pipeline_event){.kind = EVENT_TICK, .reading_held = true});
    }
    r.now_ms += 30 * SECOND;
    rig_step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    assert_true(rig_may_read(&r, 0)); /* no punctuation is being committed */
    r.now_ms += 31 * SECOND;
    rig_step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    assert_true(rig_may_read(&r, 0));
    r.now_ms += 31 * SECOND;
    rig_step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    assert_false(rig_may_read(&r, 0)); /* now it was silent for a minute that could be heard */
    rig_deinit(&r);
}

/* ---- what stops a partition, and what does not ---- */

static void another_content_in_the_lake_stops_everything(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 2);
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_row_at(&r, 0, "a", 65);
    rig_row_at(&r, 1, "a", 65);
    assert_int_equal(r.store_count, 1);
    const int64_t before = rig_frontier(&r);
    rig_step(&r, (struct pipeline_event){.kind = EVENT_STORE_FAILED,
                                         .stored = {r.stores[--r.store_count], "as if"}});
    for (int32_t i = 0; i < 2; i++) {
        assert_non_null(strstr(r.partitions[i].stopped, r.names[0]));
        assert_false(rig_may_read(&r, i));
    }
    rig_settle(&r);
    assert_int_equal(rig_frontier(&r), before);
    rig_deinit(&r);
}

static void a_log_that_cannot_be_read_stops_its_partition(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 2);
    rig_start(&r);
    rig_settle(&r);
    rig_step(&r, (struct pipeline_event){.kind = EVENT_READ_ERROR, .read_error = {1, "bad batch"}});
    assert_non_null(strstr(r.partitions[1].stopped, "bad batch"));
    assert_false(rig_may_read(&r, 1));
    assert_true(rig_may_read(&r, 0));
    rig_deinit(&r);
}

/* What no object could hold: the rows before it count, then the partition waits for a person. */
static void a_message_of_absurd_size_stops_its_partition(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.partitions[0].high = 2;
    rig_start(&r);
    rig_settle(&r);
    const char *first = "not a row";
    const struct record records[] = {
        {.offset = 0, .timestamp_ms = RECORD_NO_TIMESTAMP, .value = slice_of(first)},
        {.offset = 1,
         .timestamp_ms = RECORD_NO_TIMESTAMP,
         .value = {first, PARTITION_MAX_MESSAGE_BYTES + 1}}, /* never looked at */
    };
    rig_step(&r, (struct pipeline_event){.kind = EVENT_RECORDS, .records = {0, records, 2}});
    assert_non_null(strstr(r.partitions[0].stopped, "offset 1 is larger than 512 MiB"));
    assert_int_equal(rig_counters(&r, 0).rows, 1);
    assert_int_equal(rig_counters(&r, 0).messages, 1);
    rig_deinit(&r);
}

/* An end of the log that was told before more was read moves nothing. */
static void an_old_end_of_the_log_is_no_news(void **state)
{
    UNUSED(state);
    struct rig r;
    struct pipeline_view view;
    struct pipeline_counters c;
    rig_init(&r, 1);
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_row_at(&r, 0, "b", 5);
    rig_step(&r, (struct pipeline_event){.kind = EVENT_END_OF_LOG, .end_of_log = {0, 1}});
    pipeline_view(r.pipeline, 0, &view, &c);
    assert_int_equal(view.position, 2);
    assert_false(view.at_end);
    rig_deinit(&r);
}

/* ---- side output ---- */

static void side_objects_are_cut_by_rows_and_by_bytes(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    rig_start(&r);
    rig_settle(&r);
    for (int i = 0; i < SIDE_MAX_ROWS; i++) {
        assert_int_equal(r.name_count, 0);
        rig_hand_in(&r, 0, "no row");
    }
    assert_int_equal(r.name_count, 1);
    assert_string_equal(r.names[0], "rejected/t-0-0.jsonl.gz");

    char *large = mem_calloc(1, SIDE_MAX_BYTES / 4);
    memset(large, 'x', SIDE_MAX_BYTES / 4 - 1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(r.name_count, 1);
        rig_hand_in(&r, 0, large); /* with the rest of its line a little over a fourth */
    }
    assert_int_equal(r.name_count, 2);
    mem_free(large);
    rig_deinit(&r);
}

/* ---- records ---- */

/* Records of a partition keep their distance: Kafka's coordinator has other work. */
static void records_are_paced(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    assert_true(rig_answer_commits(&r));
    rig_row_at(&r, 0, "a", 6); /* U rises with each row: there is something to say */
    assert_false(rig_answer_commits(&r));
    assert_true(r.wake_ms > r.now_ms && r.wake_ms <= r.now_ms + 1000);
    r.now_ms = r.wake_ms;
    rig_step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    assert_true(rig_answer_commits(&r));
    rig_deinit(&r);
}

/* The record of the last row read is looked at again, unless retention took it, as it may. */
static void what_retention_took_below_the_floor_is_not_missed(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.once = r.config.flush = true;
    r.partitions[0].high = 2;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_row_at(&r, 0, "b", 5);
    rig_settle(&r);
    assert_int_equal(r.partitions[0].committed, 2);
    rig_start(&r);
    assert_int_equal(r.partitions[0].next, 1);
    r.partitions[0].low = 2;
    rig_start(&r);
    assert_int_equal(r.partitions[0].next, 2);
    assert_int_equal(r.partitions[0].stopped[0], 0);
    rig_deinit(&r);
}

/* Whatever decides content is part of the fingerprint, and nothing else is. */
static void the_fingerprint_knows_what_decides_content(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    const struct pipeline_config before = r.config;
    struct pipeline_config *const c = &r.config;
    const uint64_t fingerprint = pipeline_fingerprint(c);
    int64_t *const times[] = {&c->duration_ms, &c->slide_ms, &c->delay_ms, &c->max_future_skew_ms};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        *times[i] += 1000;
        assert_true(pipeline_fingerprint(c) != fingerprint);
        *c = before;
    }
    c->topic = "u";
    assert_true(pipeline_fingerprint(c) != fingerprint);
    *c = before;
    c->partition_scope = true;
    assert_true(pipeline_fingerprint(c) != fingerprint);
    *c = before;
    r.schema->fingerprint[1]++;
    assert_true(pipeline_fingerprint(c) != fingerprint);
    r.schema->fingerprint[1]--;
    c->idle_timeout_ms = c->idle_close_ms = 1000;
    c->memory_limit_bytes = 1 << 20;
    c->once = c->flush = true;
    assert_true(pipeline_fingerprint(c) == fingerprint);
    rig_deinit(&r);
}

/* U of a record that was made under other settings says nothing about the windows of these. */
static void the_frontier_of_other_settings_is_not_taken(void **state)
{
    UNUSED(state);
    struct rig r, other;
    rig_init(&r, 2);
    rig_init(&other, 2);
    other.config.delay_ms = 10 * SECOND;
    for (int32_t i = 0; i < 2; i++)
        r.partitions[i].high = other.partitions[i].high = 100;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 10);
    rig_row_at(&r, 1, "a", 10);
    rig_settle(&r);
    rig_start(&other);
    rig_settle(&other);
    rig_row_at(&other, 0, "a", 4000);
    rig_row_at(&other, 1, "a", 4000);
    rig_settle(&other);
    assert_true(rig_frontier(&other) > rig_frontier(&r));

    r.partitions[0] = other.partitions[0];
    const int64_t before = rig_frontier(&r);
    rig_start(&r);
    rig_settle(&r);
    assert_int_not_equal(r.partitions[0].stopped[0], 0);
    assert_int_equal(rig_frontier(&r), before);
    rig_row_at(&r, 1, "b", 20);
    assert_int_equal(rig_counters(&r, 1).suppressed, 0);
    rig_deinit(&other);
    rig_deinit(&r);
}

/* Nor does a partition that appears later begin beside one that these settings cannot read. */
static void a_latecomer_waits_for_a_stopped_partition(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    r.config.once = r.config.flush = true;
    r.partitions[0].high = 1;
    rig_start(&r);
    rig_settle(&r);
    rig_row_at(&r, 0, "a", 5);
    rig_settle(&r);
    r.partitions[0].low = r.partitions[0].high = 1; /* nothing is left to read */
    r.config.delay_ms = SECOND;
    r.count = 2;
    r.partitions[1].committed = RECORD_NO_OFFSET;
    rig_start(&r);
    rig_settle(&r);
    assert_int_not_equal(r.partitions[0].stopped[0], 0);
    assert_int_equal(r.partitions[1].committed, RECORD_NO_OFFSET);
    rig_deinit(&r);
}

/* Runs of --once that each leave a rejected row behind, while one window stays open: each needs a
 * cut of the side output in the record, which has no room for all of them. */
static void once_ends_when_the_record_has_no_room(void **state)
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
    for (int run = 0; run < 2 * COMMIT_MAX_CUTS; run++) {
        r.partitions[0].high++;
        rig_start(&r);
        r.name_count = 0;
        while (r.partitions[0].next < r.partitions[0].high) {
            if (r.partitions[0].next == 0)
                rig_row_at(&r, 0, "a", 5);
            else
                rig_hand_in(&r, 0, "no row");
        }
        rig_settle(&r);
        assert_true(r.drained);
    }
    /* What was left for later is there when the window closes. */
    r.config.flush = true;
    rig_start(&r);
    r.name_count = 0;
    rig_row_at(&r, 0, "a", 5);
    while (r.partitions[0].next < r.partitions[0].high)
        rig_hand_in(&r, 0, "no row");
    rig_settle(&r);
    assert_true(r.drained);
    struct commit_record record;
    struct err err;
    const struct fake_partition *p = &r.partitions[0];
    assert_int_equal(
        commit_decode((struct slice){p->metadata, p->len}, p->committed, &record, &err), 0);
    assert_int_equal(record.side_offset, p->high);
    assert_int_equal(rig_watermark(&r, 0) % MINUTE, 0);
    rig_deinit(&r);
}

/* The same with punctuations that raise W, one for each run and window end: it cannot go on, and
 * says so. */
static void once_says_that_the_record_has_no_room(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 2);
    r.config.once = true;
    r.config.duration_ms = 24 * 60 * MINUTE;
    int runs = 0;
    for (; runs < 2 * COMMIT_MAX_CUTS; runs++) {
        r.partitions[0].high++;
        r.partitions[1].high++;
        r.config.slide_ms = MINUTE;
        rig_start(&r);
        r.name_count = 0;
        rig_settle(&r);
        while (r.partitions[0].next < r.partitions[0].high)
            rig_row_at(&r, 0, "a", 0);
        while (r.partitions[1].next < r.partitions[1].high)
            rig_row_at(&r, 1, "b", 60 * r.partitions[1].next);
        rig_settle(&r);
        if (!r.drained)
            break;
    }
    assert_int_equal(runs, COMMIT_MAX_CUTS + 1); /* the first run has none */
    assert_non_null(strstr(r.partitions[0].stopped, "no room"));
    rig_deinit(&r);
}

static void absurd_times_are_refused(void **state)
{
    UNUSED(state);
    struct rig r;
    rig_init(&r, 1);
    int64_t *const times[] = {&r.config.duration_ms, &r.config.delay_ms, &r.config.idle_timeout_ms,
                              &r.config.idle_close_ms, &r.config.max_future_skew_ms};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct err err;
        const int64_t before = *times[i];
        *times[i] = INT64_MAX;
        assert_int_equal(pipeline_check_config(&r.config, &err), ERR_USAGE);
        *times[i] = before;
        assert_int_equal(pipeline_check_config(&r.config, &err), 0);
    }
    rig_deinit(&r);
}

/* Window ends that a partition may be punctuated for, one by one, must fit a record. */
static void idle_options_that_cannot_fit_a_record_are_refused(void **state)
{
    UNUSED(state);
    struct rig r;
    struct err err;
    rig_init(&r, 1);
    r.config.duration_ms = r.config.delay_ms = 24 * 60 * MINUTE;
    assert_int_equal(pipeline_check_config(&r.config, &err), 0);
    r.config.idle_timeout_ms = MINUTE;
    assert_int_equal(pipeline_check_config(&r.config, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "--idle-timeout"));
    r.config.slide_ms = 30 * MINUTE;
    assert_int_equal(pipeline_check_config(&r.config, &err), 0);
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_whose_windows_leave_the_calendar_are_rejected),
        cmocka_unit_test(once_does_not_wait_for_a_partition_that_is_done),
        cmocka_unit_test(no_partition_is_silent_while_the_shell_does_not_read),
        cmocka_unit_test(those_ahead_wait_above_half_of_the_memory),
        cmocka_unit_test(at_the_memory_limit_it_waits_or_stops),
        cmocka_unit_test(a_flush_goes_window_by_window),
        cmocka_unit_test(at_the_memory_limit_silence_is_waited_for),
        cmocka_unit_test(another_content_in_the_lake_stops_everything),
        cmocka_unit_test(a_log_that_cannot_be_read_stops_its_partition),
        cmocka_unit_test(a_message_of_absurd_size_stops_its_partition),
        cmocka_unit_test(an_old_end_of_the_log_is_no_news),
        cmocka_unit_test(side_objects_are_cut_by_rows_and_by_bytes),
        cmocka_unit_test(records_are_paced),
        cmocka_unit_test(what_retention_took_below_the_floor_is_not_missed),
        cmocka_unit_test(the_fingerprint_knows_what_decides_content),
        cmocka_unit_test(the_frontier_of_other_settings_is_not_taken),
        cmocka_unit_test(a_latecomer_waits_for_a_stopped_partition),
        cmocka_unit_test(once_ends_when_the_record_has_no_room),
        cmocka_unit_test(once_says_that_the_record_has_no_room),
        cmocka_unit_test(absurd_times_are_refused),
        cmocka_unit_test(idle_options_that_cannot_fit_a_record_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
