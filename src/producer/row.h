/* row.h -- one row of the feed: 13 columns in the order of the topic's messages,
 * and its event time.
 *
 * Fields are borrowed from whoever made the row, until that feed's next call. */
#ifndef TURNSTILE_PRODUCER_ROW_H
#define TURNSTILE_PRODUCER_ROW_H

#include "base/buf.h"
#include "base/timefmt.h"

#include <stdint.h>

enum row_column {
    ROW_CA,
    ROW_UNIT,
    ROW_SCP,
    ROW_STATION,
    ROW_LINENAME,
    ROW_DIVISION,
    ROW_DATE,
    ROW_TIME,
    ROW_DESC,
    ROW_ENTRIES,
    ROW_EXITS,
    ROW_ID,
    ROW_TIMESTAMP,
    ROW_COLUMNS
};

struct row {
    int64_t event_ms; /* local wall time read as UTC */
    struct slice field[ROW_COLUMNS];
};

/* DATE %m-%d-%y, TIME %H:%M:%S, TIMESTAMP %Y-%m-%d %H:%M:%S. */
struct row_formats {
    struct timefmt date, time, timestamp;
};

struct row_times {
    char date[TIMEFMT_MAX_TEXT], time[TIMEFMT_MAX_TEXT], timestamp[TIMEFMT_MAX_TEXT];
};

void row_formats_init(struct row_formats *formats);

/* Set the event time and the three columns that say it; their text lives in `times`. */
void row_set_event(struct row *row, const struct row_formats *formats, struct row_times *times,
                   int64_t event_ms);

#define ROW_NOT_RAW SIZE_MAX

/* `count` fields as a CSV line without its end, quoted where needed (RFC 4180) except the field
 * number `raw`, for rows that are to be wrong. 0 or ERR_TOO_LARGE. */
int row_append_csv(struct buf *out, const struct slice *fields, size_t count,
                   size_t raw) MUST_CHECK;

#endif
