/* lake_ops.h -- what a family of lakes implements; for lake.c and the families only.
 *
 * A family embeds `struct lake` first in its own struct and `struct lake_put` first
 * in its put. A family checks a name with lake_check_name() before it uses it. */
#ifndef TURNSTILE_IO_LAKE_OPS_H
#define TURNSTILE_IO_LAKE_OPS_H

#include "base/buf.h"
#include "io/lake.h"

struct lake_ops {
    /* 0 and *out, with display set, or ERR_CONFIG. `url` as given, its scheme known. */
    int (*open)(uv_loop_t *loop, const char *url, struct lake **out, struct err *err);
    void (*probe)(struct lake *lake, lake_done *done, void *arg);
    struct lake_put *(*put)(struct lake *lake, const struct lake_object *object, lake_done *done,
                            void *arg);
    void (*cancel)(struct lake_put *put);
    void (*close)(struct lake *lake, void (*closed)(void *arg), void *arg); /* frees lake */
};

struct lake {
    const struct lake_ops *ops;
    uv_loop_t *loop;
    char *display; /* owned; freed by lake_deinit() */
};

struct lake_put {
    struct lake *lake;
};

extern const struct lake_ops lake_file_ops; /* a path, file: */
extern const struct lake_ops lake_http_ops; /* http:, https: */

void lake_deinit(struct lake *lake);

/* An answer with a text for people. */
struct lake_answer lake_answer_of(enum lake_result result, const char *format, ...)
    FORMAT_PRINTF(2, 3);

/* Names never leave the root: not empty, no empty, `.` or `..` part, no control byte, at most
 * OBJECT_NAME_MAX_BYTES. 0 or ERR_CONFIG. */
int lake_check_name(const char *name, struct err *err) MUST_CHECK;

/* Percent-encodes all but the unreserved characters of RFC 3986 and '/'. `=` and `+` are encoded
 * too: signatures over paths differ in how they see them. */
int lake_encode_path(struct buf *out, struct slice name) MUST_CHECK;

#endif
