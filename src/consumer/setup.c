#include "consumer/setup.h"

#include "base/mem.h"
#include "core/raw.h"
#include "io/kafka_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

#define PATH_BYTES 4096
#define DEFAULT_PREFIX "turnstile" /* as in the option table */

/* What the program holds whatever it does: code, libraries, thread stacks, TLS and HTTP buffers.
 * Too low: the limit is passed; too high: less is left for windows. */
#define BASE_BYTES ((size_t)24 << 20)
/* librdkafka's queues get a part of the limit, and take about four times their configured size when
 * they are full of small messages. */
#define QUEUE_SHARE 32
#define QUEUE_MAX_BYTES ((size_t)8 << 20)
#define QUEUE_OVERHEAD 4
/* One part in so many is for what the heap loses between the blocks that are counted. */
#define HEAP_SHARE 8
/* Part of the limit that objects on their way to the lake may take. Enough to keep the lake busy: a
 * larger one only moves rows from Kafka's disk into this program's memory. */
#define BACKLOG_SHARE 16

#define ROW_BYTES 256 /* of a mini-batch in memory: key, totals and their place in the table */

#define SESSION_TIMEOUT_MS 10000 /* where librdkafka does not say */

static int read_file(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return err_set(err, errno == EACCES ? ERR_PERMISSION : ERR_NOT_FOUND, "%s: %s", path,
                       strerror(errno));
    int rc = buf_reserve(out, max_bytes + 1);
    ASSERT(rc == 0);
    out->len = fread(out->data, 1, max_bytes + 1, file);
    if (ferror(file))
        rc = err_set(err, errno == EISDIR ? ERR_CONFIG : ERR_IO, "%s: %s", path, strerror(errno));
    else if (out->len > max_bytes)
        rc = err_set(err, ERR_TOO_LARGE, "%s: larger than %zu bytes", path, max_bytes);
    fclose(file);
    return rc;
}

static bool is_readable(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL)
        fclose(file);
    return file != NULL;
}

/* The schema that came with the program: beside a build tree, beside an installed program, or where
 * this build was configured to be installed. */
static int find_schema(char path[PATH_BYTES], struct err *err)
{
    static const char *const relative[] = {"../../../schemas", "../share/turnstile/schemas"};
    char program[PATH_BYTES / 2];
    size_t len = sizeof(program);
    if (uv_exepath(program, &len) == 0) {
        char *slash = strrchr(program, '/');
        if (slash != NULL)
            *slash = '\0';
        for (size_t i = 0; i < ARRAY_LEN(relative); i++) {
            snprintf(path, PATH_BYTES, "%s/%s/mta-turnstile.json", program, relative[i]);
            if (is_readable(path))
                return 0;
        }
    }
    snprintf(path, PATH_BYTES, "%s/mta-turnstile.json", TURNSTILE_SCHEMA_DIR);
    if (is_readable(path))
        return 0;
    return err_set(err, ERR_NOT_FOUND,
                   "the schema mta-turnstile.json is neither beside the program nor in %s; name it "
                   "with --schema",
                   TURNSTILE_SCHEMA_DIR);
}

/* Without `..`, for people; as it is when there is no such file. */
static char *plain_path(const char *path)
{
    char *resolved = realpath(path, NULL);
    char *copy = mem_strdup(resolved != NULL ? resolved : path);
    free(resolved);
    return copy;
}

static int load_schema(struct setup *s, struct err *err)
{
    char path[PATH_BYTES];
    struct buf text;
    int rc = 0;
    if (s->options.schema != NULL)
        snprintf(path, sizeof(path), "%s", s->options.schema);
    else
        rc = find_schema(path, err);
    if (rc != 0)
        return rc;
    buf_init(&text, SCHEMA_FILE_MAX_BYTES + 1);
    s->schema_path = plain_path(path);
    rc = read_file(path, SCHEMA_FILE_MAX_BYTES, &text, err);
    if (rc == 0) {
        rc = schema_parse(buf_slice(&text), &s->schema, err);
        if (rc != 0)
            err_prefix(err, "%s", path);
    }
    buf_deinit(&text);
    return rc;
}

/* The file first, then -b, then -X: a later one of the same key wins. */
static int load_properties(struct setup *s, struct err *err)
{
    const struct options *o = &s->options;
    int rc = 0;
    if (o->config != NULL)
        rc = properties_load(&s->properties, o->config, err);
    if (rc == 0 && o->brokers != NULL) {
        struct buf assignment;
        buf_init(&assignment, PROPERTIES_MAX_BYTES);
        rc = buf_printf(&assignment, "bootstrap.servers=%s", o->brokers);
        if (rc == 0)
            rc = buf_append_byte(&assignment, '\0');
        rc = rc == 0 ? properties_add(&s->properties, "-b", assignment.data, err)
                     : err_set(err, ERR_USAGE, "-b: too long");
        buf_deinit(&assignment);
    }
    for (unsigned i = 0; rc == 0 && i < o->property_count; i++)
        rc = properties_add(&s->properties, "-X", o->properties[i], err);
    if (rc != 0)
        return rc;
    const char *brokers = properties_get(&s->properties, "bootstrap.servers");
    if (brokers == NULL || brokers[0] == '\0')
        return err_set(err, ERR_CONFIG, "%s has no bootstrap.servers; add it, or give -b HOST:PORT",
                       o->config != NULL ? o->config : "the configuration");
    s->conf = kafka_source_conf_new();
    return properties_apply(&s->properties, s->conf, kafka_source_owned_properties, err);
}

static void share_memory(struct setup *s)
{
    const size_t limit = (size_t)s->options.memory_limit_bytes;
    s->queue_budget_bytes = limit / QUEUE_SHARE;
    if (s->queue_budget_bytes > QUEUE_MAX_BYTES)
        s->queue_budget_bytes = QUEUE_MAX_BYTES;
    const size_t rest = limit - BASE_BYTES - QUEUE_OVERHEAD * s->queue_budget_bytes;
    s->state_budget_bytes = rest - rest / HEAP_SHARE;
    s->backlog_bytes = limit / BACKLOG_SHARE;
}

static char *folder_beside(const char *prefix, const char *folder)
{
    struct buf path;
    buf_init(&path, OBJECT_NAME_MAX_BYTES);
    int rc = buf_append_str(&path, folder);
    if (rc == 0 && strcmp(prefix, DEFAULT_PREFIX) != 0)
        rc = buf_printf(&path, "/%s", prefix);
    if (rc == 0)
        rc = buf_append_byte(&path, '\0');
    ASSERT(rc == 0); /* the option table bounds the prefix */
    return buf_take(&path);
}

/* How long whoever had the partitions before may still believe to have them. */
static int64_t session_timeout_ms(const rd_kafka_conf_t *conf)
{
    char value[32];
    size_t size = sizeof(value);
    if (rd_kafka_conf_get(conf, "session.timeout.ms", value, &size) != RD_KAFKA_CONF_OK)
        return SESSION_TIMEOUT_MS;
    return strtoll(value, NULL, 10);
}

static int configure_pipeline(struct setup *s, struct err *err)
{
    struct options *o = &s->options;
    s->side_prefix = folder_beside(o->prefix, SETUP_SIDE_PREFIX);
    s->raw_prefix = folder_beside(o->prefix, SETUP_RAW_PREFIX);
    _Static_assert(OPTIONS_MAX_BATCH_RECORDS == RAW_MAX_CHUNK_RECORDS, "one bound");
    _Static_assert(OPTIONS_OFF == PIPELINE_OFF, "one value for a time that is off");
    if (o->max_future_skew_ms == OPTIONS_UNSET)
        o->max_future_skew_ms =
            s->schema->columns[s->schema->event_time].has_offset ? HOUR_MS : DAY_MS;
    s->pipeline = (struct pipeline_config){
        .schema = s->schema,
        .topic = o->topic,
        .prefix = o->prefix,
        .side_prefix = s->side_prefix,
        .raw_prefix = s->raw_prefix,
        .raw = o->raw,
        .raw_chunk_records = o->batch_records,
        .partition_scope = o->partition_scope,
        .duration_ms = o->duration_ms,
        .slide_ms = o->slide_ms,
        .delay_ms = o->delay_ms,
        /* a partition that waits for no other one is not held back by its silence either */
        .idle_timeout_ms = o->partition_scope ? PIPELINE_OFF : o->idle_timeout_ms,
        .idle_close_ms = o->idle_close_ms,
        .max_future_skew_ms = o->max_future_skew_ms,
        .memory_limit_bytes = s->state_budget_bytes,
        .rows_under_way = s->backlog_bytes / ROW_BYTES,
        .punctuation_hold_ms = session_timeout_ms(s->conf),
        .once = o->once,
        .flush = o->flush,
    };
    return pipeline_check_config(&s->pipeline, err);
}

int setup_load(struct setup *s, const struct options *options, struct err *err)
{
    *s = (struct setup){.options = *options};
    properties_init(&s->properties);
    share_memory(s);
    int rc = load_schema(s, err);
    if (rc == 0)
        rc = load_properties(s, err);
    if (rc == 0)
        rc = configure_pipeline(s, err);
    if (rc == 0)
        s->options.schema = s->schema_path;
    return rc;
}

void setup_deinit(struct setup *s)
{
    if (s->conf != NULL)
        rd_kafka_conf_destroy(s->conf);
    s->conf = NULL;
    properties_deinit(&s->properties);
    schema_free(s->schema);
    s->schema = NULL;
    mem_free(s->schema_path);
    mem_free(s->side_prefix);
    mem_free(s->raw_prefix);
    s->schema_path = s->side_prefix = s->raw_prefix = NULL;
}

int setup_print(const struct setup *s, struct buf *out)
{
    int rc = options_print(&s->options, out);
    if (rc == 0)
        rc = buf_append_str(out, "\n# librdkafka properties\n");
    return rc == 0 ? properties_print_redacted(&s->properties, out) : rc;
}
