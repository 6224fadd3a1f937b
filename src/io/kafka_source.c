#include "io/kafka_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define EVENTS_PER_TURN 256   /* then the loop looks at its other work */
#define UNKNOWN_TOPIC_MS 1000 /* a topic just created is not known to every broker at once */

/* ---- states ---- */

void kafka_set_state(struct kafka_source *s, enum kafka_state state)
{
    static const unsigned allowed[] = {
        [KAFKA_IDLE] = 1u << KAFKA_JOINING | 1u << KAFKA_STOPPING,
        [KAFKA_JOINING] =
            1u << KAFKA_JOINING | 1u << KAFKA_STANDBY | 1u << KAFKA_FETCHING | 1u << KAFKA_STOPPING,
        [KAFKA_STANDBY] =
            1u << KAFKA_JOINING | 1u << KAFKA_STANDBY | 1u << KAFKA_FETCHING | 1u << KAFKA_STOPPING,
        [KAFKA_FETCHING] = 1u << KAFKA_JOINING | 1u << KAFKA_STANDBY | 1u << KAFKA_FETCHING |
                           1u << KAFKA_OWNER | 1u << KAFKA_STOPPING,
        [KAFKA_OWNER] = 1u << KAFKA_JOINING | 1u << KAFKA_STANDBY | 1u << KAFKA_FETCHING |
                        1u << KAFKA_REVOKING | 1u << KAFKA_STOPPING,
        [KAFKA_REVOKING] =
            1u << KAFKA_JOINING | 1u << KAFKA_STANDBY | 1u << KAFKA_FETCHING | 1u << KAFKA_STOPPING,
        [KAFKA_STOPPING] = 0,
    };
    ASSERT(allowed[s->state] & 1u << state);
    s->state = state;
}

struct kafka_partition *kafka_find_partition(struct kafka_source *s, int32_t id)
{
    for (size_t low = 0, high = s->partition_count; low < high;) {
        const size_t middle = low + (high - low) / 2;
        if (s->partitions[middle].id == id)
            return &s->partitions[middle];
        if (s->partitions[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- errors ---- */

void kafka_fail(struct kafka_source *s, int code, const char *format, ...)
{
    if (s->failed || s->state == KAFKA_STOPPING)
        return;
    s->failed = true;
    char text[ERR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct err err;
    err_set(&err, code, "%s", text);
    s->callbacks.failed(s->callbacks.arg, &err);
}

static bool is_denied(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

static bool is_unknown_topic(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

static void report_fatal(struct kafka_source *s)
{
    char text[256];
    const rd_kafka_resp_err_t error = rd_kafka_fatal_error(s->rk, text, sizeof(text));
    kafka_fail(s, ERR_FATAL, "Kafka client: %s: %s", rd_kafka_err2name(error), text);
}

/* What waiting cannot cure ends the process, but only before the first assignment: later, a topic
 * or a permission that is gone may come back, and what we hold is worth keeping. */
void kafka_report_error(struct kafka_source *s, rd_kafka_resp_err_t error, const char *text)
{
    const bool says_little =
        error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || error == RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!says_little || !s->last_error[0])
        snprintf(s->last_error, sizeof(s->last_error), "%s (%s)", text, rd_kafka_err2name(error));
    /* librdkafka has logged a lost connection already. */
    LOG_AT(error == RD_KAFKA_RESP_ERR__TRANSPORT ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "kafka_error",
           LOG_STR("error", rd_kafka_err2name(error)), LOG_STR("text", text));
    if (error == RD_KAFKA_RESP_ERR__FATAL)
        report_fatal(s);
    else if (s->was_assigned)
        return;
    else if (is_denied(error))
        kafka_fail(s, ERR_PERMISSION,
                   "Kafka at %s refuses us: %s: check the credentials and the access rights",
                   s->bootstrap, s->last_error);
    else if (is_unknown_topic(error) && (int64_t)uv_now(s->loop) >= s->unknown_topic_until_ms)
        kafka_fail(s, ERR_CONFIG,
                   "topic \"%s\" does not exist at %s: create it, or correct --topic",
                   s->topic_name, s->bootstrap);
}

static void on_connect_timeout(uv_timer_t *timer)
{
    struct kafka_source *s = timer->data;
    kafka_fail(s, ERR_UNREACHABLE, "cannot reach Kafka at %s within %lld ms%s%s", s->bootstrap,
               (long long)s->connect_timeout_ms, s->last_error[0] ? ": " : "", s->last_error);
}

/* ---- events ---- */

static void on_error_event(struct kafka_source *s, rd_kafka_event_t *event)
{
    const rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (rd_kafka_event_error_is_fatal(event))
        report_fatal(s);
    else
        kafka_report_error(s, error, rd_kafka_event_error_string(event));
}

static void on_log_event(rd_kafka_event_t *event)
{
    const char *facility, *text;
    int syslog_level;
    if (rd_kafka_event_log(event, &facility, &text, &syslog_level) != 0)
        return;
    /* A broker that is away is an error to librdkafka and the weather to us. It tells of creating
     * topics where the broker is too old (its own mock) to be told not to. */
    const bool is_noise = strcmp(facility, "AUTOCREATE") == 0;
    const enum log_level level = is_noise            ? LOG_LEVEL_DEBUG
                                 : syslog_level <= 2 ? LOG_LEVEL_ERROR
                                 : syslog_level <= 4 ? LOG_LEVEL_WARN
                                 : syslog_level <= 6 ? LOG_LEVEL_INFO
                                                     : LOG_LEVEL_DEBUG;
    LOG_AT(level, "librdkafka", LOG_STR("facility", facility), LOG_STR("text", text));
}

static void on_event(struct kafka_source *s, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_REBALANCE:
        kafka_on_rebalance(s, event);
        break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        kafka_on_committed(s, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error_event(s, event);
        break;
    case RD_KAFKA_EVENT_LOG:
        on_log_event(event);
        break;
    case RD_KAFKA_EVENT_FETCH:
        /* Partition queues are taken out before anything is fetched. */
        ASSERT(s->state == KAFKA_STOPPING);
        break;
    default:
        break;
    }
}

/* True: there may be more. */
static bool serve_events(struct kafka_source *s)
{
    for (unsigned i = 0; i < EVENTS_PER_TURN && s->queue; i++) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(s->queue, 0);
        if (!event)
            return false;
        on_event(s, event);
        rd_kafka_event_destroy(event);
    }
    return s->queue != NULL;
}

/* All that happens, happens here: woken by librdkafka, by ourselves, or by the safety timer. */
static void turn(struct kafka_source *s)
{
    kafka_answer_refused(s);
    bool more = serve_events(s);
    if (s->state == KAFKA_REVOKING)
        kafka_revoke_step(s);
    if (s->state == KAFKA_OWNER)
        more |= kafka_read_turn(s);
    if (s->state == KAFKA_OWNER && s->topic_gone && s->commits_in_flight == 0)
        kafka_take_anew(s); /* what is in flight may still count: its answer comes first */
    if (more)
        uv_async_send(&s->wake);
    if (s->state == KAFKA_STOPPING)
        kafka_close_step(s); /* last: s may be on its way out */
}

static void on_wake(uv_async_t *wake)
{
    turn(wake->data);
}

void kafka_on_safety(uv_timer_t *safety)
{
    turn(safety->data);
}

void kafka_wake(rd_kafka_t *rk, void *source)
{
    struct kafka_source *s = source;
    UNUSED(rk);
    uv_async_send(&s->wake);
}

/* Ask again for whatever is missing. */
void kafka_on_retry(uv_timer_t *retry)
{
    struct kafka_source *s = retry->data;
    if (s->state == KAFKA_STOPPING || s->failed)
        return;
    if (!s->connected)
        kafka_lookup_start(s, LOOKUP_METADATA);
    else if (s->state == KAFKA_FETCHING)
        kafka_ask_again(s);
}

/* Called while a partition's queue is read, on the loop. librdkafka goes on by itself when the
 * topic is back, at the offset where it was, in whatever log is there then. */
static void on_partition_error(rd_kafka_t *rk, int error, const char *text, void *source)
{
    struct kafka_source *s = source;
    UNUSED(rk);
    LOG_WARN("partition_error", LOG_STR("error", rd_kafka_err2name((rd_kafka_resp_err_t)error)),
             LOG_STR("text", text));
    s->topic_gone = s->topic_gone || error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
                    is_unknown_topic((rd_kafka_resp_err_t)error);
}

/* ---- life ---- */

static void init_handles(struct kafka_source *s)
{
    uv_async_init(s->loop, &s->wake, on_wake);
    uv_timer_init(s->loop, &s->safety);
    uv_timer_init(s->loop, &s->connect);
    uv_timer_init(s->loop, &s->retry);
    s->wake.data = s->safety.data = s->connect.data = s->retry.data = s;
    s->open_handles = 4;
}

static char *bootstrap_of(const rd_kafka_conf_t *conf)
{
    char servers[1024] = "";
    size_t size = sizeof(servers);
    if (rd_kafka_conf_get(conf, "bootstrap.servers", servers, &size) != RD_KAFKA_CONF_OK)
        servers[0] = '\0';
    return mem_strdup(servers);
}

int kafka_source_new(uv_loop_t *loop, const struct kafka_source_config *config,
                     const struct kafka_source_callbacks *callbacks, struct kafka_source **out,
                     struct err *err)
{
    char errstr[512];
    if (kafka_conf_finish(config->conf, config, err)) {
        rd_kafka_conf_destroy(config->conf);
        return err->code;
    }
    char *bootstrap = bootstrap_of(config->conf);
    const bool fetches_on = kafka_conf_fetches_on(config->conf);
    struct kafka_source *s = mem_calloc(1, sizeof(*s));
    rd_kafka_conf_set_opaque(config->conf, s);
    rd_kafka_conf_set_error_cb(config->conf, on_partition_error);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, config->conf, errstr, sizeof(errstr));
    if (!rk) {
        rd_kafka_conf_destroy(config->conf);
        mem_free(bootstrap);
        mem_free(s);
        return err_set(err, ERR_CONFIG, "Kafka client: %s", errstr);
    }
    s->callbacks = *callbacks;
    s->loop = loop;
    s->topic_name = mem_strdup(config->topic);
    s->bootstrap = bootstrap;
    s->partition_scope = config->partition_scope;
    s->connect_timeout_ms = config->connect_timeout_ms;
    s->queue_limit_bytes = kafka_conf_queue_kib(config->queue_budget_bytes) * 1024;
    s->needs_nudges = !fetches_on;
    s->rk = rk;
    init_handles(s);

    /* One queue of ours for everything but records. Closing hands the consumer queue over to a
     * queue, which therefore must not be the consumer queue itself. */
    s->queue = rd_kafka_queue_new(rk);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_queue_t *consumer = rd_kafka_queue_get_consumer(rk);
    rd_kafka_queue_forward(consumer, s->queue);
    rd_kafka_queue_destroy(consumer);
    const rd_kafka_resp_err_t error = rd_kafka_set_log_queue(rk, s->queue);
    ASSERT(!error); /* log.queue is set */
    rd_kafka_queue_cb_event_enable(s->queue, kafka_wake, s);
    *out = s;
    return 0;
}

void kafka_source_start(struct kafka_source *s)
{
    kafka_set_state(s, KAFKA_JOINING);
    uv_update_time(s->loop);
    s->unknown_topic_until_ms = (int64_t)uv_now(s->loop) + UNKNOWN_TOPIC_MS;
    s->topic = rd_kafka_topic_new(s->rk, s->topic_name, NULL);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, s->topic_name, RD_KAFKA_PARTITION_UA);
    const rd_kafka_resp_err_t error = rd_kafka_subscribe(s->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    uv_timer_start(&s->safety, kafka_on_safety, KAFKA_SAFETY_MS, KAFKA_SAFETY_MS);
    uv_timer_start(&s->connect, on_connect_timeout, (uint64_t)s->connect_timeout_ms, 0);
    if (error || !s->topic)
        kafka_fail(s, ERR_CONFIG, "subscribing to topic \"%s\": %s", s->topic_name,
                   rd_kafka_err2str(error ? error : rd_kafka_last_error()));
    else
        kafka_lookup_start(s, LOOKUP_METADATA);
    uv_async_send(&s->wake); /* librdkafka tells of what comes, not of what is there */
}
