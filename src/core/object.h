/* object.h -- one object for the lake: its name, and what it will hold.
 *
 * The core makes it, the shell owns it from the STORE action on, a worker thread
 * encodes it (nobody else holds it then), and the shell frees it. The name is a
 * pure function of the log; so is the content. */
#ifndef TURNSTILE_CORE_OBJECT_H
#define TURNSTILE_CORE_OBJECT_H

#include "base/buf.h"
#include "core/groups.h"
#include "core/schema.h"

#include <stdint.h>

#define OBJECT_NAME_MAX_BYTES 1024 /* S3's limit for a key */
#define OBJECT_MAX_BYTES \
    (1024u * 1024 * 1024) /* of plain content; a larger window aborts the upload */

enum object_kind {
    OBJECT_MINI_BATCH, /* gzip CSV of one window */
    OBJECT_SIDE,       /* gzip JSON lines of late and rejected rows */
    OBJECT_RAW         /* gzip JSON lines of messages as they came */
};

struct object {
    uint64_t id; /* unique in the life of the process; answers name it */
    enum object_kind kind;
    char *name;                             /* path in the lake, with '/', no leading '/', owned */
    int64_t window_start_ms, window_end_ms; /* of a mini-batch */
    struct groups *groups;                  /* of a mini-batch, owned, sorted */
    struct buf lines;  /* of a side or raw object: finished JSON lines, owned */
    uint64_t rows;     /* data rows that the object will hold */
    int32_t partition; /* of a side or raw object or a partition's mini-batch; else -1 */
};

void object_free(struct object *o); /* NULL is a no-op */
size_t object_memory_bytes(const struct object *o);

/* `<prefix>/batch_<start / slide>_<YYYYMMDD_HHMMSS of end>[_p<partition>].csv.gz`; partition < 0
 * leaves it out. Result to be freed with mem_free(). */
char *object_batch_name(const char *prefix, int64_t start_ms, int64_t end_ms, int64_t slide_ms,
                        int32_t partition);

/* `<side prefix>/<topic>-<partition>-<first offset>.jsonl.gz`. */
char *object_side_name(const char *side_prefix, const char *topic, int32_t partition,
                       int64_t first_offset);

/* `<raw prefix>/<topic>/YYYY/MM/DD/<partition>-<first offset>.jsonl.gz`, the day of the first
 * record's timestamp in UTC; 1970/01/01 where it has none, or one outside the years 0 to 9999. */
char *object_raw_name(const char *raw_prefix, const char *topic, int32_t partition,
                      int64_t first_offset, int64_t timestamp_ms);

#endif
