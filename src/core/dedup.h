/* dedup.h -- the sets of dedup keys already windowed, one set a pane, one table
 * for all panes of a partition.
 *
 * An entry is 16 bytes: 112 bits of the key's fingerprint and 16 bits that say
 * which set it is in. Two different keys of one set are taken for one with a
 * probability of n^2 / 2^113 for n live keys: about 1e-20 for ten million. A set
 * that is closed costs nothing at once; its entries are dropped when the table is
 * rebuilt, at the latest when it would grow.
 *
 * Sets are independent: equal keys in two sets do not meet. */
#ifndef TURNSTILE_CORE_DEDUP_H
#define TURNSTILE_CORE_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEDUP_NO_SET 0
#define DEDUP_MAX_SETS 65535 /* open at a time: what 16 bits can name */

struct dedup;

struct dedup *dedup_new(void);
void dedup_free(struct dedup *d); /* NULL is a no-op */

/* A new empty set, or DEDUP_NO_SET when DEDUP_MAX_SETS are open. */
uint16_t dedup_open(struct dedup *d);

/* Forget the set with its `keys` entries (as many as dedup_add() said true for). */
void dedup_close(struct dedup *d, uint16_t set, size_t keys);

/* True: the key was not in the set, and is now. */
bool dedup_add(struct dedup *d, uint16_t set, const uint64_t key[2]);

size_t dedup_live(const struct dedup *d); /* keys in open sets */
size_t dedup_memory_bytes(const struct dedup *d);

#endif
