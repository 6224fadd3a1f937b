#include "core/outbox.h"

#include "base/mem.h"

void outbox_init(struct outbox *o)
{
    *o = (struct outbox){.wake_ms = INT64_MAX};
}

/* What an action owns, where nobody took it. */
static void free_action(struct pipeline_action *a, bool taken)
{
    switch (a->kind) {
    case ACTION_STORE:
        if (!taken)
            object_free(a->store.object);
        break;
    case ACTION_COMMIT:
        mem_free((void *)(uintptr_t)a->commit.metadata.ptr);
        break;
    case ACTION_STOP_PARTITION:
        mem_free((void *)(uintptr_t)a->stop.reason);
        break;
    case ACTION_READ:
    case ACTION_WAKE_AT:
    case ACTION_DRAINED:
        break;
    }
}

void outbox_begin(struct outbox *o)
{
    for (size_t i = 0; i < o->count; i++)
        free_action(&o->actions[i], i < o->next);
    o->count = 0;
    o->next = 0;
}

void outbox_forget_stores(struct outbox *o)
{
    for (size_t i = 0; i < o->store_count; i++)
        mem_free(o->stores[i].name);
    o->store_count = 0;
    o->store_rows = 0;
}

void outbox_deinit(struct outbox *o)
{
    outbox_begin(o);
    outbox_forget_stores(o);
    mem_free(o->actions);
    mem_free(o->stores);
    outbox_init(o);
}

static struct pipeline_action *add(struct outbox *o, enum pipeline_action_kind kind)
{
    if (o->count == o->cap) {
        o->cap = o->cap > 0 ? o->cap * 2 : 16;
        o->actions = mem_realloc(o->actions, o->cap * sizeof(*o->actions));
    }
    struct pipeline_action *a = &o->actions[o->count++];
    *a = (struct pipeline_action){.kind = kind};
    return a;
}

void outbox_read(struct outbox *o, int32_t partition, int64_t offset)
{
    struct pipeline_action *a = add(o, ACTION_READ);
    a->read.partition = partition;
    a->read.offset = offset;
}

uint64_t outbox_store(struct outbox *o, struct object *object, size_t index)
{
    object->id = ++o->last_id;
    add(o, ACTION_STORE)->store.object = object;
    if (o->store_count == o->store_cap) {
        o->store_cap = o->store_cap > 0 ? o->store_cap * 2 : 16;
        o->stores = mem_realloc(o->stores, o->store_cap * sizeof(*o->stores));
    }
    o->stores[o->store_count++] = (struct outbox_store){.id = object->id,
                                                        .kind = object->kind,
                                                        .end_ms = object->window_end_ms,
                                                        .partition = index,
                                                        .rows = object->rows,
                                                        .name = mem_strdup(object->name)};
    o->store_rows += object->rows;
    return object->id;
}

void outbox_commit(struct outbox *o, int32_t partition, int64_t offset, struct slice metadata)
{
    struct pipeline_action *a = add(o, ACTION_COMMIT);
    a->commit.partition = partition;
    a->commit.offset = offset;
    a->commit.metadata = (struct slice){mem_dup(metadata.ptr, metadata.len), metadata.len};
}

void outbox_stop(struct outbox *o, int32_t partition, int code, const char *reason)
{
    struct pipeline_action *a = add(o, ACTION_STOP_PARTITION);
    a->stop.partition = partition;
    a->stop.code = code;
    a->stop.reason = mem_strdup(reason);
}

void outbox_wake(struct outbox *o, int64_t at_ms)
{
    if (at_ms == o->wake_ms)
        return;
    o->wake_ms = at_ms;
    if (at_ms != INT64_MAX)
        add(o, ACTION_WAKE_AT)->wake.at_ms = at_ms;
}

void outbox_drained(struct outbox *o)
{
    add(o, ACTION_DRAINED);
}

bool outbox_next(struct outbox *o, struct pipeline_action *action)
{
    if (o->next == o->count)
        return false;
    *action = o->actions[o->next++];
    return true;
}

const struct outbox_store *outbox_find_store(const struct outbox *o, uint64_t id)
{
    for (size_t i = 0; i < o->store_count; i++)
        if (o->stores[i].id == id)
            return &o->stores[i];
    return NULL;
}

bool outbox_take_store(struct outbox *o, uint64_t id, struct outbox_store *store)
{
    const struct outbox_store *found = outbox_find_store(o, id);
    if (found == NULL)
        return false;
    *store = *found;
    o->store_rows -= store->rows;
    o->stores[found - o->stores] = o->stores[--o->store_count];
    return true;
}

int64_t outbox_lowest_end(const struct outbox *o)
{
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < o->store_count; i++)
        if (o->stores[i].kind == OBJECT_MINI_BATCH && o->stores[i].end_ms < lowest)
            lowest = o->stores[i].end_ms;
    return lowest;
}
