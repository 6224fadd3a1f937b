#include "pipeline_rig.h"

#include "core/encode.h"

#include <inttypes.h>
#include <stdio.h>

static const char schema_text[] =
    "{\"name\": \"pipeline\", \"columns\": [{\"name\": \"ID\", \"type\": \"string\"},"
    " {\"name\": \"EVENT\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%d %H:%M:%S\"},"
    " {\"name\": \"N\", \"type\": \"int32\"}],"
    " \"event_time\": \"EVENT\", \"key\": [\"ID\", \"EVENT\"], \"group_by\": [\"ID\"],"
    " \"output\": [\"ID\", {\"sum\": \"N\"}, {\"window_start\": \"%Y-%m-%d %H:%M:%S\","
    " \"name\": \"FROM\"}]}";

void rig_init(struct rig *r, int32_t partitions)
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

void rig_deinit(struct rig *r)
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
    assert_true(r->store_count < RIG_MAX_NAMES && r->name_count < RIG_MAX_NAMES);
    r->stores[r->store_count++] = object->id;
    snprintf(r->names[r->name_count++], OBJECT_NAME_MAX_BYTES, "%s", object->name);
    object_free(object);
}

void rig_step(struct rig *r, struct pipeline_event event)
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

void rig_answer_stores(struct rig *r)
{
    while (r->store_count > 0) {
        const uint64_t id = r->stores[--r->store_count];
        rig_step(r, (struct pipeline_event){.kind = EVENT_STORED, .stored = {.object_id = id}});
    }
}

bool rig_answer_commits(struct rig *r)
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
        rig_step(r, (struct pipeline_event){.kind = EVENT_COMMITTED,
                                            .committed = {i, PIPELINE_COMMIT_OK}});
    }
    return any;
}

void rig_settle(struct rig *r)
{
    for (int round = 0; round < 4; round++) {
        do
            rig_answer_stores(r);
        while (rig_answer_commits(r));
        r->now_ms += 1000;
        rig_step(r, (struct pipeline_event){.kind = EVENT_TICK});
    }
}

static void rig_assign(struct rig *r)
{
    struct pipeline_partition list[RIG_MAX_PARTITIONS];
    for (int32_t i = 0; i < r->count; i++) {
        const struct fake_partition *p = &r->partitions[i];
        list[i] =
            (struct pipeline_partition){i, p->low, p->high, p->committed, {p->metadata, p->len}};
    }
    rig_step(r,
             (struct pipeline_event){.kind = EVENT_ASSIGNED, .assigned = {list, (size_t)r->count}});
}

void rig_start(struct rig *r)
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
    rig_assign(r);
}

bool rig_may_read(const struct rig *r, int32_t partition)
{
    return pipeline_may_read(r->pipeline, partition);
}

void rig_hand_in(struct rig *r, int32_t partition, const char *value)
{
    assert_true(rig_may_read(r, partition));
    const struct record record = {.offset = r->partitions[partition].next++,
                                  .timestamp_ms = RECORD_NO_TIMESTAMP,
                                  .value = slice_of(value)};
    rig_step(r, (struct pipeline_event){.kind = EVENT_RECORDS, .records = {partition, &record, 1}});
}

void rig_row_at(struct rig *r, int32_t partition, const char *id, int64_t second)
{
    char value[128];
    snprintf(value, sizeof(value), "%s,2024-07-22 %02" PRId64 ":%02" PRId64 ":%02" PRId64 ",1", id,
             second / 3600, second / 60 % 60, second % 60);
    rig_hand_in(r, partition, value);
}

void rig_end_of_log(struct rig *r, int32_t partition)
{
    assert_true(rig_may_read(r, partition));
    rig_step(r, (struct pipeline_event){.kind = EVENT_END_OF_LOG,
                                        .end_of_log = {partition, r->partitions[partition].next}});
}

struct pipeline_counters rig_counters(const struct rig *r, int32_t partition)
{
    struct pipeline_view view;
    struct pipeline_counters c;
    pipeline_view(r->pipeline, (size_t)partition, &view, &c);
    return c;
}

int64_t rig_watermark(const struct rig *r, int32_t partition)
{
    struct pipeline_view view;
    struct pipeline_counters c;
    pipeline_view(r->pipeline, (size_t)partition, &view, &c);
    return view.watermark_ms;
}

int64_t rig_frontier(const struct rig *r)
{
    struct pipeline_totals totals;
    pipeline_totals(r->pipeline, &totals);
    return totals.frontier_ms;
}
