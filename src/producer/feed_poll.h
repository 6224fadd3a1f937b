/* feed_poll.h -- rows from an HTTP endpoint, asked again and again.
 *
 * GET with If-None-Match / If-Modified-Since; what is new in an answer (pollset.h)
 * comes out row by row. A failure is logged and tried again at the next turn. The
 * request blocks, for at most FEED_POLL_TIMEOUT_S. */
#ifndef TURNSTILE_PRODUCER_FEED_POLL_H
#define TURNSTILE_PRODUCER_FEED_POLL_H

#include "producer/feed.h"
#include "producer/pollset.h"

#define FEED_POLL_TIMEOUT_S 30L
#define FEED_POLL_CONNECT_TIMEOUT_S 10L

struct feed_poll_config {
    const char *url; /* http or https */
    int64_t every_ms;
    int64_t max_step;
    bool (*stopped)(void *); /* asked during a request: true ends it */
    void *stopped_arg;
};

struct feed_poll_stats {
    uint64_t requests, unchanged, failed, skipped;
};

struct feed_poll;

/* 0 and *out, or ERR_USAGE: not a http(s) URL. */
int feed_poll_new(const struct feed_poll_config *config, struct feed_poll **out,
                  struct err *err) MUST_CHECK;
void feed_poll_free(struct feed_poll *f); /* NULL is a no-op */
enum feed_result feed_poll_next(void *self, int64_t now_ms, struct row *row, int64_t *wait_ms);
void feed_poll_stats(const struct feed_poll *f, struct feed_poll_stats *stats);

#endif
