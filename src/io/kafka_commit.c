#include "io/kafka_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

/* Done, not done, or who knows. Kafka answers per partition; librdkafka adds its own codes.
 * librdkafka repeats a request by itself, so that a refusal may follow an attempt that was
 * written: that is harmless where the refusal means that the membership is gone (the records are
 * read again by whoever comes next), or where the same request must be refused each time. */
static enum pipeline_commit_result commit_result(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return PIPELINE_COMMIT_OK;

    /* Fenced: not a member of this generation any more; a revocation follows. */
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
    /* Checked before anything is written; the same answer each time. */
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    /* Never sent. */
    case RD_KAFKA_RESP_ERR__UNKNOWN_GROUP:
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
        return PIPELINE_COMMIT_REFUSED;

    /* Everything else may have been written: timeouts and lost connections (__TRANSPORT,
     * __TIMED_OUT, __WAIT_COORD, REQUEST_TIMED_OUT); also COORDINATOR_NOT_AVAILABLE and
     * NOT_COORDINATOR, which Kafka answers as well when the record was appended but not
     * replicated (NOT_ENOUGH_REPLICAS_AFTER_APPEND). */
    default:
        return PIPELINE_COMMIT_UNKNOWN;
    }
}

static void answer(struct kafka_source *s, struct kafka_partition *p,
                   enum pipeline_commit_result result)
{
    ASSERT(s->commits_in_flight > 0);
    s->commits_in_flight--;
    p->commit_id = 0;
    s->callbacks.committed(s->callbacks.arg, p->id, result);
}

/* Never from inside kafka_source_commit(). */
static void refuse_later(struct kafka_source *s, int32_t partition)
{
    if (s->refused_count == s->refused_capacity) {
        s->refused_capacity = s->refused_capacity ? s->refused_capacity * 2 : 16;
        s->refused = mem_realloc(s->refused, s->refused_capacity * sizeof(s->refused[0]));
    }
    s->refused[s->refused_count++] = partition;
    uv_async_send(&s->wake);
}

void kafka_answer_refused(struct kafka_source *s)
{
    /* The callback may commit again: only what is there now. */
    const size_t count = s->refused_count;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        s->callbacks.committed(s->callbacks.arg, s->refused[i], PIPELINE_COMMIT_REFUSED);
    s->refused_count -= count;
    memmove(s->refused, s->refused + count, s->refused_count * sizeof(s->refused[0]));
}

void kafka_source_commit(struct kafka_source *s, int32_t partition, int64_t offset,
                         struct slice metadata)
{
    /* librdkafka may know of the loss before its event is read. */
    const bool owned = s->state == KAFKA_OWNER && !rd_kafka_assignment_lost(s->rk);
    struct kafka_partition *p = owned ? kafka_find_partition(s, partition) : NULL;
    if (!p) {
        refuse_later(s, partition);
        return;
    }
    ASSERT(p->commit_id == 0);

    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_add(list, s->topic_name, partition);
    entry->offset = offset;
    if (metadata.len > 0) {
        entry->metadata = rd_kafka_mem_malloc(s->rk, metadata.len); /* the list frees it */
        memcpy(entry->metadata, metadata.ptr, metadata.len);
        entry->metadata_size = metadata.len;
    }
    const uint64_t id = ++s->last_commit_id;
    const rd_kafka_resp_err_t error =
        rd_kafka_commit_queue(s->rk, list, s->queue, NULL, (void *)(uintptr_t)id);
    rd_kafka_topic_partition_list_destroy(list);
    if (error) {
        kafka_report_error(s, error, "commit");
        refuse_later(s, partition);
        return;
    }
    p->commit_id = id;
    s->commits_in_flight++;
}

void kafka_on_committed(struct kafka_source *s, rd_kafka_event_t *event)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    const uint64_t id = (uint64_t)(uintptr_t)rd_kafka_event_opaque(event);
    if (kafka_on_founded(s, id) || !list || list->cnt != 1)
        return; /* not one of ours */
    struct kafka_partition *p = kafka_find_partition(s, list->elems[0].partition);
    if (!p || id == 0 || p->commit_id != id)
        return; /* of an assignment that is gone; answered then */
    const rd_kafka_resp_err_t of_request = rd_kafka_event_error(event);
    const rd_kafka_resp_err_t error = list->elems[0].err ? list->elems[0].err : of_request;
    const enum pipeline_commit_result result = commit_result(error);
    if (error)
        LOG_WARN("commit_failed", LOG_INT("partition", p->id),
                 LOG_STR("error", rd_kafka_err2str(error)),
                 LOG_STR("result", result == PIPELINE_COMMIT_REFUSED ? "refused" : "unknown"));
    answer(s, p, result);
}

void kafka_give_up_commits(struct kafka_source *s)
{
    for (size_t i = 0; i < s->partition_count; i++)
        if (s->partitions[i].commit_id != 0)
            answer(s, &s->partitions[i], PIPELINE_COMMIT_UNKNOWN);
}
