/* kafka_private.h -- what the files of kafka_source share; nobody else includes it.
 *
 *     kafka_conf.c     what librdkafka is told
 *     kafka_source.c   the loop's turn: events, errors, states
 *     kafka_assign.c   rebalances; who owns what; kafka_source_read()
 *     kafka_found.c    the first records of a new group, in partition scope
 *     kafka_lookup.c   blocking questions to Kafka, on the thread pool
 *     kafka_read.c     partition queues
 *     kafka_commit.c   commits
 *     kafka_close.c    leaving the group and closing, within a hard bound
 */
#ifndef TURNSTILE_IO_KAFKA_PRIVATE_H
#define TURNSTILE_IO_KAFKA_PRIVATE_H

#include "io/kafka_source.h"

#define KAFKA_SAFETY_MS 500  /* librdkafka's wake-ups are edges; one lost costs at most this */
#define KAFKA_CLOSING_MS 20  /* the same while closing, which is all waiting */
#define KAFKA_LOOKUP_MS 2000 /* one blocking call; then it is asked again. Bounds stopping */
#define KAFKA_LOOKUP_RETRY_MS 100
#define KAFKA_REVOKE_WAIT_MS 3000 /* for commits in flight; below any useful session timeout */

enum kafka_state {
    KAFKA_IDLE,
    KAFKA_JOINING,
    KAFKA_STANDBY,
    KAFKA_FETCHING,
    KAFKA_OWNER,
    KAFKA_REVOKING,
    KAFKA_STOPPING
};

enum kafka_close_phase {
    CLOSE_COMMITS, /* answers of commits in flight */
    CLOSE_LEAVE,   /* leaving the group */
    CLOSE_LOOKUPS, /* calls on the thread pool use the handle */
    CLOSE_DESTROY, /* librdkafka's threads end; on a thread of its own, it may block */
    CLOSE_HANDLES  /* uv_close() */
};

struct kafka_partition {
    int32_t id;
    bool stopped;                              /* is not read any more */
    uint64_t commit_id;                        /* in flight; 0: none */
    rd_kafka_queue_t *queue;                   /* NULL: not to be read */
    size_t unfetched_bytes, unfetched_records; /* read since the leader was nudged */
    /* Taken from the queue and not yet handed over: batch[next .. count). */
    rd_kafka_message_t *batch[KAFKA_SOURCE_BATCH_RECORDS];
    size_t next, count;
};

enum kafka_lookup_kind { LOOKUP_METADATA, LOOKUP_COMMITTED, LOOKUP_LOW, LOOKUP_HIGH, LOOKUP_COUNT };

/* One blocking call. The worker touches rk, topic, partitions, error and nothing else. */
struct kafka_lookup {
    uv_work_t work;
    struct kafka_source *source; /* NULL: abandoned by a stop that ran out of time */
    struct kafka_lookup *next;   /* of source->lookups */
    enum kafka_lookup_kind kind;
    uint64_t epoch;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_topic_partition_list_t *partitions; /* answer; also the question but for METADATA */
    rd_kafka_resp_err_t error;
};

struct kafka_destroyer;

struct kafka_source {
    struct kafka_source_callbacks callbacks;
    uv_loop_t *loop;
    char *topic_name, *bootstrap; /* owned */
    bool partition_scope;
    int64_t connect_timeout_ms;
    size_t queue_limit_bytes; /* of one partition */
    bool needs_nudges;        /* see nudge_leader() */

    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* everything but records: consumer, main, log, commit answers */
    rd_kafka_topic_t *topic;

    uv_async_t wake; /* librdkafka has something for us */
    uv_timer_t safety;
    uv_timer_t connect; /* connect_timeout_ms */
    uv_timer_t retry;   /* of lookups */
    unsigned open_handles;

    enum kafka_state state;
    bool failed;        /* failed() was called */
    bool connected;     /* topic metadata came, once */
    bool was_assigned;  /* once; then a broker that is away is waited for */
    bool assigned_told; /* assigned() without its revoked() */
    bool topic_gone;    /* said while reading: what is there under its name may be another log */
    int64_t unknown_topic_until_ms;
    char last_error[256];    /* what the broker or the network said, for messages */
    uint64_t epoch;          /* of the assignment; answers of an older one are dropped */
    int64_t revoke_until_ms; /* REVOKING */

    rd_kafka_topic_partition_list_t *topic_partitions; /* as metadata had it last, or NULL */
    rd_kafka_topic_partition_list_t *given;            /* what Kafka gave us, or NULL */
    uint64_t founding_id;  /* commit of first records in flight; 0: none */
    bool partitions_known; /* FETCHING: `given` is what will be assigned */
    rd_kafka_topic_partition_list_t *answers[LOOKUP_COUNT]; /* of the lookups of this epoch */
    struct kafka_lookup *lookups;                           /* running */

    struct kafka_partition *partitions; /* of the assignment; by id */
    size_t partition_count;
    size_t next_to_read;
    uint64_t last_commit_id;
    size_t commits_in_flight;
    int32_t *refused; /* partitions whose commit is to be answered REFUSED, next turn */
    size_t refused_count, refused_capacity;

    enum kafka_close_phase close_phase;
    int64_t leave_by_ms, closed_by_ms;
    struct kafka_destroyer *destroyer;
    void (*stopped)(void *arg);
    void *stopped_arg;

    struct record records[KAFKA_SOURCE_BATCH_RECORDS]; /* views of one call */
};

/* kafka_conf.c */
int kafka_conf_finish(rd_kafka_conf_t *conf, const struct kafka_source_config *config,
                      struct err *err) MUST_CHECK;
/* librdkafka's limit for the queue of one partition. */
size_t kafka_conf_queue_kib(size_t budget_bytes);
/* True: this librdkafka fetches on by itself when a queue is below its limit again. */
bool kafka_conf_fetches_on(rd_kafka_conf_t *conf);

/* kafka_source.c */
void kafka_set_state(struct kafka_source *s, enum kafka_state state);
void kafka_wake(rd_kafka_t *rk, void *source); /* from any thread */
void kafka_on_safety(uv_timer_t *safety);
void kafka_on_retry(uv_timer_t *retry);
void kafka_fail(struct kafka_source *s, int code, const char *format, ...) FORMAT_PRINTF(3, 4);
/* Remember and log it; an error that waiting cannot cure ends the process, see there. */
void kafka_report_error(struct kafka_source *s, rd_kafka_resp_err_t error, const char *text);
struct kafka_partition *kafka_find_partition(struct kafka_source *s, int32_t id);

/* kafka_assign.c */
void kafka_on_rebalance(struct kafka_source *s, rd_kafka_event_t *event);
void kafka_revoke_step(struct kafka_source *s); /* REVOKING: go on if nothing is in flight */
void kafka_on_topic_partitions(struct kafka_source *s);
void kafka_take_anew(struct kafka_source *s); /* OWNER: as if it had been revoked and given again */
void kafka_ask_again(struct kafka_source *s); /* FETCHING: for what is missing */
void kafka_on_offsets(struct kafka_source *s); /* all answers are there */
void kafka_free_partitions(struct kafka_source *s);

/* kafka_found.c */
bool kafka_may_found(const struct kafka_source *s);
bool kafka_is_founded(const struct kafka_source *s); /* by the answers to COMMITTED */
void kafka_found(struct kafka_source *s);            /* what is to do for it; then ask again */
bool kafka_on_founded(struct kafka_source *s, uint64_t id); /* false: another commit's id */

/* kafka_lookup.c */
void kafka_lookup_start(struct kafka_source *s, enum kafka_lookup_kind kind);
void kafka_lookup_drop_answers(struct kafka_source *s);
void kafka_lookup_abandon(struct kafka_source *s);

/* kafka_read.c */
bool kafka_read_turn(struct kafka_source *s); /* true: there may be more */
void kafka_open_queue(struct kafka_source *s, struct kafka_partition *p);
void kafka_close_queue(struct kafka_partition *p);

/* kafka_commit.c */
void kafka_on_committed(struct kafka_source *s, rd_kafka_event_t *event);
void kafka_answer_refused(struct kafka_source *s);
void kafka_give_up_commits(struct kafka_source *s); /* answer UNKNOWN to all in flight */

/* kafka_close.c */
void kafka_close_step(struct kafka_source *s);

#endif
