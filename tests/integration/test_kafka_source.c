/* kafka_source against librdkafka's mock cluster in this process. Each case has its own cluster.
 * `test_kafka_source CASE` runs one; waiting is for events, with a guard against hanging. */
#include "io/kafka_private.h" /* for the length of a queue, which nobody else should know */

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

static void produce_one(struct world *w, int32_t partition, const char *value, size_t len,
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
static void produce(struct world *w, int32_t partition, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char value[32];
        const int len = snprintf(value, sizeof(value), "p%d-%d", (int)partition, i);
        produce_one(w, partition, value, (size_t)len, 1000 + i);
    }
    assert_int_equal(rd_kafka_flush(w->producer, GUARD_MS), 0);
}

/* ---- a member: a source, and what it told ---- */

struct seen { /* of one partition */
    bool owned;
    int64_t next_offset;
    int64_t low, high, committed;
    int64_t expected_end; /* what is_at_ends() waits for */
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
    uint64_t records, tombstones;
    struct err failure;
    bool read_when_assigned; /* from the low offsets, in assigned() itself */
    bool commit_again;       /* whenever one is answered */
    int commits_sent, commits_answered;
    size_t owned;
};

static void member_read(struct member *m)
{
    struct kafka_source_start_offset offsets[PARTITIONS];
    size_t count = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        if (m->seen[i].owned)
            offsets[count++] = (struct kafka_source_start_offset){i, m->seen[i].next_offset};
    kafka_source_read(m->source, offsets, count);
}

static void member_commit(struct member *m, int32_t partition, int64_t offset, const char *metadata)
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

struct options {
    const char *servers; /* NULL: the cluster's */
    int64_t connect_timeout_ms;
    bool partition_scope;
};

static struct member *member_start_with(struct world *w, const struct options *options)
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
    return member_start_with(w, &(struct options){0});
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
        if (m->seen[i].owned && m->seen[i].end_of_log != m->seen[i].expected_end)
            return false;
    return true;
}

static bool is_standby(const struct member *m)
{
    assert_int_equal(m->failed, 0);
    return m->standby > 0;
}

static bool is_answered(const struct member *m)
{
    return m->commits_answered == m->commits_sent;
}

static bool is_revoked(const struct member *m)
{
    return m->revoked > 0;
}

static bool has_read_error(const struct member *m)
{
    for (size_t i = 0; i < PARTITIONS; i++)
        if (m->seen[i].read_error[0])
            return true;
    return false;
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
    for (int32_t i = 0; i < PARTITIONS; i++)
        m->seen[i].expected_end = 1000 * (i + 1);
    member_read(m);
    wait_for(m, is_at_ends);
    assert_int_equal(m->records, 10000 - 60);
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(m->seen[i].ends, 1);
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
    struct member *m = member_start_with(
        *state, &(struct options){.servers = "127.0.0.1:1", .connect_timeout_ms = 700});
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

static void an_end_is_told_each_time_it_is_reached(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    wait_for(m, is_assigned);
    wait_for(m, is_at_ends); /* empty: the end is 0 */
    for (int round = 1; round <= 5; round++) {
        produce(w, 1, 3 * (round - 1), 3);
        m->seen[1].expected_end = 3 * round;
        wait_for(m, is_at_ends);
    }
    produce_one(w, 1, NULL, 0, 1015);
    assert_int_equal(rd_kafka_flush(w->producer, GUARD_MS), 0);
    m->seen[1].expected_end = 16;
    wait_for(m, is_at_ends);
    assert_int_equal(m->tombstones, 1);
    assert_int_equal(m->seen[0].end_of_log, 0);
    member_stop(m);
}

static void a_commit_comes_back_with_its_metadata(void **state)
{
    struct world *w = *state;
    produce(w, 2, 0, 10);
    struct member *first = member_start(w);
    wait_for(first, is_assigned);
    member_commit(first, 2, 7, "T1 W=- U=-");
    member_commit(first, 0, 0, "");
    assert_int_equal(first->commits_answered, 0); /* never from inside the call */
    wait_for(first, is_answered);
    assert_int_equal(first->seen[2].commit_result, PIPELINE_COMMIT_OK);
    member_stop(first);

    struct member *second = member_start(w);
    wait_for(second, is_assigned);
    assert_int_equal(second->seen[0].committed, 0);
    assert_int_equal(second->seen[1].committed, RECORD_NO_OFFSET);
    assert_int_equal(second->seen[2].committed, 7);
    assert_string_equal(second->seen[2].metadata, "T1 W=- U=-");
    second->seen[2].next_offset = 7;
    second->seen[2].expected_end = 10;
    member_read(second);
    wait_for(second, is_at_ends);
    assert_int_equal(second->records, 3);
    member_stop(second);
}

static void commit_errors_are_told_apart(void **state)
{
    static const struct {
        rd_kafka_resp_err_t error;
        size_t times; /* librdkafka repeats some by itself */
        enum pipeline_commit_result expected;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, 1, PIPELINE_COMMIT_REFUSED},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1, PIPELINE_COMMIT_REFUSED},
        {RD_KAFKA_RESP_ERR_UNKNOWN, 1, PIPELINE_COMMIT_UNKNOWN},
        {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 4, PIPELINE_COMMIT_UNKNOWN},
        {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, 1, PIPELINE_COMMIT_REFUSED},
        {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, 1, PIPELINE_COMMIT_REFUSED}, /* last: it is fenced */
    };
    struct world *w = *state;
    struct member *m = member_start(w);
    wait_for(m, is_assigned);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rd_kafka_resp_err_t errors[4];
        for (size_t j = 0; j < cases[i].times; j++)
            errors[j] = cases[i].error;
        rd_kafka_mock_push_request_errors_array(w->cluster, API_OFFSET_COMMIT, cases[i].times,
                                                errors);
        member_commit(m, 1, 5, "x");
        wait_for(m, is_answered);
        assert_int_equal(m->seen[1].commit_result, cases[i].expected);
        rd_kafka_mock_clear_request_errors(w->cluster, API_OFFSET_COMMIT);
    }
    wait_for(m, is_revoked);
    wait_for(m, is_assigned);
    member_commit(m, 1, 5, "x");
    wait_for(m, is_answered);
    assert_int_equal(m->seen[1].commit_result, PIPELINE_COMMIT_OK);
    member_stop(m);
}

static void the_second_member_stands_by_and_takes_over(void **state)
{
    struct world *w = *state;
    produce(w, 3, 0, 5);
    struct member *first = member_start(w);
    wait_for(first, is_assigned);
    struct member *second = member_start(w);
    second->read_when_assigned = true;
    wait_for(second, is_standby);
    wait_for(first, is_assigned); /* the oldest keeps partition 0 */
    assert_int_equal(first->standby, 0);
    assert_int_equal(first->revoked, 1);
    assert_int_equal(second->assigned, 0);

    member_commit(second, 3, 5, "not the owner");
    wait_for(second, is_answered);
    assert_int_equal(second->seen[3].commit_result, PIPELINE_COMMIT_REFUSED);
    member_commit(first, 3, 2, "the owner");
    wait_for(first, is_answered);
    assert_int_equal(first->seen[3].commit_result, PIPELINE_COMMIT_OK);

    member_stop(first);
    wait_for(second, is_assigned);
    assert_int_equal(second->seen[3].committed, 2);
    second->seen[3].expected_end = 5;
    wait_for(second, is_at_ends);
    assert_int_equal(second->records, 5);
    member_stop(second);
}

static void a_commit_in_flight_is_awaited_before_the_partitions_go(void **state)
{
    struct world *w = *state;
    struct member *first = member_start(w);
    wait_for(first, is_assigned);
    for (int i = 0; i < 200; i++)
        rd_kafka_mock_broker_push_request_error_rtts(w->cluster, 1, API_OFFSET_COMMIT, 1,
                                                     RD_KAFKA_RESP_ERR_NO_ERROR, 200);
    first->commit_again = true;
    member_commit(first, 0, 0, "slow");
    struct member *second = member_start(w);
    wait_for(first, is_revoked); /* on_revoked() has looked */
    assert_true(first->commits_answered > 1);
    assert_int_not_equal(first->seen[0].commit_result, PIPELINE_COMMIT_UNKNOWN);
    first->commit_again = false;
    wait_for(second, is_standby);
    member_stop(second);
    member_stop(first);
}

static void a_commit_in_flight_is_answered_before_stopping(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    wait_for(m, is_assigned);
    rd_kafka_mock_broker_push_request_error_rtts(w->cluster, 1, API_OFFSET_COMMIT, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, 300);
    member_commit(m, 0, 0, "slow");
    kafka_source_stop(m->source, STOP_MS, on_stopped, m);
    member_commit(m, 1, 0, "too late");
    wait_for(m, is_stopped);
    assert_int_equal(m->seen[0].commit_result, PIPELINE_COMMIT_OK);
    assert_int_equal(m->seen[0].commits, 1);
    assert_int_equal(m->seen[1].commit_result, PIPELINE_COMMIT_REFUSED);
    mem_free(m);
}

static void a_partition_that_may_not_be_read_waits_for_a_kick(void **state)
{
    struct world *w = *state;
    for (int32_t i = 0; i < PARTITIONS; i++)
        produce(w, i, 0, 500);
    struct member *m = member_start(w);
    m->seen[0].held = true;
    m->read_when_assigned = true;
    for (int32_t i = 1; i < PARTITIONS; i++)
        m->seen[i].expected_end = 500;
    wait_for(m, is_assigned);
    wait_for(m, is_at_ends);
    assert_int_equal(m->seen[0].next_offset, 0);
    assert_int_equal(m->records, 1500);
    m->seen[0].held = false;
    m->seen[0].expected_end = 500;
    kafka_source_kick(m->source);
    wait_for(m, is_at_ends);
    assert_int_equal(m->records, 2000);
    member_stop(m);
}

static void an_unread_queue_is_bounded(void **state)
{
    enum { RECORD_BYTES = 1000, RECORDS = 4000 };
    struct world *w = *state;
    char value[RECORD_BYTES] = {0};
    for (int i = 0; i < RECORDS; i++)
        produce_one(w, 0, value, sizeof(value), 1000 + i);
    assert_int_equal(rd_kafka_flush(w->producer, GUARD_MS), 0);
    struct member *m = member_start(w);
    m->seen[0].held = true;
    m->read_when_assigned = true;
    wait_for(m, is_assigned);
    for (int round = 0; round < 50; round++) { /* a fetch of all partitions each, at least */
        produce(w, 1, round, 1);
        m->seen[1].expected_end = round + 1;
        wait_for(m, is_at_ends);
    }
    const size_t unread = rd_kafka_queue_length(m->source->partitions[0].queue);
    const size_t limit_bytes = 256 * 1024 + 1024 * 1024; /* the queue's, and one fetch */
    assert_true(unread > 0);
    assert_true(unread * RECORD_BYTES <= limit_bytes);
    assert_true(unread < RECORDS / 2);
    member_stop(m);
}

static void an_offset_out_of_range_is_a_read_error(void **state)
{
    struct world *w = *state;
    for (int32_t i = 0; i < PARTITIONS; i++)
        produce(w, i, 0, 10);
    struct member *m = member_start(w);
    wait_for(m, is_assigned);
    m->seen[2].next_offset = 5000;
    for (int32_t i = 0; i < PARTITIONS; i++)
        m->seen[i].expected_end = i == 2 ? 0 : 10;
    member_read(m);
    wait_for(m, has_read_error);
    wait_for(m, is_at_ends); /* the others go on */
    assert_non_null(strstr(m->seen[2].read_error, "_AUTO_OFFSET_RESET"));
    produce(w, 2, 10, 1);
    produce(w, 3, 10, 1);
    m->seen[3].expected_end = 11;
    wait_for(m, is_at_ends);
    assert_int_equal(m->seen[2].next_offset, 5000);
    member_stop(m);
}

static void a_stopped_partition_is_not_read(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    wait_for(m, is_assigned);
    wait_for(m, is_at_ends);
    kafka_source_stop_partition(m->source, 0);
    produce(w, 0, 0, 5);
    produce(w, 1, 0, 5);
    m->seen[1].expected_end = 5;
    wait_for(m, is_at_ends);
    assert_int_equal(m->seen[0].next_offset, 0);
    member_stop(m);
}

static void a_broker_that_goes_away_later_is_waited_for(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    wait_for(m, is_assigned);
    wait_for(m, is_at_ends);
    assert_int_equal(rd_kafka_mock_broker_set_down(w->cluster, 1), 0);
    member_commit(m, 0, 0, "into the void");
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(rd_kafka_mock_broker_set_up(w->cluster, 1), 0);
    wait_for(m, is_answered); /* done or not, it is answered */
    produce(w, 1, 0, 5);
    m->seen[1].expected_end = 5;
    wait_for(m, is_at_ends);
    assert_int_equal(m->failed, 0);
    member_stop(m);
}

static void stopping_is_bounded_without_a_broker(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    wait_for(m, is_assigned);
    assert_int_equal(rd_kafka_mock_broker_set_down(w->cluster, 1), 0);
    member_commit(m, 0, 0, "into the void");
    member_stop(m); /* its guard is the assertion */
}

static void in_partition_scope_the_members_share(void **state)
{
    struct world *w = *state;
    const struct options options = {.partition_scope = true};
    struct member *first = member_start_with(w, &options);
    wait_for(first, is_assigned);
    assert_int_equal(first->owned, PARTITIONS);
    struct member *second = member_start_with(w, &options);
    wait_for(second, is_assigned);
    wait_for(first, is_assigned);
    assert_int_equal(first->owned, PARTITIONS / 2);
    assert_int_equal(second->owned, PARTITIONS / 2);
    for (size_t i = 0; i < PARTITIONS; i++)
        assert_int_not_equal(first->seen[i].owned, second->seen[i].owned);
    member_stop(first);
    member_stop(second);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        CASE(reads_everything_in_order_from_the_given_offsets),
        CASE(an_unknown_topic_is_a_configuration_error),
        CASE(a_broker_that_is_away_at_the_start_is_unreachable),
        CASE(missing_rights_are_named),
        CASE(an_end_is_told_each_time_it_is_reached),
        CASE(a_commit_comes_back_with_its_metadata),
        CASE(commit_errors_are_told_apart),
        CASE(the_second_member_stands_by_and_takes_over),
        CASE(a_commit_in_flight_is_awaited_before_the_partitions_go),
        CASE(a_commit_in_flight_is_answered_before_stopping),
        CASE(a_partition_that_may_not_be_read_waits_for_a_kick),
        CASE(an_unread_queue_is_bounded),
        CASE(an_offset_out_of_range_is_a_read_error),
        CASE(a_stopped_partition_is_not_read),
        CASE(a_broker_that_goes_away_later_is_waited_for),
        CASE(stopping_is_bounded_without_a_broker),
        CASE(in_partition_scope_the_members_share),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
