/* kafka_world.h -- an embedded Kafka, a producer, and group members that note what they are told.
 *
 * For tests of kafka_source. Everything runs on one loop in the calling thread (librdkafka has its
 * own); waiting is for events, with a guard that aborts when they do not come. Fails with cmocka's
 * asserts. */
#ifndef TURNSTILE_TESTS_KAFKA_WORLD_H
#define TURNSTILE_TESTS_KAFKA_WORLD_H

#include "io/kafka_source.h"

#include <librdkafka/rdkafka_mock.h>

#define TOPIC "turnstile"
#define PARTITIONS 4
#define GUARD_MS 60000 /* nothing here takes that long: it hangs */
#define STOP_MS 5000

struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    rd_kafka_t *producer; /* carries the cluster */
    rd_kafka_mock_cluster_t *cluster;
    int running; /* members */
};

/* cmocka's setup and teardown; *state is a struct world. */
int kafka_world_setup(void **state);
int kafka_world_teardown(void **state);

/* Without waiting for it; rd_kafka_flush() does. */
void produce_one(struct world *w, int32_t partition, const char *value, size_t len,
                 int64_t timestamp_ms);
/* Values "p<partition>-<number>", where the number is also the offset; durable on return. */
void produce(struct world *w, int32_t partition, int first, int count);

struct seen { /* of one partition */
    bool owned;
    int64_t next_offset;
    int64_t low, high, committed;
    int64_t expected_end; /* what is_at_ends() waits for */
    char metadata[64];
    int64_t end_of_log;
    int ends;
    bool held; /* may_read() says no */
    int commits;
    enum pipeline_commit_result commit_result;
    char read_error[128];
};

struct member {
    struct world *world;
    struct kafka_source *source;
    const struct member *other; /* see one_owns_one_stands_by() */
    struct seen seen[PARTITIONS];
    int assigned, revoked, standby, failed, stopped;
    uint64_t records, tombstones;
    struct err failure;
    bool read_when_assigned; /* from the low offsets, in assigned() itself */
    bool commit_again;       /* whenever one is answered */
    bool commit_elsewhere;   /* in partition 0, when another's is in doubt */
    int commits_sent, commits_answered;
    size_t owned;
};

struct options {
    const char *servers; /* NULL: the cluster's */
    int64_t connect_timeout_ms;
    bool partition_scope;
    bool found; /* with a first record, "first <partition>@<low>" */
};

struct member *member_start_with(struct world *w, const struct options *options);
struct member *member_start(struct world *w);
/* Stops and frees it. */
void member_stop(struct member *m);
void member_on_stopped(void *arg); /* for kafka_source_stop() */

/* Read all owned partitions from seen[].next_offset. */
void member_read(struct member *m);
void member_commit(struct member *m, int32_t partition, int64_t offset, const char *metadata);

/* Turn the loop until `done` says so. */
void member_wait(struct member *m, bool (*done)(const struct member *m));
bool is_stopped(const struct member *m);
bool is_assigned(const struct member *m);
bool is_at_ends(const struct member *m);
bool one_owns_one_stands_by(const struct member *m); /* of m and m->other */
bool is_answered(const struct member *m);
bool is_revoked(const struct member *m);
bool has_read_error(const struct member *m);
bool has_failed(const struct member *m);

#endif
