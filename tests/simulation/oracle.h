/* oracle.h -- what should be in the lake, worked out the slow and obvious way.
 *
 * Replays the meaning of the feed, each partition alone, with the punctuations
 * that were ever committed; knows nothing of panes, floors, crashes or uploads
 * and shares no code with the core. Then reads the lake with its own readers and
 * compares row for row. */
#ifndef TURNSTILE_SIMULATION_ORACLE_H
#define TURNSTILE_SIMULATION_ORACLE_H

#include "world.h"

struct oracle_totals {
    uint64_t objects, rows, side_rows, raw_objects, raw_messages;
};

/* What a process counted for one partition since it was assigned. */
struct oracle_accounts {
    uint64_t messages, rows, windowed, duplicate, late, suppressed;
    uint64_t rejected[REJECT_COUNT];
};

/* After a drain: the lake is exactly what it should be, or a violation is recorded. */
void oracle_check_lake(struct world *w, struct oracle_totals *totals);

/* Part of it: every message is in the one raw object where it belongs, none where there are to be
 * none. */
void oracle_check_raw(struct world *w, struct oracle_totals *totals);

/* Messages [first, next) of the partition, by a process that began with frontier U. */
void oracle_check_accounts(struct world *w, unsigned partition, size_t first, size_t next,
                           int64_t frontier_ms, const struct oracle_accounts *got);

#endif
