#include "core/pipeline.h"

#include "base/mem.h"
#include "core/committer.h"
#include "core/partition.h"
#include "core/punctuate.h"

#include <inttypes.h>

#define PIPELINE_MEMORY_EVERY \
    16 /* steps between two countings: counting costs a walk over the panes */

struct pipeline {
    struct pipeline_config config;
    struct stage stage;
    struct partition *partitions;
    size_t count;
    int64_t assigned_ms;
    bool assigned;
    bool reading; /* READ has been said */
    bool told_to_drain;
    bool draining; /* DRAIN came, or --once is settled */
    bool drained;
    uint64_t batches_stored;
    size_t memory_bytes; /* as last counted */
    unsigned steps;
};

/* ---- life ---- */

struct pipeline *pipeline_new(const struct pipeline_config *config)
{
    struct pipeline *p = mem_calloc(1, sizeof(*p));
    const struct decode_options options = {.max_future_skew_ms = config->max_future_skew_ms};
    p->config = *config;
    p->stage.config = &p->config;
    p->stage.shape = window_shape_of(config->duration_ms, config->slide_ms);
    p->stage.decoder = decoder_new(config->schema, &options);
    p->stage.fingerprint = pipeline_fingerprint(config);
    p->stage.frontier_ms = WATERMARK_NONE;
    merge_init(&p->stage.merge, INT64_MIN);
    outbox_init(&p->stage.outbox);
    return p;
}

/* Drop everything that belongs to an assignment. */
static void drop_assignment(struct pipeline *p)
{
    for (size_t i = 0; i < p->count; i++)
        partition_deinit(&p->partitions[i]);
    mem_free(p->partitions);
    p->partitions = NULL;
    p->count = 0;
    p->assigned = false;
    p->reading = false;
    p->draining = p->told_to_drain; /* --once begins again: what was settled is not stored */
    p->stage.frontier_ms = WATERMARK_NONE;
    merge_deinit(&p->stage.merge);
    outbox_forget_stores(&p->stage.outbox);
}

void pipeline_free(struct pipeline *p)
{
    if (p == NULL)
        return;
    drop_assignment(p);
    outbox_deinit(&p->stage.outbox);
    decoder_free(p->stage.decoder);
    mem_free(p);
}

static struct partition *find(const struct pipeline *p, int32_t id)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->partitions[i].id == id)
            return &p->partitions[i];
    return NULL;
}

static void stop_all(struct pipeline *p, int code, const char *reason)
{
    for (size_t i = 0; i < p->count; i++)
        partition_stop(&p->partitions[i], code, "%s", reason);
}

/* ---- events ---- */

/* U is the largest of all records of these settings: what one of them knows to be durable is
 * durable. Windows of other settings are other windows. */
static int64_t frontier_of(const struct pipeline_partition *from, size_t count,
                           uint64_t fingerprint)
{
    int64_t frontier_ms = WATERMARK_NONE;
    for (size_t i = 0; i < count; i++) {
        struct commit_record r;
        struct err err;
        if (from[i].committed != RECORD_NO_OFFSET &&
            commit_decode(from[i].metadata, from[i].committed, &r, &err) == 0 &&
            r.fingerprint == fingerprint && r.frontier_ms > frontier_ms)
            frontier_ms = r.frontier_ms;
    }
    return frontier_ms;
}

/* Some partitions have a record and some not: the latter appeared later. */
static void await_others(struct pipeline *p)
{
    bool others = false;
    for (size_t i = 0; i < p->count; i++)
        others = others || !p->partitions[i].needs_first_record;
    for (size_t i = 0; i < p->count; i++)
        p->partitions[i].awaits_others = others && p->partitions[i].needs_first_record;
}

static void on_assigned(struct pipeline *p, const struct pipeline_event *e)
{
    drop_assignment(p);
    p->assigned = true;
    p->assigned_ms = e->now_ms;
    p->count = e->assigned.count;
    p->partitions = mem_calloc(p->count, sizeof(*p->partitions));
    p->stage.frontier_ms = frontier_of(e->assigned.partitions, p->count, p->stage.fingerprint);
    merge_init(&p->stage.merge, p->stage.frontier_ms);
    for (size_t i = 0; i < p->count; i++) {
        struct partition *part = &p->partitions[i];
        partition_init(part, &p->stage, i, &e->assigned.partitions[i], e->now_ms);
        part->contributed_ms = p->stage.frontier_ms;
    }
    await_others(p);
    for (size_t i = 0; i < p->count; i++) {
        struct partition *part = &p->partitions[i];
        if (part->stopped || part->awaits_others)
            continue;
        if (part->needs_first_record)
            committer_first(part, e->now_ms);
        else {
            partition_raise(part, part->watermark_ms);
            partition_apply_cuts(part, part->position);
        }
    }
}

static void on_stored(struct pipeline *p, uint64_t object_id)
{
    struct outbox_store store;
    if (!outbox_take_store(&p->stage.outbox, object_id, &store))
        return; /* of an earlier assignment */
    switch (store.kind) {
    case OBJECT_MINI_BATCH:
        p->batches_stored++;
        break;
    case OBJECT_SIDE:
        pending_stored(&p->partitions[store.partition].side.pending, object_id);
        break;
    case OBJECT_RAW:
        pending_stored(&p->partitions[store.partition].raw.pending, object_id);
        break;
    }
    mem_free(store.name);
}

static void on_store_failed(struct pipeline *p, uint64_t object_id, const char *reason)
{
    const struct outbox_store *store = outbox_find_store(&p->stage.outbox, object_id);
    char text[ERR_TEXT_BYTES];
    struct err err;
    if (store == NULL)
        return;
    err_set(&err, ERR_CONFLICT,
            "%s is in the lake already with other content (%s): nothing was overwritten; another "
            "job writes under this prefix, or the object was changed; look at it, then use another "
            "--prefix or move it away",
            store->name, reason);
    memcpy(text, err.text, sizeof(text));
    stop_all(p, ERR_CONFLICT, text); /* its store stays unanswered: U never passes it */
}

static void on_partition_event(struct pipeline *p, const struct pipeline_event *e)
{
    struct partition *part;
    switch (e->kind) {
    case EVENT_RECORDS:
        part = find(p, e->records.partition);
        if (part == NULL || part->stopped)
            break;
        ASSERT(p->reading && !part->commit.punctuates && !part->needs_first_record &&
               !partition_owes(part)); /* pipeline_may_read() said no */
        partition_read(part, e->records.records, e->records.count, e->now_ms);
        break;
    case EVENT_END_OF_LOG:
        part = find(p, e->end_of_log.partition);
        if (part != NULL && !part->stopped && p->reading && !part->needs_first_record)
            partition_end_of_log(part, e->end_of_log.offset);
        break;
    case EVENT_COMMITTED:
        part = find(p, e->committed.partition);
        if (part != NULL)
            committer_answered(part, e->committed.result, e->now_ms);
        break;
    case EVENT_READ_ERROR:
        part = find(p, e->read_error.partition);
        if (part != NULL)
            partition_stop(part, ERR_FATAL, "partition %" PRId32 " of %s cannot be read on: %s",
                           part->id, p->config.topic, e->read_error.reason);
        break;
    default:
        break;
    }
}

/* ---- after the event: what follows from it ---- */

static void emit(struct pipeline *p)
{
    struct stage *s = &p->stage;
    struct merge_window window;
    int64_t front_ms = INT64_MAX;
    for (size_t i = 0; i < p->count; i++)
        if (!p->partitions[i].awaits_others && p->partitions[i].contributed_ms < front_ms)
            front_ms = p->partitions[i].contributed_ms;
    while (merge_emit(&s->merge, front_ms, &window)) {
        struct object *o = mem_calloc(1, sizeof(*o));
        o->kind = OBJECT_MINI_BATCH;
        o->window_start_ms = window.end_ms - s->shape.duration_ms;
        o->window_end_ms = window.end_ms;
        o->partition = p->config.partition_scope ? p->partitions[0].id : -1;
        o->name = object_batch_name(p->config.prefix, o->window_start_ms, o->window_end_ms,
                                    s->shape.slide_ms, o->partition);
        o->groups = window.total;
        o->rows = groups_count(window.total);
        groups_sort(o->groups);
        outbox_store(&s->outbox, o, 0);
    }
}

/* Windows that punctuations have closed: the earliest first, so that the merge stage can emit it
 * and need not hold it. While draining the rest stays: the next process acts on the punctuation. */
static void contribute_owed(struct pipeline *p)
{
    const uint64_t most = p->config.rows_under_way > 0 ? p->config.rows_under_way : UINT64_MAX;
    while (!p->draining && p->stage.outbox.store_rows < most) {
        struct partition *first = NULL;
        for (size_t i = 0; i < p->count; i++) {
            struct partition *part = &p->partitions[i];
            if (partition_owes(part) && (first == NULL || part->next_end_ms < first->next_end_ms))
                first = part;
        }
        if (first == NULL)
            return;
        partition_contribute_next(first);
        emit(p);
    }
}

/* U: emitted, and nothing at or below it still on its way to the lake. */
static void raise_frontier(struct pipeline *p)
{
    struct stage *s = &p->stage;
    const int64_t lowest_end = outbox_lowest_end(&s->outbox);
    const int64_t durable_ms =
        s->merge.emitted_ms < lowest_end ? s->merge.emitted_ms : lowest_end - 1;
    if (durable_ms <= s->frontier_ms)
        return;
    s->frontier_ms = durable_ms;
    for (size_t i = 0; i < p->count; i++)
        panes_forget(&p->partitions[i].panes, durable_ms);
}

static void begin_reading(struct pipeline *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->partitions[i].needs_first_record && !p->partitions[i].awaits_others &&
            !p->partitions[i].stopped)
            return;
    p->reading = true;
    for (size_t i = 0; i < p->count; i++)
        if (!p->partitions[i].stopped)
            outbox_read(&p->stage.outbox, p->partitions[i].id,
                        partition_read_from(&p->partitions[i]));
}

/* A partition that appeared later must not add rows to a window that an earlier process may have
 * emitted without it, recorded or not. That process had read no further than the log ends of now,
 * so once the others are read up to there, nothing above what they have emitted is at risk. */
static void admit_latecomers(struct pipeline *p, int64_t now_ms)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct partition *part = &p->partitions[i];
        if (!part->awaits_others && (part->stopped || part->position < part->once_end))
            return;
    }
    for (size_t i = 0; i < p->count; i++) {
        struct partition *part = &p->partitions[i];
        if (!part->awaits_others || part->stopped)
            continue;
        part->awaits_others = false;
        part->contributed_ms = p->stage.merge.emitted_ms;
        committer_first(part, now_ms);
    }
}

static void count_memory(struct pipeline *p)
{
    p->memory_bytes = merge_memory_bytes(&p->stage.merge) + decoder_memory_bytes(p->stage.decoder);
    for (size_t i = 0; i < p->count; i++)
        p->memory_bytes += partition_memory_bytes(&p->partitions[i]);
}

/* Waiting for an upload or a punctuation, which may free memory? A punctuation is to come also
 * where only the clock is missing. */
static bool is_waiting(const struct pipeline *p)
{
    bool waiting = p->stage.outbox.store_count > 0 ||
                   punctuate_awaits_silence(&p->stage, p->partitions, p->count);
    for (size_t i = 0; i < p->count; i++)
        waiting = waiting || p->partitions[i].commit.punctuates;
    return waiting;
}

static void watch_memory(struct pipeline *p)
{
    const size_t limit = p->config.memory_limit_bytes;
    if (p->steps++ % PIPELINE_MEMORY_EVERY == 0)
        count_memory(p);
    if (limit == 0 || p->memory_bytes < limit || is_waiting(p))
        return;
    count_memory(p);
    if (p->memory_bytes < limit)
        return;
    struct err err;
    err_set(&err, ERR_TOO_LARGE,
            "the open windows hold %zu MiB, more than the %zu MiB that --memory-limit leaves them: "
            "raise it, or shorten --duration or --delay%s",
            p->memory_bytes >> 20, limit >> 20, p->config.raw ? ", or lower --batch-size" : "");
    stop_all(p, ERR_TOO_LARGE, err.text);
}

/* Above half of the limit only those furthest behind are read: what is ahead only fills panes. */
static bool is_furthest_behind(const struct pipeline *p, const struct partition *part)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct partition *other = &p->partitions[i];
        const bool done = other->at_end || (p->config.once && partition_is_done(other));
        if (!other->stopped && !done && !other->needs_first_record &&
            other->watermark_ms < part->watermark_ms)
            return false;
    }
    return true;
}

/* Is memory too short to read this partition now, or does it owe windows? */
static bool is_held_back(const struct pipeline *p, const struct partition *part)
{
    const size_t limit = p->config.memory_limit_bytes;
    if (partition_owes(part))
        return true;
    if (limit == 0 || p->memory_bytes < limit / 2)
        return false;
    /* at the limit only to hear whether one at its end, for which the others wait, is silent */
    return !is_furthest_behind(p, part) || (p->memory_bytes >= limit && !part->at_end);
}

/* Silence counts only while it can be heard: behind the end that was told last there may be records
 * that nobody fetched. */
static void hear(struct pipeline *p, bool reading_held, int64_t now_ms)
{
    for (size_t i = 0; i < p->count; i++) {
        struct partition *part = &p->partitions[i];
        const bool unheard = reading_held || is_held_back(p, part);
        if (unheard || part->unheard)
            part->active_ms = now_ms;
        part->unheard = unheard;
    }
}

/* Commit what has changed. True while a record is unanswered or still to be sent. */
static bool commit(struct pipeline *p, int64_t now_ms, int64_t *next_ms)
{
    /* While stores are under way the pace counts still: each would make every partition commit. */
    const bool last_words = p->draining && p->stage.outbox.store_count == 0;
    bool busy = false;
    for (size_t i = 0; i < p->count; i++) {
        struct partition *part = &p->partitions[i];
        if (!committer_offer(part, now_ms, last_words))
            continue;
        busy = true;
        const int64_t at_ms = committer_next_ms(part);
        if (at_ms < *next_ms)
            *next_ms = at_ms;
    }
    return busy;
}

static void settle(struct pipeline *p, bool reading_held, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    bool settled = false;

    hear(p, reading_held, now_ms);
    emit(p);
    contribute_owed(p);
    raise_frontier(p);
    if (p->reading && !p->draining)
        admit_latecomers(p, now_ms);
    if (!p->reading)
        begin_reading(p);
    if (p->reading &&
        !p->draining) { /* in the same step: with --once there may be nothing to read */
        next_ms = punctuate(&p->stage, p->partitions, p->count, p->assigned_ms, now_ms, &settled);
        p->draining = settled;
    }
    watch_memory(p);
    const bool committing = commit(p, now_ms, &next_ms);
    if (p->draining && !p->drained && !committing && p->stage.outbox.store_count == 0) {
        p->drained = true;
        outbox_drained(&p->stage.outbox);
    }
    outbox_wake(&p->stage.outbox, next_ms);
}

void pipeline_step(struct pipeline *p, const struct pipeline_event *e)
{
    outbox_begin(&p->stage.outbox);
    switch (e->kind) {
    case EVENT_ASSIGNED:
        on_assigned(p, e);
        break;
    case EVENT_REVOKED:
        drop_assignment(p);
        break;
    case EVENT_STORED:
        on_stored(p, e->stored.object_id);
        break;
    case EVENT_STORE_FAILED:
        on_store_failed(p, e->stored.object_id, e->stored.reason);
        break;
    case EVENT_DRAIN:
        p->told_to_drain = true;
        p->draining = true;
        break;
    case EVENT_TICK:
        p->stage.outbox.wake_ms = INT64_MAX; /* the one asked for has come */
        break;
    case EVENT_RECORDS:
    case EVENT_END_OF_LOG:
    case EVENT_COMMITTED:
    case EVENT_READ_ERROR:
        on_partition_event(p, e);
        break;
    }
    if (p->assigned) {
        settle(p, e->reading_held, e->now_ms);
    } else if (p->draining && !p->drained) { /* nothing is ours: nothing is outstanding */
        p->drained = true;
        outbox_drained(&p->stage.outbox);
    }
}

bool pipeline_next_action(struct pipeline *p, struct pipeline_action *action)
{
    return outbox_next(&p->stage.outbox, action);
}

bool pipeline_may_read(const struct pipeline *p, int32_t id)
{
    const struct partition *part = find(p, id);
    if (part == NULL || part->stopped || !p->reading || p->draining || part->commit.punctuates ||
        part->needs_first_record)
        return false;
    if (p->config.once && part->position >= part->once_end)
        return false;
    return !is_held_back(p, part);
}

/* ---- looking in ---- */

size_t pipeline_partition_count(const struct pipeline *p)
{
    return p->count;
}

void pipeline_view(const struct pipeline *p, size_t index, struct pipeline_view *view,
                   struct pipeline_counters *counters)
{
    ASSERT(index < p->count);
    const struct partition *part = &p->partitions[index];
    *view = (struct pipeline_view){
        .partition = part->id,
        .position = part->position,
        .watermark_ms = part->watermark_ms,
        .floor = part->commit.done_floor,
        .panes = part->panes.count,
        .live_ids = part->panes.dedup != NULL ? dedup_live(part->panes.dedup) : 0,
        .groups = panes_groups(&part->panes),
        .at_end = part->at_end,
        .stopped = part->stopped,
    };
    *counters = part->counters;
}

void pipeline_totals(const struct pipeline *p, struct pipeline_totals *t)
{
    *t = (struct pipeline_totals){
        .frontier_ms = p->stage.frontier_ms,
        .stores_outstanding = p->stage.outbox.store_count,
        .open_windows = p->stage.merge.count,
        .batches_stored = p->batches_stored,
        .memory_bytes = p->memory_bytes,
    };
    for (size_t i = 0; i < p->count; i++)
        t->commits_outstanding += p->partitions[i].commit.in_flight;
}
