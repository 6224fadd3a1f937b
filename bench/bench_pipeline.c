/* bench_pipeline: the whole core from memory: decode, deduplicate, window, close.
 *
 * Hands batches of generated MTA rows (about 130 bytes) to pipeline_step() as the
 * Kafka source does, answers stores and commits at once, and reports the fastest
 * and the median of N runs as one CSV line under a header. No Kafka, no lake, no
 * encoding: those have their own benchmarks. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "core/pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define BATCH 256
#define ROW_BYTES_MAX 256
#define START_MS INT64_C(1704067200000) /* 2024-01-01T00:00 */

struct setup {
    int64_t rows, turnstiles, rows_per_second, duration_s, slide_s;
    int64_t raw; /* messages of a raw object; 0: no raw layer */
    int runs;
    bool json;
    const char *schema_path;
};

struct result {
    double seconds;
    uint64_t windowed, batches;
    size_t live_ids, memory_bytes;
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One row; `n` decides everything. The id is unique, the event time moves on. */
static size_t write_row(const struct setup *s, int64_t n, char *out)
{
    struct timefmt_civil c;
    const int64_t turnstile =
        (int64_t)((uint64_t)n * UINT64_C(2654435761) % (uint64_t)s->turnstiles);
    timefmt_from_ms(START_MS + n / s->rows_per_second * 1000, &c);
    const char *quote = s->json ? "\"" : "";
    const int len = snprintf(
        out, ROW_BYTES_MAX,
        "%sA%03" PRId64 ",R%03" PRId64 ",02-00-%02" PRId64 ",Test-Station%" PRId64
        ",456NQR,BMT,%02d-%02d-%02d,%02d:%02d:%02d,REGULAR,%d,%d,"
        "%08" PRIx64 "-0000-4000-8000-%012" PRIx64 ",%04d-%02d-%02d %02d:%02d:%02d%s",
        quote, turnstile / 400, turnstile % 1000, turnstile % 100, turnstile % 378, c.month, c.day,
        c.year % 100, c.hour, c.minute, c.second, (int)(n % 10), (int)(n % 7), (uint64_t)n,
        (uint64_t)n * 7919, c.year, c.month, c.day, c.hour, c.minute, c.second, quote);
    return (size_t)len;
}

/* Answers that the fake lake and broker still owe. */
struct answers {
    struct pipeline_event events[1024];
    size_t first, count;
};

/* The actions of the last step become answers; objects are dropped. */
static void collect(struct pipeline *p, struct answers *q, int64_t now_ms)
{
    struct pipeline_action a;
    while (pipeline_next_action(p, &a)) {
        struct pipeline_event e = {.kind = EVENT_TICK, .now_ms = now_ms};
        if (a.kind == ACTION_STORE) {
            e.kind = EVENT_STORED;
            e.stored.object_id = a.store.object->id;
            object_free(a.store.object);
        } else if (a.kind == ACTION_COMMIT) {
            e.kind = EVENT_COMMITTED;
            e.committed.partition = a.commit.partition;
            e.committed.result = PIPELINE_COMMIT_OK;
        }
        if (e.kind != EVENT_TICK && q->count < ARRAY_LEN(q->events))
            q->events[(q->first + q->count++) % ARRAY_LEN(q->events)] = e;
    }
}

static void carry_out(struct pipeline *p, int64_t now_ms)
{
    struct answers q = {.first = 0};
    collect(p, &q, now_ms);
    while (q.count > 0) {
        const struct pipeline_event e = q.events[q.first];
        q.first = (q.first + 1) % ARRAY_LEN(q.events);
        q.count--;
        pipeline_step(p, &e);
        collect(p, &q, now_ms);
    }
}

static struct result run(const struct setup *s, const struct schema *schema)
{
    const struct pipeline_config config = {.schema = schema,
                                           .topic = "bench",
                                           .prefix = "turnstile",
                                           .side_prefix = "rejected",
                                           .raw_prefix = "raw",
                                           .raw = s->raw > 0,
                                           .raw_chunk_records = s->raw,
                                           .duration_ms = s->duration_s * 1000,
                                           .slide_ms = s->slide_s * 1000,
                                           .delay_ms = s->duration_s * 1000,
                                           .idle_timeout_ms = PIPELINE_OFF,
                                           .idle_close_ms = PIPELINE_OFF,
                                           .max_future_skew_ms = PIPELINE_OFF};
    struct pipeline *p = pipeline_new(&config);
    const struct pipeline_partition part = {
        .partition = 0, .high = s->rows, .committed = RECORD_NO_OFFSET};
    struct pipeline_event e = {.kind = EVENT_ASSIGNED};
    e.assigned.partitions = &part;
    e.assigned.count = 1;
    pipeline_step(p, &e);
    carry_out(p, 0);

    static char bytes[BATCH][ROW_BYTES_MAX];
    struct record records[BATCH];
    struct result result = {0};
    for (int64_t n = 0; n < s->rows; n += BATCH) {
        const size_t count = (size_t)(s->rows - n < BATCH ? s->rows - n : BATCH);
        for (size_t i = 0; i < count; i++)
            records[i] =
                (struct record){.offset = n + (int64_t)i,
                                .timestamp_ms = RECORD_NO_TIMESTAMP,
                                .value = {bytes[i], write_row(s, n + (int64_t)i, bytes[i])}};
        const double before = seconds_now(); /* making rows does not count */
        e = (struct pipeline_event){.kind = EVENT_RECORDS, .now_ms = n / 1000};
        e.records.records = records;
        e.records.count = count;
        pipeline_step(p, &e);
        carry_out(p, n / 1000);
        result.seconds += seconds_now() - before;
    }
    struct pipeline_view view;
    struct pipeline_counters counters;
    struct pipeline_totals totals;
    pipeline_view(p, 0, &view, &counters);
    pipeline_totals(p, &totals);
    result.windowed = counters.windowed;
    result.batches = totals.batches_stored;
    result.live_ids = view.live_ids;
    result.memory_bytes = totals.memory_bytes;
    pipeline_free(p);
    return result;
}

static int by_seconds(const void *a, const void *b)
{
    const double x = ((const struct result *)a)->seconds, y = ((const struct result *)b)->seconds;
    return (x > y) - (x < y);
}

static struct schema *load_schema(const char *path)
{
    struct buf text;
    struct err err;
    struct schema *schema = NULL;
    FILE *f = fopen(path, "rb");
    buf_init(&text, SCHEMA_FILE_MAX_BYTES);
    if (f == NULL || buf_reserve(&text, SCHEMA_FILE_MAX_BYTES) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    text.len = fread(text.data, 1, SCHEMA_FILE_MAX_BYTES, f);
    fclose(f);
    if (schema_parse(buf_slice(&text), &schema, &err) != 0) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        exit(1);
    }
    buf_deinit(&text);
    return schema;
}

static int64_t number(const char *text)
{
    return strtoll(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct setup s = {.rows = 2000000,
                      .turnstiles = 5000,
                      .rows_per_second = 3000,
                      .duration_s = 300,
                      .slide_s = 300,
                      .runs = 3,
                      .schema_path = BENCH_SCHEMA};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rows") == 0)
            s.rows = number(argv[i + 1]);
        else if (strcmp(argv[i], "--turnstiles") == 0)
            s.turnstiles = number(argv[i + 1]);
        else if (strcmp(argv[i], "--rows-per-second") == 0) /* of event time: sets the live ids */
            s.rows_per_second = number(argv[i + 1]);
        else if (strcmp(argv[i], "--duration") == 0)
            s.duration_s = number(argv[i + 1]);
        else if (strcmp(argv[i], "--slide") == 0)
            s.slide_s = number(argv[i + 1]);
        else if (strcmp(argv[i], "--raw") == 0)
            s.raw = number(argv[i + 1]);
        else if (strcmp(argv[i], "--runs") == 0)
            s.runs = (int)number(argv[i + 1]);
        else if (strcmp(argv[i], "--format") == 0)
            s.json = strcmp(argv[i + 1], "json") == 0;
        else {
            fprintf(stderr,
                    "usage: bench_pipeline [--rows N] [--turnstiles N] [--rows-per-second N] "
                    "[--duration S] [--slide S] [--raw N] [--format csv|json] [--runs N]\n");
            return 2;
        }
    }
    if (s.rows < 1 || s.turnstiles < 1 || s.rows_per_second < 1 || s.slide_s < 1 || s.runs < 1 ||
        s.runs > 100 || s.duration_s < s.slide_s)
        return 2;
    struct schema *schema = load_schema(s.schema_path);
    struct result results[100];
    for (int i = 0; i < s.runs; i++)
        results[i] = run(&s, schema);
    qsort(results, (size_t)s.runs, sizeof(results[0]), by_seconds);
    const struct result *best = &results[0], *median = &results[s.runs / 2];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("bench,format,rows,turnstiles,duration_s,slide_s,live_ids,state_bytes,best_ns_per_row,"
           "median_ns_per_row,best_rows_per_s,windowed,batches,max_rss_kib\n");
    printf("pipeline,%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
           ",%zu,%zu,%.1f,%.1f,%.0f,%" PRIu64 ",%" PRIu64 ",%ld\n",
           s.json ? "json" : "csv", s.rows, s.turnstiles, s.duration_s, s.slide_s, best->live_ids,
           best->memory_bytes, best->seconds * 1e9 / (double)s.rows,
           median->seconds * 1e9 / (double)s.rows, (double)s.rows / best->seconds, best->windowed,
           best->batches, usage.ru_maxrss);
    schema_free(schema);
    return 0;
}
