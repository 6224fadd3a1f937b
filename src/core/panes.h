/* panes.h -- the panes of one partition: totals, seen keys, and where they began.
 *
 * A pane is open while a window that holds it can still be contributed; then it
 * gives its totals and keys back and only its origin stays, until every window
 * that holds it is durable: the origin is what the floor is made of. Sorted by
 * start. */
#ifndef TURNSTILE_CORE_PANES_H
#define TURNSTILE_CORE_PANES_H

#include "core/dedup.h"
#include "core/groups.h"
#include "core/window.h"

/* A message from which a replay could start: its offset, W before its first row, its check. */
struct origin {
    int64_t offset;
    int64_t watermark_ms;
    uint32_t check;
};

struct pane {
    int64_t start_ms;
    struct origin origin;  /* of the first row that was windowed into it */
    struct groups *groups; /* NULL: closed */
    uint16_t set;          /* of dedup keys; DEDUP_NO_SET: closed, or no dedup */
    size_t keys;
};

struct panes {
    const struct schema *schema;
    struct window_shape shape;
    struct dedup *dedup; /* NULL: the schema has no key */
    struct pane *panes;  /* sorted by start */
    size_t count, cap;
    size_t closed; /* panes[0 .. closed) are closed: panes close in the order of their start */
};

void panes_init(struct panes *ps, const struct schema *schema, struct window_shape shape);
void panes_deinit(struct panes *ps);

/* The pane that starts at `start_ms`, valid until the next call, or NULL. */
struct pane *panes_find(struct panes *ps, int64_t start_ms);

/* A new pane that starts at `start_ms`, where none does and whose last window must be open. Valid
 * until the next call. NULL: more panes are open than dedup can tell apart. */
struct pane *panes_open(struct panes *ps, int64_t start_ms, const struct origin *origin);

/* The smallest window end above `after_ms` of a window that holds an open pane, or INT64_MAX. */
int64_t panes_next_end(const struct panes *ps, int64_t after_ms);

/* Add what the panes of window [end - duration, end) hold to *total. Where a single pane is all the
 * window has and no later window needs it, its groups move into an empty *total instead. */
void panes_contribute(struct panes *ps, int64_t end_ms, struct groups **total);

/* Close the panes whose last window ends at or before `upto_ms`: totals and keys are freed. */
void panes_close(struct panes *ps, int64_t upto_ms);

/* Forget the panes whose last window ends at or before `frontier_ms`: durable for ever. */
void panes_forget(struct panes *ps, int64_t frontier_ms);

/* Lower *lowest to the first origin among the panes, if that is lower. */
void panes_lowest_origin(const struct panes *ps, struct origin *lowest);

/* Largest end of a window that holds rows and is not forgotten, or INT64_MIN. */
int64_t panes_last_end(const struct panes *ps);

size_t panes_groups(const struct panes *ps); /* sum over open panes */
size_t panes_memory_bytes(const struct panes *ps);

#endif
