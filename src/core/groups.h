/* groups.h -- a table from group to running totals: what a pane, a contribution
 * and a mini-batch are made of.
 *
 * Owns its keys and totals. Sums are 128 bits wide and cannot overflow: 2^63 rows
 * of int64 fit. Iteration order is insertion order; groups_sort() puts the entries
 * in bytewise order of their keys, which is the order of a mini-batch. */
#ifndef TURNSTILE_CORE_GROUPS_H
#define TURNSTILE_CORE_GROUPS_H

#include "base/slice.h"
#include "core/schema.h"

#include <stdint.h>

__extension__ typedef __int128 groups_sum; /* the one name for it; -Wpedantic knows no __int128 */

struct groups;

/* Totals of `measure_count` measures a group; functions[] says how two values are combined. */
struct groups *groups_new(const struct schema *schema);
void groups_free(struct groups *g);

/* Add one row's measures (schema->measure_count values) to its group. */
void groups_add(struct groups *g, uint64_t hash, struct slice key, const int64_t *measures);

/* Add every total of `from` to `to`. */
void groups_merge(struct groups *to, const struct groups *from);

size_t groups_count(const struct groups *g);
size_t groups_memory_bytes(const struct groups *g);

/* Order entries by key, bytewise. */
void groups_sort(struct groups *g);

/* The i-th entry, 0 <= i < count; *key stays valid until g changes. Returns measure_count totals.
 */
const groups_sum *groups_entry(const struct groups *g, size_t i, struct slice *key);

#endif
