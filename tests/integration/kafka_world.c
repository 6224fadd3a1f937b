#include "kafka_world.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GROUP "group"

/* ---- the world: a cluster, a producer, a loop ---- */

static void on_guard(uv_timer_t *guard)
{
    UNUSED(guard);
    fprintf(stderr, "the event that is waited for does not come\n");
    abort();
}

int kafka_world_setup(void **state)
{
    struct world *w = mem_calloc(1, sizeof(*w));
    char errstr[256];
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->guard);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "linger.ms", "0", errstr, sizeof(errstr)), 0);
    w->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
    assert_non_null(w->producer);
    w->cluster = rd_kafka_mock_cluster_new(w->producer, 1);
    const char *servers = rd_kafka_mock_cluster_bootstraps(w->cluster);
    assert_true(rd_kafka_brokers_add(w->producer, servers) > 0);
    assert_int_equal(rd_kafka_mock_topic_create(w->cluster, TOPIC, PARTITIONS, 1), 0);
    *state = w;
    return 0;
}

int kafka_world_teardown(void **state)
{
    struct world *w = *state;
    if (w->running > 0)
        return -1; /* the case failed and left the loop as it was */
    uv_close((uv_handle_t *)&w->guard, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0); /* no handle was left open */
    rd_kafka_mock_cluster_destroy(w->cluster);
    rd_kafka_destroy(w->producer);
    mem_free(w);
    return 0;
}

void produce_one(struct world *w, int32_t partition, const char *value, size_t len,
                 int64_t timestamp_ms)
{
    const rd_kafka_resp_err_t error =
        rd_kafka_producev(w->producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_KEY("key", 3), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, len),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
                          RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_END);
    assert_int_equal(error, 0);
    rd_kafka_poll(w->producer, 0);
}

/* "p<partition>-<number>"; the number is the offset. */
void produce(struct world *w, int32_t partition, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char value[32];
        const int len = snprintf(value, sizeof(value), "p%d-%d", (int)partition, i);
        produce_one(w, partition, value, (size_t)len, 1000 + i);
    }
    assert_int_equal(rd_kafka_flush(w->producer, GUARD_MS), 0);
}

/* ---- a member: a source, and what it told ---- */

void member_read(struct member *m)
{
    struct kafka_source_start_offset offsets[PARTITIONS];
    size_t count = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        if (m->seen[i].owned)
            offsets[count++] = (struct kafka_source_start_offset){i, m->seen[i].next_offset};
    kafka_source_read(m->source, offsets, count);
}

void member_commit(struct member *m, int32_t partition, int64_t offset, const char *metadata)
{
    m->commits_sent++;
    kafka_source_commit(m->source, partition, offset, slice_of(metadata));
}

static void on_assigned(void *arg, const struct pipeline_partition *partitions, size_t count)
{
    struct member *m = arg;
    m->assigned++;
    m->owned = count;
    for (size_t i = 0; i < PARTITIONS; i++)
        m->seen[i].owned = false;
    for (size_t i = 0; i < count; i++) {
        struct seen *seen = &m->seen[partitions[i].partition];
        seen->owned = true;
        seen->low = seen->next_offset = partitions[i].low;
        seen->high = partitions[i].high;
        seen->committed = partitions[i].committed;
        snprintf(seen->metadata, sizeof(seen->metadata), "%.*s", (int)partitions[i].metadata.len,
                 partitions[i].metadata.ptr ? partitions[i].metadata.ptr : "");
    }
    if (m->read_when_assigned)
        member_read(m);
}

static void on_revoked(void *arg)
{
    struct member *m = arg;
    m->revoked++;
    assert_int_equal(m->revoked, m->assigned);
    assert_int_equal(m->commits_sent, m->commits_answered); /* what was in flight was awaited */
}

static bool on_may_read(void *arg, int32_t partition)
{
    const struct member *m = arg;
    return !m->seen[partition].held;
}

static void on_records(void *arg, int32_t partition, const struct record *records, size_t count)
{
    struct member *m = arg;
    struct seen *seen = &m->seen[partition];
    assert_false(seen->held);
    assert_true(count > 0 && count <= KAFKA_SOURCE_BATCH_RECORDS);
    for (size_t i = 0; i < count; i++) {
        char expected[32];
        assert_int_equal(records[i].offset, seen->next_offset);
        snprintf(expected, sizeof(expected), "p%d-%d", (int)partition, (int)records[i].offset);
        if (records[i].tombstone) {
            assert_null(records[i].value.ptr);
            m->tombstones++;
        } else {
            assert_true(slice_equal(records[i].value, slice_of(expected)));
            assert_true(slice_equal(records[i].key, slice_of("key")));
            assert_int_equal(records[i].timestamp_ms, 1000 + records[i].offset);
        }
        seen->next_offset++;
        m->records++;
    }
}

static void on_end_of_log(void *arg, int32_t partition, int64_t offset)
{
    struct member *m = arg;
    assert_int_equal(offset, m->seen[partition].next_offset);
    m->seen[partition].end_of_log = offset;
    m->seen[partition].ends++;
}

static void on_read_error(void *arg, int32_t partition, const char *reason)
{
    struct member *m = arg;
    snprintf(m->seen[partition].read_error, sizeof(m->seen[partition].read_error), "%s", reason);
}

static void on_committed(void *arg, int32_t partition, enum pipeline_commit_result result)
{
    struct member *m = arg;
    m->commits_answered++;
    m->seen[partition].commits++;
    m->seen[partition].commit_result = result;
    if (m->commit_again && result == PIPELINE_COMMIT_OK)
        member_commit(m, partition, m->seen[partition].commits, "again");
    if (m->commit_elsewhere && partition != 0 && result == PIPELINE_COMMIT_UNKNOWN)
        member_commit(m, 0, 0, "elsewhere");
}

static void on_standby(void *arg)
{
    struct member *m = arg;
    m->standby++;
}

static void on_failed(void *arg, const struct err *err)
{
    struct member *m = arg;
    m->failed++;
    m->failure = *err;
}

void member_on_stopped(void *arg)
{
    struct member *m = arg;
    m->source = NULL;
    m->stopped++;
    m->world->running--;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char errstr[256];
    assert_int_equal(rd_kafka_conf_set(conf, key, value, errstr, sizeof(errstr)), 0);
}

static void on_first_record(void *arg, int32_t partition, int64_t low, struct buf *out)
{
    UNUSED(arg);
    assert_int_equal(buf_printf(out, "first %d@%d", (int)partition, (int)low), 0);
}

struct member *member_start_with(struct world *w, const struct options *options)
{
    struct member *m = mem_calloc(1, sizeof(*m));
    m->world = w;
    rd_kafka_conf_t *conf = kafka_source_conf_new();
    set(conf, "bootstrap.servers",
        options->servers ? options->servers : rd_kafka_mock_cluster_bootstraps(w->cluster));
    set(conf, "session.timeout.ms", "3500"); /* the mock's groups need more than 3000 */
    set(conf, "heartbeat.interval.ms", "100");
    const struct kafka_source_config config = {
        .topic = TOPIC,
        .conf = conf,
        .group = GROUP,
        .client_id = "test",
        .queue_budget_bytes = 8 << 20,
        .partition_scope = options->partition_scope,
        .connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms : 10000,
    };
    const struct kafka_source_callbacks callbacks = {
        .assigned = on_assigned,
        .revoked = on_revoked,
        .may_read = on_may_read,
        .records = on_records,
        .end_of_log = on_end_of_log,
        .read_error = on_read_error,
        .committed = on_committed,
        .standby = on_standby,
        .first_record = options->found ? on_first_record : NULL,
        .failed = on_failed,
        .arg = m,
    };
    struct err err;
    if (kafka_source_new(&w->loop, &config, &callbacks, &m->source, &err))
        fail_msg("%s", err.text);
    kafka_source_start(m->source);
    w->running++;
    return m;
}

struct member *member_start(struct world *w)
{
    return member_start_with(w, &(struct options){0});
}

/* Turn the loop until `done` says so. */
void member_wait(struct member *m, bool (*done)(const struct member *m))
{
    struct world *w = m->world;
    uv_timer_start(&w->guard, on_guard, GUARD_MS, 0);
    while (!done(m))
        uv_run(&w->loop, UV_RUN_ONCE);
    uv_timer_stop(&w->guard);
}

bool is_stopped(const struct member *m)
{
    return m->stopped > 0;
}

void member_stop(struct member *m)
{
    kafka_source_stop(m->source, STOP_MS, member_on_stopped, m);
    member_wait(m, is_stopped);
    mem_free(m);
}

bool is_assigned(const struct member *m)
{
    assert_int_equal(m->failed, 0);
    return m->assigned > m->revoked;
}

bool is_at_ends(const struct member *m)
{
    for (size_t i = 0; i < PARTITIONS; i++)
        if (m->seen[i].owned && m->seen[i].end_of_log != m->seen[i].expected_end)
            return false;
    return true;
}

bool one_owns_one_stands_by(const struct member *m)
{
    return (m->standby > 0 && is_assigned(m->other)) || (m->other->standby > 0 && is_assigned(m));
}

bool is_answered(const struct member *m)
{
    return m->commits_answered == m->commits_sent;
}

bool is_revoked(const struct member *m)
{
    return m->revoked > 0;
}

bool has_read_error(const struct member *m)
{
    for (size_t i = 0; i < PARTITIONS; i++)
        if (m->seen[i].read_error[0])
            return true;
    return false;
}

bool has_failed(const struct member *m)
{
    return m->failed > 0;
}
