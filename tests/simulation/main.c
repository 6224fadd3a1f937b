/* simulate: runs the real core through many seeded lives and crashes; see README.md. */
#include "driver.h"

#include "base/base.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_MAX UINT64_C(1000000000)
#define CRASHES_MAX UINT64_C(10000)
#define TWICE_EVERY 20 /* seeds: one is run twice, to see that nothing but the seed decides */

static const char usage[] =
    "usage: simulate [--seeds N] [--first-seed S] [--crashes N] [--keep-going]\n"
    "       simulate --seed S [--crashes N] [--verbose]\n"
    "Runs N seeds (default 300), each with so many crashes (default 12), and compares\n"
    "what is then in the lake with an oracle. Exit 0: no violation.\n";

struct arguments {
    uint64_t first, seeds, crashes;
    bool verbose, keep_going;
};

/* What to run again, ready before it is needed: an ASSERT of the core ends in abort(). */
static char replay[128];

static void on_abort(int signal_number)
{
    UNUSED(signal_number);
    const ssize_t written = write(STDERR_FILENO, replay, strlen(replay));
    _exit(written < 0 ? 4 : 3);
}

static void set_replay(const struct arguments *a, uint64_t seed)
{
    snprintf(replay, sizeof(replay),
             "replay: simulate --seed %" PRIu64 " --crashes %" PRIu64 " --verbose\n", seed,
             a->crashes);
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *out <= max;
}

static bool parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"first-seed", required_argument, NULL, 'f'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"crashes", required_argument, NULL, 'c'},
                                            {"keep-going", no_argument, NULL, 'k'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    int option;
    bool ok = true;
    while (ok && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            ok = parse_number(optarg, SEEDS_MAX, &a->seeds);
        else if (option == 'f')
            ok = parse_number(optarg, UINT64_MAX, &a->first);
        else if (option == 's')
            ok = parse_number(optarg, UINT64_MAX, &a->first), a->seeds = 1;
        else if (option == 'c')
            ok = parse_number(optarg, CRASHES_MAX, &a->crashes);
        else if (option == 'v')
            a->verbose = true;
        else if (option == 'k')
            a->keep_going = true;
        else
            ok = false;
    }
    return ok && optind == argc;
}

static void print_summary(const struct driver_stats *s)
{
    printf("seeds=%" PRIu64 " crash_restarts=%" PRIu64 " assignments=%" PRIu64 " steps=%" PRIu64
           " messages=%" PRIu64 " stores=%" PRIu64 " commits=%" PRIu64 " drained=%" PRIu64
           " objects=%" PRIu64 " rows=%" PRIu64 " side_rows=%" PRIu64 " raw_objects=%" PRIu64
           " raw_messages=%" PRIu64 " failed_seeds=%" PRIu64 " stops=%" PRIu64
           " violations=%" PRIu64 "\n",
           s->seeds, s->crashes, s->life.assignments, s->life.steps, s->messages, s->life.stores,
           s->life.commits, s->life.drained, s->oracle.objects, s->oracle.rows, s->oracle.side_rows,
           s->oracle.raw_objects, s->oracle.raw_messages, s->failed_seeds, s->life.stops,
           s->violations);
}

/* The seed that was just run, again: the core must say the same, byte for byte. */
static bool is_repeatable(uint64_t seed, const struct driver_options *options,
                          const struct schema *schema, struct driver_stats *stats)
{
    const uint64_t hash = stats->life.actions_hash;
    const struct driver_options quiet = {.crashes = options->crashes};
    if (driver_run(seed, &quiet, schema, stats) && stats->life.actions_hash == hash)
        return true;
    snprintf(stats->violation, sizeof(stats->violation), "run again, the core says something else");
    stats->failed_seeds++;
    stats->violations++;
    return false;
}

int main(int argc, char **argv)
{
    struct arguments a = {.first = 1, .seeds = 300, .crashes = 12};
    struct driver_stats stats = {0};
    if (!parse_arguments(argc, argv, &a)) {
        fputs(usage, stderr);
        return 2;
    }
    struct schema *schema = driver_schema();
    if (!schema)
        return 1;
    signal(SIGABRT, on_abort);
    const struct driver_options options = {.crashes = (unsigned)a.crashes, .verbose = a.verbose};
    for (uint64_t i = 0; i < a.seeds; i++) {
        const uint64_t seed = a.first + i;
        set_replay(&a, seed);
        if (driver_run(seed, &options, schema, &stats) &&
            (i % TWICE_EVERY || is_repeatable(seed, &options, schema, &stats)))
            continue;
        printf("seed %" PRIu64 ": VIOLATION: %s\n%s", seed, stats.violation, replay);
        if (!a.keep_going)
            break;
    }
    schema_free(schema);
    print_summary(&stats);
    return stats.failed_seeds ? 1 : 0;
}
