/* pipelines.h -- the pipelines of an assignment, behind the interface of one.
 *
 * Topic scope: one pipeline with all partitions. Partition scope: one for each
 * partition, which know nothing of each other. What they share is here and nowhere
 * else: events find their pipeline by partition or object id, the earliest WAKE_AT
 * counts, READ is said for all at once (Kafka takes an assignment whole), DRAINED
 * when all have drained, and the memory limit holds for their sum.
 *
 * An assignment makes new pipelines, its end frees them: their state is in Kafka.
 *
 * Pure as pipeline.h is, whose words about ownership and order hold here too. Loop
 * thread only. */
#ifndef TURNSTILE_CONSUMER_PIPELINES_H
#define TURNSTILE_CONSUMER_PIPELINES_H

#include "core/pipeline.h"

struct pipelines;

/* The config is copied; its strings and schema must outlive this. memory_limit_bytes is of all
 * pipelines together. */
struct pipelines *pipelines_new(const struct pipeline_config *config);
void pipelines_free(struct pipelines *ps); /* NULL is a no-op */

/* In partition scope a partition without a record is refused, partition 0 excepted: where the
 * source has founded the group it was added to the topic later, which moves keys. This is the
 * record to found it with, for a log that starts at `low`; appended. */
void pipelines_first_record(const struct pipeline_config *config, int32_t partition, int64_t low,
                            struct buf *out);

void pipelines_step(struct pipelines *ps, const struct pipeline_event *event);
bool pipelines_next_action(struct pipelines *ps, struct pipeline_action *action);
bool pipelines_may_read(const struct pipelines *ps, int32_t partition);

/* index in 0..count-1, in the order of ASSIGNED */
size_t pipelines_partition_count(const struct pipelines *ps);
void pipelines_view(const struct pipelines *ps, size_t index, struct pipeline_view *view,
                    struct pipeline_counters *counters);

/* Sums, as of the last step; the frontier is the lowest. batches_stored counts earlier assignments
 * as well. */
void pipelines_totals(const struct pipelines *ps, struct pipeline_totals *totals);

#endif
