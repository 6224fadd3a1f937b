/* http_server.h -- a small HTTP/1.1 server on the test's own loop, which can misbehave.
 *
 * Without a script it is a lake in memory: PUT makes an object (412 when it is there
 * and `If-None-Match: *` was sent), GET gives it back, anything else is 404 or 405.
 * A script is a list of steps; each request takes one, and after the last one the
 * lake is back. Loopback only, on a free port. Loop thread only. */
#ifndef TURNSTILE_TESTS_HTTP_SERVER_H
#define TURNSTILE_TESTS_HTTP_SERVER_H

#include "base/slice.h"

#include <stdbool.h>
#include <uv.h>

enum http_step_kind {
    STEP_LAKE,         /* as without a script */
    STEP_STATUS,       /* answer `status` with `headers` ("Name: value\r\n"), store nothing */
    STEP_STORE_STATUS, /* store, then answer `status` */
    STEP_RESET_BEFORE, /* reset the connection when the headers are there */
    STEP_RESET_MID,    /* reset it after half of the request's body */
    STEP_RESET_AFTER,  /* store, then reset it instead of an answer */
    STEP_REPLY_CUT,    /* store, then close in the middle of the answer's body */
    STEP_HANG,         /* never answer */
    STEP_GARBAGE,      /* answer with what is not HTTP */
    STEP_HUGE,         /* store, then answer 200 with `bytes` bytes of body */
    STEP_HUGE_HEADERS, /* answer 200 with `bytes` bytes of headers */
    STEP_SLOW          /* store, then answer 201 a byte at a time */
};

struct http_step {
    enum http_step_kind kind;
    int status;
    const char *headers; /* or NULL */
    size_t bytes;
};

struct http_server;

struct http_server *http_server_new(uv_loop_t *loop);
int http_server_port(const struct http_server *s);

/* Replaces the script; the steps are copied. */
void http_server_script(struct http_server *s, const struct http_step *steps, size_t count);

/* The object at `path` ("/a/b", as it came on the wire), or false. Valid until the next request. */
bool http_server_object(const struct http_server *s, const char *path, struct slice *bytes);
void http_server_set_object(struct http_server *s, const char *path, struct slice bytes);

unsigned http_server_requests(const struct http_server *s);
unsigned http_server_overwrites(const struct http_server *s); /* an object replaced by another */
unsigned http_server_most_at_once(
    const struct http_server *s); /* requests between arrival and answer */
/* Request line and headers of the last request, NUL-terminated. */
const char *http_server_last_head(const struct http_server *s);

/* Resets open connections; `closed` is called when all handles are gone. */
void http_server_close(struct http_server *s, void (*closed)(void *arg), void *arg);

#endif
