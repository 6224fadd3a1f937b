/* pipeline_rig.h -- a pipeline in a world where lake and Kafka answer when they are told to. */
#ifndef TURNSTILE_TESTS_PIPELINE_RIG_H
#define TURNSTILE_TESTS_PIPELINE_RIG_H

#include "core/pipeline.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define RIG_MAX_PARTITIONS 4
#define RIG_MAX_NAMES 64
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

/* What Kafka holds of a partition, and the commit under way. */
struct fake_partition {
    int64_t low, high, next; /* next: offset of the next row handed in */
    int64_t committed, pending;
    char metadata[COMMIT_MAX_BYTES], pending_metadata[COMMIT_MAX_BYTES];
    size_t len, pending_len;
    bool in_flight;
    char stopped[ERR_TEXT_BYTES];
};

struct rig {
    struct schema *schema;
    struct pipeline_config config;
    struct pipeline *pipeline;
    struct fake_partition partitions[RIG_MAX_PARTITIONS];
    int32_t count;
    int64_t now_ms, wake_ms;
    uint64_t stores[RIG_MAX_NAMES];
    char names[RIG_MAX_NAMES][OBJECT_NAME_MAX_BYTES]; /* of all stores so far */
    size_t store_count, name_count;
    bool drained;
};

/* Windows of a minute, no delay, nothing idle: tests change r->config before rig_start(). */
void rig_init(struct rig *r, int32_t partitions);
void rig_deinit(struct rig *r);

/* A new process with the rig's configuration; what was in flight is lost. */
void rig_start(struct rig *r);

/* One event, and the actions that follow from it. */
void rig_step(struct rig *r, struct pipeline_event event);

void rig_answer_stores(struct rig *r);
bool rig_answer_commits(struct rig *r); /* false: there was none */

/* Answer all there is, and let the time pass that plain records keep between them. */
void rig_settle(struct rig *r);

/* One message at the partition's next offset; a row of the 22nd of July 2024. */
void rig_hand_in(struct rig *r, int32_t partition, const char *value);
void rig_row_at(struct rig *r, int32_t partition, const char *id, int64_t second);
void rig_end_of_log(struct rig *r, int32_t partition);

bool rig_may_read(const struct rig *r, int32_t partition);
struct pipeline_counters rig_counters(const struct rig *r, int32_t partition);
int64_t rig_watermark(const struct rig *r, int32_t partition);
int64_t rig_frontier(const struct rig *r);

#endif
