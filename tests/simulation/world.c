#include "world.h"

#include "base/err.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void world_object_free(struct world_object *object)
{
    mem_free(object->name);
    mem_free(object->content);
    *object = (struct world_object){0};
}

void world_objects_add(struct world_objects *list, const struct world_object *object)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 32;
        list->items = mem_realloc(list->items, list->capacity * sizeof(*list->items));
    }
    list->items[list->count++] = *object;
}

static void free_objects(struct world_objects *list)
{
    for (size_t i = 0; i < list->count; i++)
        world_object_free(&list->items[i]);
    mem_free(list->items);
    *list = (struct world_objects){0};
}

void world_init(struct world *w, const struct feed_config *config, struct rng *rng, bool verbose)
{
    memset(w, 0, sizeof(*w));
    w->verbose = verbose;
    feed_init(&w->feed, config, rng);
    w->partitions = config->partitions;
    if (!config->partition_scope && config->partitions > 1 && rng_chance(rng, 20))
        w->partitions -= 1 + rng_below(rng, config->partitions - 1); /* the others come later */
}

void world_deinit(struct world *w)
{
    for (unsigned p = 0; p < FEED_MAX_PARTITIONS; p++) {
        mem_free(w->state[p].metadata);
        mem_free(w->state[p].cuts.items);
    }
    free_objects(&w->lake);
    free_objects(&w->wire);
    feed_deinit(&w->feed);
}

void world_violation(struct world *w, const char *format, ...)
{
    char text[WORLD_VIOLATION_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    world_trace(w, "VIOLATION: %s", text);
    if (w->violations++ == 0)
        memcpy(w->violation, text, sizeof(text));
}

void world_trace(const struct world *w, const char *format, ...)
{
    if (!w->verbose)
        return;
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* ---- the lake ---- */

const struct world_object *world_find(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->lake.count; i++) {
        if (strcmp(w->lake.items[i].name, name) == 0)
            return &w->lake.items[i];
    }
    return NULL;
}

bool world_has(const struct world *w, const char *name)
{
    return world_find(w, name) != NULL;
}

void world_put(struct world *w, const struct world_object *object)
{
    const struct world_object *old = world_find(w, object->name);
    struct world_object mine = *object;
    if (!old) {
        world_objects_add(&w->lake, &mine);
        return;
    }
    if (old->len != mine.len || memcmp(old->content, mine.content, mine.len) != 0)
        world_violation(w, "%s written with two contents:\n%.*s--- and\n%.*s", mine.name,
                        (int)old->len, old->content, (int)mine.len, mine.content);
    world_object_free(&mine);
}

void world_keep_on_wire(struct world *w, const struct world_object *object)
{
    world_objects_add(&w->wire, object);
}

void world_land_late(struct world *w, struct rng *rng)
{
    if (!w->wire.count)
        return;
    const size_t i = rng_below(rng, (unsigned)w->wire.count);
    const struct world_object object = w->wire.items[i];
    w->wire.items[i] = w->wire.items[--w->wire.count];
    world_trace(w, "  late put lands: %s", object.name);
    world_put(w, &object);
}

/* ---- the group's records ---- */

static void know_cut(struct world_cuts *cuts, struct commit_cut cut)
{
    size_t i = 0;
    while (i < cuts->count && cuts->items[i].offset < cut.offset)
        i++;
    if (i < cuts->count && cuts->items[i].offset == cut.offset) {
        if (cuts->items[i].watermark_ms < cut.watermark_ms)
            cuts->items[i].watermark_ms = cut.watermark_ms;
        return;
    }
    if (cuts->count == cuts->capacity) {
        cuts->capacity = cuts->capacity ? cuts->capacity * 2 : 16;
        cuts->items = mem_realloc(cuts->items, cuts->capacity * sizeof(*cuts->items));
    }
    memmove(cuts->items + i + 1, cuts->items + i, (cuts->count - i) * sizeof(*cuts->items));
    cuts->items[i] = cut;
    cuts->count++;
}

static void check_record(struct world *w, unsigned partition, const struct commit_record *now)
{
    const struct world_partition *p = &w->state[partition];
    if (!p->committed)
        return;
    if (now->floor < p->record.floor || now->frontier_ms < p->record.frontier_ms ||
        now->side_offset < p->record.side_offset || now->raw_offset < p->record.raw_offset ||
        now->watermark_ms < p->record.watermark_ms)
        world_violation(w,
                        "p%u: the record falls: L %" PRId64 " -> %" PRId64 ", U %" PRId64
                        " -> %" PRId64 ", S %" PRId64 " -> %" PRId64 ", R %" PRId64 " -> %" PRId64
                        ", W %" PRId64 " -> %" PRId64,
                        partition, p->record.floor, now->floor, p->record.frontier_ms,
                        now->frontier_ms, p->record.side_offset, now->side_offset,
                        p->record.raw_offset, now->raw_offset, p->record.watermark_ms,
                        now->watermark_ms);
}

void world_commit(struct world *w, unsigned partition, int64_t offset, struct slice metadata)
{
    struct world_partition *p = &w->state[partition];
    struct commit_record record;
    struct err err = {0};
    if (commit_decode(metadata, offset, &record, &err) != 0) {
        world_violation(w, "p%u: a record that does not decode: %s", partition, err.text);
        return;
    }
    check_record(w, partition, &record);
    for (unsigned i = 0; i < record.cut_count; i++) {
        if (record.cuts[i].offset < offset)
            world_violation(w, "p%u: a punctuation below the floor", partition);
        know_cut(&p->cuts, record.cuts[i]);
    }
    mem_free(p->metadata);
    p->metadata = mem_dup(metadata.ptr, metadata.len);
    p->metadata_len = metadata.len;
    p->offset = offset;
    p->record = record;
    p->committed = true;
}
