#include "base/arena.h"

#include "base/mem.h"

#define CHUNK_MIN_BYTES (64 * 1024) /* some hundred rows; smaller ones would be many */
#define ALIGN_BYTES sizeof(int64_t)

struct arena_chunk {
    struct arena_chunk *older;
    size_t used, cap;
    int64_t bytes[]; /* cap bytes */
};

void arena_init(struct arena *a, size_t keep_bytes)
{
    *a = (struct arena){.keep_bytes = keep_bytes};
}

static void add_chunk(struct arena *a, size_t cap)
{
    struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + cap);
    chunk->older = a->newest;
    chunk->used = 0;
    chunk->cap = cap;
    a->newest = chunk;
    a->held_bytes += cap;
}

void arena_deinit(struct arena *a)
{
    while (a->newest != NULL) {
        struct arena_chunk *older = a->newest->older;
        mem_free(a->newest);
        a->newest = older;
    }
    a->held_bytes = 0;
}

void arena_reset(struct arena *a)
{
    if (a->newest == NULL)
        return;
    if (a->newest->older == NULL && a->held_bytes <= a->keep_bytes) {
        a->newest->used = 0;
        return;
    }
    const size_t cap = a->held_bytes;
    arena_deinit(a);
    if (cap <= a->keep_bytes)
        add_chunk(a, cap);
}

char *arena_reserve(struct arena *a, size_t bytes)
{
    struct arena_chunk *chunk = a->newest;
    if (chunk == NULL || chunk->cap - chunk->used < bytes) {
        add_chunk(a, bytes > CHUNK_MIN_BYTES ? bytes : CHUNK_MIN_BYTES);
        chunk = a->newest;
    }
    return (char *)chunk->bytes + chunk->used;
}

void arena_commit(struct arena *a, size_t used)
{
    ASSERT(used <= a->newest->cap - a->newest->used);
    a->newest->used += used;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    ASSERT(bytes < SIZE_MAX / 2);
    struct arena_chunk *chunk = a->newest;
    if (chunk != NULL) {
        const size_t aligned = (chunk->used + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
        chunk->used = aligned < chunk->cap ? aligned : chunk->cap;
    }
    char *room = arena_reserve(a, bytes);
    arena_commit(a, bytes);
    return room;
}
