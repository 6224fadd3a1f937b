/* Corners of the step function that scenarios cannot say: records of other settings, the memory
 * limit, times at the edge of the calendar, records that are nearly full. */
#include "core/encode.h"
#include "core/pipeline.h"

#include "base/mem.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define MAX_PARTITIONS 4
#define MAX_NAMES 64
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

static const char schema_text[] =
    "{\"name\": \"pipeline\", \"columns\": [{\"name\": \"ID\", \"type\": \"string\"},"
    " {\"name\": \"EVENT\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%d %H:%M:%S\"},"
    " {\"name\": \"N\", \"type\": \"int32\"}],"
    " \"event_time\": \"EVENT\", \"key\": [\"ID\", \"EVENT\"], \"group_by\": [\"ID\"],"
    " \"output\": [\"ID\", {\"sum\": \"N\"}, {\"window_start\": \"%Y-%m-%d %H:%M:%S\","
    " \"name\": \"FROM\"}]}";

/* What Kafka holds of a partition, and the commit under way. */
struct fake_partition {
    int64_t low, high, next; /* next: offset of the next row handed in */
    int64_t committed, pending;
    char metadata[COMMIT_MAX_BYTES], pending_metadata[COMMIT_MAX_BYTES];
    size_t len, pending_len;
    bool in_flight;
    char stopped[ERR_TEXT_BYTES];
};

/* A pipeline in a world where lake and Kafka answer when they are told to. */
struct rig {
    struct schema *schema;
    struct pipeline_config config;
    struct pipeline *pipeline;
    struct fake_partition partitions[MAX_PARTITIONS];
    int32_t count;
    int64_t now_ms, wake_ms;
    uint64_t stores[MAX_NAMES];
    char names[MAX_NAMES][OBJECT_NAME_MAX_BYTES]; /* of all stores so far */
    size_t store_count, name_count;
    bool drained;
};

static void rig_init(struct rig *r, int32_t partitions)
{
    *r = (struct rig){.count = partitions};
    struct err err;
    if (schema_parse(slice_of(schema_text), &r->schema, &err) != 0)
        fail_msg("%s", err.text);
    r->config = (struct pipeline_config){.schema = r->schema,
                                         .topic = "t",
                                         .prefix = "batches",
                                         .side_prefix = "rejected",
                                         .duration_ms = MINUTE,
                                         .slide_ms = MINUTE,
                                         .idle_timeout_ms = PIPELINE_OFF,
                                         .idle_close_ms = PIPELINE_OFF,
                                         .max_future_skew_ms = PIPELINE_OFF};
    for (int32_t i = 0; i < partitions; i++)
        r->partitions[i].committed = RECORD_NO_OFFSET;
}

static void rig_deinit(struct rig *r)
{
    pipeline_free(r->pipeline);
    schema_free(r->schema);
}

static void take_store(struct rig *r, struct object *object)
{
    struct buf plain;
    struct encode_report report;
    buf_init(&plain, OBJECT_MAX_BYTES);
    assert_int_equal(encode_object(r->schema, object, &plain, &report), 0);
    buf_deinit(&plain);
    assert_true(r->store_count < MAX_NAMES && r->name_count < MAX_NAMES);
    r->stores[r->store_count++] = object->id;
    snprintf(r->names[r->name_count++], OBJECT_NAME_MAX_BYTES, "%s", object->name);
    object_free(object);
}

static void step(struct rig *r, struct pipeline_event event)
{
    struct pipeline_action a;
    event.now_ms = r->now_ms;
    pipeline_step(r->pipeline, &event);
    while (pipeline_next_action(r->pipeline, &a)) {
        struct fake_partition *p;
        switch (a.kind) {
        case ACTION_STORE:
            take_store(r, a.store.object);
            break;
        case ACTION_COMMIT:
            p = &r->partitions[a.commit.partition];
            assert_false(p->in_flight);
            assert_true(a.commit.metadata.len <= COMMIT_MAX_BYTES);
            p->in_flight = true;
            p->pending = a.commit.offset;
            memcpy(p->pending_metadata, a.commit.metadata.ptr, a.commit.metadata.len);
            p->pending_len = a.commit.metadata.len;
            break;
        case ACTION_STOP_PARTITION:
            p = &r->partitions[a.stop.partition];
            snprintf(p->stopped, sizeof(p->stopped), "%s", a.stop.reason);
            break;
        case ACTION_WAKE_AT:
            r->wake_ms = a.wake.at_ms;
            break;
        case ACTION_DRAINED:
            r->drained = true;
            break;
        case ACTION_READ:
            r->partitions[a.read.partition].next = a.read.offset;
            break;
        }
    }
}

static void answer_stores(struct rig *r)
{
    while (r->store_count > 0) {
        const uint64_t id = r->stores[--r->store_count];
        step(r, (struct pipeline_event){.kind = EVENT_STORED, .stored = {.object_id = id}});
    }
}

static bool answer_commits(struct rig *r)
{
    bool any = false;
    for (int32_t i = 0; i < r->count; i++) {
        struct fake_partition *p = &r->partitions[i];
        if (!p->in_flight)
            continue;
        any = true;
        p->in_flight = false;
        p->committed = p->pending;
        memcpy(p->metadata, p->pending_metadata, p->pending_len);
        p->len = p->pending_len;
        step(r, (struct pipeline_event){.kind = EVENT_COMMITTED,
                                        .committed = {i, PIPELINE_COMMIT_OK}});
    }
    return any;
}

/* Answer all there is, and let the time pass that plain records keep between them. */
static void settle(struct rig *r)
{
    for (int round = 0; round < 4; round++) {
        do
            answer_stores(r);
        while (answer_commits(r));
        r->now_ms += 1000;
        step(r, (struct pipeline_event){.kind = EVENT_TICK});
    }
}

static void assign(struct rig *r)
{
    struct pipeline_partition list[MAX_PARTITIONS];
    for (int32_t i = 0; i < r->count; i++) {
        const struct fake_partition *p = &r->partitions[i];
        list[i] =
            (struct pipeline_partition){i, p->low, p->high, p->committed, {p->metadata, p->len}};
    }
    step(r, (struct pipeline_event){.kind = EVENT_ASSIGNED, .assigned = {list, (size_t)r->count}});
}

/* A new process with the rig's configuration. */
static void start(struct rig *r)
{
    struct err err;
    if (pipeline_check_config(&r->config, &err) != 0)
        fail_msg("%s", err.text);
    pipeline_free(r->pipeline);
    r->pipeline = pipeline_new(&r->config);
    r->store_count = 0;
    r->drained = false;
    for (int32_t i = 0; i < r->count; i++)
        r->partitions[i].in_flight = false;
    assign(r);
}

static bool may_read(const struct rig *r, int32_t partition)
{
    return pipeline_may_read(r->pipeline, partition);
}

static void hand_in(struct rig *r, int32_t partition, const char *value)
{
    assert_true(may_read(r, partition));
    const struct record record = {.offset = r->partitions[partition].next++,
                                  .timestamp_ms = RECORD_NO_TIMESTAMP,
                                  .value = slice_of(value)};
    step(r, (struct pipeline_event){.kind = EVENT_RECORDS, .records = {partition, &record, 1}});
}

static void row_at(struct rig *r, int32_t partition, const char *id, int64_t second)
{
    char value[128];
    snprintf(value, sizeof(value), "%s,2024-07-22 %02" PRId64 ":%02" PRId64 ":%02" PRId64 ",1", id,
             second / 3600, second / 60 % 60, second % 60);
    hand_in(r, partition, value);
}

static void end_of_log(struct rig *r, int32_t partition)
{
    assert_true(may_read(r, partition));
    step(r, (struct pipeline_event){.kind = EVENT_END_OF_LOG,
                                    .end_of_log = {partition, r->partitions[partition].next}});
}

static struct pipeline_counters counters(const struct rig *r, int32_t partition)
{
    struct pipeline_view view;
    struct pipeline_counters c;
    pipeline_view(r->pipeline, (size_t)partition, &view, &c);
    return c;
}

static int64_t watermark(const struct rig *r, int32_t partition)
{
    struct pipeline_view view;
    struct pipeline_counters c;
    pipeline_view(r->pipeline, (size_t)partition, &view, &c);
    return view.watermark_ms;
}

static int64_t frontier(const struct rig *r)
{
    struct pipeline_totals totals;
    pipeline_totals(r->pipeline, &totals);
    return totals.frontier_ms;
}

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
    start(&r);
    settle(&r);
    hand_in(&r, 0, "a,0000-01-01 00:00:10,1");
    hand_in(&r, 0, "b,2024-07-22 00:00:00,1");
    hand_in(&r, 0, "c,9999-12-31 23:59:59,1");
    settle(&r);
    assert_true(r.drained);
    const struct pipeline_counters c = counters(&r, 0);
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
        row_at(r, partition, id, second);
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
    start(&r);
    settle(&r);
    row_at(&r, 0, "a", 5);
    fill(&r, 1, 30);
    settle(&r);
    assert_true(may_read(&r, 1));
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
    start(&r);
    settle(&r);
    row_at(&r, 0, "a", 5);
    end_of_log(&r, 0);
    settle(&r);
    for (int i = 0; i < 20; i++) {
        r.now_ms += 30 * SECOND;
        step(&r, (struct pipeline_event){.kind = EVENT_TICK, .reading_held = true});
    }
    r.now_ms += 30 * SECOND;
    step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    assert_true(may_read(&r, 0)); /* no punctuation is being committed */
    r.now_ms += 31 * SECOND;
    step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    assert_true(may_read(&r, 0));
    r.now_ms += 31 * SECOND;
    step(&r, (struct pipeline_event){.kind = EVENT_TICK});
    assert_false(may_read(&r, 0)); /* now it was silent for a minute that could be heard */
    rig_deinit(&r);
}

/* ---- records ---- */

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
    start(&r);
    settle(&r);
    row_at(&r, 0, "a", 10);
    row_at(&r, 1, "a", 10);
    settle(&r);
    start(&other);
    settle(&other);
    row_at(&other, 0, "a", 4000);
    row_at(&other, 1, "a", 4000);
    settle(&other);
    assert_true(frontier(&other) > frontier(&r));

    r.partitions[0] = other.partitions[0];
    const int64_t before = frontier(&r);
    start(&r);
    settle(&r);
    assert_int_not_equal(r.partitions[0].stopped[0], 0);
    assert_int_equal(frontier(&r), before);
    row_at(&r, 1, "b", 20);
    assert_int_equal(counters(&r, 1).suppressed, 0);
    rig_deinit(&other);
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
    start(&r);
    settle(&r);
    row_at(&r, 0, "a", 5);
    settle(&r);
    assert_true(r.drained);
    for (int run = 0; run < 2 * COMMIT_MAX_CUTS; run++) {
        r.partitions[0].high++;
        start(&r);
        r.name_count = 0;
        while (r.partitions[0].next < r.partitions[0].high) {
            if (r.partitions[0].next == 0)
                row_at(&r, 0, "a", 5);
            else
                hand_in(&r, 0, "no row");
        }
        settle(&r);
        assert_true(r.drained);
    }
    /* What was left for later is there when the window closes. */
    r.config.flush = true;
    start(&r);
    r.name_count = 0;
    row_at(&r, 0, "a", 5);
    while (r.partitions[0].next < r.partitions[0].high)
        hand_in(&r, 0, "no row");
    settle(&r);
    assert_true(r.drained);
    struct commit_record record;
    struct err err;
    const struct fake_partition *p = &r.partitions[0];
    assert_int_equal(
        commit_decode((struct slice){p->metadata, p->len}, p->committed, &record, &err), 0);
    assert_int_equal(record.side_offset, p->high);
    assert_int_equal(watermark(&r, 0) % MINUTE, 0);
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
        start(&r);
        r.name_count = 0;
        settle(&r);
        while (r.partitions[0].next < r.partitions[0].high)
            row_at(&r, 0, "a", 0);
        while (r.partitions[1].next < r.partitions[1].high)
            row_at(&r, 1, "b", 60 * r.partitions[1].next);
        settle(&r);
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
        cmocka_unit_test(the_frontier_of_other_settings_is_not_taken),
        cmocka_unit_test(once_ends_when_the_record_has_no_room),
        cmocka_unit_test(once_says_that_the_record_has_no_room),
        cmocka_unit_test(absurd_times_are_refused),
        cmocka_unit_test(idle_options_that_cannot_fit_a_record_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
