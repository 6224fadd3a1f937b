#include "io/kafka_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>

/* rd_kafka_destroy() joins librdkafka's threads and may block for long when a broker is in a bad
 * state. It runs on a thread of its own, which the loop may leave behind. */
struct kafka_destroyer {
    pthread_mutex_t mutex;
    rd_kafka_t *rk;
    struct kafka_source *source; /* to be woken; NULL: left behind */
    bool done;
};

static void destroyer_free(struct kafka_destroyer *d)
{
    pthread_mutex_destroy(&d->mutex);
    mem_free(d);
}

static void *destroyer_run(void *arg)
{
    struct kafka_destroyer *d = arg;
    rd_kafka_destroy_flags(d->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_mutex_lock(&d->mutex);
    const bool left_behind = !d->source;
    d->done = true;
    if (d->source)
        uv_async_send(&d->source->wake);
    pthread_mutex_unlock(&d->mutex);
    if (left_behind)
        destroyer_free(d);
    return NULL;
}

static void destroyer_start(struct kafka_source *s)
{
    struct kafka_destroyer *d = mem_calloc(1, sizeof(*d));
    pthread_mutex_init(&d->mutex, NULL);
    d->rk = s->rk;
    d->source = s;
    s->rk = NULL;
    s->destroyer = d;
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, destroyer_run, d) != 0)
        destroyer_run(d); /* no thread to be had: block */
    pthread_attr_destroy(&detached);
}

/* True: gone (or left behind). */
static bool destroyer_finish(struct kafka_source *s, bool leave_behind)
{
    struct kafka_destroyer *d = s->destroyer;
    pthread_mutex_lock(&d->mutex);
    const bool done = d->done;
    if (leave_behind)
        d->source = NULL;
    pthread_mutex_unlock(&d->mutex);
    if (done)
        destroyer_free(d);
    if (done || leave_behind)
        s->destroyer = NULL;
    return done || leave_behind;
}

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct kafka_source *s = handle->data;
    if (--s->open_handles > 0)
        return;
    void (*const stopped)(void *) = s->stopped;
    void *const arg = s->stopped_arg;
    mem_free(s->refused);
    mem_free(s->topic_name);
    mem_free(s->bootstrap);
    mem_free(s);
    stopped(arg);
}

static void close_handles(struct kafka_source *s)
{
    s->close_phase = CLOSE_HANDLES;
    if (s->topic_partitions)
        rd_kafka_topic_partition_list_destroy(s->topic_partitions);
    if (s->given)
        rd_kafka_topic_partition_list_destroy(s->given);
    kafka_lookup_drop_answers(s);
    uv_close((uv_handle_t *)&s->wake, on_handle_closed);
    uv_close((uv_handle_t *)&s->safety, on_handle_closed);
    uv_close((uv_handle_t *)&s->connect, on_handle_closed);
    uv_close((uv_handle_t *)&s->retry, on_handle_closed);
}

/* Nothing of librdkafka's may wake us any more. */
static void release_queues(struct kafka_source *s)
{
    kafka_free_partitions(s);
    rd_kafka_queue_cb_event_enable(s->queue, NULL, NULL);
    rd_kafka_queue_destroy(s->queue);
    s->queue = NULL;
    if (s->topic)
        rd_kafka_topic_destroy(s->topic);
    s->topic = NULL;
}

/* ---- phases ---- */

static bool end_commits(struct kafka_source *s, bool time_is_up)
{
    if (s->commits_in_flight > 0 && !time_is_up)
        return false;
    kafka_give_up_commits(s);
    kafka_free_partitions(s);
    rd_kafka_assign(s->rk, NULL); /* the answer to a revocation that may be waiting for it */
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(s->rk, s->queue);
    if (error) {
        LOG_WARN("leave_failed", LOG_STR("error", rd_kafka_error_string(error)));
        rd_kafka_error_destroy(error);
        s->leave_by_ms = 0; /* as if the time were up */
    }
    s->close_phase = CLOSE_LEAVE;
    return true;
}

static bool end_leave(struct kafka_source *s, bool time_is_up)
{
    if (!rd_kafka_consumer_closed(s->rk) && !time_is_up)
        return false;
    release_queues(s);
    s->close_phase = CLOSE_LOOKUPS;
    return true;
}

static bool end_lookups(struct kafka_source *s, bool time_is_up)
{
    if (s->lookups && !time_is_up)
        return false;
    if (s->lookups) {
        /* They use the handle: it stays, the process is about to end. */
        LOG_WARN("client_left_behind", LOG_STR("reason", "a call to Kafka does not return"));
        kafka_lookup_abandon(s);
        close_handles(s);
        return false;
    }
    destroyer_start(s);
    s->close_phase = CLOSE_DESTROY;
    return true;
}

static bool end_destroy(struct kafka_source *s, bool time_is_up)
{
    if (!destroyer_finish(s, time_is_up))
        return false;
    close_handles(s);
    return false;
}

void kafka_close_step(struct kafka_source *s)
{
    for (bool go_on = true; go_on;) {
        const int64_t now_ms = (int64_t)uv_now(s->loop);
        const bool closed_by = now_ms >= s->closed_by_ms;
        const bool leave_by = closed_by || now_ms >= s->leave_by_ms;
        switch (s->close_phase) {
        case CLOSE_COMMITS:
            go_on = end_commits(s, leave_by);
            break;
        case CLOSE_LEAVE:
            go_on = end_leave(s, leave_by);
            break;
        case CLOSE_LOOKUPS:
            go_on = end_lookups(s, closed_by);
            break;
        case CLOSE_DESTROY:
            go_on = end_destroy(s, closed_by);
            break;
        case CLOSE_HANDLES:
            go_on = false;
            break;
        }
    }
}

void kafka_source_stop(struct kafka_source *s, int64_t timeout_ms, void (*stopped)(void *arg),
                       void *arg)
{
    ASSERT(s->state != KAFKA_STOPPING);
    uv_update_time(s->loop);
    const int64_t now_ms = (int64_t)uv_now(s->loop);
    s->stopped = stopped;
    s->stopped_arg = arg;
    s->leave_by_ms = now_ms + timeout_ms * 3 / 4;
    s->closed_by_ms = now_ms + timeout_ms;
    s->close_phase = CLOSE_COMMITS;
    kafka_set_state(s, KAFKA_STOPPING);
    uv_timer_stop(&s->connect);
    uv_timer_stop(&s->retry);
    uv_timer_start(&s->safety, kafka_on_safety, KAFKA_CLOSING_MS, KAFKA_CLOSING_MS);
    uv_async_send(&s->wake);
}
