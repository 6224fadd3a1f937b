/* arena.h -- memory that is given out piece by piece and taken back all at once.
 *
 * Pieces stay where they are until arena_reset(). Once warm, a round of reset and
 * allocations of the same size calls no allocator. Sizes must be bounded by the
 * caller; out of memory aborts. */
#ifndef TURNSTILE_BASE_ARENA_H
#define TURNSTILE_BASE_ARENA_H

#include "base/base.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *newest; /* the one that is filled */
    size_t held_bytes;          /* of all chunks */
    size_t keep_bytes;          /* what arena_reset() keeps at most */
};

void arena_init(struct arena *a, size_t keep_bytes);
void arena_deinit(struct arena *a);

/* Everything given out is invalid. Several chunks become one of their size, unless that is more
 * than keep_bytes. */
void arena_reset(struct arena *a);

/* Aligned for any int64; never NULL. */
void *arena_alloc(struct arena *a, size_t bytes);

/* Room of at least `bytes`, of which arena_commit() then keeps the first `used`; between the two no
 * other call. Not aligned. */
char *arena_reserve(struct arena *a, size_t bytes);
void arena_commit(struct arena *a, size_t used);

#endif
