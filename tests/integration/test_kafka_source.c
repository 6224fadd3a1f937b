/* kafka_source against librdkafka's mock cluster in this process. Each case has its own cluster.
 * `test_kafka_source CASE` runs one; waiting is for events, with a guard against hanging. */
#include "io/kafka_source.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <librdkafka/rdkafka_mock.h>

#define TOPIC "turnstile"
#define GROUP "group"
#define PARTITIONS 4
#define GUARD_MS 60000 /* nothing here takes that long: it hangs */
#define STOP_MS 5000
#define API_METADATA 3
#define API_OFFSET_COMMIT 8

/* ---- the world: a cluster, a producer, a loop ---- */

struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    rd_kafka_t *producer; /* carries the cluster */
    rd_kafka_mock_cluster_t *cluster;
};

static void on_guard(uv_timer_t *guard)
{
    UNUSED(guard);
    fprintf(stderr, "the event that is waited for does not come\n");
    abort();
}

static int world_setup(void **state)
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

static int world_teardown(void **state)
{
    struct world *w = *state;
    uv_close((uv_handle_t *)&w->guard, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0); /* no handle was left open */
    rd_kafka_mock_cluster_destroy(w->cluster);
    rd_kafka_destroy(w->producer);
    mem_free(w);
    return 0;
}

/* "p<partition>-<number>"; number from `first`. */
static void produce(struct world *w, int32_t partition, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char value[32];
        const int len = snprintf(value, sizeof(value), "p%d-%d", (int)partition, i);
        const rd_kafka_resp_err_t error =
            rd_kafka_producev(w->producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_KEY("key", 3), RD_KAFKA_V_VALUE(value, (size_t)len),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
                              RD_KAFKA_V_TIMESTAMP(1000 + i), RD_KAFKA_V_END);
        assert_int_equal(error, 0);
        rd_kafka_poll(w->producer, 0);
    }
    assert_int_equal(rd_kafka_flush(w->producer, GUARD_MS), 0);
}

/* ---- a member: a source, and what it told ---- */

struct seen { /* of one partition */
    int64_t start, next_offset;
    int64_t low, high, committed;
    char metadata[64];
    int64_t end_of_log;
    int ends;
    bool held; /* may_read() says no */
    int commits;
    enum pipeline_commit_result commit_result;
    char read_error[128];
};

struct member {
    struct world *world;
    struct kafka_source *source;
    struct seen seen[PARTITIONS];
    int assigned, revoked, standby, failed, stopped;
    uint64_t records;
    struct err failure;
    bool read_from_low; /* in assigned() itself */
    bool commit_when_revoked;
};

static void member_read(struct member *m)
{
    struct kafka_source_start_offset offsets[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++)
        offsets[i] = (struct kafka_source_start_offset){i, m->seen[i].next_offset};
    kafka_source_read(m->source, offsets, PARTITIONS);
}

static void on_assigned(void *arg, const struct pipeline_partition *partitions, size_t count)
{
    struct member *m = arg;
    m->assigned++;
    assert_int_equal(count, PARTITIONS);
    for (size_t i = 0; i < count; i++) {
        struct seen *seen = &m->seen[i];
        assert_int_equal(partitions[i].partition, i);
        seen->low = seen->next_offset = partitions[i].low;
        seen->high = partitions[i].high;
        seen->committed = partitions[i].committed;
        snprintf(seen->metadata, sizeof(seen->metadata), "%.*s", (int)partitions[i].metadata.len,
                 partitions[i].metadata.ptr);
    }
    if (m->read_from_low)
        member_read(m);
}

static void on_revoked(void *arg)
{
    struct member *m = arg;
    m->revoked++;
    assert_true(m->revoked <= m->assigned);
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
    m->seen[partition].commits++;
    m->seen[partition].commit_result = result;
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

static void on_stopped(void *arg)
{
    struct member *m = arg;
    m->source = NULL;
    m->stopped++;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char errstr[256];
    assert_int_equal(rd_kafka_conf_set(conf, key, value, errstr, sizeof(errstr)), 0);
}

static struct member *member_start_at(struct world *w, const char *servers, int64_t connect_ms)
{
    struct member *m = mem_calloc(1, sizeof(*m));
    m->world = w;
    rd_kafka_conf_t *conf = kafka_source_conf_new();
    set(conf, "bootstrap.servers", servers);
    set(conf, "session.timeout.ms", "3500"); /* the mock's groups need more than 3000 */
    set(conf, "heartbeat.interval.ms", "100");
    const struct kafka_source_config config = {
        .topic = TOPIC,
        .conf = conf,
        .group = GROUP,
        .client_id = "test",
        .queue_budget_bytes = 8 << 20,
        .connect_timeout_ms = connect_ms,
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
        .failed = on_failed,
        .arg = m,
    };
    struct err err;
    if (kafka_source_new(&w->loop, &config, &callbacks, &m->source, &err))
        fail_msg("%s", err.text);
    kafka_source_start(m->source);
    return m;
}

static struct member *member_start(struct world *w)
{
    return member_start_at(w, rd_kafka_mock_cluster_bootstraps(w->cluster), 10000);
}

/* Turn the loop until `done` says so. */
static void wait_for(struct member *m, bool (*done)(const struct member *m))
{
    struct world *w = m->world;
    uv_timer_start(&w->guard, on_guard, GUARD_MS, 0);
    while (!done(m))
        uv_run(&w->loop, UV_RUN_ONCE);
    uv_timer_stop(&w->guard);
}

static bool is_stopped(const struct member *m)
{
    return m->stopped > 0;
}

static void member_stop(struct member *m)
{
    kafka_source_stop(m->source, STOP_MS, on_stopped, m);
    wait_for(m, is_stopped);
    mem_free(m);
}

static bool is_assigned(const struct member *m)
{
    assert_int_equal(m->failed, 0);
    return m->assigned > m->revoked;
}

static bool is_at_ends(const struct member *m)
{
    for (size_t i = 0; i < PARTITIONS; i++)
        if (m->seen[i].ends == 0)
            return false;
    return true;
}

static bool has_failed(const struct member *m)
{
    return m->failed > 0;
}

/* ---- cases ---- */

static void reads_everything_in_order_from_the_given_offsets(void **state)
{
    struct world *w = *state;
    for (int32_t i = 0; i < PARTITIONS; i++)
        produce(w, i, 0, 1000 * (i + 1));
    struct member *m = member_start(w);
    wait_for(m, is_assigned);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(m->seen[i].low, 0);
        assert_int_equal(m->seen[i].high, 1000 * (i + 1));
        assert_int_equal(m->seen[i].committed, RECORD_NO_OFFSET);
        assert_string_equal(m->seen[i].metadata, "");
        m->seen[i].next_offset = 10 * i;
    }
    member_read(m);
    wait_for(m, is_at_ends);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(m->seen[i].end_of_log, 1000 * (i + 1));
        assert_int_equal(m->seen[i].ends, 1);
    }
    assert_int_equal(m->records, 10000 - 60);
    member_stop(m);
}

static void an_unknown_topic_is_a_configuration_error(void **state)
{
    struct world *w = *state;
    rd_kafka_mock_topic_set_error(w->cluster, TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct member *m = member_start(w);
    wait_for(m, has_failed);
    assert_int_equal(m->failure.code, ERR_CONFIG);
    assert_non_null(strstr(m->failure.text, "topic \"turnstile\" does not exist at 127.0.0.1"));
    member_stop(m);
}

static void a_broker_that_is_away_at_the_start_is_unreachable(void **state)
{
    struct member *m = member_start_at(*state, "127.0.0.1:1", 700);
    wait_for(m, has_failed);
    assert_int_equal(m->failure.code, ERR_UNREACHABLE);
    assert_non_null(strstr(m->failure.text, "cannot reach Kafka at 127.0.0.1:1 within 700 ms: "));
    member_stop(m);
}

static void missing_rights_are_named(void **state)
{
    struct world *w = *state;
    rd_kafka_mock_topic_set_error(w->cluster, TOPIC, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct member *m = member_start(w);
    wait_for(m, has_failed);
    assert_int_equal(m->failure.code, ERR_PERMISSION);
    member_stop(m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        CASE(reads_everything_in_order_from_the_given_offsets),
        CASE(an_unknown_topic_is_a_configuration_error),
        CASE(a_broker_that_is_away_at_the_start_is_unreachable),
        CASE(missing_rights_are_named),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
