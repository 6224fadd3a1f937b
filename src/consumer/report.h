/* report.h -- the log lines about a pipeline: what was assigned, what was counted.
 *
 * Reads, never decides. Counts and offsets only, never a payload. */
#ifndef TURNSTILE_CONSUMER_REPORT_H
#define TURNSTILE_CONSUMER_REPORT_H

#include "consumer/setup.h"
#include "consumer/pipelines.h"
#include "io/uploader.h"

void report_started(const struct setup *s, const char *lake);

/* With the floors that the group has committed, `-` where there is none. */
void report_assigned(const char *topic, const struct pipeline_partition *partitions, size_t count);

/* One `totals` line a partition of the assignment: rows = windowed + duplicate + late + rejected +
 * suppressed; then each reason of rejection that occurred. Not called once the assignment is gone.
 */
void report_totals(const char *topic, const struct pipelines *pipelines);

void report_stopped(int exit_code, const struct pipeline_totals *totals,
                    const struct uploader_stats *uploads);

#endif
