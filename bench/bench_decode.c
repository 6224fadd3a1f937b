/* How fast is decoder_run()? Rows of the default schema, about 130 bytes, one to a message, as the
 * producers send them: as CSV and as a JSON string. Prints one CSV line a form, the fastest and the
 * median of the rounds:
 * form,rows,row_bytes,rounds,best_ns_per_row,median_ns_per_row,best_rows_per_s
 *
 * usage: bench_decode SCHEMA [ROUNDS] */
#include "base/mem.h"
#include "core/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS 20000     /* different ones, 2.6 MB: more than a core's own cache, as in service */
#define BATCH_ROWS 500 /* about what one read of a queue yields */
#define ROW_BYTES 160
#define MAX_ROUNDS 1000

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct schema *read_schema(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    char *text = mem_alloc(SCHEMA_FILE_MAX_BYTES);
    const size_t len = fread(text, 1, SCHEMA_FILE_MAX_BYTES, file);
    fclose(file);
    struct schema *schema;
    struct err err;
    if (schema_parse((struct slice){text, len}, &schema, &err) < 0) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        exit(1);
    }
    mem_free(text);
    return schema;
}

/* Row i of a feed of some hundred turnstiles; the same on every run. */
static size_t write_row(char *out, unsigned i, const char *quote)
{
    const int len =
        snprintf(out, ROW_BYTES,
                 "%sA%03u,R%03u,02-00-%02u,Test-Station%u,456NQR,BMT,07-22-24,"
                 "%02u:%02u:%02u,REGULAR,%u,%u,%08x-1f3c-4d5e-8a6b-%012x,"
                 "2024-07-22 %02u:%02u:%02u%s",
                 quote, i % 40, i % 7, i % 11, i % 5, i / 3600 % 24, i / 60 % 60, i % 60, 5 + i % 6,
                 5 + i % 5, i * 2654435761u, i * 40503u, i / 3600 % 24, i / 60 % 60, i % 60, quote);
    return (size_t)len;
}

static size_t make_records(struct record *records, char *bytes, const char *quote)
{
    size_t used = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        const size_t len = write_row(bytes + used, i, quote);
        records[i] = (struct record){
            .offset = i, .timestamp_ms = INT64_C(1721692800000), .value = {bytes + used, len}};
        used += len;
    }
    return used;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t round_ns(struct decoder *d, const struct record *records)
{
    size_t good = 0;
    const int64_t start_ns = now_ns();
    for (size_t i = 0; i < ROWS; i += BATCH_ROWS) {
        const struct row *rows;
        const size_t count = decoder_run(d, records + i, BATCH_ROWS, &rows);
        for (size_t r = 0; r < count; r++)
            good += rows[r].reject == REJECT_NONE;
    }
    const int64_t took_ns = now_ns() - start_ns;
    if (good != ROWS) {
        fprintf(stderr, "%zu of %d rows are good\n", good, ROWS);
        exit(1);
    }
    return took_ns;
}

static void measure(const struct schema *schema, const char *form, const char *quote, int rounds)
{
    const struct decode_options options = {.max_future_skew_ms = 86400000};
    struct decoder *d = decoder_new(schema, &options);
    struct record *records = mem_calloc(ROWS, sizeof(*records));
    char *bytes = mem_alloc((size_t)ROWS * ROW_BYTES);
    const size_t row_bytes = make_records(records, bytes, quote) / ROWS;
    int64_t took_ns[MAX_ROUNDS];
    round_ns(d, records); /* warm */
    for (int i = 0; i < rounds; i++)
        took_ns[i] = round_ns(d, records);
    qsort(took_ns, (size_t)rounds, sizeof(*took_ns), compare);
    const double best_ns = (double)took_ns[0] / ROWS;
    printf("%s,%d,%zu,%d,%.1f,%.1f,%.0f\n", form, ROWS, row_bytes, rounds, best_ns,
           (double)took_ns[rounds / 2] / ROWS, 1e9 / best_ns);
    mem_free(bytes);
    mem_free(records);
    decoder_free(d);
}

int main(int argc, char **argv)
{
    const long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 50;
    if (argc < 2 || argc > 3 || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: %s SCHEMA [ROUNDS, 1 to %d]\n", argv[0], MAX_ROUNDS);
        return 2;
    }
    struct schema *schema = read_schema(argv[1]);
    puts("form,rows,row_bytes,rounds,best_ns_per_row,median_ns_per_row,best_rows_per_s");
    measure(schema, "csv", "", (int)rounds);
    measure(schema, "json", "\"", (int)rounds);
    schema_free(schema);
    return 0;
}
