#include "core/merge.h"

#include "base/mem.h"

#include <string.h>

void merge_init(struct merge *m, int64_t emitted_ms)
{
    *m = (struct merge){.emitted_ms = emitted_ms};
}

void merge_deinit(struct merge *m)
{
    for (size_t i = 0; i < m->count; i++)
        groups_free(m->windows[i].total);
    mem_free(m->windows);
    merge_init(m, INT64_MIN);
}

void merge_add(struct merge *m, int64_t end_ms, struct groups *part)
{
    ASSERT(end_ms > m->emitted_ms);
    size_t i = m->count;
    while (i > 0 && m->windows[i - 1].end_ms > end_ms)
        i--;
    if (i > 0 && m->windows[i - 1].end_ms == end_ms) {
        groups_merge(m->windows[i - 1].total, part);
        groups_free(part);
        return;
    }
    if (m->count == m->cap) {
        m->cap = m->cap > 0 ? m->cap * 2 : 16;
        m->windows = mem_realloc(m->windows, m->cap * sizeof(*m->windows));
    }
    memmove(&m->windows[i + 1], &m->windows[i], (m->count - i) * sizeof(*m->windows));
    m->windows[i] = (struct merge_window){end_ms, part};
    m->count++;
}

bool merge_emit(struct merge *m, int64_t front_ms, struct merge_window *out)
{
    if (m->count > 0 && m->windows[0].end_ms <= front_ms) {
        *out = m->windows[0];
        m->count--;
        memmove(m->windows, m->windows + 1, m->count * sizeof(*m->windows));
        m->emitted_ms = out->end_ms;
        return true;
    }
    if (front_ms > m->emitted_ms)
        m->emitted_ms = front_ms;
    return false;
}

size_t merge_memory_bytes(const struct merge *m)
{
    size_t bytes = m->cap * sizeof(*m->windows);
    for (size_t i = 0; i < m->count; i++)
        bytes += groups_memory_bytes(m->windows[i].total);
    return bytes;
}
