#include "io/kafka_private.h"

#include "base/log.h"
#include "base/mem.h"

/* ---- on the thread pool ---- */

static void ask_metadata(struct kafka_lookup *l)
{
    const struct rd_kafka_metadata *metadata;
    l->error = rd_kafka_metadata(l->rk, 0, l->topic, &metadata, KAFKA_LOOKUP_MS);
    if (l->error)
        return;
    const struct rd_kafka_metadata_topic *topic =
        metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
    if (!topic)
        l->error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    else if (topic->err)
        l->error = topic->err;
    else if (topic->partition_cnt == 0)
        l->error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    else {
        l->partitions = rd_kafka_topic_partition_list_new(topic->partition_cnt);
        for (int i = 0; i < topic->partition_cnt; i++)
            rd_kafka_topic_partition_list_add(l->partitions, topic->topic, topic->partitions[i].id);
    }
    rd_kafka_metadata_destroy(metadata);
}

/* Log ends of all partitions with one request a broker: -2 and -1 as "times" mean start and end. */
static void ask_log_ends(struct kafka_lookup *l, int64_t which)
{
    for (int i = 0; i < l->partitions->cnt; i++)
        l->partitions->elems[i].offset = which;
    l->error = rd_kafka_offsets_for_times(l->rk, l->partitions, KAFKA_LOOKUP_MS);
}

static void on_worker(uv_work_t *work)
{
    struct kafka_lookup *l = work->data;
    switch (l->kind) {
    case LOOKUP_METADATA:
        ask_metadata(l);
        break;
    case LOOKUP_COMMITTED:
        l->error = rd_kafka_committed(l->rk, l->partitions, KAFKA_LOOKUP_MS);
        break;
    case LOOKUP_LOW:
        ask_log_ends(l, RD_KAFKA_OFFSET_BEGINNING);
        break;
    case LOOKUP_HIGH:
        ask_log_ends(l, RD_KAFKA_OFFSET_END);
        break;
    case LOOKUP_COUNT:
        break;
    }
    for (int i = 0; !l->error && i < l->partitions->cnt; i++)
        l->error = l->partitions->elems[i].err;
}

/* ---- on the loop ---- */

static void lookup_free(struct kafka_lookup *l)
{
    if (l->partitions)
        rd_kafka_topic_partition_list_destroy(l->partitions);
    mem_free(l);
}

static void unlink_lookup(struct kafka_source *s, struct kafka_lookup *l)
{
    struct kafka_lookup **at = &s->lookups;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
}

static void retry_soon(struct kafka_source *s)
{
    /* One timer for all: it asks for whatever is missing then. */
    if (!uv_is_active((uv_handle_t *)&s->retry))
        uv_timer_start(&s->retry, kafka_on_retry, KAFKA_LOOKUP_RETRY_MS, 0);
}

static void take_metadata(struct kafka_source *s, struct kafka_lookup *l)
{
    if (s->topic_partitions)
        rd_kafka_topic_partition_list_destroy(s->topic_partitions);
    s->topic_partitions = l->partitions;
    l->partitions = NULL;
    s->connected = true;
    uv_timer_stop(&s->connect);
    kafka_on_topic_partitions(s);
}

static void take_answer(struct kafka_source *s, struct kafka_lookup *l)
{
    if (l->epoch != s->epoch || s->state != KAFKA_FETCHING)
        return; /* the question has gone */
    s->answers[l->kind] = l->partitions;
    l->partitions = NULL;
    if (s->answers[LOOKUP_COMMITTED] && s->answers[LOOKUP_LOW] && s->answers[LOOKUP_HIGH])
        kafka_on_offsets(s);
}

static void on_done(uv_work_t *work, int status)
{
    struct kafka_lookup *l = work->data;
    struct kafka_source *s = l->source;
    UNUSED(status); /* lookups are never cancelled */
    if (s) {
        unlink_lookup(s, l);
        if (s->state == KAFKA_STOPPING) {
            uv_async_send(&s->wake);
        } else if (l->error) {
            kafka_report_error(s, l->error, "asking Kafka for the topic's state");
            retry_soon(s);
        } else if (l->kind == LOOKUP_METADATA) {
            take_metadata(s, l);
        } else {
            take_answer(s, l);
        }
    }
    lookup_free(l);
}

static bool is_running(const struct kafka_source *s, enum kafka_lookup_kind kind)
{
    for (const struct kafka_lookup *l = s->lookups; l; l = l->next)
        if (l->kind == kind && (kind == LOOKUP_METADATA || l->epoch == s->epoch))
            return true;
    return false;
}

/* The partitions that a question is about: ours, but for founding a group. */
static const rd_kafka_topic_partition_list_t *subject(const struct kafka_source *s,
                                                      enum kafka_lookup_kind kind)
{
    const bool all = kind == LOOKUP_COMMITTED || (kind == LOOKUP_LOW && kafka_may_found(s));
    return s->partition_scope && all ? s->topic_partitions : s->given;
}

void kafka_lookup_start(struct kafka_source *s, enum kafka_lookup_kind kind)
{
    if (is_running(s, kind) || s->answers[kind])
        return;
    struct kafka_lookup *l = mem_calloc(1, sizeof(*l));
    l->work.data = l;
    l->source = s;
    l->kind = kind;
    l->epoch = s->epoch;
    l->rk = s->rk;
    l->topic = s->topic;
    if (kind != LOOKUP_METADATA)
        l->partitions = rd_kafka_topic_partition_list_copy(subject(s, kind));
    l->next = s->lookups;
    s->lookups = l;
    const int error = uv_queue_work(s->loop, &l->work, on_worker, on_done);
    ASSERT(error == 0);
}

void kafka_lookup_drop_answers(struct kafka_source *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->answers); i++) {
        if (s->answers[i])
            rd_kafka_topic_partition_list_destroy(s->answers[i]);
        s->answers[i] = NULL;
    }
}

void kafka_lookup_abandon(struct kafka_source *s)
{
    for (struct kafka_lookup *l = s->lookups; l; l = l->next)
        l->source = NULL;
    s->lookups = NULL;
}
