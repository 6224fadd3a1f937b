/* Two rules of libcurl shape this file. Nothing may be added, removed or completed inside one of
 * its callbacks, so these only move watchers and the timer. And after every
 * curl_multi_socket_action() the finished transfers must be read, or the last one would never be
 * seen.
 *
 * libuv 1.44 aborts when a watched descriptor is closed under it: close_socket() stops the watcher
 * first, whatever order libcurl announces things in. */
#include "io/http_client.h"

#include "base/buf.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define IDLE_CONNECTIONS_MAX 16 /* kept for re-use; as many as the uploader has puts at a time */
#define RETRY_AFTER_MAX_S 86400 /* of what a server may ask; longer is taken as this */

struct watcher {
    uv_poll_t poll; /* .data = this watcher */
    struct http_client *client;
    curl_socket_t fd;
    struct watcher *next; /* in client->watchers, until uv_close() */
};

struct http_client {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer; /* libcurl's; .data = this client */
    uv_timer_t later; /* fires at once, for requests that ended without libcurl's word */
    struct watcher *watchers;
    struct http_request *ended; /* canceled or never started; completed by `later` */
    size_t under_way;           /* started, `done` not yet called */
    size_t open_handles;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct http_request {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    char *method;
    http_done *done;
    void *arg;
    struct buf response;
    size_t header_bytes;
    bool too_large;
    enum http_outcome end;     /* of a request in client->ended */
    struct http_request *next; /* in client->ended */
    char error[CURL_ERROR_SIZE];
};

/* ---- completion ---- */

static enum http_outcome outcome_of(const struct http_request *r, CURLcode code)
{
    if (r->too_large)
        return HTTP_TOO_LARGE;
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMED_OUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_UNREACHABLE;
    case CURLE_URL_MALFORMAT:
        return HTTP_INVALID;
    default:
        return HTTP_BROKEN;
    }
}

static int64_t retry_after_ms(CURL *easy)
{
    curl_off_t seconds = 0; /* a date in the header is already made a difference */
    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds <= 0)
        return -1;
    return (int64_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * 1000;
}

static const char *describe(const struct http_request *r, enum http_outcome outcome, int status,
                            CURLcode code, char text[HTTP_DETAIL_BYTES])
{
    if (outcome == HTTP_ANSWERED)
        snprintf(text, HTTP_DETAIL_BYTES, "HTTP status %d", status);
    else if (outcome == HTTP_CANCELED)
        snprintf(text, HTTP_DETAIL_BYTES, "canceled");
    else if (outcome == HTTP_TOO_LARGE)
        snprintf(text, HTTP_DETAIL_BYTES, "HTTP status %d, reply larger than %zu bytes", status,
                 r->response.max_bytes);
    else
        snprintf(text, HTTP_DETAIL_BYTES, "%s%.200s",
                 outcome == HTTP_BROKEN ? "connection broken: " : "",
                 r->error[0] ? r->error : curl_easy_strerror(code));
    return text;
}

/* The request is out of the multi handle. */
static void complete(struct http_request *r, enum http_outcome outcome, CURLcode code)
{
    long status = 0;
    char detail[HTTP_DETAIL_BYTES];
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    const struct http_response response = {
        .outcome = outcome,
        .status = (int)status,
        .body = buf_slice(&r->response),
        .retry_after_ms = retry_after_ms(r->easy),
        .detail = describe(r, outcome, (int)status, code, detail),
        .handle = r->easy,
    };
    ASSERT(r->client->under_way > 0);
    r->client->under_way--;
    r->done(r->arg, &response);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->headers);
    buf_deinit(&r->response);
    mem_free(r->method);
    mem_free(r);
}

static void reap(struct http_client *client)
{
    int left = 0;
    CURLMsg *message;
    while (!client->closing && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        const CURLcode code = message->data.result; /* the message dies with the removal */
        struct http_request *r = NULL;
        ASSERT(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r) == CURLE_OK);
        curl_multi_remove_handle(client->multi, easy);
        complete(r, outcome_of(r, code), code);
    }
}

static void on_later(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    while (client->ended != NULL) {
        struct http_request *r = client->ended;
        client->ended = r->next;
        complete(r, r->end, CURLE_FAILED_INIT);
    }
}

static void end_later(struct http_request *r, enum http_outcome outcome)
{
    struct http_client *client = r->client;
    r->end = outcome;
    r->next = client->ended;
    client->ended = r;
    ASSERT(uv_timer_start(&client->later, on_later, 0, 0) == 0);
}

/* ---- libcurl on libuv ---- */

static void on_timer(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    int running = 0;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(client);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *client = arg;
    UNUSED(multi);
    if (client->closing)
        return 0;
    if (timeout_ms < 0) {
        uv_timer_stop(&client->timer);
        return 0;
    }
    uv_update_time(client->loop); /* the loop's time is that of the turn's start */
    /* 0 would mean now, which must not be inside this callback */
    uv_timer_start(&client->timer, on_timer, timeout_ms > 0 ? (uint64_t)timeout_ms : 1, 0);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watcher *w = poll->data;
    struct http_client *client = w->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    int running = 0;
    curl_multi_socket_action(client->multi, w->fd, flags, &running);
    reap(client);
}

static void handle_closed(struct http_client *client)
{
    ASSERT(client->open_handles > 0);
    if (--client->open_handles > 0 || client->multi != NULL)
        return;
    void (*closed)(void *) = client->closed;
    void *arg = client->closed_arg;
    mem_free(client);
    closed(arg);
}

static void on_watcher_closed(uv_handle_t *handle)
{
    struct watcher *w = handle->data;
    struct http_client *client = w->client;
    mem_free(w);
    handle_closed(client);
}

static void watcher_drop(struct watcher *w)
{
    struct watcher **at = &w->client->watchers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, on_watcher_closed);
}

static struct watcher *watcher_find(struct http_client *client, curl_socket_t fd)
{
    struct watcher *w = client->watchers;
    while (w != NULL && w->fd != fd)
        w = w->next;
    return w;
}

/* NULL when libuv will not watch the descriptor; the request then ends by its timeout. */
static struct watcher *watcher_new(struct http_client *client, curl_socket_t fd)
{
    struct watcher *w = mem_calloc(1, sizeof(*w));
    w->client = client;
    w->fd = fd;
    if (uv_poll_init_socket(client->loop, &w->poll, fd) != 0) {
        mem_free(w);
        return NULL;
    }
    w->poll.data = w;
    w->next = client->watchers;
    client->watchers = w;
    client->open_handles++;
    curl_multi_assign(client->multi, fd, w);
    return w;
}

/* Always 0: -1 would end every transfer of the multi handle. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_client *client = arg;
    struct watcher *w = socket_arg;
    UNUSED(easy);
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            curl_multi_assign(client->multi, fd, NULL);
            watcher_drop(w);
        }
        return 0;
    }
    if (client->closing)
        return 0;
    if (w == NULL)
        w = watcher_new(client, fd);
    if (w == NULL)
        return 0;
    int events = what & CURL_POLL_IN ? UV_READABLE : 0;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    uv_poll_start(&w->poll, events, on_poll);
    return 0;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct watcher *w = watcher_find(arg, fd);
    if (w != NULL)
        uv_poll_stop(&w->poll);
    return close(fd);
}

/* ---- requests ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_request *r = arg;
    if (buf_append(&r->response, bytes, size * count) == 0)
        return size * count;
    r->too_large = true;
    return 0; /* ends the transfer */
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_request *r = arg;
    UNUSED(bytes);
    r->header_bytes += size * count;
    if (r->header_bytes <= HTTP_HEADERS_MAX_BYTES)
        return size * count;
    r->too_large = true;
    return 0;
}

/* One option; remembers the first failure. */
#define SET(option, value)                                \
    do {                                                  \
        if (code == CURLE_OK)                             \
            code = curl_easy_setopt(easy, option, value); \
    } while (0)

static CURLcode set_policy(CURL *easy)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else the end of a request waits, on the loop, for a name server
                                    that does not answer */
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_LOW_SPEED_BYTES_PER_S);
    SET(CURLOPT_LOW_SPEED_TIME, (long)HTTP_LOW_SPEED_S);
    SET(CURLOPT_USERAGENT, "turnstile/" TURNSTILE_VERSION);
    return code;
}

static int64_t timeout_ms(const struct http_spec *spec)
{
    if (spec->timeout_ms > 0)
        return spec->timeout_ms;
    const size_t bytes = spec->body.len + spec->max_response_bytes;
    return HTTP_TIMEOUT_MS + (int64_t)(bytes / HTTP_BYTES_PER_S) * 1000;
}

static CURLcode set_method(CURL *easy, const struct http_request *r, struct slice body)
{
    CURLcode code = CURLE_OK;
    if (strcmp(r->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
        return code;
    }
    /* not CURLOPT_UPLOAD, which waits for `100 Continue` and needs a rewind on a broken connection;
     * the pointer is kept, not copied */
    if (strcmp(r->method, "PUT") == 0 || strcmp(r->method, "POST") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        SET(CURLOPT_POSTFIELDS, body.len > 0 ? body.ptr : "");
    }
    SET(CURLOPT_CUSTOMREQUEST, r->method);
    return code;
}

static CURLcode set_request(CURL *easy, struct http_request *r, const struct http_spec *spec)
{
    CURLcode code = set_method(easy, r, spec->body);
    SET(CURLOPT_URL, spec->url);
    SET(CURLOPT_HTTPHEADER, r->headers);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms(spec));
    SET(CURLOPT_PRIVATE, r);
    SET(CURLOPT_ERRORBUFFER, r->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, r->client);
    if (spec->user != NULL) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, spec->user);
        SET(CURLOPT_PASSWORD, spec->password ? spec->password : "");
    }
    return code;
}

static void add_header(struct http_request *r, const char *line)
{
    struct curl_slist *longer = curl_slist_append(r->headers, line);
    ASSERT(longer != NULL); /* out of memory */
    r->headers = longer;
}

struct http_request *http_start(struct http_client *client, const struct http_spec *spec,
                                http_done *done, void *arg)
{
    ASSERT(!client->closing);
    struct http_request *r = mem_calloc(1, sizeof(*r));
    r->client = client;
    r->done = done;
    r->arg = arg;
    r->method = mem_strdup(spec->method);
    buf_init(&r->response,
             spec->max_response_bytes ? spec->max_response_bytes : HTTP_RESPONSE_MAX_BYTES);
    add_header(r, "Expect:"); /* else a second of waiting for bodies above a megabyte */
    for (const char *const *line = spec->headers; line != NULL && *line != NULL; line++)
        add_header(r, *line);
    r->easy = curl_easy_init();
    ASSERT(r->easy != NULL); /* out of memory */
    client->under_way++;
    CURLcode code = set_policy(r->easy);
    if (code == CURLE_OK)
        code = set_request(r->easy, r, spec);
    if (code != CURLE_OK || curl_multi_add_handle(client->multi, r->easy) != CURLM_OK) {
        snprintf(r->error, sizeof(r->error), "cannot start the request: %s",
                 curl_easy_strerror(code));
        end_later(r, HTTP_INVALID);
    }
    return r;
}

void http_cancel(struct http_request *request)
{
    for (struct http_request *r = request->client->ended; r != NULL; r = r->next)
        if (r == request)
            return;
    curl_multi_remove_handle(request->client->multi, request->easy);
    end_later(request, HTTP_CANCELED);
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    struct curl_header *header = NULL;
    if (curl_easy_header(response->handle, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

/* ---- life ---- */

struct http_client *http_client_new(uv_loop_t *loop)
{
    struct http_client *client = mem_calloc(1, sizeof(*client));
    client->loop = loop;
    ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); /* counted by libcurl */
    client->multi = curl_multi_init();
    ASSERT(client->multi != NULL);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
    ASSERT(uv_timer_init(loop, &client->timer) == 0 && uv_timer_init(loop, &client->later) == 0);
    client->timer.data = client;
    client->later.data = client;
    client->open_handles = 2;
    return client;
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

/* Runs outside libcurl, even when the close was asked for in a request's `done`. */
static void on_last_timer_closed(uv_handle_t *handle)
{
    struct http_client *client = handle->data;
    curl_multi_cleanup(client->multi); /* closes idle connections: watchers may be dropped */
    while (client->watchers != NULL)
        watcher_drop(client->watchers);
    client->multi = NULL;
    curl_global_cleanup();
    handle_closed(client);
}

void http_client_close(struct http_client *client, void (*closed)(void *arg), void *arg)
{
    ASSERT(!client->closing && client->under_way == 0);
    client->closing = true;
    client->closed = closed;
    client->closed_arg = arg;
    uv_close((uv_handle_t *)&client->later, on_timer_closed);
    uv_close((uv_handle_t *)&client->timer, on_last_timer_closed);
}
