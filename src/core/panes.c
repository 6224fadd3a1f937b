#include "core/panes.h"

#include "base/mem.h"

#include <string.h>

void panes_init(struct panes *ps, const struct schema *schema, struct window_shape shape)
{
    *ps = (struct panes){.schema = schema, .shape = shape};
    if (schema->key_count > 0)
        ps->dedup = dedup_new();
}

static void release(struct panes *ps, struct pane *pane)
{
    groups_free(pane->groups);
    pane->groups = NULL;
    if (pane->set != DEDUP_NO_SET)
        dedup_close(ps->dedup, pane->set, pane->keys);
    pane->set = DEDUP_NO_SET;
    pane->keys = 0;
}

void panes_deinit(struct panes *ps)
{
    for (size_t i = 0; i < ps->count; i++)
        groups_free(ps->panes[i].groups);
    mem_free(ps->panes);
    dedup_free(ps->dedup);
    *ps = (struct panes){.schema = ps->schema, .shape = ps->shape};
}

/* Index of the first pane with start >= start_ms. */
static size_t lower_bound(const struct panes *ps, int64_t start_ms)
{
    size_t low = 0, high = ps->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (ps->panes[middle].start_ms < start_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct pane *panes_find(struct panes *ps, int64_t start_ms)
{
    /* Rows come nearly in order, so the last pane is the one most often. */
    if (ps->count > 0 && ps->panes[ps->count - 1].start_ms == start_ms)
        return &ps->panes[ps->count - 1];
    const size_t i = lower_bound(ps, start_ms);
    return i < ps->count && ps->panes[i].start_ms == start_ms ? &ps->panes[i] : NULL;
}

struct pane *panes_open(struct panes *ps, int64_t start_ms, const struct origin *origin)
{
    const size_t i = lower_bound(ps, start_ms);
    ASSERT(i >= ps->closed && (i == ps->count || ps->panes[i].start_ms != start_ms));
    uint16_t set = DEDUP_NO_SET;
    if (ps->dedup != NULL && (set = dedup_open(ps->dedup)) == DEDUP_NO_SET)
        return NULL;
    if (ps->count == ps->cap) {
        ps->cap = ps->cap > 0 ? ps->cap * 2 : 16;
        ps->panes = mem_realloc(ps->panes, ps->cap * sizeof(*ps->panes));
    }
    memmove(&ps->panes[i + 1], &ps->panes[i], (ps->count - i) * sizeof(*ps->panes));
    ps->count++;
    ps->panes[i] = (struct pane){start_ms, *origin, groups_new(ps->schema), set, 0};
    return &ps->panes[i];
}

int64_t panes_next_end(const struct panes *ps, int64_t after_ms)
{
    const struct window_shape *w = &ps->shape;
    for (size_t i = ps->closed; i < ps->count; i++) {
        const int64_t start = ps->panes[i].start_ms;
        if (window_last_end(w, start) <= after_ms)
            continue;
        const int64_t first = window_first_end(w, start);
        if (first > after_ms)
            return first;
        return window_end_at_or_before(w, after_ms) + w->slide_ms;
    }
    return INT64_MAX;
}

void panes_contribute(struct panes *ps, int64_t end_ms, struct groups **total)
{
    size_t i = lower_bound(ps, end_ms - ps->shape.duration_ms);
    const size_t last = lower_bound(ps, end_ms);
    const bool alone = last - i == 1;
    for (; i < last; i++) {
        struct pane *pane = &ps->panes[i];
        if (pane->groups == NULL)
            continue;
        if (*total == NULL && alone && window_last_end(&ps->shape, pane->start_ms) == end_ms) {
            *total = pane->groups;
            pane->groups = NULL; /* moved; the pane is closed by panes_close() next */
            continue;
        }
        if (*total == NULL)
            *total = groups_new(ps->schema);
        groups_merge(*total, pane->groups);
    }
}

void panes_close(struct panes *ps, int64_t upto_ms)
{
    while (ps->closed < ps->count &&
           window_last_end(&ps->shape, ps->panes[ps->closed].start_ms) <= upto_ms)
        release(ps, &ps->panes[ps->closed++]);
}

void panes_forget(struct panes *ps, int64_t frontier_ms)
{
    size_t n = 0;
    while (n < ps->count && window_last_end(&ps->shape, ps->panes[n].start_ms) <= frontier_ms)
        release(ps, &ps->panes[n++]);
    if (n == 0)
        return;
    memmove(ps->panes, ps->panes + n, (ps->count - n) * sizeof(*ps->panes));
    ps->count -= n;
    ps->closed = ps->closed > n ? ps->closed - n : 0;
}

void panes_lowest_origin(const struct panes *ps, struct origin *lowest)
{
    for (size_t i = 0; i < ps->count; i++)
        if (ps->panes[i].origin.offset < lowest->offset)
            *lowest = ps->panes[i].origin;
}

int64_t panes_last_end(const struct panes *ps)
{
    return ps->count == 0 ? INT64_MIN
                          : window_last_end(&ps->shape, ps->panes[ps->count - 1].start_ms);
}

size_t panes_groups(const struct panes *ps)
{
    size_t n = 0;
    for (size_t i = ps->closed; i < ps->count; i++)
        n += ps->panes[i].groups != NULL ? groups_count(ps->panes[i].groups) : 0;
    return n;
}

size_t panes_memory_bytes(const struct panes *ps)
{
    size_t bytes = ps->cap * sizeof(*ps->panes);
    for (size_t i = ps->closed; i < ps->count; i++)
        bytes += ps->panes[i].groups != NULL ? groups_memory_bytes(ps->panes[i].groups) : 0;
    return bytes + (ps->dedup != NULL ? dedup_memory_bytes(ps->dedup) : 0);
}
