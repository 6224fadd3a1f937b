#include "http_server.h"

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OBJECTS_MAX 4096
#define STEPS_MAX 512
#define HEAD_MAX_BYTES (64 * 1024)
#define REQUEST_MAX_BYTES (64u * 1024 * 1024)
#define PATH_MAX_BYTES 2048
#define READ_BYTES (64 * 1024)

struct stored {
    char *path;
    char *bytes;
    size_t len;
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    struct connection *connections;
    struct stored objects[OBJECTS_MAX];
    size_t object_count;
    struct http_step steps[STEPS_MAX];
    size_t step_count, next_step;
    unsigned requests, overwrites, at_once, most_at_once;
    char last_head[HEAD_MAX_BYTES];
    size_t open_handles;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct connection {
    struct http_server *server;
    uv_tcp_t tcp;
    uv_timer_t drip; /* of STEP_SLOW */
    unsigned handles;
    bool closing;
    struct buf in;
    bool has_head; /* of the request under way: */
    size_t head_len, body_len;
    struct http_step step;
    char method[16], path[PATH_MAX_BYTES];
    bool create_only;
    struct buf out; /* of STEP_SLOW */
    size_t dripped;
    struct connection *next;
    char read_buffer[READ_BYTES];
};

struct write {
    uv_write_t request; /* .data = this write */
    struct connection *connection;
    char *bytes;
    bool then_close;
};

/* ---- objects ---- */

static struct stored *find(const struct http_server *s, const char *path)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (strcmp(s->objects[i].path, path) == 0)
            return (struct stored *)(uintptr_t)&s->objects[i];
    return NULL;
}

bool http_server_object(const struct http_server *s, const char *path, struct slice *bytes)
{
    const struct stored *o = find(s, path);
    if (o != NULL)
        *bytes = (struct slice){o->bytes, o->len};
    return o != NULL;
}

void http_server_set_object(struct http_server *s, const char *path, struct slice bytes)
{
    struct stored *o = find(s, path);
    if (o == NULL) {
        ASSERT(s->object_count < OBJECTS_MAX);
        o = &s->objects[s->object_count++];
        *o = (struct stored){.path = mem_strdup(path)};
    } else if (!slice_equal((struct slice){o->bytes, o->len}, bytes)) {
        s->overwrites++;
    }
    mem_free(o->bytes);
    o->bytes = mem_dup(bytes.ptr, bytes.len);
    o->len = bytes.len;
}

/* ---- connections ---- */

static void handle_closed(struct http_server *s)
{
    ASSERT(s->open_handles > 0);
    if (--s->open_handles > 0)
        return;
    void (*closed)(void *) = s->closed;
    void *arg = s->closed_arg;
    for (size_t i = 0; i < s->object_count; i++) {
        mem_free(s->objects[i].path);
        mem_free(s->objects[i].bytes);
    }
    mem_free(s);
    closed(arg);
}

static void on_connection_handle_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct http_server *s = c->server;
    if (--c->handles == 0) {
        struct connection **at = &s->connections;
        while (*at != c)
            at = &(*at)->next;
        *at = c->next;
        buf_deinit(&c->in);
        buf_deinit(&c->out);
        mem_free(c);
    }
    handle_closed(s);
}

static void end_request(struct connection *c)
{
    if (c->has_head)
        c->server->at_once--;
    c->has_head = false;
}

static void close_connection(struct connection *c, bool reset)
{
    if (c->closing)
        return;
    c->closing = true;
    end_request(c);
    uv_close((uv_handle_t *)&c->drip, on_connection_handle_closed);
    if (!reset || uv_tcp_close_reset(&c->tcp, on_connection_handle_closed) != 0)
        uv_close((uv_handle_t *)&c->tcp, on_connection_handle_closed);
}

static void on_written(uv_write_t *request, int status)
{
    struct write *w = request->data;
    if (status != 0 || w->then_close)
        close_connection(w->connection, false);
    mem_free(w->bytes);
    mem_free(w);
}

static void send_bytes(struct connection *c, const void *bytes, size_t len, bool then_close)
{
    struct write *w = mem_calloc(1, sizeof(*w));
    w->request.data = w;
    w->connection = c;
    w->bytes = mem_dup(bytes, len);
    w->then_close = then_close;
    const uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)len);
    ASSERT(uv_write(&w->request, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0);
}

static void reply(struct connection *c, int status, const char *headers, struct slice body)
{
    struct buf out;
    buf_init(&out, REQUEST_MAX_BYTES + HEAD_MAX_BYTES);
    ASSERT(buf_printf(&out, "HTTP/1.1 %d Scripted\r\n%sContent-Length: %zu\r\n\r\n", status,
                      headers ? headers : "", body.len) == 0);
    if (strcmp(c->method, "HEAD") != 0)
        ASSERT(buf_append(&out, body.ptr, body.len) == 0);
    send_bytes(c, out.data, out.len, false);
    buf_deinit(&out);
    end_request(c);
}

/* ---- what a request gets ---- */

static int store(struct connection *c, struct slice body)
{
    if (strcmp(c->method, "PUT") != 0)
        return 405;
    if (c->create_only && find(c->server, c->path) != NULL)
        return 412;
    http_server_set_object(c->server, c->path, body);
    return 201;
}

static void act_as_lake(struct connection *c, struct slice body)
{
    struct slice bytes = {NULL, 0};
    if (strcmp(c->method, "PUT") == 0) {
        const int status = store(c, body);
        reply(c, status, NULL, SLICE_LITERAL("stored or not\n"));
    } else if (strcmp(c->method, "GET") != 0 && strcmp(c->method, "HEAD") != 0) {
        reply(c, 405, NULL, SLICE_LITERAL(""));
    } else if (http_server_object(c->server, c->path, &bytes)) {
        reply(c, 200, "ETag: \"1\"\r\n", bytes);
    } else {
        reply(c, 404, NULL, SLICE_LITERAL("not here\n"));
    }
}

static void on_drip(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    send_bytes(c, c->out.data + c->dripped, 1, false);
    if (++c->dripped < c->out.len)
        return;
    uv_timer_stop(timer);
    end_request(c);
}

static void huge(struct connection *c, const struct http_step *step)
{
    char *filler = mem_calloc(1, step->bytes + 1);
    memset(filler, 'x', step->bytes);
    if (step->kind == STEP_HUGE) {
        reply(c, 200, NULL, (struct slice){filler, step->bytes});
    } else {
        struct buf headers;
        buf_init(&headers, REQUEST_MAX_BYTES);
        for (size_t i = 0; i < step->bytes; i += 1000)
            ASSERT(buf_printf(&headers, "X-Filler-%zu: %.1000s\r\n", i, filler) == 0);
        ASSERT(buf_append_byte(&headers, '\0') == 0);
        reply(c, 200, headers.data, SLICE_LITERAL("ok"));
        buf_deinit(&headers);
    }
    mem_free(filler);
}

static void act(struct connection *c, struct slice body)
{
    const struct http_step *step = &c->step;
    static const char garbage[] = "220 mail.example ESMTP\r\n\r\n\x01\x02\x03";
    static const char cut[] = "HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\nhalf of it";
    switch (step->kind) {
    case STEP_LAKE:
        act_as_lake(c, body);
        break;
    case STEP_STORE_STATUS:
        store(c, body);
        reply(c, step->status, step->headers, SLICE_LITERAL("a scripted answer\n"));
        break;
    case STEP_STATUS:
        reply(c, step->status, step->headers, SLICE_LITERAL("a scripted answer\n"));
        break;
    case STEP_RESET_BEFORE:
    case STEP_RESET_MID:
        close_connection(c, true);
        break;
    case STEP_RESET_AFTER:
        store(c, body);
        close_connection(c, true);
        break;
    case STEP_REPLY_CUT:
        store(c, body);
        send_bytes(c, cut, sizeof(cut) - 1, true);
        break;
    case STEP_HANG:
        break;
    case STEP_GARBAGE:
        send_bytes(c, garbage, sizeof(garbage) - 1, true);
        break;
    case STEP_HUGE:
        store(c, body);
        huge(c, step);
        break;
    case STEP_HUGE_HEADERS:
        huge(c, step);
        break;
    case STEP_SLOW:
        store(c, body);
        buf_clear(&c->out);
        c->dripped = 0;
        ASSERT(buf_append_str(&c->out, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok") == 0);
        uv_timer_start(&c->drip, on_drip, 1, 1);
        break;
    }
}

/* ---- reading ---- */

static bool header_value(const char *head, const char *name, char *out, size_t cap)
{
    const size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        const char *value = line + 2 + len + 1;
        value += strspn(value, " ");
        snprintf(out, cap, "%.*s", (int)strcspn(value, "\r"), value);
        return true;
    }
    return false;
}

/* True when a whole head is there; then the request's step is decided. */
static bool take_head(struct connection *c)
{
    struct http_server *s = c->server;
    ASSERT(c->in.len < HEAD_MAX_BYTES || c->has_head || s->closing ||
           c->in.len < REQUEST_MAX_BYTES);
    ASSERT(buf_append_byte(&c->in, '\0') == 0);
    c->in.len--;
    const char *end = c->in.len ? strstr(c->in.data, "\r\n\r\n") : NULL;
    if (end == NULL)
        return false;
    c->head_len = (size_t)(end - c->in.data) + 4;
    ASSERT(c->head_len < sizeof(s->last_head));
    memcpy(s->last_head, c->in.data, c->head_len);
    s->last_head[c->head_len] = '\0';
    char value[64] = "0";
    c->body_len = header_value(s->last_head, "Content-Length", value, sizeof(value))
                      ? strtoul(value, NULL, 10)
                      : 0;
    c->create_only = header_value(s->last_head, "If-None-Match", value, sizeof(value)) &&
                     strcmp(value, "*") == 0;
    ASSERT(sscanf(s->last_head, "%15s %2047s", c->method, c->path) == 2);
    c->step = s->next_step < s->step_count ? s->steps[s->next_step++]
                                           : (struct http_step){.kind = STEP_LAKE};
    c->has_head = true;
    s->requests++;
    if (++s->at_once > s->most_at_once)
        s->most_at_once = s->at_once;
    return true;
}

static void serve(struct connection *c)
{
    while (!c->closing && (c->has_head || take_head(c))) {
        size_t need = c->body_len;
        if (c->step.kind == STEP_RESET_BEFORE)
            need = 0;
        else if (c->step.kind == STEP_RESET_MID)
            need = c->body_len / 2;
        if (c->in.len < c->head_len + need)
            return;
        const size_t used = c->head_len + need;
        act(c, (struct slice){c->in.data + c->head_len, need});
        if (c->closing)
            return;
        memmove(c->in.data, c->in.data + used, c->in.len - used);
        c->in.len -= used;
        if (c->step.kind == STEP_HANG || c->step.kind == STEP_SLOW)
            return; /* one request at a time is enough for these */
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;
    UNUSED(suggested);
    *buf = uv_buf_init(c->read_buffer, sizeof(c->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    if (n < 0) {
        close_connection(c, false);
        return;
    }
    ASSERT(buf_append(&c->in, buf->base, (size_t)n) == 0);
    if (c->has_head && (c->step.kind == STEP_HANG || c->step.kind == STEP_SLOW) &&
        c->in.len < c->head_len + c->body_len)
        return;
    serve(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *s = listener->data;
    ASSERT(status == 0);
    struct connection *c = mem_calloc(1, sizeof(*c));
    c->server = s;
    buf_init(&c->in, REQUEST_MAX_BYTES);
    buf_init(&c->out, HEAD_MAX_BYTES);
    ASSERT(uv_tcp_init(s->loop, &c->tcp) == 0 && uv_timer_init(s->loop, &c->drip) == 0);
    c->tcp.data = c;
    c->drip.data = c;
    c->handles = 2;
    s->open_handles += 2;
    c->next = s->connections;
    s->connections = c;
    ASSERT(uv_accept(listener, (uv_stream_t *)&c->tcp) == 0);
    ASSERT(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0);
}

/* ---- for the test ---- */

struct http_server *http_server_new(uv_loop_t *loop)
{
    struct http_server *s = mem_calloc(1, sizeof(*s));
    s->loop = loop;
    struct sockaddr_in address;
    ASSERT(uv_ip4_addr("127.0.0.1", 0, &address) == 0);
    ASSERT(uv_tcp_init(loop, &s->listener) == 0);
    s->listener.data = s;
    s->open_handles = 1;
    ASSERT(uv_tcp_bind(&s->listener, (const struct sockaddr *)&address, 0) == 0);
    ASSERT(uv_listen((uv_stream_t *)&s->listener, 128, on_connection) == 0);
    return s;
}

int http_server_port(const struct http_server *s)
{
    struct sockaddr_in address;
    int len = sizeof(address);
    ASSERT(uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &len) == 0);
    return ntohs(address.sin_port);
}

void http_server_script(struct http_server *s, const struct http_step *steps, size_t count)
{
    ASSERT(count <= STEPS_MAX);
    memcpy(s->steps, steps, count * sizeof(*steps));
    s->step_count = count;
    s->next_step = 0;
}

unsigned http_server_requests(const struct http_server *s)
{
    return s->requests;
}

unsigned http_server_overwrites(const struct http_server *s)
{
    return s->overwrites;
}

unsigned http_server_most_at_once(const struct http_server *s)
{
    return s->most_at_once;
}

const char *http_server_last_head(const struct http_server *s)
{
    return s->last_head;
}

static void on_listener_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void http_server_close(struct http_server *s, void (*closed)(void *arg), void *arg)
{
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    for (struct connection *c = s->connections; c != NULL; c = c->next)
        close_connection(c, true);
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}
