/* world.h -- what survives a crash: the logs, the committed records, the lake.
 *
 * Plays Kafka and the lake, and is the referee of what can be seen at once: a
 * name written with two contents, a record that does not decode, U, S, R or L
 * falling, a record that passes what is not durable. The first violation is kept
 * as text; what only shows at the end is the oracle's. */
#ifndef TURNSTILE_SIMULATION_WORLD_H
#define TURNSTILE_SIMULATION_WORLD_H

#include "base/base.h"
#include "base/slice.h"
#include "core/commit.h"
#include "core/object.h"
#include "feed.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_VIOLATION_BYTES 1024

struct world_object {
    char *name, *content; /* owned */
    size_t len;
    enum object_kind kind;
};

struct world_objects {
    struct world_object *items;
    size_t count, capacity;
};

/* The punctuations ever committed for a partition, by offset. */
struct world_cuts {
    struct commit_cut *items;
    size_t count, capacity;
};

struct world_partition {
    bool committed;
    int64_t offset;
    char *metadata; /* owned */
    size_t metadata_len;
    struct commit_record record; /* the same, decoded */
    struct world_cuts cuts;
};

struct world {
    struct feed feed;
    unsigned partitions; /* that exist by now */
    struct world_partition state[FEED_MAX_PARTITIONS];
    struct world_objects lake;
    struct world_objects wire; /* puts of dead processes that may still land */
    unsigned violations;
    char violation[WORLD_VIOLATION_BYTES]; /* the first */
    bool verbose;
};

void world_init(struct world *w, const struct feed_config *config, struct rng *rng, bool verbose);
void world_deinit(struct world *w);

/* Records a violation. */
void world_violation(struct world *w, const char *format, ...) FORMAT_PRINTF(2, 3);
/* A line of the trace, if it is wanted. */
void world_trace(const struct world *w, const char *format, ...) FORMAT_PRINTF(2, 3);

/* The object is durable from here on; takes name and content. */
void world_put(struct world *w, const struct world_object *object);
bool world_has(const struct world *w, const char *name);
/* Valid until the next put; NULL: it is not there. */
const struct world_object *world_find(const struct world *w, const char *name);

/* The record of a partition is this from here on. */
void world_commit(struct world *w, unsigned partition, int64_t offset, struct slice metadata);

/* A put of a process that died: it lands later (world_land_late()) or never. Takes the object. */
void world_keep_on_wire(struct world *w, const struct world_object *object);
void world_land_late(struct world *w, struct rng *rng);

void world_object_free(struct world_object *object);
void world_objects_add(struct world_objects *list, const struct world_object *object);

#endif
