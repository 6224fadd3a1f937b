#include "core/pending.h"

#include "base/mem.h"

void pending_deinit(struct pending *p)
{
    mem_free(p->objects);
    *p = (struct pending){0};
}

void pending_add(struct pending *p, uint64_t object_id, const struct origin *origin)
{
    if (p->count == p->cap) {
        p->cap = p->cap > 0 ? p->cap * 2 : 8;
        p->objects = mem_realloc(p->objects, p->cap * sizeof(*p->objects));
    }
    p->objects[p->count++] = (struct pending_object){object_id, *origin};
}

void pending_stored(struct pending *p, uint64_t object_id)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->objects[i].object_id == object_id) {
            p->objects[i] = p->objects[--p->count];
            return;
        }
}

bool pending_first(const struct pending *p, struct origin *first)
{
    for (size_t i = 0; i < p->count; i++)
        if (i == 0 || p->objects[i].origin.offset < first->offset)
            *first = p->objects[i].origin;
    return p->count > 0;
}
