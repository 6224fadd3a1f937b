/* merge.h -- the merge stage: adds up the partitions' contributions to a window.
 *
 * A window is emitted when every partition has contributed it, or passed its end
 * without rows for it: whole, once. Invariant: a contribution never comes for a
 * window that was emitted. */
#ifndef TURNSTILE_CORE_MERGE_H
#define TURNSTILE_CORE_MERGE_H

#include "core/groups.h"

#include <stdint.h>

struct merge_window {
    int64_t end_ms;
    struct groups *total; /* owned */
};

struct merge {
    struct merge_window *windows; /* sorted by end */
    size_t count, cap;
    int64_t emitted_ms; /* every window with end <= this was emitted or is empty */
};

void merge_init(struct merge *m, int64_t emitted_ms);
void merge_deinit(struct merge *m);

/* Add a contribution; takes `part`. */
void merge_add(struct merge *m, int64_t end_ms, struct groups *part);

/* Raise what has been emitted to `front_ms`, the smallest contribution of all partitions, one
 * window at a time: true and *out (the caller owns total) while there is one left. Windows come in
 * the order of their ends. */
bool merge_emit(struct merge *m, int64_t front_ms, struct merge_window *out);

size_t merge_memory_bytes(const struct merge *m);

#endif
