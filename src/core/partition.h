/* partition.h -- the partition stage: one partition's rows are judged, deduplicated
 * and summed into panes; its watermark rises; windows it passes are contributed.
 *
 * Everything here is decided from the partition's own log and its committed
 * punctuations, so a replay decides the same. The only thing it looks at outside
 * is the frontier. Part of the pipeline, not an interface for others. */
#ifndef TURNSTILE_CORE_PARTITION_H
#define TURNSTILE_CORE_PARTITION_H

#include "core/commit.h"
#include "core/decode.h"
#include "core/merge.h"
#include "core/outbox.h"
#include "core/panes.h"
#include "core/pipeline.h"
#include "core/raw.h"
#include "core/side.h"

/* Key and value of a message together: in base64 it fits an object beside what is open there. Kafka
 * would have to be told to take messages 500 times its default to meet this. */
#define PARTITION_MAX_MESSAGE_BYTES ((size_t)512 * 1024 * 1024)

/* What the partitions of a pipeline share. */
struct stage {
    const struct pipeline_config *config;
    struct window_shape shape;
    struct decoder *decoder;
    struct merge merge;
    struct outbox outbox;
    uint64_t fingerprint;
    int64_t frontier_ms; /* U, or WATERMARK_NONE */
};

/* The commit record under way, and the last one that was answered OK. */
struct partition_commit {
    bool in_flight;
    bool punctuates; /* what is (or must be again) under way carries `cut`: no reading till OK */
    struct commit_cut cut;
    bool
        unsure; /* an earlier try at it was not answered: it may be in Kafka whatever is said now */
    struct buf text;      /* metadata of the record under way */
    int64_t floor;        /* its offset */
    struct buf done_text; /* of the last record answered OK */
    int64_t done_floor;   /* or RECORD_NO_OFFSET */
    int64_t pace_ms;      /* no plain record before this */
    int64_t retry_ms;     /* nothing at all before this */
};

struct partition {
    struct stage *stage;
    int32_t id;
    size_t index;

    int64_t position;       /* next offset to be judged */
    int64_t watermark_ms;   /* W, or WATERMARK_NONE */
    int64_t contributed_ms; /* every window with end <= this has been contributed, or is durable */
    int64_t next_end_ms; /* smallest end above contributed_ms of a window with rows, or INT64_MAX */
    struct panes panes;
    struct side side;
    struct raw raw; /* empty where the raw layer is off */

    struct commit_cut *cuts; /* committed punctuations at or above the floor, by offset */
    size_t cut_count, cut_cap;
    size_t next_cut; /* cuts before this one have been applied */

    int64_t last_offset; /* of the last record read, or RECORD_NO_OFFSET */
    uint32_t last_check;
    int64_t verify_offset; /* the record here must have verify_check; RECORD_NO_OFFSET: verified */
    uint32_t verify_check;

    int64_t once_end;  /* log end at ASSIGNED */
    int64_t active_ms; /* now_ms of the last record, of ASSIGNED, or when it was last not heard */
    bool unheard;      /* reading was held back as of the last step */
    bool at_end;       /* nothing at or above position when last heard */
    bool stopped;
    bool needs_first_record; /* a new group: nothing is read before it is committed */
    bool awaits_others; /* appeared later: its first record waits for what others have emitted */

    struct partition_commit commit;
    struct pipeline_counters counters;
};

/* Start from what Kafka has; stops the partition (with an action) when that is refused. */
void partition_init(struct partition *p, struct stage *stage, size_t index,
                    const struct pipeline_partition *from, int64_t now_ms);
void partition_deinit(struct partition *p);

/* Where reading begins: the record to verify, where it is still there, else the position. */
int64_t partition_read_from(const struct partition *p);

/* Judge a batch. Records below the position are only verified; with once, those at or above the end
 * are left alone. */
void partition_read(struct partition *p, const struct record *records, size_t count,
                    int64_t now_ms);

/* The log holds nothing from the position up to `offset`. */
void partition_end_of_log(struct partition *p, int64_t offset);

/* Has W passed what has been contributed? Only after a punctuation, which may close any number of
 * windows at once; the partition must not be read until it owes nothing. */
bool partition_owes(const struct partition *p);

/* Contribute the next window that W has passed, if one holds rows. */
void partition_contribute_next(struct partition *p);

/* Raise W to `watermark_ms`, if that is higher, and contribute what it passes. */
void partition_raise(struct partition *p, int64_t watermark_ms);

/* Apply the punctuations at or below the position. */
void partition_apply_cuts(struct partition *p, int64_t upto_offset);

/* A committed punctuation at the position: keep it and act on it. Afterwards the partition may owe.
 */
void partition_punctuate(struct partition *p, const struct commit_cut *cut);

/* The record as of now. */
void partition_record(const struct partition *p, struct commit_record *record);

/* S and R rise to what is durable now; called before partition_record(). */
void partition_settle(struct partition *p);

void partition_stop(struct partition *p, int code, const char *format, ...) FORMAT_PRINTF(3, 4);

/* Has everything been read that --once is to read? */
bool partition_is_done(const struct partition *p);

size_t partition_memory_bytes(const struct partition *p);

#endif
