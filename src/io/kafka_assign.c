#include "io/kafka_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

#define FIRST_PARTITION 0 /* who gets it owns the topic */

/* A refused assign() is a bug of ours or a fatal error of librdkafka's. */
static void assign(struct kafka_source *s, const rd_kafka_topic_partition_list_t *partitions)
{
    const rd_kafka_resp_err_t error = rd_kafka_assign(s->rk, partitions);
    if (error && s->state != KAFKA_STOPPING)
        kafka_fail(s, ERR_FATAL, "assigning partitions: %s", rd_kafka_err2str(error));
}

static void assign_nothing(struct kafka_source *s)
{
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(1);
    assign(s, none);
    rd_kafka_topic_partition_list_destroy(none);
}

static void set_given(struct kafka_source *s, const rd_kafka_topic_partition_list_t *partitions)
{
    if (s->given)
        rd_kafka_topic_partition_list_destroy(s->given);
    s->given = partitions ? rd_kafka_topic_partition_list_copy(partitions) : NULL;
}

void kafka_free_partitions(struct kafka_source *s)
{
    for (size_t i = 0; i < s->partition_count; i++)
        kafka_close_queue(&s->partitions[i]);
    mem_free(s->partitions);
    s->partitions = NULL;
    s->partition_count = 0;
    s->next_to_read = 0;
}

/* ---- revoked ---- */

/* The assignment is gone as far as our side is concerned; Kafka is told by the caller. First the
 * state: what the answers to commits make the callee commit is then refused, not sent. And no
 * refusal outlives the assignment: the next one would take it for the answer to a commit of its. */
static void drop_assignment(struct kafka_source *s)
{
    kafka_set_state(s, KAFKA_JOINING);
    kafka_give_up_commits(s);
    kafka_answer_refused(s);
    if (s->assigned_told) {
        s->assigned_told = false;
        s->callbacks.revoked(s->callbacks.arg);
    }
    s->epoch++;
    s->refused_count = 0;
    kafka_free_partitions(s);
    kafka_lookup_drop_answers(s);
    set_given(s, NULL);
}

static void finish_revoke(struct kafka_source *s)
{
    drop_assignment(s);
    assign(s, NULL);
}

void kafka_revoke_step(struct kafka_source *s)
{
    if (s->commits_in_flight == 0 || (int64_t)uv_now(s->loop) >= s->revoke_until_ms)
        finish_revoke(s);
}

static void on_revoked(struct kafka_source *s)
{
    const bool lost = rd_kafka_assignment_lost(s->rk);
    LOG_INFO("partitions_revoked", LOG_STR("lost", lost ? "yes" : "no"));
    if (lost || s->commits_in_flight == 0) {
        finish_revoke(s);
        return;
    }
    /* What is in flight may still count: hear its answer while the group waits for us. */
    s->revoke_until_ms = (int64_t)uv_now(s->loop) + KAFKA_REVOKE_WAIT_MS;
    kafka_set_state(s, KAFKA_REVOKING);
}

/* ---- assigned ---- */

static bool owns(const struct kafka_source *s, const rd_kafka_topic_partition_list_t *partitions)
{
    if (s->partition_scope)
        return partitions->cnt > 0;
    for (int i = 0; i < partitions->cnt; i++)
        if (partitions->elems[i].partition == FIRST_PARTITION)
            return true;
    return false;
}

static void ask_offsets(struct kafka_source *s)
{
    kafka_lookup_start(s, LOOKUP_COMMITTED);
    kafka_lookup_start(s, LOOKUP_LOW);
    kafka_lookup_start(s, LOOKUP_HIGH);
}

/* Which partitions, then their offsets. What metadata said before is not used: the topic may have
 * grown while we stood by or joined. */
static void ask_partitions(struct kafka_source *s)
{
    kafka_lookup_start(s, LOOKUP_METADATA);
}

/* What Kafka gave us is there, even where metadata is older. */
static void know_given(struct kafka_source *s)
{
    for (int i = 0; i < s->given->cnt; i++) {
        const int32_t id = s->given->elems[i].partition;
        if (!rd_kafka_topic_partition_list_find(s->topic_partitions, s->topic_name, id))
            rd_kafka_topic_partition_list_add(s->topic_partitions, s->topic_name, id);
    }
}

void kafka_on_topic_partitions(struct kafka_source *s)
{
    if (s->state != KAFKA_FETCHING)
        return;
    if (s->partition_scope)
        know_given(s);
    else
        set_given(s, s->topic_partitions);
    s->partitions_known = true;
    ask_offsets(s);
}

void kafka_ask_again(struct kafka_source *s)
{
    if (s->partitions_known)
        ask_offsets(s);
    else
        ask_partitions(s);
}

static void fetch_offsets(struct kafka_source *s, const rd_kafka_topic_partition_list_t *partitions)
{
    s->epoch++;
    set_given(s, partitions);
    s->partitions_known = false;
    s->topic_gone = false;
    s->founding_id = 0;
    kafka_set_state(s, KAFKA_FETCHING);
    ask_partitions(s);
}

static void on_assigned(struct kafka_source *s, const rd_kafka_topic_partition_list_t *partitions)
{
    if (s->state != KAFKA_JOINING)
        drop_assignment(s); /* librdkafka left the revocation out */
    assign_nothing(s);
    if (s->state == KAFKA_STOPPING)
        return;
    s->epoch++;
    s->was_assigned = true;
    const bool owner = owns(s, partitions);
    LOG_INFO("partitions_given", LOG_INT("count", partitions->cnt),
             LOG_STR("role", owner ? "owner" : "standby"));
    if (!owner) {
        kafka_set_state(s, KAFKA_STANDBY);
        s->callbacks.standby(s->callbacks.arg);
        return;
    }
    fetch_offsets(s, partitions);
}

void kafka_take_anew(struct kafka_source *s)
{
    LOG_WARN("topic_gone", LOG_STR("topic", s->topic_name),
             LOG_STR("what", "nothing is read until it is back; then its log is checked anew"));
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_copy(s->given);
    drop_assignment(s);
    assign_nothing(s);
    if (s->state != KAFKA_STOPPING)
        fetch_offsets(s, partitions);
    rd_kafka_topic_partition_list_destroy(partitions);
}

void kafka_on_rebalance(struct kafka_source *s, rd_kafka_event_t *event)
{
    const bool given = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (s->state == KAFKA_STOPPING)
        assign(s, NULL);
    else if (given)
        on_assigned(s, rd_kafka_event_topic_partition_list(event));
    else
        on_revoked(s);
}

static int by_id(const void *a, const void *b)
{
    const struct kafka_partition *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

/* The answer for a partition: lists are copies of one another, so it is there. */
static const rd_kafka_topic_partition_t *answer_for(struct kafka_source *s,
                                                    enum kafka_lookup_kind kind, int32_t id)
{
    const rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_find(s->answers[kind], s->topic_name, id);
    ASSERT(entry);
    return entry;
}

static struct pipeline_partition partition_view(struct kafka_source *s, int32_t id)
{
    const rd_kafka_topic_partition_t *committed = answer_for(s, LOOKUP_COMMITTED, id);
    const bool has_record = committed->offset >= 0;
    return (struct pipeline_partition){
        .partition = id,
        .low = answer_for(s, LOOKUP_LOW, id)->offset,
        .high = answer_for(s, LOOKUP_HIGH, id)->offset,
        .committed = has_record ? committed->offset : RECORD_NO_OFFSET,
        .metadata = {has_record ? committed->metadata : NULL,
                     has_record ? committed->metadata_size : 0},
    };
}

void kafka_on_offsets(struct kafka_source *s)
{
    if (s->partition_scope && !kafka_is_founded(s)) {
        kafka_found(s);
        return;
    }
    const size_t count = (size_t)s->given->cnt;
    s->partitions = mem_calloc(count, sizeof(s->partitions[0]));
    s->partition_count = count;
    for (size_t i = 0; i < count; i++)
        s->partitions[i].id = s->given->elems[i].partition;
    qsort(s->partitions, count, sizeof(s->partitions[0]), by_id);

    struct pipeline_partition *views = mem_calloc(count, sizeof(views[0]));
    for (size_t i = 0; i < count; i++)
        views[i] = partition_view(s, s->partitions[i].id);
    kafka_set_state(s, KAFKA_OWNER);
    s->assigned_told = true;
    s->callbacks.assigned(s->callbacks.arg, views, count);
    mem_free(views);
    kafka_lookup_drop_answers(s);
}

/* ---- reading ---- */

void kafka_source_read(struct kafka_source *s, const struct kafka_source_start_offset *offsets,
                       size_t count)
{
    if (s->state != KAFKA_OWNER)
        return; /* revoked meanwhile */
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        struct kafka_partition *p = kafka_find_partition(s, offsets[i].partition);
        ASSERT(p && offsets[i].offset >= 0);
        /* Before assign(): later, the first records would be stranded on the consumer queue. */
        kafka_open_queue(s, p);
        rd_kafka_topic_partition_list_add(list, s->topic_name, p->id)->offset = offsets[i].offset;
    }
    assign(s, list);
    rd_kafka_topic_partition_list_destroy(list);
    uv_async_send(&s->wake);
}
