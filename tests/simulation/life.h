/* life.h -- one life of a consumer process: the real pipelines, driven step by
 * step on a virtual clock against the world, until it ends or is crashed.
 *
 * Plays the shell: keeps read positions, puts and commits in flight and their
 * answers. Every operation is one thing that could happen next; which one does is
 * the driver's choice. All of it hangs on one seeded generator. */
#ifndef TURNSTILE_SIMULATION_LIFE_H
#define TURNSTILE_SIMULATION_LIFE_H

#include "core/pipeline.h"
#include "world.h"

struct life_commit { /* sent and not yet answered */
    bool active;
    int64_t offset;
    char *metadata; /* owned */
    size_t len;
};

struct life_store { /* sent and not yet answered */
    unsigned pipe;
    uint64_t id;
    bool landed;
    struct world_object object; /* owned until it lands */
    char *name;                 /* owned */
    unsigned partition;         /* of a side or raw object */
    int64_t end_ms;             /* of a mini-batch */
    int64_t first_offset;       /* of a side or raw object */
};

struct life_partition {
    unsigned pipe;
    bool reading; /* READ was said */
    bool stopped;
    size_t first, next;  /* messages: where it began, the next one */
    int64_t high;        /* log end at ASSIGNED */
    int64_t eof_told;    /* log end that was announced, or -1 */
    int64_t eof_pending; /* announced by Kafka, not yet handed in, or -1 */
    struct life_commit commit;
};

struct life_pipe {
    struct pipeline *pipeline;
    unsigned first, count; /* its partitions */
    int64_t frontier_ms;   /* U at ASSIGNED */
    int64_t wake_ms;       /* or INT64_MAX */
    bool assigned, drained, draining;
};

struct life_options { /* may differ from life to life without changing any content */
    int64_t idle_timeout_ms, idle_close_ms, punctuation_hold_ms;
    size_t memory_limit_bytes;
    uint64_t rows_under_way;
    bool once, flush;
    bool slow_lake;
    bool may_stop;           /* something may go wrong that stops partitions (life_disturb()) */
    unsigned batch_messages; /* at most so many at a time */
};

struct life_stats {
    uint64_t steps, stores, commits, assignments, drained, stops;
    uint64_t actions_hash; /* of all that the core said: the same events, the same actions */
};

struct life {
    struct world *world;
    struct rng *rng;
    struct life_stats *stats;
    struct life_options options;
    struct pipeline_config config;
    unsigned pipe_count;
    struct life_pipe pipes[FEED_MAX_PARTITIONS];
    struct life_partition partitions[FEED_MAX_PARTITIONS];
    struct life_store *stores;
    size_t store_count, store_cap;
    int64_t now_ms;
    bool stopped;    /* a partition is */
    bool crash_soon; /* in the middle of the actions of a step */
    bool crashed;
};

/* The process starts and is assigned everything. */
void life_start(struct life *l, struct world *w, const struct schema *schema,
                const struct life_options *options, struct rng *rng, struct life_stats *stats);
/* It is gone, without a word: what was in flight lands, lands later, or is lost. */
void life_crash(struct life *l);
/* It ends in peace; nothing is in flight. */
void life_end(struct life *l);

/* Something that can happen next; false: it cannot. */
bool life_read(struct life *l, unsigned partition);
bool life_store_done(struct life *l);
bool life_commit_done(struct life *l, unsigned partition);
void life_time_passes(struct life *l);
bool life_reassign(struct life *l);
/* An object is there with other content, or a log cannot be read on. */
void life_disturb(struct life *l);
void life_drain(struct life *l);

bool life_is_drained(const struct life *l);
/* Everything written so far was read, and nothing is in flight. */
bool life_is_settled(const struct life *l);

#endif
