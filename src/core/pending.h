/* pending.h -- objects of one partition that were handed out and are not yet
 * acknowledged, with where the rows of each begin: what of them holds the floor
 * back. */
#ifndef TURNSTILE_CORE_PENDING_H
#define TURNSTILE_CORE_PENDING_H

#include "core/panes.h"

struct pending_object {
    uint64_t object_id;
    struct origin origin;
};

struct pending {
    struct pending_object *objects;
    size_t count, cap;
};

void pending_deinit(struct pending *p); /* all zero is an empty one */

void pending_add(struct pending *p, uint64_t object_id, const struct origin *origin);
void pending_stored(struct pending *p, uint64_t object_id); /* acknowledged */

/* The lowest origin of all; false: there is none, *first is left alone. */
bool pending_first(const struct pending *p, struct origin *first);

#endif
