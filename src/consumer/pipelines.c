#include "consumer/pipelines.h"

#include "base/mem.h"

#include <inttypes.h>

/* A pipeline counts its memory every so many steps, so what it says is old by up to as many. Before
 * all are stopped for want of memory each is stepped once more than that. */
#define RECOUNT_STEPS 17
#define RECOUNT_MS 10 /* between two of these steps */

struct hosted {
    struct pipeline *pipeline;
    int32_t partition;              /* in partition scope */
    int64_t end;                    /* its log end at ASSIGNED */
    struct pipeline_totals totals;  /* after its last step */
    int64_t watermark_ms, position; /* the same, in partition scope */
    bool at_end, stopped;
    bool awaits_silence; /* its open windows close when it has been silent for long enough */
    int64_t wake_ms;     /* its WAKE_AT, or INT64_MAX */
    bool refused;        /* added to the topic later; never assigned */
    bool told_stop;      /* STOP was said for it here */
    bool ready;          /* has said what it reads, or that it does not */
    bool drained;
    bool held; /* not read for want of memory */
    bool told; /* ... as it was told in its last step */
};

struct pipelines {
    struct pipeline_config config;
    struct hosted *hosted; /* one, or in partition scope one for each partition */
    size_t count;
    bool told_to_drain;
    struct pipeline_totals totals;
    uint64_t earlier_batches; /* of assignments that are gone */

    /* Object ids of this assignment are id_base + (the pipeline's own id) * count + index, all
     * above those of earlier ones: a late answer cannot meet another store. */
    uint64_t id_base, id_last;

    /* Actions of the current step: what the pipelines say, then ours. */
    size_t next;
    struct pipeline_action *reads; /* READ of those that are ready, until all are */
    size_t read_count, next_read;
    bool full; /* stopped for want of memory */
    char reason[ERR_TEXT_BYTES];
    unsigned recounts;  /* steps since all memory was taken and nothing was outstanding */
    int64_t recount_ms; /* the next one, or INT64_MAX */
    int64_t wake_ms;    /* as last said, or INT64_MAX */
    bool drained;       /* said */
};

/* ---- life ---- */

static void forget(struct pipelines *ps)
{
    ps->earlier_batches = ps->totals.batches_stored;
    for (size_t i = 0; i < ps->count; i++)
        pipeline_free(ps->hosted[i].pipeline);
    mem_free(ps->hosted);
    mem_free(ps->reads);
    ps->hosted = NULL;
    ps->reads = NULL;
    ps->count = ps->read_count = ps->next_read = 0;
    ps->id_base = ps->id_last + 1;
    ps->full = false;
    ps->recounts = 0;
    ps->recount_ms = INT64_MAX;
}

static bool is_added_later(const struct pipelines *ps, const struct pipeline_partition *p)
{
    return ps->config.partition_scope && p->partition != 0 && p->committed == RECORD_NO_OFFSET;
}

static void host(struct pipelines *ps, const struct pipeline_partition *partitions, size_t count)
{
    ps->count = ps->config.partition_scope ? count : 1;
    ps->hosted = mem_calloc(ps->count, sizeof(*ps->hosted));
    ps->reads = mem_calloc(count, sizeof(*ps->reads));
    for (size_t i = 0; i < ps->count; i++)
        ps->hosted[i] = (struct hosted){
            .pipeline = pipeline_new(&ps->config),
            .partition = partitions[i].partition,
            .end = partitions[i].high,
            .wake_ms = INT64_MAX,
            .refused = is_added_later(ps, &partitions[i]),
        };
}

struct pipelines *pipelines_new(const struct pipeline_config *config)
{
    struct pipelines *ps = mem_calloc(1, sizeof(*ps));
    ps->config = *config;
    ps->totals.frontier_ms = WATERMARK_NONE;
    ps->recount_ms = ps->wake_ms = INT64_MAX;
    return ps;
}

void pipelines_free(struct pipelines *ps)
{
    if (ps == NULL)
        return;
    forget(ps);
    mem_free(ps);
}

/* As a pipeline says it, so that there is one place that knows. */
void pipelines_first_record(const struct pipeline_config *config, int32_t partition, int64_t low,
                            struct buf *out)
{
    const struct pipeline_partition fresh = {
        .partition = partition, .low = low, .high = low, .committed = RECORD_NO_OFFSET};
    struct pipeline *p = pipeline_new(config);
    struct pipeline_action action;
    bool said = false;
    pipeline_step(p, &(struct pipeline_event){.kind = EVENT_ASSIGNED, .assigned = {&fresh, 1}});
    while (pipeline_next_action(p, &action)) {
        if (action.kind != ACTION_COMMIT)
            continue;
        const int rc = buf_append(out, action.commit.metadata.ptr, action.commit.metadata.len);
        ASSERT(rc == 0 && action.commit.offset == low);
        said = true;
    }
    ASSERT(said);
    pipeline_free(p);
}

static struct hosted *find(const struct pipelines *ps, int32_t partition)
{
    if (!ps->config.partition_scope)
        return ps->count > 0 ? &ps->hosted[0] : NULL;
    for (size_t i = 0; i < ps->count; i++)
        if (ps->hosted[i].partition == partition)
            return &ps->hosted[i];
    return NULL;
}

/* ---- after a step: sums, and who waits for memory ---- */

static void look(struct pipelines *ps, struct hosted *h)
{
    pipeline_totals(h->pipeline, &h->totals);
    if (!ps->config.partition_scope || h->refused)
        return;
    struct pipeline_view view;
    struct pipeline_counters counters;
    pipeline_view(h->pipeline, 0, &view, &counters);
    h->watermark_ms = view.watermark_ms;
    h->position = view.position;
    h->at_end = view.at_end;
    h->stopped = view.stopped;
    h->awaits_silence = !ps->config.once && ps->config.idle_close_ms != PIPELINE_OFF &&
                        view.at_end && !view.stopped && view.panes > 0;
}

static void sum(struct pipelines *ps)
{
    struct pipeline_totals t = {.frontier_ms = INT64_MAX, .batches_stored = ps->earlier_batches};
    for (size_t i = 0; i < ps->count; i++) {
        const struct pipeline_totals *one = &ps->hosted[i].totals;
        t.frontier_ms = one->frontier_ms < t.frontier_ms ? one->frontier_ms : t.frontier_ms;
        t.stores_outstanding += one->stores_outstanding;
        t.commits_outstanding += one->commits_outstanding;
        t.open_windows += one->open_windows;
        t.batches_stored += one->batches_stored;
        t.memory_bytes += one->memory_bytes;
    }
    if (ps->count == 0)
        t.frontier_ms = WATERMARK_NONE;
    ps->totals = t;
}

/* Above half of the limit only those furthest behind are read, at the limit only those at their
 * end, to hear whether they are silent: as a pipeline does it with its partitions. */
static void hold(struct pipelines *ps)
{
    const size_t limit = ps->config.memory_limit_bytes, bytes = ps->totals.memory_bytes;
    const bool short_of_memory = ps->count > 1 && limit > 0 && bytes >= limit / 2;
    int64_t lowest_ms = INT64_MAX;
    for (size_t i = 0; i < ps->count; i++) {
        const struct hosted *h = &ps->hosted[i];
        const bool done = h->at_end || (ps->config.once && h->position >= h->end);
        if (!h->stopped && !h->refused && !done && h->watermark_ms < lowest_ms)
            lowest_ms = h->watermark_ms;
    }
    for (size_t i = 0; i < ps->count; i++)
        ps->hosted[i].held = short_of_memory && !ps->hosted[i].at_end &&
                             (bytes >= limit || ps->hosted[i].watermark_ms > lowest_ms);
}

/* Is something to come that may free memory? */
static bool is_waiting(const struct pipelines *ps)
{
    bool waiting = ps->totals.stores_outstanding > 0 || ps->totals.commits_outstanding > 0;
    for (size_t i = 0; i < ps->count; i++)
        waiting = waiting || ps->hosted[i].awaits_silence;
    return waiting;
}

/* All memory is taken and nothing is to come that may free some: stop, but only once each pipeline
 * has counted anew. */
static void watch_limit(struct pipelines *ps, int64_t now_ms)
{
    const size_t limit = ps->config.memory_limit_bytes, bytes = ps->totals.memory_bytes;
    ps->recount_ms = INT64_MAX;
    if (ps->count < 2 || limit == 0 || bytes < limit || is_waiting(ps)) {
        ps->recounts = 0;
        return;
    }
    if (ps->full)
        return;
    if (ps->recounts <= RECOUNT_STEPS) {
        ps->recount_ms = now_ms + RECOUNT_MS;
        return;
    }
    struct err err;
    err_set(&err, ERR_TOO_LARGE,
            "the open windows of %zu partitions hold %zu MiB, more than the %zu MiB that "
            "--memory-limit leaves them: raise it, shorten --duration or --delay, or start more "
            "processes",
            ps->count, bytes >> 20, limit >> 20);
    memcpy(ps->reason, err.text, sizeof(ps->reason));
    ps->full = true;
}

/* ---- events ---- */

/* Is this event for the pipeline with this index? Makes *e its own. */
static bool is_for(const struct pipelines *ps, size_t index, struct pipeline_event *e)
{
    const struct hosted *h = &ps->hosted[index];
    switch (e->kind) {
    case EVENT_ASSIGNED:
        if (ps->config.partition_scope) {
            e->assigned.partitions += index;
            e->assigned.count = 1;
        }
        return !h->refused;
    case EVENT_DRAIN:
        return true;
    case EVENT_TICK:
        return h->wake_ms <= e->now_ms || ps->recount_ms <= e->now_ms;
    case EVENT_RECORDS:
        return find(ps, e->records.partition) == h;
    case EVENT_END_OF_LOG:
        return find(ps, e->end_of_log.partition) == h;
    case EVENT_COMMITTED:
        return find(ps, e->committed.partition) == h;
    case EVENT_READ_ERROR:
        return find(ps, e->read_error.partition) == h;
    case EVENT_STORED:
    case EVENT_STORE_FAILED: {
        const uint64_t id = e->stored.object_id;
        if (id < ps->id_base || (id - ps->id_base) % ps->count != index)
            return false;
        e->stored.object_id = (id - ps->id_base) / ps->count;
        return true;
    }
    case EVENT_REVOKED:
        break;
    }
    return false;
}

static void step(struct pipelines *ps, const struct pipeline_event *e)
{
    for (size_t i = 0; i < ps->count; i++) {
        struct hosted *h = &ps->hosted[i];
        struct pipeline_event mine = *e;
        if (!is_for(ps, i, &mine)) {
            if (h->held == h->told)
                continue;
            mine.kind = EVENT_TICK; /* when reading is held back silence must not count */
        }
        if (mine.kind == EVENT_TICK)
            h->wake_ms = INT64_MAX;
        mine.reading_held = e->reading_held || h->held;
        h->told = h->held;
        pipeline_step(h->pipeline, &mine);
        look(ps, h);
    }
}

void pipelines_step(struct pipelines *ps, const struct pipeline_event *e)
{
    const bool recounts = e->kind == EVENT_TICK && ps->recount_ms <= e->now_ms;
    ps->next = 0;
    if (e->kind == EVENT_TICK)
        ps->wake_ms = INT64_MAX; /* the one asked for has come */
    if (e->kind == EVENT_DRAIN)
        ps->told_to_drain = true;
    if (e->kind == EVENT_REVOKED || e->kind == EVENT_ASSIGNED)
        forget(ps);
    if (e->kind == EVENT_ASSIGNED && !ps->told_to_drain)
        host(ps, e->assigned.partitions, e->assigned.count);
    step(ps, e);
    ps->recounts += recounts;
    sum(ps);
    hold(ps);
    watch_limit(ps, e->now_ms);
}

/* ---- actions ---- */

/* False: it is kept here. */
static bool pass_on(struct pipelines *ps, struct hosted *h, struct pipeline_action *action)
{
    switch (action->kind) {
    case ACTION_STORE: {
        struct object *o = action->store.object;
        o->id = ps->id_base + o->id * ps->count + (uint64_t)(h - ps->hosted);
        if (o->id > ps->id_last)
            ps->id_last = o->id;
        return true;
    }
    case ACTION_READ:
        ps->reads[ps->read_count++] = *action;
        h->ready = true;
        return false;
    case ACTION_STOP_PARTITION:
        h->ready = true;
        return true;
    case ACTION_WAKE_AT:
        h->wake_ms = action->wake.at_ms;
        return false;
    case ACTION_DRAINED:
        h->drained = true;
        return false;
    case ACTION_COMMIT:
        break;
    }
    return true;
}

static bool next_read(struct pipelines *ps, struct pipeline_action *action)
{
    for (size_t i = 0; i < ps->count; i++)
        if (!ps->hosted[i].ready && !ps->hosted[i].refused)
            return false;
    if (ps->next_read == ps->read_count)
        return false;
    *action = ps->reads[ps->next_read++];
    return true;
}

static void say_added_later(struct pipelines *ps, int32_t partition)
{
    struct err err;
    err_set(&err, ERR_CONFIG,
            "partition %" PRId32 " was added to %s after this group had begun: rows of one key are "
            "in two partitions now, and windows would be split between them; start anew with "
            "another --group and --prefix",
            partition, ps->config.topic);
    memcpy(ps->reason, err.text, sizeof(ps->reason));
}

static bool next_stop(struct pipelines *ps, struct pipeline_action *action)
{
    for (size_t i = 0; i < ps->count; i++) {
        struct hosted *h = &ps->hosted[i];
        if (h->told_stop || h->stopped || !(h->refused || ps->full))
            continue;
        h->told_stop = true;
        if (h->refused)
            say_added_later(ps, h->partition);
        *action = (struct pipeline_action){
            .kind = ACTION_STOP_PARTITION,
            .stop = {h->partition, h->refused ? ERR_CONFIG : ERR_TOO_LARGE, ps->reason}};
        return true;
    }
    return false;
}

static bool next_wake(struct pipelines *ps, struct pipeline_action *action)
{
    int64_t wake_ms = ps->recount_ms;
    for (size_t i = 0; i < ps->count; i++)
        wake_ms = ps->hosted[i].wake_ms < wake_ms ? ps->hosted[i].wake_ms : wake_ms;
    if (wake_ms == ps->wake_ms)
        return false;
    ps->wake_ms = wake_ms;
    *action = (struct pipeline_action){.kind = ACTION_WAKE_AT, .wake = {wake_ms}};
    return wake_ms != INT64_MAX;
}

/* Also when nothing is ours, once it was asked for: then nothing is outstanding. */
static bool next_drained(struct pipelines *ps, struct pipeline_action *action)
{
    bool all = ps->count > 0 || ps->told_to_drain;
    for (size_t i = 0; i < ps->count; i++)
        all = all && ps->hosted[i].drained;
    if (!all || ps->drained)
        return false;
    ps->drained = true;
    *action = (struct pipeline_action){.kind = ACTION_DRAINED};
    return true;
}

bool pipelines_next_action(struct pipelines *ps, struct pipeline_action *action)
{
    for (; ps->next < ps->count; ps->next++) {
        struct hosted *h = &ps->hosted[ps->next];
        while (pipeline_next_action(h->pipeline, action))
            if (pass_on(ps, h, action))
                return true;
    }
    return next_read(ps, action) || next_stop(ps, action) || next_wake(ps, action) ||
           next_drained(ps, action);
}

/* ---- looking in ---- */

bool pipelines_may_read(const struct pipelines *ps, int32_t partition)
{
    const struct hosted *h = find(ps, partition);
    return h != NULL && !h->held && !ps->full && pipeline_may_read(h->pipeline, partition);
}

size_t pipelines_partition_count(const struct pipelines *ps)
{
    if (ps->config.partition_scope || ps->count == 0)
        return ps->count;
    return pipeline_partition_count(ps->hosted[0].pipeline);
}

void pipelines_view(const struct pipelines *ps, size_t index, struct pipeline_view *view,
                    struct pipeline_counters *counters)
{
    if (ps->config.partition_scope && ps->hosted[index].refused) {
        *view = (struct pipeline_view){.partition = ps->hosted[index].partition,
                                       .watermark_ms = WATERMARK_NONE,
                                       .floor = RECORD_NO_OFFSET,
                                       .stopped = true};
        *counters = (struct pipeline_counters){0};
    } else if (ps->config.partition_scope)
        pipeline_view(ps->hosted[index].pipeline, 0, view, counters);
    else
        pipeline_view(ps->hosted[0].pipeline, index, view, counters);
}

void pipelines_totals(const struct pipelines *ps, struct pipeline_totals *totals)
{
    *totals = ps->totals;
}
