/* feed_replay.h -- the rows of weekly files, one after the other. */
#ifndef TURNSTILE_PRODUCER_FEED_REPLAY_H
#define TURNSTILE_PRODUCER_FEED_REPLAY_H

#include "producer/feed.h"
#include "producer/readings.h"

struct feed_replay {
    struct readings readings;
    size_t next;
    struct readings_text text;
};

/* Reads all files and takes the differences. 0 or the failure of a file; f must be freed with
 * feed_replay_deinit() in any case. */
int feed_replay_init(struct feed_replay *f, const char *const *paths, size_t count,
                     int64_t max_step, struct err *err) MUST_CHECK;
void feed_replay_deinit(struct feed_replay *f);

enum feed_result feed_replay_next(void *self, int64_t now_ms, struct row *row, int64_t *wait_ms);

/* The counts as `key=value`, without a line's end. */
int feed_replay_summary(const struct readings_stats *stats, struct buf *out) MUST_CHECK;

#endif
