/* kafka_source.h -- a Kafka consumer group member on the libuv loop.
 *
 * Joins the group, learns who owns the topic, fetches commit records and log ends,
 * reads per-partition queues in batches, commits explicitly. It decides nothing
 * about data: it turns Kafka into the callbacks below and carries out read and
 * commit requests.
 *
 * Topic scope: the member that Kafka gives partition 0 owns all partitions; the
 * others stand by.
 *
 *    start ─> JOINING ─> STANDBY  ⇄  (partition 0 comes or goes)
 *                   └──> FETCHING (records, log ends; off the loop) ─> OWNER
 *    OWNER ─ the topic was gone ─> FETCHING (another log may be there under its name)
 *    OWNER ─ revoked ─> REVOKING (commits in flight are awaited) ─> JOINING
 *    OWNER/FETCHING/STANDBY ─ lost, or revoked with none in flight ─> JOINING
 *    any ─ stop ─> STOPPING ─> stopped
 *
 * A rebalance is answered at once with an empty assignment, so that the group does
 * not wait for us; what is to be read is assigned by kafka_source_read().
 *
 * Threads: loop thread only. librdkafka's threads only wake the loop
 * (uv_async_send). Blocking calls (committed offsets, watermark offsets) run on the
 * thread pool and carry the assignment epoch; an answer of an older epoch is
 * dropped. */
#ifndef TURNSTILE_IO_KAFKA_SOURCE_H
#define TURNSTILE_IO_KAFKA_SOURCE_H

#include "base/err.h"
#include "core/pipeline.h"
#include "io/properties.h"

#include <librdkafka/rdkafka.h>
#include <uv.h>

#define KAFKA_SOURCE_BATCH_RECORDS 256 /* records handed over at a time */

struct kafka_source_callbacks { /* on the loop thread */
    /* All partitions of the topic (partition scope: these) are ours. Borrowed for the call. */
    void (*assigned)(void *arg, const struct pipeline_partition *partitions, size_t count);
    void (*revoked)(void *arg);
    /* Asked before each batch and each end_of_log; false leaves the partition's queue alone, and
     * what comes behind with it, until kafka_source_kick(). */
    bool (*may_read)(void *arg, int32_t partition);
    void (*records)(void *arg, int32_t partition, const struct record *records, size_t count);
    void (*end_of_log)(void *arg, int32_t partition, int64_t offset);
    /* The partition cannot be read on: a bad batch, an offset out of range. */
    void (*read_error)(void *arg, int32_t partition, const char *reason);
    /* Exactly one for each kafka_source_commit(), but for those that revoked() overtakes. */
    void (*committed)(void *arg, int32_t partition, enum pipeline_commit_result result);
    void (*standby)(void *arg); /* the group gave partition 0 to another */
    /* Partition scope: append the record with which a new group begins on a partition whose log
     * starts at `low`. The member that has partition 0 commits it for every partition but 0 before
     * anyone is told assigned(), so that from then on a partition without a record (0 excepted) is
     * one that was added to the topic later. NULL: nothing of this. */
    void (*first_record)(void *arg, int32_t partition, int64_t low, struct buf *out);
    void (*failed)(void *arg, const struct err *); /* fatal: the process should end */
    void *arg;
};

struct kafka_source_config {
    const char *topic;
    rd_kafka_conf_t *conf; /* from the properties; taken by kafka_source_new() */
    const char *group;
    const char *client_id;      /* or NULL: the properties'; the start time is appended */
    size_t queue_budget_bytes;  /* all partitions' librdkafka queues together; 8 MiB by default */
    bool partition_scope;       /* own the partitions that Kafka gives, not the whole topic */
    int64_t connect_timeout_ms; /* topic metadata must have come by then, else
                                   failed(ERR_UNREACHABLE) */
};

/* A configuration with our defaults (session.timeout.ms=10000, ...), to apply the properties to:
 * what they say then wins. */
rd_kafka_conf_t *kafka_source_conf_new(void);

/* What the recovery rule owns in the properties, for properties_apply(). NULL-terminated. */
extern const struct properties_owned kafka_source_owned_properties[];

struct kafka_source;

/* 0 and *out, or an error with its reason (ERR_CONFIG); config->conf is taken in any case. */
int kafka_source_new(uv_loop_t *loop, const struct kafka_source_config *config,
                     const struct kafka_source_callbacks *callbacks, struct kafka_source **out,
                     struct err *err) MUST_CHECK;
void kafka_source_start(struct kafka_source *s); /* join the group */

/* Begin to read: the offsets for all partitions that are to be read, in one call, in answer to
 * assigned(). A partition that is not listed is not read. */
struct kafka_source_start_offset {
    int32_t partition;
    int64_t offset;
};
void kafka_source_read(struct kafka_source *s, const struct kafka_source_start_offset *offsets,
                       size_t count);

/* Commit; dropped (answered REFUSED, not from inside the call) when the assignment is gone.
 * `metadata` is copied. One at a time for each partition. */
void kafka_source_commit(struct kafka_source *s, int32_t partition, int64_t offset,
                         struct slice metadata);

void kafka_source_stop_partition(struct kafka_source *s, int32_t partition);
void kafka_source_kick(struct kafka_source *s); /* may_read() may answer differently now */

/* Leave the group and close; `stopped` is called when all is gone, at most `timeout_ms` later;
 * then s is freed. Commits under way are answered first; no other callback comes any more. */
void kafka_source_stop(struct kafka_source *s, int64_t timeout_ms, void (*stopped)(void *arg),
                       void *arg);

#endif
