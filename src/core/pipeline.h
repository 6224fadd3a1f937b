/* pipeline.h -- the step function: what happened goes in, what to do comes out.
 *
 * READ THIS FILE FIRST. Turnstile's whole behaviour is here: rows in, windows,
 * commit records, punctuations and objects out. The shell (io/, consumer/app.c)
 * turns the outside world into events and carries out the actions; the simulator
 * (tests/simulation) does the same with a fake world.
 *
 * Pure: no clock (each event brings `now_ms`), no I/O, no thread, no global, no
 * log. Same events, same actions, byte for byte. Not thread-safe: one thread owns
 * a pipeline.
 *
 * A pipeline is a set of partitions with one merge stage and one frontier: all
 * partitions of the topic in topic scope, a single one in partition scope (then
 * there is a pipeline for each).
 *
 *   ASSIGNED ──> commit first records (new group only) ──> READ for every partition
 *   RECORDS  ──> judge rows: rejected, late, suppressed, duplicate, windowed
 *            ──> watermark passes a window end: contribute; all have: STORE
 *   STORED   ──> frontier and floor rise ──> COMMIT
 *   silence  ──> COMMIT of a punctuation ──> COMMITTED ──> acted on
 *   DRAIN    ──> no more reading; when all is stored and committed: DRAINED
 *
 * Ownership: everything in an event is borrowed for the call. Everything in an
 * action is valid until the next pipeline_step() on this pipeline, except
 * `store.object`, which moves to whoever takes the action. */
#ifndef TURNSTILE_CORE_PIPELINE_H
#define TURNSTILE_CORE_PIPELINE_H

#include "core/commit.h"
#include "core/object.h"
#include "core/record.h"
#include "core/schema.h"

#include <stdbool.h>
#include <stdint.h>

#define PIPELINE_OFF INT64_C(-1) /* a time option that is switched off */

/* Times in ms. Strings and schema must outlive the pipeline. */
struct pipeline_config {
    const struct schema *schema;
    const char *topic;
    const char *prefix;         /* of mini-batches, without slashes at the ends */
    const char *side_prefix;    /* of side output */
    const char *raw_prefix;     /* of the raw layer; with raw */
    bool raw;                   /* write the messages as they came, too */
    int64_t raw_chunk_records;  /* with raw: a chunk ends at each multiple of it */
    bool partition_scope;       /* object names carry the partition */
    int64_t duration_ms;        /* > 0 */
    int64_t slide_ms;           /* 0 < slide <= duration */
    int64_t delay_ms;           /* >= 0 */
    int64_t idle_timeout_ms;    /* or PIPELINE_OFF */
    int64_t idle_close_ms;      /* or PIPELINE_OFF */
    int64_t max_future_skew_ms; /* or PIPELINE_OFF */
    uint64_t rows_under_way; /* above so many rows on their way to the lake a punctuation closes no
                                further window for now: a flush of many overlapping windows would
                                hold all of them in memory; 0: no such limit */
    int64_t punctuation_hold_ms; /* no punctuation this long after ASSIGNED (a session timeout): who
                                    had the partitions before may still be acting. Not with once */
    size_t memory_limit_bytes;   /* of the pipeline's own state; 0: none */
    bool once;                   /* read up to the ends given in ASSIGNED, then drain */
    bool flush;                  /* with once: close every window that holds rows first */
};

/* ---- events ---- */

/* One partition as Kafka has it at the moment of assignment. */
struct pipeline_partition {
    int32_t partition;
    int64_t low, high;     /* log start and end offset; high is where the next record will be */
    int64_t committed;     /* the group's committed offset, or RECORD_NO_OFFSET */
    struct slice metadata; /* of that commit */
};

enum pipeline_commit_result {
    PIPELINE_COMMIT_OK,
    PIPELINE_COMMIT_REFUSED, /* definitely not done */
    PIPELINE_COMMIT_UNKNOWN  /* timed out or connection lost: done or not */
};

enum pipeline_event_kind {
    EVENT_ASSIGNED,   /* these partitions are ours, all of them in one event; replaces what was */
    EVENT_REVOKED,    /* nothing is ours any more: all state is dropped; late answers are ignored */
    EVENT_RECORDS,    /* a batch of one partition, offsets rising */
    EVENT_END_OF_LOG, /* the partition has nothing at or above `offset` (PARTITION_EOF) */
    EVENT_TICK,       /* time has passed; the answer to WAKE_AT, harmless at any time */
    EVENT_STORED,     /* the object is durable */
    EVENT_STORE_FAILED, /* it can never be: another content is there under its name */
    EVENT_COMMITTED,    /* the answer to COMMIT, exactly one each */
    EVENT_READ_ERROR,   /* the partition's log cannot be read on (bad batch, offset out of range) */
    EVENT_DRAIN         /* stop reading, finish what is closed, then DRAINED */
};

struct pipeline_event {
    enum pipeline_event_kind kind;
    int64_t now_ms;    /* monotonic; only differences count */
    bool reading_held; /* the shell reads no partition at present, for reasons of its own (memory):
                          silence that it cannot hear does not count */
    union {
        struct {
            const struct pipeline_partition *partitions;
            size_t count;
        } assigned;
        struct {
            int32_t partition;
            const struct record *records;
            size_t count;
        } records;
        struct {
            int32_t partition;
            int64_t offset;
        } end_of_log;
        struct {
            uint64_t object_id;
            const char *reason; /* of STORE_FAILED */
        } stored;
        struct {
            int32_t partition;
            enum pipeline_commit_result result;
        } committed;
        struct {
            int32_t partition;
            const char *reason;
        } read_error;
    };
};

/* ---- actions ---- */

enum pipeline_action_kind {
    ACTION_READ,   /* start reading this partition at `offset`. Once per partition, all in one
                      step, after ASSIGNED (or after the first records are committed) */
    ACTION_STORE,  /* make the object durable under its name; answer STORED */
    ACTION_COMMIT, /* commit `offset` with `metadata` for the partition; answer COMMITTED. At
                      most one unanswered per partition */
    ACTION_STOP_PARTITION, /* do not read it any more; `reason` says why and what to do. The others
                              go on, but topic scope emits nothing further */
    ACTION_WAKE_AT,        /* send TICK when now_ms >= at_ms; replaces the one before */
    ACTION_DRAINED         /* all done, nothing outstanding: the process may end */
};

struct pipeline_action {
    enum pipeline_action_kind kind;
    union {
        struct {
            int32_t partition;
            int64_t offset;
        } read;
        struct {
            struct object *object;
        } store;
        struct {
            int32_t partition;
            int64_t offset;
            struct slice metadata;
        } commit;
        struct {
            int32_t partition;
            int code;           /* enum err_code; what the process would exit with */
            const char *reason; /* one line for a person */
        } stop;
        struct {
            int64_t at_ms;
        } wake;
    };
};

/* ---- the pipeline ---- */

struct pipeline;

/* Never fails: the options were checked (pipeline_check_config()). */
struct pipeline *pipeline_new(const struct pipeline_config *config);
void pipeline_free(
    struct pipeline *p); /* NULL is a no-op; objects of actions not taken are freed */

/* 0, or ERR_USAGE with a line that names the option (slide over duration, ...). */
int pipeline_check_config(const struct pipeline_config *config, struct err *err) MUST_CHECK;

/* Take in one event. Take all actions out (pipeline_next_action()) before the next step. */
void pipeline_step(struct pipeline *p, const struct pipeline_event *event);

/* The next action of the last step, in the order in which they must be carried out; false: no more.
 */
bool pipeline_next_action(struct pipeline *p, struct pipeline_action *action);

/* May the shell hand in records of this partition now? False while a punctuation of it is being
 * committed, after STOP_PARTITION, while draining, past the end of --once, and when memory is short
 * and others are behind. RECORDS against this answer is a bug, except directly after the step that
 * changed it: ask before each batch. */
bool pipeline_may_read(const struct pipeline *p, int32_t partition);

/* ---- looking in: metrics, status, tests; never decides anything ---- */

struct pipeline_counters { /* of one partition, since ASSIGNED; rows = the sum of the rest */
    uint64_t messages;
    uint64_t rows;
    uint64_t windowed, duplicate, late, suppressed;
    uint64_t rejected[REJECT_COUNT]; /* by reason; LATE stays 0, it has its own */
};

struct pipeline_view {
    int32_t partition;
    int64_t position;     /* next offset to be read */
    int64_t watermark_ms; /* or WATERMARK_NONE */
    int64_t floor;        /* of the last record that was committed */
    size_t panes;         /* held, closed ones included */
    size_t live_ids;
    size_t groups;
    bool at_end, stopped;
};

struct pipeline_totals {
    int64_t frontier_ms; /* or WATERMARK_NONE */
    size_t stores_outstanding, commits_outstanding;
    size_t open_windows;     /* contributed by some partition, not yet emitted */
    uint64_t batches_stored; /* mini-batches */
    size_t memory_bytes;
};

size_t pipeline_partition_count(const struct pipeline *p);
/* index in 0..count-1, in the order of ASSIGNED */
void pipeline_view(const struct pipeline *p, size_t index, struct pipeline_view *view,
                   struct pipeline_counters *counters);
void pipeline_totals(const struct pipeline *p, struct pipeline_totals *totals);

/* Fingerprint of everything that decides content: scope, topic, duration, slide, delay, skew,
 * schema, raw layer, limits, content version. */
uint64_t pipeline_fingerprint(const struct pipeline_config *config);

#endif
