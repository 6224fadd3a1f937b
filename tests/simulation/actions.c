#include "actions.h"

#include "base/mem.h"
#include "core/encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CONTENT_MAX_BYTES (64u * 1024 * 1024)

/* FNV-1a */
static void hash_bytes(struct life *l, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        l->stats->actions_hash =
            (l->stats->actions_hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static void check_read(struct life *l, int32_t partition, int64_t offset)
{
    struct life_partition *p = &l->partitions[partition];
    const struct world_partition *state = &l->world->state[partition];
    if (p->reading)
        world_violation(l->world, "p%d: READ twice", (int)partition);
    /* From below the floor it may re-read the one record that the check is of. */
    if (state->committed && offset != state->offset && offset != state->record.check_offset)
        world_violation(l->world, "p%d: READ at %" PRId64 ", but the record says %" PRId64,
                        (int)partition, offset, state->offset);
}

static void start_reading(struct life *l, int32_t partition, int64_t offset)
{
    struct life_partition *p = &l->partitions[partition];
    const struct world_partition *state = &l->world->state[partition];
    const struct feed_log *log = &l->world->feed.logs[partition];
    world_trace(l->world, "  -> read p%d from %" PRId64, (int)partition, offset);
    check_read(l, partition, offset);
    p->reading = true;
    p->next = feed_log_find(log, offset);
    p->first = feed_log_find(log, state->committed ? state->offset : offset);
    p->eof_told = p->eof_pending = -1;
}

static void send_store(struct life *l, unsigned pipe, struct object *object)
{
    struct encode_report report;
    struct buf content;
    buf_init(&content, CONTENT_MAX_BYTES);
    ASSERT(encode_object(l->config.schema, object, &content, &report) == 0);
    struct life_store store = {
        .pipe = pipe,
        .id = object->id,
        .name = mem_strdup(object->name),
        .object = {.name = mem_strdup(object->name), .len = content.len, .kind = object->kind},
        .end_ms = object->window_end_ms,
        .partition = object->kind == OBJECT_MINI_BATCH ? 0 : (unsigned)object->partition,
    };
    store.object.content = buf_take(&content);
    hash_bytes(l, store.name, strlen(store.name));
    hash_bytes(l, store.object.content, store.object.len);
    if (store.object.kind != OBJECT_MINI_BATCH)
        sscanf(strrchr(store.name, '-'), "-%" SCNd64, &store.first_offset);
    world_trace(l->world, "  -> store %s (id %" PRIu64 ", %" PRIu64 " rows)", store.name, store.id,
                object->rows);
    if (report.rows != object->rows || object->rows == 0)
        world_violation(l->world, "%s: %" PRIu64 " rows encoded, %" PRIu64 " announced", store.name,
                        report.rows, object->rows);
    object_free(object);
    if (l->store_count == l->store_cap) {
        l->store_cap = l->store_cap ? l->store_cap * 2 : 16;
        l->stores = mem_realloc(l->stores, l->store_cap * sizeof(*l->stores));
    }
    l->stores[l->store_count++] = store;
    l->stats->stores++;
}

/* The heart of the rule, seen at once: a record never passes what is not durable. */
static void check_durable(struct life *l, unsigned pipe, unsigned partition,
                          const struct commit_record *record)
{
    for (size_t i = 0; i < l->store_count; i++) {
        const struct life_store *store = &l->stores[i];
        if (store->pipe != pipe || store->landed || world_has(l->world, store->name))
            continue;
        const enum object_kind kind = store->object.kind;
        if (kind == OBJECT_MINI_BATCH && store->end_ms <= record->frontier_ms)
            world_violation(l->world, "p%u: U passes %s, which is not durable", partition,
                            store->name);
        if (kind == OBJECT_MINI_BATCH || store->partition != partition)
            continue;
        if (store->first_offset < (kind == OBJECT_SIDE ? record->side_offset : record->raw_offset))
            world_violation(l->world, "p%u: %c passes %s, which is not durable", partition,
                            kind == OBJECT_SIDE ? 'S' : 'R', store->name);
        if (store->first_offset < record->floor)
            world_violation(l->world, "p%u: L passes %s, which is not durable", partition,
                            store->name);
    }
}

static void send_commit(struct life *l, unsigned pipe, int32_t partition, int64_t offset,
                        struct slice metadata)
{
    struct life_commit *commit = &l->partitions[partition].commit;
    struct commit_record record;
    struct err err = {0};
    world_trace(l->world, "  -> commit p%d %" PRId64 " %.*s", (int)partition, offset,
                (int)metadata.len, metadata.ptr);
    hash_bytes(l, &offset, sizeof(offset));
    hash_bytes(l, metadata.ptr, metadata.len);
    if (commit->active)
        world_violation(l->world, "p%d: two commits in flight", (int)partition);
    if (metadata.len > COMMIT_MAX_BYTES)
        world_violation(l->world, "p%d: a record of %zu bytes", (int)partition, metadata.len);
    if (commit_decode(metadata, offset, &record, &err) == 0)
        check_durable(l, pipe, (unsigned)partition, &record);
    mem_free(commit->metadata);
    *commit = (struct life_commit){.active = true,
                                   .offset = offset,
                                   .metadata = mem_dup(metadata.ptr, metadata.len),
                                   .len = metadata.len};
    l->stats->commits++;
}

static void stop_partition(struct life *l, const struct pipeline_action *action)
{
    const bool memory = action->stop.code == ERR_TOO_LARGE && l->options.memory_limit_bytes > 0;
    world_trace(l->world, "  -> stop p%d: %s", (int)action->stop.partition, action->stop.reason);
    l->partitions[action->stop.partition].stopped = true;
    l->stopped = true;
    l->stats->stops++;
    if (!memory && !l->options.may_stop)
        world_violation(l->world, "p%d is stopped: %s", (int)action->stop.partition,
                        action->stop.reason);
}

void actions_carry_out(struct life *l, unsigned index, const struct pipeline_action *action)
{
    struct life_pipe *pipe = &l->pipes[index];
    hash_bytes(l, &action->kind, sizeof(action->kind));
    switch (action->kind) {
    case ACTION_READ:
        start_reading(l, action->read.partition, action->read.offset);
        break;
    case ACTION_STORE:
        send_store(l, index, action->store.object);
        break;
    case ACTION_COMMIT:
        send_commit(l, index, action->commit.partition, action->commit.offset,
                    action->commit.metadata);
        break;
    case ACTION_STOP_PARTITION:
        stop_partition(l, action);
        break;
    case ACTION_WAKE_AT:
        pipe->wake_ms = action->wake.at_ms;
        hash_bytes(l, &pipe->wake_ms, sizeof(pipe->wake_ms));
        break;
    case ACTION_DRAINED:
        world_trace(l->world, "  -> drained");
        if (pipe->drained)
            world_violation(l->world, "DRAINED twice");
        pipe->drained = true;
        l->stats->drained++;
        break;
    }
}
