/* log_line.h -- the text of one log line, and the limit on repeats: log.c's pure half.
 *
 * Nothing here reads a clock, writes, or knows a thread: times come in. Private to
 * base/log.c and its test. */
#ifndef TURNSTILE_BASE_LOG_LINE_H
#define TURNSTILE_BASE_LOG_LINE_H

#include "base/buf.h"
#include "base/log.h"

/* More fields than any line of ours has; with LOG_LINE_MAX_BYTES it bounds a line. */
#define LOG_MAX_FIELDS 48

/* Every value at its longest, each byte escaped to six, and the keys. */
#define LOG_LINE_MAX_BYTES ((LOG_MAX_FIELDS + 4) * (LOG_VALUE_BYTES * 6 + 128))

/* Appends the line with its '\n'. `unix_ms` is wall time; `repeated` > 0 adds that field. Keys and
 * the event name are ours and plain; values may hold anything: control bytes are escaped and what
 * is not UTF-8 becomes U+FFFD, so that no value can forge a line or drive a terminal. */
void log_line(struct buf *out, enum log_format format, int64_t unix_ms, enum log_level level,
              const char *event, const struct log_field *fields, size_t count, uint64_t repeated);

/* Names remembered. An event that finds no room is not limited: losing a line is worse. */
#define LOG_LIMIT_SLOTS 64
#define LOG_LIMIT_NAME_BYTES 48
#define LOG_LIMIT_PERIOD_MS 60000

struct log_limit {
    struct log_limit_slot {
        char event[LOG_LIMIT_NAME_BYTES]; /* empty: free */
        enum log_level level;
        int64_t since_ms; /* begin of the running minute */
        unsigned lines;   /* written in it */
        uint64_t held;    /* held back since the last written line */
    } slots[LOG_LIMIT_SLOTS];
};

/* May this line be written? Then *repeated is how many of its kind were held back before it.
 * `now_ms` is monotonic. */
bool log_limit_admit(struct log_limit *limit, enum log_level level, const char *event,
                     int64_t now_ms, uint64_t *repeated) MUST_CHECK;

#endif
