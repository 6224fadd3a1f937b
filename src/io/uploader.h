/* uploader.h -- from an object to durable: encode on the thread pool, put, retry.
 *
 * Takes objects as the core makes them, encodes and hashes each on a worker, puts
 * it into the lake with at most `max_in_flight` puts at a time, and repeats with
 * full jitter until the answer is definite. Never gives up, never skips; the only
 * end besides success is a conflict. Completion order is any.
 *
 * Loop thread only; a worker touches only the job it was given. Invariant: each
 * submitted object completes exactly once: stored, conflict, or dropped by
 * uploader_cancel_all(), and is freed by then. */
#ifndef TURNSTILE_IO_UPLOADER_H
#define TURNSTILE_IO_UPLOADER_H

#include "core/object.h"
#include "core/schema.h"
#include "io/lake.h"

#define UPLOADER_MAX_IN_FLIGHT 16  /* puts at a time; each holds one encoded object */
#define UPLOADER_RETRY_BASE_MS 100 /* full jitter in 0 .. min(cap, base * 2^attempt) */
#define UPLOADER_RETRY_CAP_MS 60000

struct uploader_stats {
    uint64_t stored, existed, retries, conflicts;
    uint64_t bytes_stored;      /* as put, gzip */
    uint64_t unique_collisions; /* see encode.h */
    size_t queued, in_flight;   /* now */
    size_t memory_bytes;        /* of encoded bytes and queued objects */
    bool failing;               /* an object that is under way was refused or got no answer */
    char last_failure[LAKE_DETAIL_BYTES];
};

struct uploader_callbacks { /* on the loop thread, never from inside uploader_submit() */
    void (*stored)(void *arg, uint64_t object_id);
    void (*conflict)(void *arg, uint64_t object_id, const char *detail);
    void *arg;
};

struct uploader;

/* `lake` and `schema` must outlive the uploader. `seed` feeds the jitter. */
struct uploader *uploader_new(uv_loop_t *loop, struct lake *lake, const struct schema *schema,
                              unsigned max_in_flight, uint64_t seed,
                              const struct uploader_callbacks *callbacks);

/* Takes the object, always. */
void uploader_submit(struct uploader *u, struct object *object);

/* Drop what is queued, cancel what is under way; no callback for these objects. A put that is
 * already on the wire may still land: create-only makes that harmless. */
void uploader_cancel_all(struct uploader *u);

void uploader_stats(const struct uploader *u, struct uploader_stats *stats);

/* Cancels everything; `closed` is called when all handles are gone; then u is freed. */
void uploader_close(struct uploader *u, void (*closed)(void *arg), void *arg);

#endif
