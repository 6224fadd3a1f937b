/* window.h -- window arithmetic: which windows hold an event time.
 *
 * A window is [end - duration, end); window starts are multiples of the slide
 * since 1970-01-01T00:00, negative times included (Spark's formula of SPARK-39347,
 * as reference for the rounding). A pane is the gcd(duration, slide) slice that
 * windows are made of. All times in ms; valid inputs lie far from the int64 limits
 * (event times are civil times of the years 0 to 9999). */
#ifndef TURNSTILE_CORE_WINDOW_H
#define TURNSTILE_CORE_WINDOW_H

#include "base/timefmt.h"

#include <stdbool.h>
#include <stdint.h>

struct window_shape {
    int64_t duration_ms, slide_ms, pane_ms;
};

/* duration > 0, 0 < slide <= duration. */
static inline struct window_shape window_shape_of(int64_t duration_ms, int64_t slide_ms)
{
    int64_t a = duration_ms, b = slide_ms;
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (struct window_shape){duration_ms, slide_ms, a};
}

/* Can the windows that hold t be named? Their starts and ends must lie in the years 0 to 9999; a
 * duration is kept clear of both edges, which costs nobody anything. */
static inline bool window_in_calendar(const struct window_shape *w, int64_t t)
{
    return t >= TIMEFMT_FIRST_MS + w->duration_ms && t < TIMEFMT_END_MS - w->duration_ms;
}

/* Start of the pane that holds t. */
static inline int64_t window_pane(const struct window_shape *w, int64_t t)
{
    return timefmt_floor(t, w->pane_ms);
}

/* Largest and smallest end of the windows that hold t (for a pane: its start). */
static inline int64_t window_last_end(const struct window_shape *w, int64_t t)
{
    return timefmt_floor(t, w->slide_ms) + w->duration_ms;
}

static inline int64_t window_first_end(const struct window_shape *w, int64_t t)
{
    return timefmt_floor(t - w->duration_ms, w->slide_ms) + w->slide_ms + w->duration_ms;
}

/* Largest window end <= t. */
static inline int64_t window_end_at_or_before(const struct window_shape *w, int64_t t)
{
    return timefmt_floor(t - w->duration_ms, w->slide_ms) + w->duration_ms;
}

#endif
