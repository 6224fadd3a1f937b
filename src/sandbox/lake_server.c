#include "sandbox/lake_server.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define THREADS 4 /* a put waits for fsync: this many wait at a time */
#define CONNECTIONS 512
#define IDLE_TIMEOUT_S 60      /* a connection that says nothing is closed */
#define CONNECTION_BYTES 65536 /* request line, headers and read buffer of one connection */
#define LISTING_BYTES (1024 * 1024)
#define TRUNCATED "... and more\n"
#define ALLOW "GET, HEAD, PUT, OPTIONS"

struct lake_server {
    struct store *store;
    uint64_t max_object_bytes;
    struct MHD_Daemon *daemon;
    uint16_t port;
};

enum method { METHOD_GET, METHOD_PUT, METHOD_OPTIONS, METHOD_OTHER };

/* One request; lives from its headers to the end of its answer, on one thread. */
struct request {
    enum method method;
    unsigned status;  /* 0: nothing is wrong so far */
    const char *text; /* of the answer, when status is set; static */
    uint64_t received_bytes;
    bool create_only;
    struct store_name name;
    struct store_upload upload;
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void request_fail(struct request *r, unsigned status, const char *text)
{
    r->status = status;
    r->text = text;
}

static void request_fail_store(struct request *r, enum store_result result)
{
    switch (result) {
    case STORE_OK:
        return;
    case STORE_EXISTS:
        request_fail(r, MHD_HTTP_PRECONDITION_FAILED, "the object is there already");
        return;
    case STORE_MISSING:
        request_fail(r, MHD_HTTP_NOT_FOUND, "no such object");
        return;
    case STORE_BLOCKED:
        request_fail(r, MHD_HTTP_CONFLICT, "a folder is where an object should be, or the reverse");
        return;
    case STORE_FULL:
        request_fail(r, MHD_HTTP_INSUFFICIENT_STORAGE, "no space is left");
        return;
    case STORE_DENIED:
        request_fail(r, MHD_HTTP_FORBIDDEN, "the file system refuses");
        return;
    case STORE_FAILED:
        break;
    }
    request_fail(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "the file system failed");
}

/* ---- answers ---- */

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
                                     struct MHD_Response *response)
{
    if (!response)
        return MHD_NO;
    const enum MHD_Result sent = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return sent;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status,
                                 const char *text)
{
    char line[256];
    const bool has_body = text && status != MHD_HTTP_NO_CONTENT;
    const int n = has_body ? snprintf(line, sizeof(line), "%u %s\n", status, text) : 0;
    ASSERT(n >= 0 && (size_t)n < sizeof(line));
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)n, line, MHD_RESPMEM_MUST_COPY);
    if (response && has_body)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    if (response && (status == MHD_HTTP_METHOD_NOT_ALLOWED || status == MHD_HTTP_NO_CONTENT))
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, ALLOW);
    return send_response(connection, status, response);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text);
    const size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static const char *content_type(const char *leaf)
{
    if (ends_with(leaf, ".gz"))
        return "application/gzip";
    if (ends_with(leaf, ".json"))
        return "application/json";
    if (ends_with(leaf, ".csv"))
        return "text/csv";
    return "application/octet-stream";
}

/* Takes `dir_fd`. */
static enum MHD_Result send_listing(struct MHD_Connection *connection, int dir_fd)
{
    struct buf out;
    buf_init(&out, LISTING_BYTES);
    const enum store_result result = store_list(dir_fd, &out);
    if (result == STORE_FULL) {
        out.max_bytes += sizeof(TRUNCATED);
        const int rc = buf_append_str(&out, TRUNCATED);
        ASSERT(rc == 0);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(out.len, out.data, MHD_RESPMEM_MUST_COPY);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    buf_deinit(&out);
    return send_response(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result answer_get(const struct lake_server *server,
                                  struct MHD_Connection *connection, struct request *r)
{
    int fd;
    struct stat st;
    const enum store_result result = store_find(server->store, &r->name, &fd, &st);
    if (result != STORE_OK) {
        request_fail_store(r, result);
        return send_text(connection, r->status, r->text);
    }
    if (S_ISDIR(st.st_mode))
        return send_listing(connection, fd);
    struct MHD_Response *response = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
    if (!response) {
        close(fd);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            content_type(r->name.parts[r->name.count - 1]));
    return send_response(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result answer_put(const struct lake_server *server,
                                  struct MHD_Connection *connection, struct request *r)
{
    bool replaced;
    const enum store_result result =
        store_upload_commit(server->store, &r->upload, &r->name, r->create_only, &replaced);
    if (result != STORE_OK) {
        request_fail_store(r, result);
        return send_text(connection, r->status, r->text);
    }
    return replaced ? send_text(connection, MHD_HTTP_NO_CONTENT, "")
                    : send_text(connection, MHD_HTTP_CREATED, "stored");
}

/* The request is whole. */
static enum MHD_Result answer(const struct lake_server *server, struct MHD_Connection *connection,
                              struct request *r)
{
    if (r->status)
        return send_text(connection, r->status, r->text);
    switch (r->method) {
    case METHOD_GET:
        return answer_get(server, connection, r);
    case METHOD_PUT:
        return answer_put(server, connection, r);
    case METHOD_OPTIONS:
    case METHOD_OTHER:
        break;
    }
    return send_text(connection, MHD_HTTP_NO_CONTENT, "");
}

/* ---- requests ---- */

static enum method method_of(const char *name)
{
    if (strcmp(name, MHD_HTTP_METHOD_GET) == 0 || strcmp(name, MHD_HTTP_METHOD_HEAD) == 0)
        return METHOD_GET;
    if (strcmp(name, MHD_HTTP_METHOD_PUT) == 0)
        return METHOD_PUT;
    if (strcmp(name, MHD_HTTP_METHOD_OPTIONS) == 0)
        return METHOD_OPTIONS;
    return METHOD_OTHER;
}

/* NULL, or why the path is no name. */
static const char *parse_path(struct request *r, const char *path, bool *below_root)
{
    const size_t root_len = sizeof(LAKE_SERVER_ROOT) - 1;
    *below_root = strncmp(path, LAKE_SERVER_ROOT, root_len) == 0 &&
                  (path[root_len] == '\0' || path[root_len] == '/');
    if (!*below_root)
        return NULL;
    path += root_len;
    return store_name_parse(&r->name, *path == '/' ? path + 1 : path);
}

/* A body longer than the limit by its own word. A length that is no number is refused by
 * libmicrohttpd. */
static bool announces_too_much(const struct lake_server *server, struct MHD_Connection *connection)
{
    const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!length)
        return false;
    errno = 0;
    const unsigned long long bytes = strtoull(length, NULL, 10);
    return errno == ERANGE || bytes > server->max_object_bytes;
}

/* Preconditions of a put: `If-None-Match: *` is kept for the commit, which decides. There are no
 * entity tags, so no other If-Match than `*` can hold. */
static void check_put(const struct lake_server *server, struct MHD_Connection *connection,
                      struct request *r)
{
    const char *none_match = header(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
    const char *match = header(connection, MHD_HTTP_HEADER_IF_MATCH);
    r->create_only = none_match && strcmp(none_match, "*") == 0;
    if (!header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH) &&
        !header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        request_fail(r, MHD_HTTP_LENGTH_REQUIRED, "a put needs Content-Length or chunks");
        return;
    }
    if (r->name.is_folder) {
        request_fail(r, MHD_HTTP_CONFLICT, "an object's name does not end in a slash");
        return;
    }
    int fd;
    struct stat st;
    const bool exists = store_find(server->store, &r->name, &fd, &st) == STORE_OK;
    if (exists)
        close(fd);
    if (exists && S_ISDIR(st.st_mode))
        request_fail_store(r, STORE_BLOCKED);
    else if (exists && r->create_only)
        request_fail_store(r, STORE_EXISTS);
    else if (match && !(exists && strcmp(match, "*") == 0))
        request_fail(r, MHD_HTTP_PRECONDITION_FAILED, "If-Match does not hold");
    else
        request_fail_store(r, store_upload_begin(server->store, &r->upload));
}

static void check_request(const struct lake_server *server, struct MHD_Connection *connection,
                          struct request *r, const char *path)
{
    bool below_root;
    const char *why = parse_path(r, path, &below_root);
    if (r->method == METHOD_OTHER)
        request_fail(r, MHD_HTTP_METHOD_NOT_ALLOWED, "only " ALLOW);
    else if (announces_too_much(server, connection))
        request_fail(r, MHD_HTTP_CONTENT_TOO_LARGE, "the object is larger than the sandbox takes");
    else if (r->method == METHOD_OPTIONS)
        return;
    else if (!below_root)
        request_fail(r, MHD_HTTP_NOT_FOUND, "names begin with " LAKE_SERVER_ROOT "/");
    else if (why)
        request_fail(r, MHD_HTTP_BAD_REQUEST, why);
    else if (r->method == METHOD_PUT)
        check_put(server, connection, r);
}

/* The headers are here, the body is not. A client that waits for "100 Continue" hears of an error
 * now; any other may be sending, and an answer followed by a reset could get lost, so its body is
 * read and dropped first. */
static enum MHD_Result begin(const struct lake_server *server, struct MHD_Connection *connection,
                             const char *path, const char *method, void **slot)
{
    struct request *r = mem_calloc(1, sizeof(*r));
    r->upload.fd = -1;
    r->method = method_of(method);
    *slot = r;
    check_request(server, connection, r, path);
    const char *expect = header(connection, MHD_HTTP_HEADER_EXPECT);
    const bool waits = expect && strcasecmp(expect, "100-continue") == 0;
    if (r->status && (waits || r->status == MHD_HTTP_CONTENT_TOO_LARGE))
        return send_text(connection, r->status, r->text);
    return MHD_YES;
}

/* Some of the body. MHD_NO drops the connection: a body without end. */
static enum MHD_Result receive(const struct lake_server *server, struct request *r,
                               const char *bytes, size_t len)
{
    r->received_bytes += len;
    if (r->received_bytes > server->max_object_bytes) {
        store_upload_abort(server->store, &r->upload);
        if (r->received_bytes / 2 > server->max_object_bytes)
            return MHD_NO;
        request_fail(r, MHD_HTTP_CONTENT_TOO_LARGE, "the object is larger than the sandbox takes");
    }
    if (r->upload.fd < 0)
        return MHD_YES;
    const enum store_result result = store_upload_write(&r->upload, bytes, len);
    if (result != STORE_OK) {
        store_upload_abort(server->store, &r->upload);
        request_fail_store(r, result);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **slot)
{
    const struct lake_server *server = arg;
    struct request *r = *slot;
    UNUSED(version);
    if (!r)
        return begin(server, connection, path, method, slot);
    if (*len == 0)
        return answer(server, connection, r);
    const enum MHD_Result result = receive(server, r, bytes, *len);
    *len = 0;
    return result;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    const struct lake_server *server = arg;
    struct request *r = *slot;
    UNUSED(connection);
    UNUSED(code);
    if (!r)
        return;
    store_upload_abort(server->store, &r->upload);
    mem_free(r);
    *slot = NULL;
}

/* Names are decoded by store_name_parse(), which knows what an escape must not hide. */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    UNUSED(arg);
    UNUSED(connection);
    return strlen(text);
}

/* ---- life ---- */

int lake_server_start(struct store *store, uint64_t max_object_bytes, struct lake_server **out,
                      struct err *err)
{
    struct lake_server *server = mem_calloc(1, sizeof(*server));
    server->store = store;
    server->max_object_bytes = max_object_bytes;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* Not epoll: 0.9.75 then does not see a client that sends and closes in one go, and its
     * connection and upload stay until the idle timeout. */
    server->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
        (const struct sockaddr *)&address, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        server, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server->daemon ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info || info->port == 0) {
        const int rc = err_set(err, ERR_IO, "the lake's server does not start: %s",
                               server->daemon ? "no port" : strerror(errno));
        lake_server_stop(server);
        return rc;
    }
    server->port = info->port;
    *out = server;
    return 0;
}

uint16_t lake_server_port(const struct lake_server *server)
{
    return server->port;
}

void lake_server_stop(struct lake_server *server)
{
    if (!server)
        return;
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    mem_free(server);
}
