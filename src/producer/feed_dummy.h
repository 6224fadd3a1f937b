/* feed_dummy.h -- the demonstration feed: random passages at a few test stations.
 *
 * The rows have the form and the ranges of the course's Python producer (two CA,
 * two UNIT, two stations, each drawn on its own; 5 to 10 passages). With
 * `turnstiles` > 0 the rows go round that many distinct turnstiles instead. The
 * event time is the local wall clock, or start_ms + n * step_ms. */
#ifndef TURNSTILE_PRODUCER_FEED_DUMMY_H
#define TURNSTILE_PRODUCER_FEED_DUMMY_H

#include "producer/feed.h"
#include "producer/rng.h"

#include <stdbool.h>

#define FEED_DUMMY_MAX_TURNSTILES 1000000

struct feed_dummy_config {
    bool seeded;
    uint64_t seed;
    uint32_t turnstiles;
    bool simulated; /* event time from start_ms and step_ms, not from the clock */
    int64_t start_ms, step_ms;
};

struct feed_dummy {
    struct feed_dummy_config config;
    struct rng rng;
    struct row_formats formats;
    struct row_times times;
    uint64_t rows;
    char ca[24], unit[24], scp[24], station[40], entries[24], exits[24], id[UUID_TEXT_BYTES];
};

void feed_dummy_init(struct feed_dummy *f, const struct feed_dummy_config *config);
enum feed_result feed_dummy_next(void *self, int64_t now_ms, struct row *row, int64_t *wait_ms);

#endif
