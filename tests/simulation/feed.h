/* feed.h -- what the producers write: the bytes of every message and, beside
 * them, what each row means. The pipeline gets the bytes, the oracle the meaning.
 *
 * Rows come out of order, repeated, malformed, several to a message, as CSV or
 * in a JSON string, with and without a header; offsets have gaps. One seed, one
 * feed. */
#ifndef TURNSTILE_SIMULATION_FEED_H
#define TURNSTILE_SIMULATION_FEED_H

#include "core/record.h"
#include "rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_MAX_PARTITIONS 5
#define FEED_MAX_ROWS 4 /* of one message */
#define FEED_STATIONS 6
#define FEED_DAYS 3

extern const char *const feed_stations[FEED_STATIONS];
extern const char *const feed_days[FEED_DAYS]; /* in output form */

/* What decides the content of a run; drawn from the seed. Times in ms. */
struct feed_config {
    unsigned partitions; /* in the end; some may be added while it runs */
    bool partition_scope;
    int64_t slide_ms, duration_ms, delay_ms;
    int64_t jitter_ms;          /* how far behind the newest event time a row may be */
    int64_t max_future_skew_ms; /* or -1 */
    int64_t start_ms;           /* event time of the first row, about */
    unsigned rows;
    int64_t raw_chunk_records; /* 0: no raw layer */
    bool storm; /* of rejects while event time hardly moves: side objects are cut by their size */
};

struct feed_row {
    enum reject_reason reject; /* REJECT_NONE: the rest counts */
    int64_t event_ms;
    unsigned station, day;
    unsigned ident; /* with station and event time the dedup key */
    int32_t entries, exits;
    char *text; /* the bytes that the side output must show, owned */
    size_t text_len;
};

struct feed_message {
    int64_t offset;
    int64_t end_after; /* log end once this is the last message: a gap may follow it */
    int64_t timestamp_ms;
    char *value; /* NULL: tombstone; owned */
    size_t len;
    const char *key; /* NULL: none */
    size_t key_len;
    struct feed_row rows[FEED_MAX_ROWS];
    unsigned row_count;
};

struct feed_log {
    int64_t low;
    struct feed_message *messages;
    size_t count, capacity;
    size_t visible; /* written so far */
};

struct feed {
    struct feed_config config;
    struct feed_log logs[FEED_MAX_PARTITIONS];
};

void feed_draw_config(struct feed_config *config, struct rng *rng);
void feed_init(struct feed *f, const struct feed_config *config, struct rng *rng);
void feed_deinit(struct feed *f);

/* Offset of the next message that will be written. */
int64_t feed_log_end(const struct feed_log *log);
/* Index of the first visible message at or above `offset`; `visible` if there is none. */
size_t feed_log_find(const struct feed_log *log, int64_t offset);

/* `YYYY-MM-DD HH:MM:SS` and the like, the slow way: counts days. format: digits and signs stand
 * for themselves, letters YMDhms for their number. Shares no code with what is tested. */
void feed_format_time(int64_t ms, const char *format, char *out, size_t out_bytes);

#endif
