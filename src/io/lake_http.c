/* An HTTP server as a lake: plain PUT with `If-None-Match: *`. A server that knows preconditions
 * answers 412 when the name is taken (some say 409); then the object is fetched and compared. A
 * server that ignores them replaces the object, by the same content unless two feeds share a name.
 *
 * No Content-Encoding: the object is a gzip file, not a compressed transfer of something else. */
#include "base/mem.h"
#include "io/content.h"
#include "io/http_client.h"
#include "io/lake_ops.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_MAX_BYTES (8 * 1024)
#define TIMEOUT_MAX_S 3600
/* What may be read back to compare: our bytes written by a worse compressor, and small ones. */
#define READ_BACK_FACTOR 4
#define READ_BACK_MIN_BYTES (1024 * 1024)

struct lake_http {
    struct lake lake;
    struct http_client *client;
    char *base; /* scheme, host, port and path, percent-encoded, ends in '/' */
    char *user, *password;
    int64_t timeout_ms; /* 0: the client's */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* PUTTING ─412, 409─> READING ─200─> COMPARING (worker) ─> done;  every state ─> done. */
enum put_state { PUT_PUTTING, PUT_READING, PUT_COMPARING };

struct http_put {
    struct lake_put put;
    enum put_state state;
    struct lake_object object; /* a probe has none: name is NULL */
    char *url;
    struct http_request *request; /* PUTTING and READING */
    uv_work_t work;               /* COMPARING; .data = this put */
    char *found;                  /* COMPARING: what the lake holds, owned */
    size_t found_len;
    bool same;
    int put_status; /* what the PUT was answered */
    lake_done *done;
    void *arg;
};

static struct lake_http *lake_of(const struct http_put *p)
{
    return CONTAINER_OF(p->put.lake, struct lake_http, lake);
}

static void finish(struct http_put *p, struct lake_answer answer)
{
    p->done(p->arg, &answer);
    mem_free(p->url);
    mem_free(p->found);
    mem_free(p);
}

/* ---- what an answer means ---- */

static enum lake_result result_of_status(int status)
{
    if (status == 200 || status == 201 || status == 204)
        return LAKE_OK; /* not the others: 202 promises nothing yet, 207 may hold failures */
    if (status >= 500 || status == 429 || status == 408 || status == 425)
        return LAKE_TRANSIENT;
    if (status == 401 || status == 403 || status == 407)
        return LAKE_DENIED;
    return LAKE_BROKEN; /* 3xx too: where it points to may be anyone's */
}

static const char *status_text(int status)
{
    switch (status) {
    case 202:
        return "accepted, but it does not say stored";
    case 400:
        return "bad request";
    case 401:
        return "credentials are asked for or wrong";
    case 403:
        return "forbidden";
    case 404:
        return "no such folder";
    case 405:
        return "the server takes no PUT there";
    case 408:
        return "request timeout";
    case 409:
        return "conflict, and no object is there: does the folder exist?";
    case 411:
        return "length required";
    case 413:
        return "too large for the server";
    case 429:
        return "too many requests";
    case 500:
        return "internal server error";
    case 502:
        return "bad gateway";
    case 503:
        return "service unavailable";
    case 504:
        return "gateway timeout";
    case 507:
        return "the server's disk is full";
    default:
        return status >= 300 && status < 400 ? "redirects are not followed"
                                             : "see the server's log";
    }
}

static struct lake_answer answer_of(const struct http_response *response)
{
    enum lake_result result = LAKE_TRANSIENT;
    switch (response->outcome) {
    case HTTP_ANSWERED:
        result = result_of_status(response->status);
        break;
    case HTTP_TIMED_OUT:
    case HTTP_UNREACHABLE:
    case HTTP_BROKEN:
    case HTTP_TOO_LARGE:
        break;
    case HTTP_INVALID:
        result = LAKE_BROKEN;
        break;
    case HTTP_CANCELED:
        result = LAKE_CANCELED;
        break;
    }
    struct lake_answer answer =
        response->outcome == HTTP_ANSWERED
            ? lake_answer_of(result, "%d %s", response->status,
                             result == LAKE_OK ? "ok" : status_text(response->status))
            : lake_answer_of(result, "%s", response->detail);
    answer.retry_after_ms = response->retry_after_ms;
    answer.slow_down =
        response->outcome == HTTP_ANSWERED && (response->status == 429 || response->status == 503);
    return answer;
}

/* ---- something is there: is it ours? ---- */

static void compare_on_worker(uv_work_t *work)
{
    struct http_put *p = work->data;
    unsigned char hash[LAKE_SHA256_BYTES];
    struct content_hash *h = content_hash_new();
    content_hash_feed(h, (struct slice){p->found, p->found_len});
    p->same = content_hash_finish(h, hash) && memcmp(hash, p->object.sha256, sizeof(hash)) == 0;
}

static void on_compared(uv_work_t *work, int status)
{
    struct http_put *p = work->data;
    if (status == UV_ECANCELED) {
        finish(p, lake_answer_of(LAKE_CANCELED, "canceled"));
    } else if (p->same) {
        struct lake_answer answer = lake_answer_of(LAKE_OK, "%d, was there", p->put_status);
        answer.existed = true;
        finish(p, answer);
    } else {
        finish(p, lake_answer_of(LAKE_CONFLICT, "%.100s is there with another content",
                                 p->object.name));
    }
}

static void on_read_back(void *arg, const struct http_response *response)
{
    struct http_put *p = arg;
    p->request = NULL;
    if (response->outcome == HTTP_TOO_LARGE && response->status == 200) {
        finish(p, lake_answer_of(LAKE_CONFLICT, "%.100s is there and much larger", p->object.name));
        return;
    }
    if (response->outcome == HTTP_ANSWERED && response->status == 404) {
        finish(p, p->put_status == 409
                      ? lake_answer_of(LAKE_BROKEN, "409 %s", status_text(409))
                      : lake_answer_of(LAKE_TRANSIENT, "%d, but it is not there", p->put_status));
        return;
    }
    if (response->outcome != HTTP_ANSWERED || response->status != 200) {
        struct lake_answer answer = answer_of(response);
        if (answer.result == LAKE_OK) /* 204 and the like hold nothing to compare */
            answer.result = LAKE_BROKEN;
        finish(p, answer);
        return;
    }
    p->found = mem_dup(response->body.ptr, response->body.len);
    p->found_len = response->body.len;
    p->state = PUT_COMPARING;
    p->work.data = p;
    ASSERT(uv_queue_work(p->put.lake->loop, &p->work, compare_on_worker, on_compared) == 0);
}

static struct http_request *request(struct http_put *p, const char *method,
                                    const char *const *headers, size_t max_response_bytes,
                                    http_done *done)
{
    const struct lake_http *l = lake_of(p);
    const bool put = strcmp(method, "PUT") == 0;
    return http_start(l->client,
                      &(struct http_spec){.method = method,
                                          .url = p->url,
                                          .user = l->user,
                                          .password = l->password,
                                          .headers = headers,
                                          .body = put ? p->object.bytes : (struct slice){NULL, 0},
                                          .max_response_bytes = max_response_bytes,
                                          .timeout_ms = l->timeout_ms},
                      done, p);
}

static void read_back(struct http_put *p)
{
    size_t max = READ_BACK_MIN_BYTES;
    if (p->object.bytes.len > max / READ_BACK_FACTOR)
        max = p->object.bytes.len * READ_BACK_FACTOR;
    p->state = PUT_READING;
    p->request = request(p, "GET", NULL, max, on_read_back);
}

static void on_put(void *arg, const struct http_response *response)
{
    struct http_put *p = arg;
    p->request = NULL;
    p->put_status = response->status;
    if (response->outcome == HTTP_ANSWERED && (response->status == 412 || response->status == 409))
        read_back(p);
    else
        finish(p, answer_of(response));
}

/* ---- the lake ---- */

static struct http_put *put_new(struct lake *lake, lake_done *done, void *arg)
{
    struct http_put *p = mem_calloc(1, sizeof(*p));
    p->put.lake = lake;
    p->done = done;
    p->arg = arg;
    return p;
}

/* The base and the encoded name; a name that lake_check_name() refuses gives a URL that
 * http_start() refuses, so that the answer comes the usual way. */
static char *url_of(const struct lake_http *l, const char *name)
{
    struct err err;
    if (lake_check_name(name, &err) != 0)
        return mem_strdup("");
    struct buf url;
    buf_init(&url, 2 * URL_MAX_BYTES);
    ASSERT(buf_append_str(&url, l->base) == 0);
    ASSERT(lake_encode_path(&url, slice_of(name)) == 0);
    ASSERT(buf_append_byte(&url, '\0') == 0);
    return buf_take(&url);
}

static struct lake_put *http_put_object(struct lake *lake, const struct lake_object *object,
                                        lake_done *done, void *arg)
{
    struct http_put *p = put_new(lake, done, arg);
    p->object = *object;
    p->url = url_of(lake_of(p), object->name);
    char type[128];
    snprintf(type, sizeof(type), "Content-Type: %.100s", object->content_type);
    const char *headers[] = {type, "If-None-Match: *", NULL};
    p->request = request(p, "PUT", headers, 0, on_put);
    return &p->put;
}

static void http_cancel_put(struct lake_put *put)
{
    struct http_put *p = CONTAINER_OF(put, struct http_put, put);
    if (p->request != NULL)
        http_cancel(p->request);
    else if (p->state == PUT_COMPARING)
        uv_cancel((uv_req_t *)&p->work); /* too late is fine */
}

/* Any answer but a refusal or a fault shows a server that is there. Whether it takes a PUT only a
 * PUT could tell. */
static void on_probe(void *arg, const struct http_response *response)
{
    struct http_put *p = arg;
    struct lake_answer answer = answer_of(response);
    if (answer.result == LAKE_BROKEN && response->outcome == HTTP_ANSWERED)
        answer.result = LAKE_OK;
    if (response->outcome == HTTP_TOO_LARGE && response->status < 400)
        answer.result = LAKE_OK;
    finish(p, answer);
}

static void http_probe(struct lake *lake, lake_done *done, void *arg)
{
    struct http_put *p = put_new(lake, done, arg);
    p->url = mem_strdup(lake_of(p)->base);
    p->request = request(p, "GET", NULL, 0, on_probe);
}

static void lake_http_free(struct lake_http *l)
{
    lake_deinit(&l->lake);
    mem_free(l->base);
    mem_free(l->user);
    mem_free(l->password);
    mem_free(l);
}

static void on_client_closed(void *arg)
{
    struct lake_http *l = arg;
    void (*closed)(void *) = l->closed;
    void *closed_arg = l->closed_arg;
    lake_http_free(l);
    closed(closed_arg);
}

static void http_close(struct lake *lake, void (*closed)(void *arg), void *arg)
{
    struct lake_http *l = CONTAINER_OF(lake, struct lake_http, lake);
    l->closed = closed;
    l->closed_arg = arg;
    http_client_close(l->client, on_client_closed, l);
}

/* ---- the URL ---- */

/* A copy of a part, or NULL where the URL has none. */
static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = mem_strdup(text);
    curl_free(text);
    return copy;
}

/* `timeout=<seconds>` is all that a URL may say so far. */
static int parse_query(const char *query, int64_t *timeout_ms, struct err *err)
{
    if (query == NULL)
        return 0;
    char *end = NULL;
    const char *number = query + strlen("timeout=");
    if (strncmp(query, "timeout=", strlen("timeout=")) == 0 && *number >= '1' && *number <= '9') {
        const long seconds = strtol(number, &end, 10);
        if (*end == '\0' && seconds <= TIMEOUT_MAX_S) {
            *timeout_ms = seconds * 1000;
            return 0;
        }
    }
    return err_set(err, ERR_CONFIG,
                   "lake URL: after '?' only timeout=<seconds, at most %d> is understood",
                   TIMEOUT_MAX_S);
}

/* Moves all that is secret or an option out of the URL; what is left ends in '/'. */
static int take_apart(struct lake_http *l, CURLU *url, struct err *err)
{
    l->user = url_part(url, CURLUPART_USER, CURLU_URLDECODE);
    l->password = url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
    char *query = url_part(url, CURLUPART_QUERY, 0);
    char *fragment = url_part(url, CURLUPART_FRAGMENT, 0);
    char *path = url_part(url, CURLUPART_PATH, 0);
    int rc = parse_query(query, &l->timeout_ms, err);
    if (rc == 0 && fragment != NULL)
        rc = err_set(err, ERR_CONFIG, "lake URL: '#' has no meaning here; write %%23");
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(url, CURLUPART_QUERY, NULL, 0);
    if (rc == 0 && (path == NULL || path[0] == '\0' || path[strlen(path) - 1] != '/')) {
        struct buf longer;
        buf_init(&longer, URL_MAX_BYTES + 2);
        ASSERT(buf_append_str(&longer, path ? path : "") == 0);
        ASSERT(buf_append(&longer, "/", 2) == 0);
        curl_url_set(url, CURLUPART_PATH, longer.data, 0);
        buf_deinit(&longer);
    }
    l->base = rc == 0 ? url_part(url, CURLUPART_URL, 0) : NULL;
    mem_free(query);
    mem_free(fragment);
    mem_free(path);
    if (rc == 0 && l->base == NULL)
        rc = err_set(err, ERR_CONFIG, "malformed lake URL");
    return rc;
}

static int http_open(uv_loop_t *loop, const char *text, struct lake **out, struct err *err)
{
    if (strlen(text) > URL_MAX_BYTES)
        return err_set(err, ERR_CONFIG, "lake URL longer than %d bytes", URL_MAX_BYTES);
    struct lake_http *l = mem_calloc(1, sizeof(*l));
    l->lake.ops = &lake_http_ops;
    l->lake.loop = loop;
    CURLU *url = curl_url();
    ASSERT(url != NULL); /* out of memory */
    const CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS);
    int rc;
    if (code != CURLUE_OK) /* the text itself may hold a password */
        rc = err_set(err, ERR_CONFIG, "malformed lake URL: %s", curl_url_strerror(code));
    else
        rc = take_apart(l, url, err);
    curl_url_cleanup(url);
    if (rc != 0) {
        lake_http_free(l);
        return rc;
    }
    l->lake.display = mem_strdup(l->base);
    l->client = http_client_new(loop);
    *out = &l->lake;
    return 0;
}

const struct lake_ops lake_http_ops = {
    .open = http_open,
    .probe = http_probe,
    .put = http_put_object,
    .cancel = http_cancel_put,
    .close = http_close,
};
