#include "life.h"

#include "actions.h"
#include "base/mem.h"
#include "oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TOPIC "ride"

static void check_counters(struct life *l, const struct life_pipe *pipe)
{
    for (unsigned i = 0; i < pipe->count; i++) {
        struct pipeline_view view;
        struct pipeline_counters c;
        pipeline_view(pipe->pipeline, i, &view, &c);
        uint64_t sum = c.windowed + c.duplicate + c.late + c.suppressed;
        for (unsigned r = 0; r < REJECT_COUNT; r++)
            sum += c.rejected[r];
        if (sum != c.rows)
            world_violation(l->world, "p%d: %" PRIu64 " rows, but %" PRIu64 " accounted for",
                            (int)view.partition, c.rows, sum);
    }
}

static void step(struct life *l, unsigned index, struct pipeline_event *event)
{
    struct life_pipe *pipe = &l->pipes[index];
    struct pipeline_action action;
    event->now_ms = l->now_ms;
    l->stats->steps++;
    pipeline_step(pipe->pipeline, event);
    if (event->kind == EVENT_REVOKED)
        pipe->assigned = false;
    unsigned take = l->crash_soon ? rng_below(l->rng, 4) : UINT32_MAX;
    for (; take > 0 && pipeline_next_action(pipe->pipeline, &action); take--)
        actions_carry_out(l, index, &action);
    l->crashed = l->crashed || l->crash_soon;
    if (pipe->assigned)
        check_counters(l, pipe);
}

/* ---- assignment ---- */

static void assign(struct life *l, unsigned index)
{
    struct life_pipe *pipe = &l->pipes[index];
    struct world *w = l->world;
    struct pipeline_partition list[FEED_MAX_PARTITIONS];
    pipe->frontier_ms = WATERMARK_NONE;
    pipe->assigned = true;
    for (unsigned i = 0; i < pipe->count; i++) {
        const unsigned p = pipe->first + i;
        const struct world_partition *state = &w->state[p];
        const struct feed_log *log = &w->feed.logs[p];
        list[i] = (struct pipeline_partition){.partition = (int32_t)p,
                                              .low = log->low,
                                              .high = feed_log_end(log),
                                              .committed = RECORD_NO_OFFSET};
        l->partitions[p].pipe = index;
        l->partitions[p].reading = false;
        l->partitions[p].stopped = false;
        l->partitions[p].high = list[i].high;
        if (!state->committed)
            continue;
        /* Retention may have deleted what lies below the floor. */
        list[i].low += (int64_t)rng_below(l->rng, (unsigned)(state->offset - log->low) + 1);
        list[i].committed = state->offset;
        list[i].metadata = (struct slice){state->metadata, state->metadata_len};
        if (state->record.frontier_ms > pipe->frontier_ms)
            pipe->frontier_ms = state->record.frontier_ms;
    }
    world_trace(w, "assigned %u partitions from p%u, U=%" PRId64, pipe->count, pipe->first,
                pipe->frontier_ms);
    l->stats->assignments++;
    step(l, index,
         &(struct pipeline_event){.kind = EVENT_ASSIGNED,
                                  .assigned = {.partitions = list, .count = pipe->count}});
}

static void set_config(struct life *l, const struct schema *schema)
{
    const struct feed_config *feed = &l->world->feed.config;
    l->config = (struct pipeline_config){
        .schema = schema,
        .topic = TOPIC,
        .prefix = "lake",
        .side_prefix = "rejected",
        .raw_prefix = "raw",
        .raw = feed->raw_chunk_records > 0,
        .raw_chunk_records = feed->raw_chunk_records,
        .partition_scope = feed->partition_scope,
        .duration_ms = feed->duration_ms,
        .slide_ms = feed->slide_ms,
        .delay_ms = feed->delay_ms,
        .idle_timeout_ms = l->options.idle_timeout_ms,
        .idle_close_ms = l->options.idle_close_ms,
        .punctuation_hold_ms = l->options.punctuation_hold_ms,
        .max_future_skew_ms =
            feed->max_future_skew_ms < 0 ? PIPELINE_OFF : feed->max_future_skew_ms,
        .memory_limit_bytes = l->options.memory_limit_bytes,
        .rows_under_way = l->options.rows_under_way,
        .once = l->options.once,
        .flush = l->options.flush,
    };
    struct err err = {0};
    if (pipeline_check_config(&l->config, &err) != 0)
        world_violation(l->world, "configuration refused: %s", err.text);
}

void life_start(struct life *l, struct world *w, const struct schema *schema,
                const struct life_options *options, struct rng *rng, struct life_stats *stats)
{
    *l = (struct life){.world = w, .rng = rng, .stats = stats, .options = *options};
    l->now_ms = (int64_t)rng_below(rng, 1000000);
    set_config(l, schema);
    l->pipe_count = l->config.partition_scope ? w->partitions : 1;
    for (unsigned i = 0; i < l->pipe_count; i++) {
        struct life_pipe *pipe = &l->pipes[i];
        pipe->pipeline = pipeline_new(&l->config);
        pipe->first = l->config.partition_scope ? i : 0;
        pipe->count = l->config.partition_scope ? 1 : w->partitions;
        pipe->wake_ms = INT64_MAX;
        assign(l, i);
    }
}

/* ---- the end ---- */

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void check_accounts(struct life *l, const struct life_pipe *pipe)
{
    for (unsigned i = 0; pipe->assigned && i < pipe->count; i++) {
        struct pipeline_view view;
        struct pipeline_counters c;
        const struct life_partition *p = &l->partitions[pipe->first + i];
        size_t next = p->next;
        if (!p->reading)
            continue;
        if (l->options.once) /* what was written later is left alone */
            next = min_of(next, feed_log_find(&l->world->feed.logs[pipe->first + i], p->high));
        next = next < p->first ? p->first : next;
        pipeline_view(pipe->pipeline, i, &view, &c);
        struct oracle_accounts got = {.messages = c.messages,
                                      .rows = c.rows,
                                      .windowed = c.windowed,
                                      .duplicate = c.duplicate,
                                      .late = c.late,
                                      .suppressed = c.suppressed};
        memcpy(got.rejected, c.rejected, sizeof(got.rejected));
        oracle_check_accounts(l->world, pipe->first + i, p->first, next, pipe->frontier_ms, &got);
    }
}

static void forget_store(struct life *l, size_t i)
{
    world_object_free(&l->stores[i].object);
    mem_free(l->stores[i].name);
    l->stores[i] = l->stores[--l->store_count];
}

static void land_store(struct life *l, struct life_store *store)
{
    world_trace(l->world, "  lands: %s", store->name);
    world_put(l->world, &store->object);
    store->object = (struct world_object){.kind = store->object.kind};
    store->landed = true;
}

static void land_commit(struct life *l, unsigned partition)
{
    const struct life_commit *commit = &l->partitions[partition].commit;
    world_trace(l->world, "  lands: commit p%u %" PRId64, partition, commit->offset);
    world_commit(l->world, partition, commit->offset,
                 (struct slice){commit->metadata, commit->len});
}

static void free_life(struct life *l)
{
    for (unsigned i = 0; i < l->pipe_count; i++) {
        check_accounts(l, &l->pipes[i]);
        pipeline_free(l->pipes[i].pipeline);
    }
    while (l->store_count)
        forget_store(l, l->store_count - 1);
    mem_free(l->stores);
    for (unsigned p = 0; p < FEED_MAX_PARTITIONS; p++)
        mem_free(l->partitions[p].commit.metadata);
}

void life_crash(struct life *l)
{
    world_trace(l->world, "CRASH");
    for (unsigned p = 0; p < l->world->partitions; p++) {
        if (l->partitions[p].commit.active && rng_chance(l->rng, 50))
            land_commit(l, p);
    }
    for (size_t i = 0; i < l->store_count; i++) {
        struct life_store *store = &l->stores[i];
        const unsigned fate = rng_below(l->rng, 3);
        if (store->landed || fate == 0)
            continue;
        if (fate == 1) {
            land_store(l, store);
        } else {
            world_keep_on_wire(l->world, &store->object);
            store->object = (struct world_object){.kind = store->object.kind};
        }
    }
    free_life(l);
}

void life_end(struct life *l)
{
    free_life(l);
}

/* ---- what can happen ---- */

/* The bytes are gone after the step, as a Kafka client's are. */
static void hand_in(struct life *l, unsigned partition, size_t count)
{
    struct life_partition *p = &l->partitions[partition];
    const struct feed_message *messages = l->world->feed.logs[partition].messages + p->next;
    size_t bytes = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        bytes += messages[i].len + messages[i].key_len;
    struct record *records = mem_calloc(count, sizeof(*records));
    char *values = mem_alloc(bytes + 1);
    for (size_t i = 0; i < count; i++) {
        records[i] = (struct record){.offset = messages[i].offset,
                                     .timestamp_ms = messages[i].timestamp_ms,
                                     .value = {values + used, messages[i].len},
                                     .tombstone = messages[i].value == NULL};
        if (messages[i].len)
            memcpy(values + used, messages[i].value, messages[i].len);
        if (messages[i].key != NULL) {
            char *key = values + used + messages[i].len;
            memcpy(key, messages[i].key, messages[i].key_len);
            records[i].key = (struct slice){key, messages[i].key_len};
        }
        if (records[i].tombstone)
            records[i].value = (struct slice){NULL, 0};
        used += messages[i].len + messages[i].key_len;
        world_trace(l->world, "p%u@%" PRId64 " %.*s", partition, messages[i].offset,
                    (int)messages[i].len, messages[i].value ? messages[i].value : "");
    }
    p->next += count;
    step(l, p->pipe,
         &(struct pipeline_event){
             .kind = EVENT_RECORDS,
             .records = {.partition = (int32_t)partition, .records = records, .count = count}});
    memset(values, 0xaa, bytes);
    mem_free(values);
    mem_free(records);
}

static void tell_end(struct life *l, unsigned partition, int64_t offset)
{
    struct life_partition *p = &l->partitions[partition];
    world_trace(l->world, "p%u end of log at %" PRId64, partition, offset);
    p->eof_told = offset;
    p->eof_pending = -1;
    step(l, p->pipe,
         &(struct pipeline_event){
             .kind = EVENT_END_OF_LOG,
             .end_of_log = {.partition = (int32_t)partition, .offset = offset}});
}

bool life_read(struct life *l, unsigned partition)
{
    struct life_partition *p = &l->partitions[partition];
    const struct life_pipe *pipe = &l->pipes[p->pipe];
    const struct feed_log *log = &l->world->feed.logs[partition];
    if (!p->reading || p->stopped || pipe->drained ||
        !pipeline_may_read(pipe->pipeline, (int32_t)partition))
        return false;
    if (!l->world->state[partition].committed)
        world_violation(l->world, "p%u may be read, but has no record", partition);
    if (p->eof_pending >= 0) {
        tell_end(l, partition, p->eof_pending);
        return true;
    }
    if (p->next < log->visible) {
        size_t count = 1 + rng_below(l->rng, l->options.batch_messages);
        if (count > log->visible - p->next)
            count = log->visible - p->next;
        hand_in(l, partition, count);
        return true;
    }
    if (p->eof_told == feed_log_end(log))
        return false;
    if (rng_chance(l->rng, 20)) /* told now, handed in later, when the log may have grown */
        p->eof_pending = feed_log_end(log);
    else
        tell_end(l, partition, feed_log_end(log));
    return true;
}

bool life_store_done(struct life *l)
{
    if (!l->store_count || (l->options.slow_lake && rng_chance(l->rng, 95)))
        return false;
    const size_t i = rng_below(l->rng, (unsigned)l->store_count);
    struct life_store *store = &l->stores[i];
    if (!store->landed)
        land_store(l, store);
    if (rng_chance(l->rng, 20)) /* the answer takes its time */
        return true;
    const unsigned index = store->pipe;
    const uint64_t id = store->id;
    world_trace(l->world, "stored id %" PRIu64, id);
    forget_store(l, i);
    if (!l->pipes[index].drained)
        step(l, index, &(struct pipeline_event){.kind = EVENT_STORED, .stored = {.object_id = id}});
    return true;
}

bool life_commit_done(struct life *l, unsigned partition)
{
    struct life_partition *p = &l->partitions[partition];
    if (!p->commit.active)
        return false;
    static const struct {
        unsigned percent;
        bool lands;
        enum pipeline_commit_result result;
        const char *text;
    } fates[] = {{65, true, PIPELINE_COMMIT_OK, "done"},
                 {80, true, PIPELINE_COMMIT_UNKNOWN, "done, but the answer is lost"},
                 {92, false, PIPELINE_COMMIT_UNKNOWN, "lost"},
                 {100, false, PIPELINE_COMMIT_REFUSED, "refused"}};
    const unsigned roll = rng_below(l->rng, 100);
    unsigned fate = 0;
    while (roll >= fates[fate].percent)
        fate++;
    if (fates[fate].lands)
        land_commit(l, partition);
    p->commit.active = false;
    world_trace(l->world, "committed p%u: %s", partition, fates[fate].text);
    step(l, p->pipe,
         &(struct pipeline_event){
             .kind = EVENT_COMMITTED,
             .committed = {.partition = (int32_t)partition, .result = fates[fate].result}});
    return true;
}

void life_time_passes(struct life *l)
{
    const unsigned index = rng_below(l->rng, l->pipe_count);
    const struct life_pipe *pipe = &l->pipes[index];
    const unsigned kind = rng_below(l->rng, 100);
    if (kind < 50)
        l->now_ms += (int64_t)rng_below(l->rng, 100);
    else if (kind < 85 && pipe->wake_ms != INT64_MAX && pipe->wake_ms > l->now_ms)
        l->now_ms = pipe->wake_ms;
    else if (kind >= 95)
        l->now_ms += 1000 * (int64_t)(1 + rng_below(l->rng, 100));
    if (pipe->drained || (kind < 85 && pipe->wake_ms > l->now_ms && rng_chance(l->rng, 70)))
        return;
    world_trace(l->world, "tick %" PRId64, l->now_ms);
    step(l, index, &(struct pipeline_event){.kind = EVENT_TICK});
}

/* Puts are cancelled: most are never seen again, some are on their way, some are even answered. */
static void cancel_stores(struct life *l, unsigned index)
{
    for (size_t i = l->store_count; i-- > 0;) {
        struct life_store *store = &l->stores[i];
        const unsigned fate = rng_below(l->rng, 10);
        if (store->pipe != index || fate == 0)
            continue;
        if (fate == 1 && !store->landed) {
            world_keep_on_wire(l->world, &store->object);
            store->object = (struct world_object){.kind = store->object.kind};
        }
        forget_store(l, i);
    }
}

/* Everything is taken away and given back. The answers of commits in flight come before the new
 * assignment or never; those of puts may come long after it. */
bool life_reassign(struct life *l)
{
    const unsigned index = rng_below(l->rng, l->pipe_count);
    struct life_pipe *pipe = &l->pipes[index];
    if (pipe->drained || pipe->draining)
        return false;
    world_trace(l->world, "revoked");
    check_accounts(l, pipe);
    cancel_stores(l, index);
    if (rng_chance(l->rng, 80)) /* else the new assignment alone says so */
        step(l, index, &(struct pipeline_event){.kind = EVENT_REVOKED});
    for (unsigned p = pipe->first; p < pipe->first + pipe->count; p++) {
        l->partitions[p].reading = false;
        if (!l->partitions[p].commit.active || l->crashed)
            continue;
        if (rng_chance(l->rng, 50))
            life_commit_done(l, p);
        else if (rng_chance(l->rng, 50))
            land_commit(l, p);
    }
    for (unsigned p = pipe->first; p < pipe->first + pipe->count; p++)
        l->partitions[p].commit.active = false; /* what an answer led to is lost */
    if (!l->crashed && !pipe->drained)
        assign(l, index);
    return true;
}

void life_disturb(struct life *l)
{
    if (l->store_count && rng_chance(l->rng, 50)) {
        const struct life_store *store = &l->stores[rng_below(l->rng, (unsigned)l->store_count)];
        world_trace(l->world, "store failed: %s", store->name);
        if (!store->landed && !l->pipes[store->pipe].drained)
            step(l, store->pipe,
                 &(struct pipeline_event){
                     .kind = EVENT_STORE_FAILED,
                     .stored = {.object_id = store->id, .reason = "the simulation says so"}});
        return;
    }
    const unsigned p = rng_below(l->rng, l->world->partitions);
    if (!l->partitions[p].reading || l->pipes[l->partitions[p].pipe].drained)
        return;
    world_trace(l->world, "p%u read error", p);
    step(l, l->partitions[p].pipe,
         &(struct pipeline_event){.kind = EVENT_READ_ERROR,
                                  .read_error = {(int32_t)p, "the simulation says so"}});
}

void life_drain(struct life *l)
{
    for (unsigned i = 0; i < l->pipe_count; i++) {
        if (l->pipes[i].drained || l->pipes[i].draining)
            continue;
        world_trace(l->world, "drain");
        l->pipes[i].draining = true;
        step(l, i, &(struct pipeline_event){.kind = EVENT_DRAIN});
    }
}

bool life_is_drained(const struct life *l)
{
    for (unsigned i = 0; i < l->pipe_count; i++) {
        if (!l->pipes[i].drained)
            return false;
    }
    return true;
}

bool life_is_settled(const struct life *l)
{
    for (unsigned p = 0; p < l->world->partitions; p++) {
        const struct feed_log *log = &l->world->feed.logs[p];
        if (l->partitions[p].commit.active || l->partitions[p].next < log->visible ||
            l->partitions[p].eof_told != feed_log_end(log))
            return false;
    }
    return l->store_count == 0;
}
