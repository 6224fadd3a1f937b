/* outbox.h -- the actions of one step, in order, and the stores that are not yet
 * answered.
 *
 * Owns the objects and commit texts of actions until they are taken or the next
 * step begins. */
#ifndef TURNSTILE_CORE_OUTBOX_H
#define TURNSTILE_CORE_OUTBOX_H

#include "core/pipeline.h"

/* A store that the lake has not acknowledged. */
struct outbox_store {
    uint64_t id;
    enum object_kind kind;
    int64_t end_ms;   /* of a mini-batch */
    size_t partition; /* index, of a side or raw object */
    uint64_t rows;
    char *name; /* for messages */
};

struct outbox {
    struct pipeline_action *actions;
    size_t count, next, cap;
    struct outbox_store *stores;
    size_t store_count, store_cap;
    uint64_t store_rows; /* of all of them: what they take of memory goes with it */
    uint64_t last_id;    /* never reused, so that a late answer cannot meet another store */
    int64_t wake_ms;     /* as last said, or INT64_MAX */
};

void outbox_init(struct outbox *o);
void outbox_deinit(struct outbox *o);
void outbox_begin(struct outbox *o); /* a new step: actions not taken are freed */

void outbox_read(struct outbox *o, int32_t partition, int64_t offset);
/* Takes the object and gives it its id, which is returned; `index` is the partition's for a side
 * or raw object. */
uint64_t outbox_store(struct outbox *o, struct object *object, size_t index);
void outbox_commit(struct outbox *o, int32_t partition, int64_t offset, struct slice metadata);
void outbox_stop(struct outbox *o, int32_t partition, int code, const char *reason);
void outbox_wake(struct outbox *o, int64_t at_ms); /* said only when it differs from the last */
void outbox_drained(struct outbox *o);

bool outbox_next(struct outbox *o, struct pipeline_action *action);

/* Remove the unanswered store with this id into *store (whose name the caller frees with
 * mem_free()); false: unknown, an answer from an earlier assignment. */
bool outbox_take_store(struct outbox *o, uint64_t id, struct outbox_store *store);
const struct outbox_store *outbox_find_store(const struct outbox *o, uint64_t id);
void outbox_forget_stores(struct outbox *o); /* the assignment is gone */

/* Smallest window end among unanswered mini-batches, or INT64_MAX. */
int64_t outbox_lowest_end(const struct outbox *o);

#endif
