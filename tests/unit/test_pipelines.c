#include "consumer/pipelines.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define PARTITIONS 3
#define MINUTE_MS INT64_C(60000)
#define MAX_STORES 256

static const char schema_text[] =
    "{\"name\": \"pipelines\", \"columns\": [{\"name\": \"ID\", \"type\": \"string\"},"
    " {\"name\": \"EVENT\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%d %H:%M:%S\"},"
    " {\"name\": \"N\", \"type\": \"int32\"}],"
    " \"event_time\": \"EVENT\", \"key\": [\"ID\", \"EVENT\"], \"group_by\": [\"ID\"],"
    " \"output\": [\"ID\", {\"sum\": \"N\"}]}";

/* What came out since it was last looked at. */
struct rig {
    struct schema *schema;
    struct pipeline_config config;
    struct pipelines *ps;
    int64_t now_ms, wake_ms;
    int64_t next[PARTITIONS];
    bool committing[PARTITIONS];
    uint64_t ids[MAX_STORES];
    int32_t id_of[MAX_STORES]; /* partition */
    size_t stores, reads, drained, stops;
    char reason[ERR_TEXT_BYTES];
};

static void step(struct rig *r, struct pipeline_event event)
{
    struct pipeline_action a;
    event.now_ms = r->now_ms;
    pipelines_step(r->ps, &event);
    while (pipelines_next_action(r->ps, &a)) {
        switch (a.kind) {
        case ACTION_STORE:
            assert_true(r->stores < MAX_STORES);
            r->ids[r->stores] = a.store.object->id;
            r->id_of[r->stores++] = a.store.object->partition;
            object_free(a.store.object);
            break;
        case ACTION_COMMIT:
            assert_false(r->committing[a.commit.partition]);
            r->committing[a.commit.partition] = true;
            break;
        case ACTION_READ:
            r->reads++;
            break;
        case ACTION_STOP_PARTITION:
            r->stops++;
            snprintf(r->reason, sizeof(r->reason), "%s", a.stop.reason);
            break;
        case ACTION_WAKE_AT:
            r->wake_ms = a.wake.at_ms;
            break;
        case ACTION_DRAINED:
            r->drained++;
            break;
        }
    }
}

static void answer_commit(struct rig *r, int32_t partition)
{
    assert_true(r->committing[partition]);
    r->committing[partition] = false;
    step(r, (struct pipeline_event){.kind = EVENT_COMMITTED,
                                    .committed = {partition, PIPELINE_COMMIT_OK}});
}

static void answer_store(struct rig *r, size_t index)
{
    step(r, (struct pipeline_event){.kind = EVENT_STORED, .stored = {r->ids[index], NULL}});
}

/* As a group that was founded just now: all but partition 0 have their first record. */
static void assign_but(struct rig *r, int32_t without)
{
    struct pipeline_partition list[PARTITIONS];
    struct buf records[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++) {
        buf_init(&records[i], COMMIT_MAX_BYTES);
        list[i] = (struct pipeline_partition){.partition = i, .committed = RECORD_NO_OFFSET};
        if (r->config.partition_scope && i > 0 && i != without) {
            pipelines_first_record(&r->config, i, 0, &records[i]);
            list[i].committed = 0;
            list[i].metadata = buf_slice(&records[i]);
        }
        r->committing[i] = false;
        r->next[i] = 0;
    }
    step(r, (struct pipeline_event){.kind = EVENT_ASSIGNED, .assigned = {list, PARTITIONS}});
    for (int32_t i = 0; i < PARTITIONS; i++)
        buf_deinit(&records[i]);
}

static void assign(struct rig *r)
{
    assign_but(r, 0);
}

static void assign_and_read(struct rig *r)
{
    assign(r);
    for (int32_t i = 0; i < PARTITIONS; i++)
        if (r->committing[i])
            answer_commit(r, i);
    assert_int_equal(r->reads, PARTITIONS);
    r->reads = 0;
}

static void row(struct rig *r, int32_t partition, unsigned id, unsigned minute)
{
    char text[64];
    const int len = snprintf(text, sizeof(text), "id-%u,2024-07-22 %02u:%02u:00,1", id, minute / 60,
                             minute % 60);
    const struct record record = {.offset = r->next[partition]++,
                                  .timestamp_ms = RECORD_NO_TIMESTAMP,
                                  .value = {text, (size_t)len}};
    step(r, (struct pipeline_event){.kind = EVENT_RECORDS, .records = {partition, &record, 1}});
}

static int set_up(void **state)
{
    struct rig *r = mem_calloc(1, sizeof(*r));
    struct err err;
    if (schema_parse(slice_of(schema_text), &r->schema, &err) != 0)
        return -1;
    r->config = (struct pipeline_config){.schema = r->schema,
                                         .topic = "t",
                                         .prefix = "batches",
                                         .side_prefix = "rejected",
                                         .partition_scope = true,
                                         .duration_ms = MINUTE_MS,
                                         .slide_ms = MINUTE_MS,
                                         .idle_timeout_ms = PIPELINE_OFF,
                                         .idle_close_ms = PIPELINE_OFF,
                                         .max_future_skew_ms = PIPELINE_OFF};
    r->ps = pipelines_new(&r->config);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    pipelines_free(r->ps);
    schema_free(r->schema);
    mem_free(r);
    return 0;
}

static void reads_are_said_at_once_for_all(void **state)
{
    struct rig *r = *state;
    assign(r);
    assert_false(r->committing[1] || r->committing[2]); /* that was said when it was founded */
    assert_int_equal(r->reads, 0);
    answer_commit(r, 0);
    assert_int_equal(r->reads, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_true(pipelines_may_read(r->ps, i));
    assert_false(pipelines_may_read(r->ps, PARTITIONS));
    answer_store(r, 0); /* an id that nobody has */
    assert_int_equal(r->reads, PARTITIONS);
}

static void answers_find_their_pipeline(void **state)
{
    struct rig *r = *state;
    struct pipeline_totals t;
    assign_and_read(r);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        row(r, i, 1, 0);
        row(r, i, 1, 1);
        row(r, i, 1, 2);
    }
    assert_int_equal(r->stores, 2 * PARTITIONS); /* no partition waits for another */
    for (size_t i = 0; i < r->stores; i++) {
        assert_int_equal(r->id_of[i], i / 2);
        for (size_t k = 0; k < i; k++)
            assert_true(r->ids[i] != r->ids[k]);
    }
    pipelines_totals(r->ps, &t);
    assert_int_equal(t.stores_outstanding, 2 * PARTITIONS);
    for (size_t i = r->stores; i-- > 0;)
        answer_store(r, i);
    answer_store(r, 0); /* once more: nobody waits for it */
    pipelines_totals(r->ps, &t);
    assert_int_equal(t.stores_outstanding, 0);
    assert_int_equal(t.batches_stored, 2 * PARTITIONS);
}

static void a_late_answer_meets_nothing_of_the_next_assignment(void **state)
{
    struct rig *r = *state;
    struct pipeline_totals t;
    assign_and_read(r);
    row(r, 0, 1, 0);
    row(r, 0, 1, 1);
    assert_int_equal(r->stores, 1);
    step(r, (struct pipeline_event){.kind = EVENT_REVOKED});
    assert_int_equal(pipelines_partition_count(r->ps), 0);
    assert_false(pipelines_may_read(r->ps, 0));
    assign_and_read(r);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        row(r, i, 1, 0);
        row(r, i, 1, 1);
    }
    answer_store(r, 0);
    pipelines_totals(r->ps, &t);
    assert_int_equal(t.stores_outstanding, PARTITIONS);
    assert_int_equal(t.batches_stored, 0);
}

static void a_partition_that_was_added_is_refused(void **state)
{
    struct rig *r = *state;
    struct pipeline_view view;
    struct pipeline_counters counters;
    assign_but(r, 2);
    assert_int_equal(r->stops, 1);
    assert_non_null(strstr(r->reason, "partition 2 was added to t"));
    answer_commit(r, 0);
    assert_int_equal(r->reads, 2); /* the others go on */
    assert_true(pipelines_may_read(r->ps, 1));
    assert_false(pipelines_may_read(r->ps, 2));
    row(r, 1, 1, 0);
    row(r, 1, 1, 1);
    assert_int_equal(r->stores, 1);
    pipelines_view(r->ps, 2, &view, &counters);
    assert_true(view.stopped);
    assert_int_equal(counters.rows, 0);
    assert_int_equal(r->stops, 1);
}

static void drained_when_all_are(void **state)
{
    struct rig *r = *state;
    assign_and_read(r);
    row(r, 1, 1, 0);
    row(r, 1, 1, 1);
    r->now_ms += MINUTE_MS; /* no record is held back by the pace */
    step(r, (struct pipeline_event){.kind = EVENT_DRAIN});
    for (unsigned round = 0; round < 4; round++) {
        for (int32_t i = 0; i < PARTITIONS; i++)
            if (r->committing[i])
                answer_commit(r, i);
        r->now_ms += MINUTE_MS;
        step(r, (struct pipeline_event){.kind = EVENT_TICK});
    }
    assert_int_equal(r->drained, 0); /* an object is on its way */
    answer_store(r, 0);
    for (unsigned round = 0; round < 4; round++) {
        if (r->committing[1])
            answer_commit(r, 1);
        r->now_ms += MINUTE_MS;
        step(r, (struct pipeline_event){.kind = EVENT_TICK});
    }
    assert_int_equal(r->drained, 1);
}

static void drained_where_nothing_is_ours(void **state)
{
    struct rig *r = *state;
    step(r, (struct pipeline_event){.kind = EVENT_DRAIN});
    assert_int_equal(r->drained, 1);
    assign(r); /* comes too late */
    assert_int_equal(r->reads, 0);
    assert_int_equal(pipelines_partition_count(r->ps), 0);
}

static void the_earliest_wake_up_counts(void **state)
{
    struct rig *r = *state;
    r->config.idle_close_ms = 10 * MINUTE_MS;
    pipelines_free(r->ps);
    r->ps = pipelines_new(&r->config);
    assign_and_read(r);
    for (int32_t i = PARTITIONS; i-- > 0;) { /* partition 2 is silent first */
        r->now_ms += MINUTE_MS;
        row(r, i, 1, 0);
        step(r, (struct pipeline_event){.kind = EVENT_END_OF_LOG, .end_of_log = {i, 1}});
    }
    for (int32_t i = PARTITIONS; i-- > 0;) {
        for (unsigned turns = 0; !r->committing[i] || r->now_ms < 10 * MINUTE_MS; turns++) {
            assert_true(turns < 20);
            for (int32_t k = 0; k < PARTITIONS; k++)
                if (r->committing[k] && r->now_ms < 10 * MINUTE_MS)
                    answer_commit(r, k);
            assert_true(r->wake_ms > r->now_ms);
            r->now_ms = r->wake_ms;
            step(r, (struct pipeline_event){.kind = EVENT_TICK});
        }
        assert_int_equal(r->now_ms, (10 + PARTITIONS - i) * MINUTE_MS);
        answer_commit(r, i); /* the punctuation */
        assert_int_equal(r->stores, (size_t)(PARTITIONS - i));
        assert_int_equal(r->id_of[r->stores - 1], i);
        if (r->committing[i])
            answer_commit(r, i);
    }
}

/* Rows of ever other groups, until the reading of all or some is held back. */
static void fill(struct rig *r, bool (*enough)(const struct rig *r))
{
    for (unsigned id = 0; !enough(r); id++) {
        assert_true(id < 100000);
        row(r, (int32_t)(id % PARTITIONS), id, id % PARTITIONS);
    }
}

static bool some_are_held(const struct rig *r)
{
    return !pipelines_may_read(r->ps, 2);
}

static bool all_are_held(const struct rig *r)
{
    for (int32_t i = 0; i < PARTITIONS; i++)
        if (pipelines_may_read(r->ps, i))
            return false;
    return true;
}

static void memory_is_shared(void **state)
{
    struct rig *r = *state;
    struct pipeline_totals t;
    r->config.memory_limit_bytes = (size_t)2 << 20;
    pipelines_free(r->ps);
    r->ps = pipelines_new(&r->config);
    assign_and_read(r);
    fill(r, some_are_held);
    pipelines_totals(r->ps, &t);
    assert_true(t.memory_bytes >= r->config.memory_limit_bytes / 2);
    assert_true(t.memory_bytes < r->config.memory_limit_bytes);
    assert_true(pipelines_may_read(r->ps, 0)); /* furthest behind: at 00:00 */
    assert_false(pipelines_may_read(r->ps, 1));
    step(r, (struct pipeline_event){.kind = EVENT_END_OF_LOG, .end_of_log = {0, r->next[0]}});
    assert_true(pipelines_may_read(r->ps, 1)); /* nothing more to wait for */
    assert_false(pipelines_may_read(r->ps, 2));

    fill(r, all_are_held);
    pipelines_totals(r->ps, &t);
    assert_true(t.memory_bytes >= r->config.memory_limit_bytes);
    assert_true(t.memory_bytes < r->config.memory_limit_bytes + ((size_t)1 << 20));
    for (unsigned turns = 0; r->stops == 0; turns++) { /* nothing that could free some */
        assert_true(turns < 100);
        for (int32_t i = 0; i < PARTITIONS; i++)
            if (r->committing[i])
                answer_commit(r, i);
        r->now_ms = r->wake_ms > r->now_ms ? r->wake_ms : r->now_ms;
        step(r, (struct pipeline_event){.kind = EVENT_TICK});
    }
    assert_int_equal(r->stops, PARTITIONS);
    assert_non_null(strstr(r->reason, "--memory-limit"));
}

static void topic_scope_is_one_pipeline(void **state)
{
    struct rig *r = *state;
    struct pipeline_totals t;
    r->config.partition_scope = false;
    pipelines_free(r->ps);
    r->ps = pipelines_new(&r->config);
    assign_and_read(r);
    assert_int_equal(pipelines_partition_count(r->ps), PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(r->stores, 0);
        row(r, i, 1, 0);
        row(r, i, 1, 1);
    }
    assert_int_equal(r->stores, 1);
    assert_int_equal(r->id_of[0], -1);
    answer_store(r, 0);
    pipelines_totals(r->ps, &t);
    assert_int_equal(t.batches_stored, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(reads_are_said_at_once_for_all),
        CASE(answers_find_their_pipeline),
        CASE(a_late_answer_meets_nothing_of_the_next_assignment),
        CASE(a_partition_that_was_added_is_refused),
        CASE(drained_when_all_are),
        CASE(drained_where_nothing_is_ours),
        CASE(the_earliest_wake_up_counts),
        CASE(memory_is_shared),
        CASE(topic_scope_is_one_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
