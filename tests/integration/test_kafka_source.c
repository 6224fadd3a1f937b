/* kafka_source against librdkafka's mock cluster in this process. Each case has its own cluster.
 * `test_kafka_source CASE` runs one. */
#include "io/kafka_private.h" /* for the length of a queue, which nobody else should know */
#include "kafka_world.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define API_OFFSET_COMMIT 8

static void reads_everything_in_order_from_the_given_offsets(void **state)
{
    struct world *w = *state;
    for (int32_t i = 0; i < PARTITIONS; i++)
        produce(w, i, 0, 1000 * (i + 1));
    struct member *m = member_start(w);
    member_wait(m, is_assigned);
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
    member_wait(m, is_at_ends);
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
    member_wait(m, has_failed);
    assert_int_equal(m->failure.code, ERR_CONFIG);
    assert_non_null(strstr(m->failure.text, "topic \"turnstile\" does not exist at 127.0.0.1"));
    member_stop(m);
}

static void a_broker_that_is_away_at_the_start_is_unreachable(void **state)
{
    struct member *m = member_start_with(
        *state, &(struct options){.servers = "127.0.0.1:1", .connect_timeout_ms = 700});
    member_wait(m, has_failed);
    assert_int_equal(m->failure.code, ERR_UNREACHABLE);
    assert_non_null(strstr(m->failure.text, "cannot reach Kafka at 127.0.0.1:1 within 700 ms: "));
    assert_non_null(strstr(m->failure.text, "Connection refused"));
    member_stop(m);
}

static void missing_rights_are_named(void **state)
{
    struct world *w = *state;
    rd_kafka_mock_topic_set_error(w->cluster, TOPIC, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct member *m = member_start(w);
    member_wait(m, has_failed);
    assert_int_equal(m->failure.code, ERR_PERMISSION);
    member_stop(m);
}

static void an_end_is_told_each_time_it_is_reached(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    member_wait(m, is_assigned);
    member_wait(m, is_at_ends); /* empty: the end is 0 */
    for (int round = 1; round <= 5; round++) {
        produce(w, 1, 3 * (round - 1), 3);
        m->seen[1].expected_end = 3 * round;
        member_wait(m, is_at_ends);
    }
    produce_one(w, 1, NULL, 0, 1015);
    assert_int_equal(rd_kafka_flush(w->producer, GUARD_MS), 0);
    m->seen[1].expected_end = 16;
    member_wait(m, is_at_ends);
    assert_int_equal(m->tombstones, 1);
    assert_int_equal(m->seen[0].end_of_log, 0);
    member_stop(m);
}

static void a_commit_comes_back_with_its_metadata(void **state)
{
    struct world *w = *state;
    produce(w, 2, 0, 10);
    struct member *first = member_start(w);
    member_wait(first, is_assigned);
    member_commit(first, 2, 7, "T1 W=- U=-");
    member_commit(first, 0, 0, "");
    assert_int_equal(first->commits_answered, 0); /* never from inside the call */
    member_wait(first, is_answered);
    assert_int_equal(first->seen[2].commit_result, PIPELINE_COMMIT_OK);
    member_stop(first);

    struct member *second = member_start(w);
    member_wait(second, is_assigned);
    assert_int_equal(second->seen[0].committed, 0);
    assert_int_equal(second->seen[1].committed, RECORD_NO_OFFSET);
    assert_int_equal(second->seen[2].committed, 7);
    assert_string_equal(second->seen[2].metadata, "T1 W=- U=-");
    second->seen[2].next_offset = 7;
    second->seen[2].expected_end = 10;
    member_read(second);
    member_wait(second, is_at_ends);
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
    member_wait(m, is_assigned);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rd_kafka_resp_err_t errors[4];
        for (size_t j = 0; j < cases[i].times; j++)
            errors[j] = cases[i].error;
        rd_kafka_mock_push_request_errors_array(w->cluster, API_OFFSET_COMMIT, cases[i].times,
                                                errors);
        member_commit(m, 1, 5, "x");
        member_wait(m, is_answered);
        assert_int_equal(m->seen[1].commit_result, cases[i].expected);
        rd_kafka_mock_clear_request_errors(w->cluster, API_OFFSET_COMMIT);
    }
    member_wait(m, is_revoked);
    member_wait(m, is_assigned);
    member_commit(m, 1, 5, "x");
    member_wait(m, is_answered);
    assert_int_equal(m->seen[1].commit_result, PIPELINE_COMMIT_OK);
    member_stop(m);
}

/* The mock's member ids are not ours (they are addresses), so either may get partition 0. With a
 * real Kafka the oldest keeps it. */
static void one_member_stands_by_and_takes_over(void **state)
{
    struct world *w = *state;
    produce(w, 3, 0, 5);
    struct member *first = member_start(w);
    member_wait(first, is_assigned);
    struct member *second = member_start(w);
    first->other = second;
    member_wait(first, one_owns_one_stands_by);
    struct member *owner = first->assigned > first->revoked ? first : second;
    struct member *standby = owner == first ? second : first;
    assert_true(first->revoked > 0); /* the mock may rebalance more than once */

    member_commit(standby, 3, 5, "not the owner");
    member_wait(standby, is_answered);
    assert_int_equal(standby->seen[3].commit_result, PIPELINE_COMMIT_REFUSED);
    member_commit(owner, 3, 2, "the owner");
    member_wait(owner, is_answered);
    assert_int_equal(owner->seen[3].commit_result, PIPELINE_COMMIT_OK);

    standby->read_when_assigned = true;
    member_stop(owner);
    member_wait(standby, is_assigned);
    assert_int_equal(standby->seen[3].committed, 2);
    standby->seen[3].expected_end = 5;
    member_wait(standby, is_at_ends);
    assert_int_equal(standby->records, 5);
    member_stop(standby);
}

static void a_commit_in_flight_is_awaited_before_the_partitions_go(void **state)
{
    struct world *w = *state;
    struct member *first = member_start(w);
    member_wait(first, is_assigned);
    for (int i = 0; i < 200; i++)
        rd_kafka_mock_broker_push_request_error_rtts(w->cluster, 1, API_OFFSET_COMMIT, 1,
                                                     RD_KAFKA_RESP_ERR_NO_ERROR, 200);
    first->commit_again = true;
    member_commit(first, 0, 0, "slow");
    struct member *second = member_start(w);
    member_wait(first, is_revoked); /* on_revoked() has looked */
    assert_true(first->commits_answered > 1);
    assert_int_not_equal(first->seen[0].commit_result, PIPELINE_COMMIT_UNKNOWN);
    first->commit_again = false;
    first->other = second;
    member_wait(first, one_owns_one_stands_by);
    member_stop(second);
    member_stop(first);
}

/* The broker is away for longer than a session while a commit is under way: its answer is given up,
 * and what is committed because of that is not done; on_revoked() looks that no answer is missing.
 */
static void nothing_is_committed_in_an_assignment_that_is_lost(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    member_wait(m, is_assigned);
    rd_kafka_mock_broker_set_down(w->cluster, 1);
    m->commit_elsewhere = true;
    member_commit(m, 3, 0, "unanswered");
    member_wait(m, is_revoked);
    assert_int_equal(m->seen[3].commit_result, PIPELINE_COMMIT_UNKNOWN);
    assert_int_equal(m->seen[0].commits, 1);
    /* UNKNOWN where the first answer came just before the loss was known: then it was sent, too. */
    assert_int_not_equal(m->seen[0].commit_result, PIPELINE_COMMIT_OK);
    rd_kafka_mock_broker_set_up(w->cluster, 1);
    member_wait(m, is_assigned);
    member_stop(m);
}

static void a_commit_in_flight_is_answered_before_stopping(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    member_wait(m, is_assigned);
    rd_kafka_mock_broker_push_request_error_rtts(w->cluster, 1, API_OFFSET_COMMIT, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, 300);
    member_commit(m, 0, 0, "slow");
    kafka_source_stop(m->source, STOP_MS, member_on_stopped, m);
    member_commit(m, 1, 0, "too late");
    member_wait(m, is_stopped);
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
    member_wait(m, is_assigned);
    member_wait(m, is_at_ends);
    assert_int_equal(m->seen[0].next_offset, 0);
    assert_int_equal(m->records, 1500);
    m->seen[0].held = false;
    m->seen[0].expected_end = 500;
    kafka_source_kick(m->source);
    member_wait(m, is_at_ends);
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
    member_wait(m, is_assigned);
    for (int round = 0; round < 50; round++) { /* a fetch of all partitions each, at least */
        produce(w, 1, round, 1);
        m->seen[1].expected_end = round + 1;
        member_wait(m, is_at_ends);
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
    member_wait(m, is_assigned);
    m->seen[2].next_offset = 5000;
    for (int32_t i = 0; i < PARTITIONS; i++)
        m->seen[i].expected_end = i == 2 ? 0 : 10;
    member_read(m);
    member_wait(m, has_read_error);
    member_wait(m, is_at_ends); /* the others go on */
    assert_non_null(strstr(m->seen[2].read_error, "_AUTO_OFFSET_RESET"));
    produce(w, 2, 10, 1);
    produce(w, 3, 10, 1);
    m->seen[3].expected_end = 11;
    member_wait(m, is_at_ends);
    assert_int_equal(m->seen[2].next_offset, 5000);
    member_stop(m);
}

static void a_stopped_partition_is_not_read(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    member_wait(m, is_assigned);
    member_wait(m, is_at_ends);
    kafka_source_stop_partition(m->source, 0);
    produce(w, 0, 0, 5);
    produce(w, 1, 0, 5);
    m->seen[1].expected_end = 5;
    member_wait(m, is_at_ends);
    assert_int_equal(m->seen[0].next_offset, 0);
    member_stop(m);
}

static void a_broker_that_goes_away_later_is_waited_for(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    member_wait(m, is_assigned);
    member_wait(m, is_at_ends);
    assert_int_equal(rd_kafka_mock_broker_set_down(w->cluster, 1), 0);
    member_commit(m, 0, 0, "into the void");
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(rd_kafka_mock_broker_set_up(w->cluster, 1), 0);
    member_wait(m, is_answered); /* done or not, it is answered */
    produce(w, 1, 0, 5);
    m->seen[1].expected_end = 5;
    member_wait(m, is_at_ends);
    assert_int_equal(m->failed, 0);
    member_stop(m);
}

static void stopping_is_bounded_without_a_broker(void **state)
{
    struct world *w = *state;
    struct member *m = member_start(w);
    m->read_when_assigned = true;
    member_wait(m, is_assigned);
    assert_int_equal(rd_kafka_mock_broker_set_down(w->cluster, 1), 0);
    member_commit(m, 0, 0, "into the void");
    member_stop(m); /* its guard is the assertion */
}

static void in_partition_scope_the_members_share(void **state)
{
    struct world *w = *state;
    const struct options options = {.partition_scope = true};
    struct member *first = member_start_with(w, &options);
    member_wait(first, is_assigned);
    assert_int_equal(first->owned, PARTITIONS);
    struct member *second = member_start_with(w, &options);
    member_wait(second, is_assigned);
    member_wait(first, is_assigned);
    assert_int_equal(first->owned, PARTITIONS / 2);
    assert_int_equal(second->owned, PARTITIONS / 2);
    for (size_t i = 0; i < PARTITIONS; i++)
        assert_int_not_equal(first->seen[i].owned, second->seen[i].owned);
    member_stop(first);
    member_stop(second);
}

/* Every partition but 0 has its first record before anyone may read, whoever is given what. */
static void a_group_is_founded_in_order(void **state)
{
    struct world *w = *state;
    const struct options options = {.partition_scope = true, .found = true};
    struct member *members[PARTITIONS];
    rd_kafka_mock_push_request_errors(w->cluster, API_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    for (size_t i = 0; i < PARTITIONS; i++)
        members[i] = member_start_with(w, &options);
    for (size_t i = 0; i < PARTITIONS; i++) {
        member_wait(members[i], is_assigned);
        assert_int_equal(members[i]->owned, 1);
    }
    for (int32_t p = 0; p < PARTITIONS; p++) {
        size_t owner = 0;
        while (!members[owner]->seen[p].owned)
            owner++;
        char expected[32];
        snprintf(expected, sizeof(expected), "first %d@0", (int)p);
        assert_int_equal(members[owner]->seen[p].committed, p == 0 ? RECORD_NO_OFFSET : 0);
        assert_string_equal(members[owner]->seen[p].metadata, p == 0 ? "" : expected);
    }
    for (size_t i = 0; i < PARTITIONS; i++)
        member_stop(members[i]);
}

/* Where partition 0 has a record the others had theirs: what has none now was added. */
static void a_founded_group_is_not_founded_again(void **state)
{
    struct world *w = *state;
    struct options options = {.partition_scope = true};
    struct member *m = member_start_with(w, &options);
    member_wait(m, is_assigned);
    member_commit(m, 0, 0, "has begun");
    member_wait(m, is_answered);
    member_stop(m);
    options.found = true;
    m = member_start_with(w, &options);
    member_wait(m, is_assigned);
    assert_string_equal(m->seen[0].metadata, "has begun");
    for (size_t p = 1; p < PARTITIONS; p++)
        assert_int_equal(m->seen[p].committed, RECORD_NO_OFFSET);
    member_stop(m);
}

static void a_fatal_error_of_the_client_is_told(void **state)
{
    struct member *m = member_start(*state);
    member_wait(m, is_assigned);
    assert_int_equal(
        rd_kafka_test_fatal_error(m->source->rk, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "planted"),
        0);
    member_wait(m, has_failed);
    assert_int_equal(m->failure.code, ERR_FATAL);
    assert_non_null(strstr(m->failure.text, "FENCED_INSTANCE_ID"));
    member_stop(m);
}

static void stopping_needs_no_start(void **state)
{
    struct world *w = *state;
    struct member m = {.world = w};
    rd_kafka_conf_t *conf = kafka_source_conf_new();
    const struct kafka_source_config config = {
        .topic = TOPIC, .conf = conf, .group = "g", .connect_timeout_ms = 1000};
    const struct kafka_source_callbacks callbacks = {.arg = &m};
    struct err err;
    assert_int_equal(kafka_source_new(&w->loop, &config, &callbacks, &m.source, &err), 0);
    w->running++;
    kafka_source_stop(m.source, STOP_MS, member_on_stopped, &m);
    member_wait(&m, is_stopped);
}

static void stopping_while_joining(void **state)
{
    struct member *m = member_start(*state);
    member_stop(m);
}

static void wrong_settings_are_refused(void **state)
{
    struct world *w = *state;
    struct kafka_source *source = NULL;
    struct err err = {0};
    rd_kafka_conf_t *conf = kafka_source_conf_new();
    char errstr[128];
    /* Each is fine alone; librdkafka looks at the whole. */
    assert_int_equal(rd_kafka_conf_set(conf, "session.timeout.ms", "20000", errstr, 128), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "max.poll.interval.ms", "10000", errstr, 128), 0);
    const struct kafka_source_config config = {.topic = TOPIC, .conf = conf, .group = "g"};
    const struct kafka_source_callbacks callbacks = {.arg = NULL};
    assert_int_equal(kafka_source_new(&w->loop, &config, &callbacks, &source, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "max.poll.interval.ms"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, kafka_world_setup, kafka_world_teardown)
        CASE(reads_everything_in_order_from_the_given_offsets),
        CASE(an_unknown_topic_is_a_configuration_error),
        CASE(a_broker_that_is_away_at_the_start_is_unreachable),
        CASE(missing_rights_are_named),
        CASE(an_end_is_told_each_time_it_is_reached),
        CASE(a_commit_comes_back_with_its_metadata),
        CASE(commit_errors_are_told_apart),
        CASE(one_member_stands_by_and_takes_over),
        CASE(a_commit_in_flight_is_awaited_before_the_partitions_go),
        CASE(nothing_is_committed_in_an_assignment_that_is_lost),
        CASE(a_commit_in_flight_is_answered_before_stopping),
        CASE(a_partition_that_may_not_be_read_waits_for_a_kick),
        CASE(an_unread_queue_is_bounded),
        CASE(an_offset_out_of_range_is_a_read_error),
        CASE(a_stopped_partition_is_not_read),
        CASE(a_broker_that_goes_away_later_is_waited_for),
        CASE(stopping_is_bounded_without_a_broker),
        CASE(a_founded_group_is_not_founded_again),
        CASE(a_group_is_founded_in_order),
        CASE(in_partition_scope_the_members_share),
        CASE(a_fatal_error_of_the_client_is_told),
        CASE(stopping_needs_no_start),
        CASE(stopping_while_joining),
        CASE(wrong_settings_are_refused),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
