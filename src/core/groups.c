#include "core/groups.h"

#include "base/mem.h"

#include <stdlib.h>

#define GROUPS_FIRST_SLOTS 64         /* power of two; a pane of a quiet minute fits */
#define GROUPS_CHUNK_BYTES (4 * 1024) /* of key bytes; a larger key gets a chunk of its own */

struct group_entry {
    uint64_t hash;
    const char *key; /* in a chunk */
    uint32_t key_len;
};

/* Key bytes live in chunks that never move, so entries may be sorted and tables grow. */
struct key_chunk {
    struct key_chunk *next;
    size_t used, cap;
    char bytes[];
};

struct groups {
    const struct schema *schema;
    uint32_t *slots; /* entry index + 1, or 0; open addressing, linear probing */
    size_t slot_mask;
    struct group_entry *entries;
    groups_sum *sums; /* entry i: sums[i * measure_count ...] */
    size_t count, cap;
    struct key_chunk *chunks;
    size_t chunk_bytes;
};

struct groups *groups_new(const struct schema *schema)
{
    struct groups *g = mem_calloc(1, sizeof(*g));
    g->schema = schema;
    g->slots = mem_calloc(GROUPS_FIRST_SLOTS, sizeof(*g->slots));
    g->slot_mask = GROUPS_FIRST_SLOTS - 1;
    return g;
}

void groups_free(struct groups *g)
{
    if (g == NULL)
        return;
    while (g->chunks != NULL) {
        struct key_chunk *next = g->chunks->next;
        mem_free(g->chunks);
        g->chunks = next;
    }
    mem_free(g->slots);
    mem_free(g->entries);
    mem_free(g->sums);
    mem_free(g);
}

static const char *keep_key(struct groups *g, struct slice key)
{
    struct key_chunk *chunk = g->chunks;
    if (chunk == NULL || chunk->cap - chunk->used < key.len) {
        const size_t cap = key.len > GROUPS_CHUNK_BYTES ? key.len : GROUPS_CHUNK_BYTES;
        chunk = mem_alloc(sizeof(*chunk) + cap);
        chunk->next = g->chunks;
        chunk->used = 0;
        chunk->cap = cap;
        g->chunks = chunk;
        g->chunk_bytes += sizeof(*chunk) + cap;
    }
    char *copy = chunk->bytes + chunk->used;
    if (key.len > 0)
        memcpy(copy, key.ptr, key.len);
    chunk->used += key.len;
    return copy;
}

static void rebuild_slots(struct groups *g, size_t slot_count)
{
    mem_free(g->slots);
    g->slots = mem_calloc(slot_count, sizeof(*g->slots));
    g->slot_mask = slot_count - 1;
    for (size_t i = 0; i < g->count; i++) {
        size_t slot = g->entries[i].hash & g->slot_mask;
        while (g->slots[slot] != 0)
            slot = (slot + 1) & g->slot_mask;
        g->slots[slot] = (uint32_t)(i + 1);
    }
}

/* Totals before the first value: the identity of each function. */
static void init_sums(const struct schema *schema, groups_sum *sums)
{
    for (unsigned m = 0; m < schema->measure_count; m++) {
        switch (schema->measures[m].function) {
        case SCHEMA_SUM:
        case SCHEMA_COUNT:
            sums[m] = 0;
            break;
        case SCHEMA_MIN:
            sums[m] = INT64_MAX;
            break;
        case SCHEMA_MAX:
            sums[m] = INT64_MIN;
            break;
        }
    }
}

static void combine(enum schema_function function, groups_sum *total, groups_sum value)
{
    switch (function) {
    case SCHEMA_SUM:
    case SCHEMA_COUNT:
        *total += value;
        break;
    case SCHEMA_MIN:
        if (value < *total)
            *total = value;
        break;
    case SCHEMA_MAX:
        if (value > *total)
            *total = value;
        break;
    }
}

static size_t add_entry(struct groups *g, uint64_t hash, struct slice key)
{
    const unsigned measures = g->schema->measure_count;
    ASSERT(g->count < UINT32_MAX - 1 && key.len <= UINT32_MAX);
    if (g->count == g->cap) {
        g->cap = g->cap > 0 ? g->cap * 2 : GROUPS_FIRST_SLOTS / 2;
        g->entries = mem_realloc(g->entries, g->cap * sizeof(*g->entries));
        g->sums = mem_realloc(g->sums, g->cap * measures * sizeof(*g->sums));
    }
    const size_t i = g->count++;
    g->entries[i] = (struct group_entry){hash, keep_key(g, key), (uint32_t)key.len};
    init_sums(g->schema, g->sums + i * measures);
    return i;
}

/* The group's totals; a new group is made where there is none. */
static groups_sum *find_or_add(struct groups *g, uint64_t hash, struct slice key)
{
    if ((g->count + 1) * 2 > g->slot_mask + 1) /* at most half full: short probes */
        rebuild_slots(g, (g->slot_mask + 1) * 2);
    size_t slot = hash & g->slot_mask;
    size_t i;
    for (;; slot = (slot + 1) & g->slot_mask) {
        if (g->slots[slot] == 0) {
            i = add_entry(g, hash, key);
            g->slots[slot] = (uint32_t)(i + 1);
            break;
        }
        i = g->slots[slot] - 1;
        const struct group_entry *e = &g->entries[i];
        if (e->hash == hash && e->key_len == key.len &&
            (key.len == 0 || memcmp(e->key, key.ptr, key.len) == 0))
            break;
    }
    return g->sums + i * g->schema->measure_count;
}

void groups_add(struct groups *g, uint64_t hash, struct slice key, const int64_t *measures)
{
    groups_sum *sums = find_or_add(g, hash, key);
    for (unsigned m = 0; m < g->schema->measure_count; m++)
        combine(g->schema->measures[m].function, &sums[m], measures[m]);
}

void groups_merge(struct groups *to, const struct groups *from)
{
    ASSERT(to->schema == from->schema);
    const unsigned measures = to->schema->measure_count;
    for (size_t i = 0; i < from->count; i++) {
        const struct group_entry *e = &from->entries[i];
        groups_sum *sums = find_or_add(to, e->hash, (struct slice){e->key, e->key_len});
        for (unsigned m = 0; m < measures; m++)
            combine(to->schema->measures[m].function, &sums[m], from->sums[i * measures + m]);
    }
}

size_t groups_count(const struct groups *g)
{
    return g->count;
}

size_t groups_memory_bytes(const struct groups *g)
{
    return sizeof(*g) + (g->slot_mask + 1) * sizeof(*g->slots) + g->cap * sizeof(*g->entries) +
           g->cap * g->schema->measure_count * sizeof(*g->sums) + g->chunk_bytes;
}

struct sort_item {
    struct slice key;
    size_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;
    return slice_compare(x->key, y->key);
}

void groups_sort(struct groups *g)
{
    const unsigned measures = g->schema->measure_count;
    struct sort_item *order = mem_calloc(g->count, sizeof(*order));
    for (size_t i = 0; i < g->count; i++)
        order[i] = (struct sort_item){{g->entries[i].key, g->entries[i].key_len}, i};
    if (g->count > 0)
        qsort(order, g->count, sizeof(*order), by_key);

    struct group_entry *entries = mem_alloc(g->count * sizeof(*entries));
    groups_sum *sums = mem_alloc(g->count * measures * sizeof(*sums));
    for (size_t i = 0; i < g->count; i++) {
        entries[i] = g->entries[order[i].index];
        memcpy(sums + i * measures, g->sums + order[i].index * measures, measures * sizeof(*sums));
    }
    mem_free(order);
    mem_free(g->entries);
    mem_free(g->sums);
    g->entries = entries;
    g->sums = sums;
    g->cap = g->count;
    rebuild_slots(g, g->slot_mask + 1);
}

const groups_sum *groups_entry(const struct groups *g, size_t i, struct slice *key)
{
    ASSERT(i < g->count);
    *key = (struct slice){g->entries[i].key, g->entries[i].key_len};
    return g->sums + i * g->schema->measure_count;
}
