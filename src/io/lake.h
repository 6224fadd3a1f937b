/* lake.h -- where objects are put: one interface, one file per family.
 *
 * A put is create-only: an object that is there with the same content is success,
 * with another content it is a conflict and nothing is overwritten. A put that is
 * acknowledged is durable. lake_put() always takes the call, cannot fail
 * synchronously, and completes exactly once, on the loop thread, never from inside
 * the call. It tries once; the uploader repeats. Adding a lake: one file with a
 * `struct lake_ops`, one line in lake.c's table.
 *
 * Loop thread only. */
#ifndef TURNSTILE_IO_LAKE_H
#define TURNSTILE_IO_LAKE_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>
#include <uv.h>

enum lake_result {
    LAKE_OK,        /* durable now: written, or there already with our content */
    LAKE_CONFLICT,  /* there with another content: a person must look */
    LAKE_TRANSIENT, /* try again later (timeouts, resets, 5xx, 429, full disk) */
    LAKE_DENIED,    /* credentials or permission; try again, slowly, and say so */
    LAKE_BROKEN,    /* the request itself is refused (no such bucket, bad request); likewise */
    LAKE_CANCELED   /* lake_cancel() */
};

#define LAKE_DETAIL_BYTES 256
#define LAKE_SHA256_BYTES 32

struct lake_answer {
    enum lake_result result;
    int64_t retry_after_ms;         /* what the server asked for, or -1 */
    bool slow_down;                 /* the server asks for fewer requests */
    bool existed;                   /* LAKE_OK without writing: it was there already */
    char detail[LAKE_DETAIL_BYTES]; /* for a person: "503 Service Unavailable" */
};

/* What is put. Borrowed until `done`. */
struct lake_object {
    const char *name;                        /* relative to the lake's root, '/' between parts */
    struct slice bytes;                      /* as stored (gzip) */
    unsigned char sha256[LAKE_SHA256_BYTES]; /* of the plain (not gzipped) content: its identity */
    const char *content_type;
};

typedef void lake_done(void *arg, const struct lake_answer *answer);

struct lake;
struct lake_put; /* one put under way */

/* `url`: a path, file:///dir, http://host/base, https://... . 0 and *out; ERR_CONFIG (unknown
 * scheme, malformed). No network or disk is touched. */
int lake_new(uv_loop_t *loop, const char *url, struct lake **out, struct err *err) MUST_CHECK;

/* Can objects be written? Answers LAKE_OK, LAKE_TRANSIENT (not reachable), LAKE_DENIED,
 * LAKE_BROKEN through `done`. Leaves nothing behind. */
void lake_probe(struct lake *lake, lake_done *done, void *arg);

struct lake_put *lake_put(struct lake *lake, const struct lake_object *object, lake_done *done,
                          void *arg);
/* `done` follows soon, with LAKE_CANCELED or with an answer that was under way. */
void lake_cancel(struct lake_put *put);

/* Nothing may be under way. `closed` is called from the loop when all handles are gone; then the
 * lake is freed. */
void lake_close(struct lake *lake, void (*closed)(void *arg), void *arg);

/* Scheme, host and path for log lines; no credentials. Valid as long as the lake. */
const char *lake_display(const struct lake *lake);

#endif
