/* Founding a group, in partition scope. A partition without a record is new to the group: because
 * the whole group is, or because it was added to the topic later, which moves keys. To tell these
 * apart, whatever crashes in between, the member that has partition 0 commits a first record for
 * all other partitions before there is one for partition 0. The others wait for theirs. So: where
 * partition 0 has a record, all partitions that there were at the beginning have one. */
#include "io/kafka_private.h"

#include "base/log.h"
#include "core/commit.h"

#include <string.h>

#define FOUNDER 0         /* the partition whose owner founds, and whose record is the last */
#define FOUND_WAIT_MS 200 /* then Kafka is asked again whether the records are there */

static bool has_record(const struct kafka_source *s, int32_t id)
{
    const rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_find(s->answers[LOOKUP_COMMITTED], s->topic_name, id);
    return entry && entry->offset >= 0;
}

static bool have_records(const struct kafka_source *s, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].partition != FOUNDER && !has_record(s, list->elems[i].partition))
            return false;
    return true;
}

bool kafka_may_found(const struct kafka_source *s)
{
    return s->callbacks.first_record &&
           rd_kafka_topic_partition_list_find(s->given, s->topic_name, FOUNDER);
}

bool kafka_is_founded(const struct kafka_source *s)
{
    if (!s->callbacks.first_record || has_record(s, FOUNDER))
        return true;
    return have_records(s, kafka_may_found(s) ? s->answers[LOOKUP_COMMITTED] : s->given);
}

static void add_first_record(struct kafka_source *s, rd_kafka_topic_partition_list_t *list,
                             const rd_kafka_topic_partition_t *of)
{
    struct buf text;
    buf_init(&text, COMMIT_MAX_BYTES);
    s->callbacks.first_record(s->callbacks.arg, of->partition, of->offset, &text);
    rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_add(list, s->topic_name, of->partition);
    entry->offset = of->offset;
    entry->metadata = rd_kafka_mem_malloc(s->rk, text.len); /* the list frees it */
    memcpy(entry->metadata, text.data, text.len);
    entry->metadata_size = text.len;
    buf_deinit(&text);
}

/* From the loop's turn in which the assignment is known to hold, as every commit: a member that has
 * lost it since is refused by Kafka. */
static void commit_first_records(struct kafka_source *s)
{
    const rd_kafka_topic_partition_list_t *low = s->answers[LOOKUP_LOW];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(low->cnt);
    for (int i = 0; i < low->cnt; i++)
        if (low->elems[i].partition != FOUNDER && !has_record(s, low->elems[i].partition))
            add_first_record(s, list, &low->elems[i]);
    const uint64_t id = ++s->last_commit_id;
    const rd_kafka_resp_err_t error =
        rd_kafka_commit_queue(s->rk, list, s->queue, NULL, (void *)(uintptr_t)id);
    LOG_INFO("first_records", LOG_STR("topic", s->topic_name), LOG_INT("partitions", list->cnt));
    rd_kafka_topic_partition_list_destroy(list);
    if (error)
        kafka_report_error(s, error, "commit of first records");
    else
        s->founding_id = id;
}

void kafka_found(struct kafka_source *s)
{
    if (kafka_may_found(s) && s->founding_id == 0)
        commit_first_records(s);
    kafka_lookup_drop_answers(s);
    uv_timer_start(&s->retry, kafka_on_retry, FOUND_WAIT_MS, 0);
}

/* Whatever the answer is: what Kafka has decides. */
bool kafka_on_founded(struct kafka_source *s, uint64_t id)
{
    if (id == 0 || id != s->founding_id)
        return false;
    s->founding_id = 0;
    if (s->state == KAFKA_FETCHING)
        kafka_ask_again(s);
    return true;
}
