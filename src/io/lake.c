#include "io/lake.h"

#include "base/mem.h"
#include "core/object.h"
#include "io/lake_ops.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A new lake is one line here and one file with its operations. */
static const struct {
    const char *scheme;
    const struct lake_ops *ops;
} families[] = {
    {"file", &lake_file_ops},
    {"http", &lake_http_ops},
    {"https", &lake_http_ops},
};

/* Length of a scheme (RFC 3986, section 3.1) before a ':', or 0. A single letter is none of ours
 * and `a:b` without slashes is a fine file name, so "://" or "file:" is asked for. */
static size_t scheme_length(const char *url)
{
    size_t n = 0;
    while (isalnum((unsigned char)url[n]) || strchr("+-.", url[n]) != NULL) {
        if (url[n] == '\0')
            return 0;
        n++;
    }
    if (strncmp(url + n, "://", 3) == 0 || (n == 4 && strncasecmp(url, "file:", 5) == 0))
        return n;
    return 0;
}

int lake_new(uv_loop_t *loop, const char *url, struct lake **out, struct err *err)
{
    if (url[0] == '\0')
        return err_set(err, ERR_CONFIG, "the lake is empty: give a folder or a URL");
    const size_t n = scheme_length(url);
    if (n == 0 && (strncasecmp(url, "http:", 5) == 0 || strncasecmp(url, "https:", 6) == 0))
        return err_set(err, ERR_CONFIG, "lake URL: write http://host/path, with both slashes");
    if (n == 0 && strstr(url, "://") == NULL)
        return lake_file_ops.open(loop, url, out, err);
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (strlen(families[i].scheme) == n && strncasecmp(families[i].scheme, url, n) == 0)
            return families[i].ops->open(loop, url, out, err);
    return err_set(err, ERR_CONFIG,
                   "unknown kind of lake '%.*s://': give a folder, file:, http: or https:",
                   (int)(n < 32 ? n : 32), url);
}

void lake_probe(struct lake *lake, lake_done *done, void *arg)
{
    lake->ops->probe(lake, done, arg);
}

struct lake_put *lake_put(struct lake *lake, const struct lake_object *object, lake_done *done,
                          void *arg)
{
    return lake->ops->put(lake, object, done, arg);
}

void lake_cancel(struct lake_put *put)
{
    put->lake->ops->cancel(put);
}

void lake_close(struct lake *lake, void (*closed)(void *arg), void *arg)
{
    lake->ops->close(lake, closed, arg);
}

const char *lake_display(const struct lake *lake)
{
    return lake->display;
}

void lake_deinit(struct lake *lake)
{
    mem_free(lake->display);
    lake->display = NULL;
}

struct lake_answer lake_answer_of(enum lake_result result, const char *format, ...)
{
    struct lake_answer answer = {.result = result, .retry_after_ms = -1};
    va_list args;
    va_start(args, format);
    vsnprintf(answer.detail, sizeof(answer.detail), format, args);
    va_end(args);
    return answer;
}

static bool part_is_bad(const char *part, size_t len)
{
    return len == 0 || (len == 1 && part[0] == '.') || (len == 2 && memcmp(part, "..", 2) == 0);
}

int lake_check_name(const char *name, struct err *err)
{
    const size_t len = strlen(name);
    if (len > OBJECT_NAME_MAX_BYTES)
        return err_set(err, ERR_CONFIG, "object name longer than %d bytes", OBJECT_NAME_MAX_BYTES);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return err_set(err, ERR_CONFIG, "control byte in an object name");
    for (const char *part = name;;) {
        const size_t n = strcspn(part, "/");
        if (part_is_bad(part, n))
            return err_set(err, ERR_CONFIG,
                           "object name '%s': empty, '.' and '..' parts are refused", name);
        if (part[n] == '\0')
            return 0;
        part += n + 1;
    }
}

int lake_encode_path(struct buf *out, struct slice name)
{
    static const char hex[] = "0123456789ABCDEF";
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < name.len; i++) {
        const unsigned char c = (unsigned char)name.ptr[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~/", c) != NULL);
        const char encoded[3] = {'%', hex[c >> 4], hex[c & 15]};
        rc = plain ? buf_append_byte(out, (char)c) : buf_append(out, encoded, sizeof(encoded));
    }
    return rc;
}
