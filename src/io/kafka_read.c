#include "io/kafka_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define BATCHES_PER_TURN 16 /* then the loop looks at its other work */
#define REASON_BYTES 256

void kafka_open_queue(struct kafka_source *s, struct kafka_partition *p)
{
    ASSERT(!p->queue);
    p->queue = rd_kafka_queue_get_partition(s->rk, s->topic_name, p->id);
    ASSERT(p->queue);
    rd_kafka_queue_forward(p->queue, NULL);
    rd_kafka_queue_cb_event_enable(p->queue, kafka_wake, s);
}

static void drop_batch(struct kafka_partition *p)
{
    for (; p->next < p->count; p->next++)
        rd_kafka_message_destroy(p->batch[p->next]);
}

void kafka_close_queue(struct kafka_partition *p)
{
    drop_batch(p);
    if (!p->queue)
        return;
    rd_kafka_queue_cb_event_enable(p->queue, NULL, NULL);
    rd_kafka_queue_destroy(p->queue);
    p->queue = NULL;
}

/* librdkafka 2.0 stops fetching while a queue is over its limit, and looks again only when
 * something wakes the broker's thread, at the latest after a second: unaided, a reader gets one
 * queue's worth a second. A request to the partition's leader wakes that thread. The cheapest one
 * is asking for the log's end, and not waiting for the answer. One for each half queue that was
 * read, and only below the limit, so that between full and empty there is at least one; a trickle
 * causes none. Later versions have fetch.queue.backoff.ms for this. */
static void nudge_leader(struct kafka_source *s, struct kafka_partition *p)
{
    if (p->unfetched_bytes < s->queue_limit_bytes / 2)
        return;
    const size_t mean_bytes = p->unfetched_bytes / p->unfetched_records + 1;
    if (rd_kafka_queue_length(p->queue) > s->queue_limit_bytes / mean_bytes)
        return;
    p->unfetched_bytes = p->unfetched_records = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, s->topic_name, p->id)->offset = RD_KAFKA_OFFSET_END;
    (void)rd_kafka_offsets_for_times(s->rk, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Is the partition read on by itself after this error, at the same offset? Anything else could
 * leave a gap: after a damaged batch librdkafka goes on behind it. */
static bool is_passing(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return true;
    default:
        return false;
    }
}

static void deliver_error(struct kafka_source *s, struct kafka_partition *p,
                          const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        s->callbacks.end_of_log(s->callbacks.arg, p->id, message->offset);
        return;
    }
    const char *text = rd_kafka_message_errstr(message);
    if (is_passing(message->err)) {
        LOG_WARN("partition_error", LOG_INT("partition", p->id),
                 LOG_STR("error", rd_kafka_err2name(message->err)), LOG_STR("text", text));
        return;
    }
    char reason[REASON_BYTES];
    snprintf(reason, sizeof(reason), "%s: %.200s", rd_kafka_err2name(message->err), text);
    p->stopped = true;
    s->callbacks.read_error(s->callbacks.arg, p->id, reason);
}

static struct record record_view(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    const int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    return (struct record){
        .offset = message->offset,
        .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || timestamp_ms < 0
                            ? RECORD_NO_TIMESTAMP
                            : timestamp_ms,
        .key = {message->key, message->key ? message->key_len : 0},
        .value = {message->payload, message->payload ? message->len : 0},
        .tombstone = message->payload == NULL,
    };
}

/* Hand over the records up to the next one that is not a record, or that one alone. */
static void deliver_run(struct kafka_source *s, struct kafka_partition *p)
{
    size_t end = p->next;
    while (end < p->count && !p->batch[end]->err) {
        s->records[end - p->next] = record_view(p->batch[end]);
        end++;
    }
    if (end > p->next)
        s->callbacks.records(s->callbacks.arg, p->id, s->records, end - p->next);
    else
        deliver_error(s, p, p->batch[end++]);
    for (; p->next < end; p->next++)
        rd_kafka_message_destroy(p->batch[p->next]);
}

/* One batch, or nothing (false). */
static bool read_partition(struct kafka_source *s, struct kafka_partition *p)
{
    if (!p->queue || p->stopped || !s->callbacks.may_read(s->callbacks.arg, p->id))
        return false;
    if (p->next == p->count) {
        const ssize_t count =
            rd_kafka_consume_batch_queue(p->queue, 0, p->batch, ARRAY_LEN(p->batch));
        p->next = 0;
        p->count = count > 0 ? (size_t)count : 0;
        if (s->topic_gone)
            drop_batch(p); /* what came behind that word may be of another log */
        if (count <= 0 || s->topic_gone)
            return false;
        for (size_t i = 0; i < p->count; i++)
            p->unfetched_bytes += p->batch[i]->len + p->batch[i]->key_len;
        p->unfetched_records += p->count;
        if (s->needs_nudges)
            nudge_leader(s, p);
    }
    deliver_run(s, p);
    if (p->stopped)
        drop_batch(p);
    return true;
}

bool kafka_read_turn(struct kafka_source *s)
{
    size_t without = 0; /* partitions in a row that had nothing */
    for (unsigned batches = 0;
         s->state == KAFKA_OWNER && !s->topic_gone && without < s->partition_count;) {
        if (batches == BATCHES_PER_TURN)
            return true;
        struct kafka_partition *p = &s->partitions[s->next_to_read];
        s->next_to_read = (s->next_to_read + 1) % s->partition_count;
        if (read_partition(s, p)) {
            without = 0;
            batches++;
        } else {
            without++;
        }
    }
    return false;
}

void kafka_source_stop_partition(struct kafka_source *s, int32_t partition)
{
    struct kafka_partition *p = kafka_find_partition(s, partition);
    if (p)
        p->stopped = true; /* what is held is dropped later: we may be inside its delivery */
}

void kafka_source_kick(struct kafka_source *s)
{
    if (s->state == KAFKA_OWNER)
        uv_async_send(&s->wake);
}
