#include "producer/feed_poll.h"

#include "base/log.h"
#include "base/mem.h"
#include "producer/clock.h"

#include <curl/curl.h>
#include <strings.h>

#define VALIDATOR_BYTES 512 /* a longer ETag is not worth a conditional request */
#define MAX_REDIRECTS 5L

/* What lets the server answer "not modified"; empty: it gave none. */
struct validators {
    char etag[VALIDATOR_BYTES], modified[VALIDATOR_BYTES];
};

struct feed_poll {
    struct feed_poll_config config;
    CURL *curl;
    struct pollset set;
    struct buf body;
    struct validators known, answered; /* of the last answer taken; of this one */
    bool too_large;
    bool asked;
    int64_t asked_ns; /* when the last request began */
    struct feed_poll_stats stats;
    char curl_text[CURL_ERROR_SIZE];
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct feed_poll *f = arg;
    if (buf_append(&f->body, bytes, size * count) == 0)
        return size * count;
    f->too_large = true;
    return 0; /* curl gives up */
}

/* "ETag: value\r\n" -> value, if it is this header and fits. */
static void take_header(struct slice line, const char *name, char out[VALIDATOR_BYTES])
{
    const size_t name_len = strlen(name);
    if (line.len <= name_len || line.ptr[name_len] != ':' ||
        strncasecmp(line.ptr, name, name_len) != 0)
        return;
    size_t start = name_len + 1, end = line.len;
    while (start < end && (line.ptr[start] == ' ' || line.ptr[start] == '\t'))
        start++;
    while (end > start && (unsigned char)line.ptr[end - 1] <= ' ')
        end--;
    if (end - start >= VALIDATOR_BYTES)
        return;
    memcpy(out, line.ptr + start, end - start);
    out[end - start] = '\0';
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct feed_poll *f = arg;
    const struct slice line = {bytes, size * count};
    if (line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0) /* a redirect's headers do not count */
        f->answered = (struct validators){0};
    take_header(line, "ETag", f->answered.etag);
    take_header(line, "Last-Modified", f->answered.modified);
    return line.len;
}

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    UNUSED(down_all);
    UNUSED(down);
    UNUSED(up_all);
    UNUSED(up);
    const struct feed_poll *f = arg;
    return f->config.stopped(f->config.stopped_arg) ? 1 : 0;
}

static CURLcode set_up(struct feed_poll *f)
{
    CURL *c = f->curl;
    CURLcode rc = CURLE_OK;
#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(c, CURLOPT_##option, (value)) : rc
    SET(URL, f->config.url);
    SET(PROTOCOLS_STR, "http,https");
    SET(REDIR_PROTOCOLS_STR, "http,https");
    SET(FOLLOWLOCATION, 1L);
    SET(MAXREDIRS, MAX_REDIRECTS);
    SET(NOSIGNAL, 1L);
    SET(TIMEOUT, FEED_POLL_TIMEOUT_S);
    SET(CONNECTTIMEOUT, FEED_POLL_CONNECT_TIMEOUT_S);
    SET(ACCEPT_ENCODING, "");
    SET(USERAGENT, "turnstile-producer/" TURNSTILE_VERSION);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, f);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, f);
    SET(NOPROGRESS, 0L);
    SET(XFERINFOFUNCTION, on_progress);
    SET(XFERINFODATA, f);
    SET(ERRORBUFFER, f->curl_text);
#undef SET
    return rc;
}

int feed_poll_new(const struct feed_poll_config *config, struct feed_poll **out, struct err *err)
{
    if (strncasecmp(config->url, "http://", 7) != 0 && strncasecmp(config->url, "https://", 8) != 0)
        return err_set(err, ERR_USAGE, /* not shown: it may hold a password */
                       "--poll: the URL does not begin with http:// or https://");
    struct feed_poll *f = mem_calloc(1, sizeof *f);
    f->config = *config;
    buf_init(&f->body, POLLSET_MAX_BODY_BYTES);
    pollset_init(&f->set, config->max_step);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        f->curl = curl_easy_init();
    const CURLcode rc = f->curl != NULL ? set_up(f) : CURLE_FAILED_INIT;
    if (rc != CURLE_OK) {
        feed_poll_free(f);
        return err_set(err, ERR_FATAL, "--poll: %s", curl_easy_strerror(rc));
    }
    *out = f;
    return 0;
}

void feed_poll_free(struct feed_poll *f)
{
    if (f == NULL)
        return;
    curl_easy_cleanup(f->curl);
    curl_global_cleanup();
    pollset_deinit(&f->set);
    buf_deinit(&f->body);
    mem_free(f);
}

static struct curl_slist *append_condition(struct curl_slist *list, const char *name,
                                           const char *value)
{
    char line[VALIDATOR_BYTES + 32];
    if (value[0] == '\0')
        return list;
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(list, line);
    ASSERT(longer != NULL);
    return longer;
}

static CURLcode perform(struct feed_poll *f)
{
    struct curl_slist *headers = append_condition(NULL, "If-None-Match", f->known.etag);
    headers = append_condition(headers, "If-Modified-Since", f->known.modified);
    buf_clear(&f->body);
    f->too_large = false;
    f->answered = (struct validators){0};
    f->curl_text[0] = '\0';
    CURLcode rc = curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, headers);
    if (rc == CURLE_OK)
        rc = curl_easy_perform(f->curl);
    curl_slist_free_all(headers);
    return rc;
}

static void failed(struct feed_poll *f, const char *reason)
{
    f->stats.failed++;
    LOG_WARN("poll_failed", LOG_STR("reason", reason), LOG_INT("next_ms", f->config.every_ms));
}

static void request(struct feed_poll *f)
{
    struct err err;
    long status = 0;
    f->asked = true;
    f->asked_ns = clock_monotonic_ns();
    f->stats.requests++;
    const CURLcode rc = perform(f);
    if (rc == CURLE_ABORTED_BY_CALLBACK)
        return;
    if (rc != CURLE_OK) {
        failed(f, f->too_large           ? "the answer is larger than 64 MiB"
                  : f->curl_text[0] != 0 ? f->curl_text
                                         : curl_easy_strerror(rc));
        return;
    }
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 304) {
        f->stats.unchanged++;
    } else if (status != 200) {
        char text[32];
        snprintf(text, sizeof text, "HTTP status %ld", status);
        failed(f, text);
    } else if (pollset_take(&f->set, buf_slice(&f->body), &err) != 0) {
        failed(f, err.text);
    } else {
        f->known = f->answered;
    }
}

enum feed_result feed_poll_next(void *self, int64_t now_ms, struct row *row, int64_t *wait_ms)
{
    UNUSED(now_ms);
    struct feed_poll *f = self;
    *wait_ms = 0;
    if (pollset_next(&f->set, row))
        return FEED_ROW;
    const int64_t waited_ms = (clock_monotonic_ns() - f->asked_ns) / 1000000;
    if (f->asked && waited_ms < f->config.every_ms) {
        *wait_ms = f->config.every_ms - waited_ms;
        return FEED_AGAIN;
    }
    request(f);
    return pollset_next(&f->set, row) ? FEED_ROW : FEED_AGAIN;
}

void feed_poll_stats(const struct feed_poll *f, struct feed_poll_stats *stats)
{
    *stats = f->stats;
    stats->skipped = f->set.skipped;
}
