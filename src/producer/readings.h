/* readings.h -- weekly files of counter readings, turned into rows of passages.
 *
 * Readings are added from any number of files (header by name: `C/A`, `A/C`, `AC`
 * or `CA`; an index column is ignored; DATE MM/DD/YYYY or MM-DD-YY). Then one call
 * groups them by turnstile (CA, UNIT, SCP), sorts, takes the differences by the
 * rules of counters.h, and sorts the rows by event time, which is the time of the
 * reading. Ids are made from turnstile and reading time: the same reading has the
 * same id in every run. Not thread-safe; holds everything in memory (40 bytes a
 * reading), bounded by READINGS_MAX. */
#ifndef TURNSTILE_PRODUCER_READINGS_H
#define TURNSTILE_PRODUCER_READINGS_H

#include "producer/counters.h"
#include "producer/intern.h"
#include "producer/rng.h"
#include "producer/row.h"

#define READINGS_MAX (8u << 20) /* about 32 weeks of the whole subway, 320 MiB */

/* A longer time between two readings means that one or more are missing: half as much again as
 * the usual four hours. */
#define READINGS_GAP_MS (INT64_C(6) * 3600 * 1000)

/* After a longer time than this the difference says nothing about the hours before the reading: it
 * is a first reading again, as when files of different months are replayed together. */
#define READINGS_STALE_MS (7 * TIMEFMT_MS_PER_DAY)

struct reading {
    int64_t event_ms;
    int64_t entries, exits; /* the counters; after readings_difference() the passages */
    uint32_t turnstile;     /* number of "CA,UNIT,SCP" */
    uint32_t place;         /* number of "STATION,LINENAME,DIVISION" */
    uint32_t desc;
    uint32_t order; /* of arrival: makes every sort deterministic */
};

/* readings = rows + baselines + same_time + dropped */
struct readings_stats {
    uint64_t readings, malformed; /* rows of the files that are, that are not a reading */
    uint64_t rows;
    uint64_t
        baselines; /* first of a turnstile, or after READINGS_STALE_MS: nothing to compare with */
    uint64_t same_time; /* two of one time: REGULAR wins over the rest, then the first to come */
    uint64_t dropped;   /* a counter gave no delta */
    uint64_t gaps;      /* rows after a longer time than READINGS_GAP_MS: kept */
    uint64_t recovered; /* rows of RECOVR AUD: kept */
    uint64_t verdicts[COUNTER_VERDICTS]; /* steps of one counter, ENTRIES and EXITS apart */
};

struct readings {
    struct intern turnstiles, places, descs;
    struct reading *list;
    size_t count, capacity;
    struct readings_stats stats;
    struct timefmt slash_date, dash_date, time;
    struct row_formats formats;
};

void readings_init(struct readings *r);
void readings_deinit(struct readings *r);

/* 0, or a failure that names the file (no header, unreadable, READINGS_MAX). A row that is not a
 * reading is counted as malformed, not an error. */
int readings_add_file(struct readings *r, const char *path, struct err *err) MUST_CHECK;
int readings_add_text(struct readings *r, const char *name, struct slice text,
                      struct err *err) MUST_CHECK;

/* Once, after the last add: the list becomes the rows, in event order. */
void readings_difference(struct readings *r, int64_t max_step);

/* Text of row `i`; the buffers are the caller's and must live as long as the row is used. */
struct readings_text {
    struct row_times times;
    char entries[24], exits[24], id[UUID_TEXT_BYTES];
};
void readings_row(const struct readings *r, size_t i, struct readings_text *text, struct row *row);

#endif
