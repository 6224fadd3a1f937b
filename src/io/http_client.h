/* http_client.h -- HTTP requests on the libuv loop: libcurl's multi socket interface.
 *
 * HTTP/1.1 only, no proxy, no redirects, no cookies, TLS 1.2 or newer and always
 * verified. A request is tried once; repeating it is the caller's decision. Replies
 * are kept in memory and therefore bounded. It knows nothing of lakes.
 *
 * Loop thread only. Names are resolved on a thread of libcurl's. Invariant: each
 * http_start() completes exactly once, from the loop, never from inside the call. */
#ifndef TURNSTILE_IO_HTTP_CLIENT_H
#define TURNSTILE_IO_HTTP_CLIENT_H

#include "base/slice.h"

#include <stdint.h>
#include <uv.h>

#define HTTP_CONNECT_TIMEOUT_MS 5000    /* a lake that is further away than this is down */
#define HTTP_TIMEOUT_MS 60000           /* of a whole request without its bytes */
#define HTTP_BYTES_PER_S (256 * 1024)   /* what even a poor line carries: adds to the above */
#define HTTP_LOW_SPEED_BYTES_PER_S 1024 /* slower than this ... */
#define HTTP_LOW_SPEED_S 60             /* ... for this long, thinking time included: given up */
#define HTTP_RESPONSE_MAX_BYTES (64 * 1024) /* of a reply's body, unless the request says more */
#define HTTP_HEADERS_MAX_BYTES (64 * 1024)  /* of a reply's headers together */
#define HTTP_DETAIL_BYTES 256

enum http_outcome {
    HTTP_ANSWERED,    /* a whole reply, whatever its status */
    HTTP_TIMED_OUT,   /* no connection or no whole reply in time */
    HTTP_UNREACHABLE, /* name, connection or TLS */
    HTTP_BROKEN,      /* reset, cut short, or not HTTP; the request may have been carried out */
    HTTP_TOO_LARGE,   /* the reply passes its maximum */
    HTTP_INVALID,     /* the URL or an option; trying again is no use */
    HTTP_CANCELED     /* http_cancel() */
};

/* Strings are copied; the body is borrowed until `done`. */
struct http_spec {
    const char *method;          /* "GET", "HEAD", "PUT", "POST", "DELETE", ... */
    const char *url;             /* http or https, percent-encoded, without credentials */
    const char *user, *password; /* Basic authentication, or NULL */
    const char *const *headers;  /* "Name: value" lines, NULL at the end; or NULL */
    struct slice body;           /* sent with PUT and POST, even when empty */
    size_t max_response_bytes;   /* 0: HTTP_RESPONSE_MAX_BYTES */
    int64_t timeout_ms;          /* 0: HTTP_TIMEOUT_MS and time for the bytes */
};

/* Valid during `done`. */
struct http_response {
    enum http_outcome outcome;
    int status;             /* 0: no status line came; may be set without HTTP_ANSWERED */
    struct slice body;      /* what came of it */
    int64_t retry_after_ms; /* what the server asked for, or -1 */
    const char *detail;     /* for a person: "503", "connection refused ..."; no credentials */
    void *handle;           /* for http_response_header() */
};

typedef void http_done(void *arg, const struct http_response *response);

struct http_client;
struct http_request;

struct http_client *http_client_new(uv_loop_t *loop);

struct http_request *http_start(struct http_client *client, const struct http_spec *spec,
                                http_done *done, void *arg);

/* `done` follows with HTTP_CANCELED. Not after `done` was called. */
void http_cancel(struct http_request *request);

/* Value of the reply's header (any case), or NULL. Valid during `done`. */
const char *http_response_header(const struct http_response *response, const char *name);

/* No request may be under way. `closed` is called from the loop when all handles are gone; then
 * the client is freed. May be called from the `done` of the last request. */
void http_client_close(struct http_client *client, void (*closed)(void *arg), void *arg);

#endif
