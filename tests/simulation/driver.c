#include "driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Every function of the schema, a lenient date in the group, names that need quotes. */
static const char schema_text[] =
    "{\"name\": \"simulation\","
    " \"columns\": [{\"name\": \"ID\", \"type\": \"string\"},"
    " {\"name\": \"STATION\", \"type\": \"string\"},"
    " {\"name\": \"DAY\", \"type\": \"date\", \"format\": \"%m-%d-%y\", \"lenient\": true,"
    "  \"output_format\": \"%m/%d/%Y\"},"
    " {\"name\": \"STAMP\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%d %H:%M:%S\"},"
    " {\"name\": \"ENTRIES\", \"type\": \"int32\"},"
    " {\"name\": \"EXITS\", \"type\": \"int32\"}],"
    " \"event_time\": \"STAMP\", \"key\": [\"ID\", \"STATION\", \"STAMP\"],"
    " \"group_by\": [\"STATION\", \"DAY\"],"
    " \"output\": [\"STATION\", \"DAY\", {\"name\": \"START\", \"window_start\": \"%H:%M:%S\"},"
    " {\"sum\": \"ENTRIES\"}, {\"sum\": \"EXITS\"}, {\"name\": \"ROWS\", \"count\": true},"
    " {\"name\": \"LOW\", \"min\": \"ENTRIES\"}, {\"name\": \"HIGH\", \"max\": \"EXITS\"}],"
    " \"row_number\": true, \"unique\": [\"STATION\"]}";

struct schema *driver_schema(void)
{
    struct schema *schema = NULL;
    struct err err = {0};
    if (schema_parse(slice_of(schema_text), &schema, &err) != 0) {
        fprintf(stderr, "the simulation's schema: %s\n", err.text);
        return NULL;
    }
    return schema;
}

struct run {
    const struct driver_options *options;
    const struct schema *schema;
    struct driver_stats *stats;
    struct world world;
    struct rng rng;
    unsigned batch_messages;
    unsigned reassignments; /* that the life may still see: each begins all reading again */
};

static void write_more(struct run *run)
{
    static const unsigned amounts[] = {0, 0, 0, 1, 1, 4, 20};
    struct feed_log *log = &run->world.feed.logs[rng_below(&run->rng, run->world.partitions)];
    log->visible += RNG_PICK(&run->rng, amounts);
    if (log->visible > log->count)
        log->visible = log->count;
}

static struct life_options draw_options(struct run *run)
{
    static const size_t limits[] = {100000, 200000, 400000, 800000};
    static const uint64_t rows_under_way[] = {0, 1, 2, 5, 20};
    struct rng *rng = &run->rng;
    run->reassignments = 10;
    struct life_options options = {.batch_messages = run->batch_messages};
    options.idle_timeout_ms = rng_chance(rng, 60) ? 1000 : PIPELINE_OFF;
    options.idle_close_ms = rng_chance(rng, 50) ? 5000 : PIPELINE_OFF;
    options.punctuation_hold_ms = rng_chance(rng, 30) ? 500 : 0;
    options.once = rng_chance(rng, 20);
    options.flush = options.once && rng_chance(rng, 50);
    options.slow_lake = rng_chance(rng, 10);
    options.may_stop = rng_chance(rng, 10);
    options.rows_under_way = RNG_PICK(rng, rows_under_way);
    if (rng_chance(rng, 20))
        options.memory_limit_bytes = RNG_PICK(rng, limits);
    return options;
}

/* One thing happens, whichever. */
static void something_happens(struct run *run, struct life *l)
{
    struct rng *rng = &run->rng;
    const unsigned roll = rng_below(rng, 1000);
    const unsigned partition = rng_below(rng, run->world.partitions);
    if (roll < 120)
        write_more(run);
    else if (roll < 560)
        life_read(l, partition);
    else if (roll < 720)
        life_store_done(l);
    else if (roll < 900)
        life_commit_done(l, partition);
    else if (roll < 985)
        life_time_passes(l);
    else if (roll < 990 && run->reassignments > 0)
        run->reassignments -= life_reassign(l);
    else if (roll < 993 && l->options.may_stop)
        life_disturb(l);
    else
        world_land_late(&run->world, rng);
}

static void one_life_and_crash(struct run *run)
{
    static const unsigned lengths[] = {3, 20, 60, 120, 250};
    const struct life_options options = draw_options(run);
    struct life l;
    life_start(&l, &run->world, run->schema, &options, &run->rng, &run->stats->life);
    unsigned steps = 1 + rng_below(&run->rng, RNG_PICK(&run->rng, lengths));
    for (; steps > 0 && !life_is_drained(&l) && !run->world.violations; steps--) {
        if (!options.once && rng_chance(&run->rng, 1) && rng_chance(&run->rng, 20))
            life_drain(&l);
        l.crash_soon = steps <= 5 && rng_chance(&run->rng, 30);
        something_happens(run, &l);
        if (l.crashed || (l.stopped && rng_chance(&run->rng, 5)))
            break;
        l.crash_soon = false;
    }
    run->stats->crashes++;
    life_crash(&l);
}

/* Until all that was ever written is read and nothing is in flight, then a drain. False: memory was
 * too short, and it stopped with that reason. */
static bool peaceful_life(struct run *run, bool once, bool short_of_memory)
{
    struct life_options options = draw_options(run);
    struct world *w = &run->world;
    struct life l;
    uint64_t limit = 20000;
    for (unsigned p = 0; p < w->partitions; p++) {
        w->feed.logs[p].visible = w->feed.logs[p].count;
        limit += 200 * w->feed.logs[p].count;
    }
    options.once = options.once || once;
    options.slow_lake = options.may_stop = false;
    if (!short_of_memory)
        options.memory_limit_bytes = 0;
    world_trace(w, "a life in peace: once=%d flush=%d", options.once, options.flush);
    life_start(&l, w, run->schema, &options, &run->rng, &run->stats->life);
    while (!life_is_drained(&l) && !l.stopped && !w->violations && limit-- > 0) {
        if (!options.once && life_is_settled(&l))
            life_drain(&l);
        something_happens(run, &l);
    }
    if (!life_is_drained(&l) && !l.stopped && !w->violations)
        world_violation(w, "stuck: nothing more happens, but it is not drained");
    const bool stopped = l.stopped;
    if (stopped)
        life_crash(&l);
    else
        life_end(&l);
    return !stopped;
}

/* A drain leaves what is still open to the next process; --once closes the side output as well, so
 * that all of it can be compared. */
static void last_lives(struct run *run)
{
    if (!peaceful_life(run, false, true) && !run->world.violations)
        peaceful_life(run, false, false);
    if (!run->world.violations)
        peaceful_life(run, true, false);
    while (run->world.wire.count)
        world_land_late(&run->world, &run->rng);
}

static void partitions_are_added(struct run *run)
{
    struct world *w = &run->world;
    if (w->partitions < w->feed.config.partitions && rng_chance(&run->rng, 30))
        w->partitions++;
}

static void describe(const struct run *run, uint64_t seed)
{
    const struct feed_config *c = &run->world.feed.config;
    world_trace(&run->world,
                "seed %" PRIu64 ": %u partitions, %s scope, duration %" PRId64 " slide %" PRId64
                " delay %" PRId64 " jitter %" PRId64 ", %u rows",
                seed, c->partitions, c->partition_scope ? "partition" : "topic", c->duration_ms,
                c->slide_ms, c->delay_ms, c->jitter_ms, c->rows);
}

bool driver_run(uint64_t seed, const struct driver_options *options, const struct schema *schema,
                struct driver_stats *stats)
{
    static const unsigned batches[] = {1, 3, 12, 60};
    struct run run = {.options = options, .schema = schema, .stats = stats, .rng = {seed}};
    struct feed_config config;
    stats->life.actions_hash = 0;
    feed_draw_config(&config, &run.rng);
    world_init(&run.world, &config, &run.rng, options->verbose);
    run.batch_messages = RNG_PICK(&run.rng, batches);
    describe(&run, seed);
    for (unsigned i = 0; i < options->crashes && !run.world.violations; i++) {
        one_life_and_crash(&run);
        partitions_are_added(&run);
    }
    run.world.partitions = config.partitions;
    if (!run.world.violations)
        last_lives(&run);
    if (!run.world.violations)
        oracle_check_lake(&run.world, &stats->oracle);
    for (unsigned p = 0; p < config.partitions; p++)
        stats->messages += run.world.feed.logs[p].count;
    stats->seeds++;
    stats->lives += options->crashes + 2;
    const bool ok = run.world.violations == 0;
    if (!ok) {
        stats->failed_seeds++;
        stats->violations += run.world.violations;
        memcpy(stats->violation, run.world.violation, sizeof(stats->violation));
    }
    world_deinit(&run.world);
    return ok;
}
