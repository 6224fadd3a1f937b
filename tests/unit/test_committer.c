#include "base/mem.h"
#include "core/committer.h"
#include "core/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#define CYCLES 250
#define OFFSET_STEP 60000 /* offsets have gaps, so that the distances from the floor are long */

static const char schema_text[] =
    "{\"name\": \"t\", \"columns\": [{\"name\": \"ID\", \"type\": \"string\"},"
    " {\"name\": \"EVENT\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%d %H:%M:%S\"}],"
    " \"event_time\": \"EVENT\", \"key\": [\"ID\"], \"group_by\": [\"ID\"],"
    " \"output\": [\"ID\", {\"count\": true}]}";

struct fixture {
    struct pipeline *pipeline;
    int64_t now_ms;
    int64_t position[2];
    unsigned punctuations; /* in the longest record */
    size_t longest;
};

/* The lake never answers; every record is committed. */
static void send(struct fixture *f, struct pipeline_event e)
{
    struct pipeline_action a;
    int32_t answer[2];
    size_t answers = 0;
    e.now_ms = f->now_ms;
    pipeline_step(f->pipeline, &e);
    while (pipeline_next_action(f->pipeline, &a)) {
        if (a.kind == ACTION_STORE)
            object_free(a.store.object);
        if (a.kind != ACTION_COMMIT)
            continue;
        struct commit_record r;
        struct err err;
        assert_int_equal(commit_decode(a.commit.metadata, a.commit.offset, &r, &err), 0);
        if (a.commit.metadata.len > f->longest) {
            f->longest = a.commit.metadata.len;
            f->punctuations = r.cut_count;
        }
        answer[answers++] = a.commit.partition;
    }
    for (size_t i = 0; i < answers; i++)
        send(f, (struct pipeline_event){.kind = EVENT_COMMITTED,
                                        .committed = {answer[i], PIPELINE_COMMIT_OK}});
}

static void row(struct fixture *f, int32_t partition, int minute)
{
    char text[64];
    const int n = snprintf(text, sizeof(text), "x%" PRId64 ",2024-07-22 %02d:%02d:00",
                           f->position[partition], minute / 60, minute % 60);
    const struct record r = {.offset = f->position[partition],
                             .timestamp_ms = RECORD_NO_TIMESTAMP,
                             .value = {text, (size_t)n}};
    f->position[partition] += OFFSET_STEP;
    assert_true(pipeline_may_read(f->pipeline, partition));
    send(f, (struct pipeline_event){.kind = EVENT_RECORDS, .records = {partition, &r, 1}});
    send(f, (struct pipeline_event){.kind = EVENT_END_OF_LOG,
                                    .end_of_log = {partition, f->position[partition]}});
}

/* A lake that is away for long, and a partition that is silent between single rows: its floor
 * stays, and each silence adds a punctuation to its record. When no more fit, what else is in the
 * record must still have room to grow. */
static void a_full_record_still_has_room_to_grow(void **state)
{
    UNUSED(state);
    struct err err;
    struct schema *schema = NULL;
    assert_int_equal(schema_parse(slice_of(schema_text), &schema, &err), 0);
    const struct pipeline_config config = {.schema = schema,
                                           .topic = "t",
                                           .prefix = "p",
                                           .side_prefix = "s",
                                           .duration_ms = 60000,
                                           .slide_ms = 60000,
                                           .idle_timeout_ms = 1000,
                                           .idle_close_ms = PIPELINE_OFF,
                                           .max_future_skew_ms = PIPELINE_OFF};
    for (int64_t first = 0; first < 1000000; first += 200000) {
        struct fixture f = {.pipeline = pipeline_new(&config), .position = {0, first}};
        const struct pipeline_partition partitions[2] = {
            {.partition = 0, .committed = RECORD_NO_OFFSET},
            {.partition = 1, .low = first, .high = first, .committed = RECORD_NO_OFFSET}};
        send(&f, (struct pipeline_event){.kind = EVENT_ASSIGNED, .assigned = {partitions, 2}});
        for (int cycle = 0; cycle < CYCLES; cycle++) {
            f.now_ms += 500;
            row(&f, 1, cycle + 1);
            f.now_ms += 1000;
            row(&f, 0, cycle + 2); /* p1 is silent now, and p0 is not */
            f.now_ms += 100;
            send(&f, (struct pipeline_event){.kind = EVENT_TICK});
        }
        assert_true(f.punctuations > 100);
        assert_true(f.longest + COMMITTER_GROWTH_BYTES / 2 <= COMMIT_MAX_BYTES);
        pipeline_free(f.pipeline);
    }
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_full_record_still_has_room_to_grow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
