#include "producer/sender.h"

#include "base/log.h"
#include "base/mem.h"
#include "producer/clock.h"

#include <errno.h>
#include <inttypes.h>

#define WAIT_MS 100          /* how late a signal may be seen */
#define TOPIC_WAIT_MS 5000   /* for a topic that is just being created */
#define FAILURES_TOLD 5      /* the rest is counted */
#define QUEUE_KBYTES "65536" /* librdkafka would take 1 GiB; 64 MiB keep any broker busy */

struct sender {
    struct sender_config config;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    uint64_t acknowledged, failed;
    rd_kafka_resp_err_t refused; /* authentication or authorisation: no use in waiting */
    char reason[256];            /* of the last error that librdkafka told */
};

static const struct properties_owned not_for_us[] = {
    {"transactional.id", "turnstile-producer does not use transactions"},
    {NULL, NULL},
};

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    UNUSED(rk);
    const struct log_field fields[] = {LOG_STR("facility", facility), LOG_STR("text", text)};
    log_write(level <= 3   ? LOG_LEVEL_WARN
              : level <= 6 ? LOG_LEVEL_INFO
                           : LOG_LEVEL_DEBUG,
              "kafka", fields, ARRAY_LEN(fields));
}

static bool is_refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    UNUSED(rk);
    struct sender *s = opaque;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
    if (is_refusal((rd_kafka_resp_err_t)code))
        s->refused = (rd_kafka_resp_err_t)code;
}

static void count_failure(struct sender *s, const rd_kafka_message_t *m)
{
    if (++s->failed <= FAILURES_TOLD)
        LOG_ERROR("not_delivered", LOG_STR("reason", rd_kafka_err2str(m->err)),
                  LOG_INT("failed", s->failed));
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    UNUSED(rk);
    struct sender *s = opaque;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        count_failure(s, m);
        return;
    }
    s->acknowledged++;
    if (s->config.print)
        printf("Record %.*s produced to %s [%" PRId32 "] at offset %" PRId64 "\n", (int)m->key_len,
               (const char *)m->key, s->config.topic, m->partition, m->offset);
    const struct slice key = {m->key, m->key_len}, value = {m->payload, m->len};
    rd_kafka_timestamp_type_t type;
    audit_write(s->config.audit, m->partition, m->offset, key, m->payload ? &value : NULL,
                rd_kafka_message_timestamp(m, &type));
}

/* -- configuration --------------------------------------------------------------------------- */

static void set_default(rd_kafka_conf_t *conf, const struct properties *p, const char *key,
                        const char *alias, const char *value)
{
    char text[256];
    if (properties_get(p, key) != NULL || (alias != NULL && properties_get(p, alias) != NULL))
        return;
    ASSERT(rd_kafka_conf_set(conf, key, value, text, sizeof text) == RD_KAFKA_CONF_OK);
}

/* Idempotence needs acks=all; whoever asks for less gets no idempotence, instead of a refusal. */
static bool wants_all_acks(const struct properties *p)
{
    const char *acks = properties_get(p, "acks");
    if (acks == NULL)
        acks = properties_get(p, "request.required.acks");
    return acks == NULL || strcmp(acks, "all") == 0 || strcmp(acks, "-1") == 0;
}

static void set_defaults(rd_kafka_conf_t *conf, const struct properties *p)
{
    set_default(conf, p, "acks", "request.required.acks", "all");
    set_default(conf, p, "enable.idempotence", NULL, wants_all_acks(p) ? "true" : "false");
    set_default(conf, p, "queue.buffering.max.kbytes", NULL, QUEUE_KBYTES);
    set_default(conf, p, "client.id", NULL, "turnstile-producer");
}

int sender_new(const struct sender_config *config, struct sender **out, struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[512];
    const int rc = properties_apply(config->properties, conf, not_for_us, err);
    if (rc != 0) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    struct sender *s = mem_calloc(1, sizeof *s);
    s->config = *config;
    set_defaults(conf, config->properties);
    rd_kafka_conf_set_opaque(conf, s);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    s->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (s->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        mem_free(s);
        return err_set(err, ERR_CONFIG, "%s", text);
    }
    s->topic = rd_kafka_topic_new(s->rk, config->topic, NULL);
    if (s->topic == NULL) {
        sender_free(s);
        return err_set(err, ERR_CONFIG, "topic '%s': %s", config->topic,
                       rd_kafka_err2str(rd_kafka_last_error()));
    }
    *out = s;
    return 0;
}

void sender_free(struct sender *s)
{
    if (s == NULL)
        return;
    rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (s->topic != NULL)
        rd_kafka_topic_destroy(s->topic);
    rd_kafka_destroy(s->rk);
    mem_free(s);
}

/* -- connecting ------------------------------------------------------------------------------ */

static rd_kafka_resp_err_t ask_for_topic(struct sender *s)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(s->rk, 0, s->topic, &metadata, 10 * WAIT_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return code;
    code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN;
    rd_kafka_metadata_destroy(metadata);
    return code;
}

static int connect_error(const struct sender *s, rd_kafka_resp_err_t code, struct err *err)
{
    const char *brokers = properties_get(s->config.properties, "bootstrap.servers");
    if (brokers == NULL)
        brokers = properties_get(s->config.properties, "metadata.broker.list");
    if (is_refusal(code) || s->refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, ERR_PERMISSION, "Kafka at %s refuses: %s", brokers,
                       s->reason[0] != '\0' ? s->reason : rd_kafka_err2str(code));
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return err_set(err, ERR_NOT_FOUND, "there is no topic '%s' at %s, and none was created",
                       s->config.topic, brokers);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
        return err_set(err, ERR_CONFIG, "'%s' cannot be the name of a topic", s->config.topic);
    return err_set(err, ERR_UNREACHABLE, "no answer from Kafka at %s: %s", brokers,
                   s->reason[0] != '\0' ? s->reason : rd_kafka_err2str(code));
}

int sender_connect(struct sender *s, int64_t timeout_ms, struct err *err)
{
    const int64_t start_ns = clock_monotonic_ns();
    for (;;) {
        const rd_kafka_resp_err_t code = ask_for_topic(s);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        sender_poll(s, WAIT_MS);
        if (s->config.stopped(s->config.stopped_arg))
            return err_set(err, ERR_CANCELED, "stopped before Kafka answered");
        const int64_t waited_ms = (clock_monotonic_ns() - start_ns) / 1000000;
        const bool no_topic = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        if (is_refusal(code) || s->refused != RD_KAFKA_RESP_ERR_NO_ERROR ||
            code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION || waited_ms >= timeout_ms ||
            (no_topic && waited_ms >= TOPIC_WAIT_MS))
            return connect_error(s, code, err);
    }
}

/* -- sending --------------------------------------------------------------------------------- */

static int produce_error(struct sender *s, rd_kafka_resp_err_t code, struct err *err)
{
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        code = rd_kafka_fatal_error(s->rk, s->reason, sizeof s->reason);
        return err_set(err, is_refusal(code) ? ERR_PERMISSION : ERR_FATAL,
                       "Kafka: %s (%s; where the broker does not allow idempotence, "
                       "-X enable.idempotence=false)",
                       s->reason, rd_kafka_err2name(code));
    }
    return err_set(err, ERR_FATAL, "cannot produce to '%s': %s", s->config.topic,
                   rd_kafka_err2str(code));
}

int sender_send(struct sender *s, const struct message *m, struct err *err)
{
    for (;;) {
        /* librdkafka takes NULL for a tombstone and wants a pointer for an empty value. */
        void *value = m->tombstone ? NULL : (void *)(uintptr_t)(m->value.ptr ? m->value.ptr : "");
        const int rc =
            rd_kafka_produce(s->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value,
                             m->tombstone ? 0 : m->value.len, m->key.ptr, m->key.len, NULL);
        if (rc == 0)
            break;
        const rd_kafka_resp_err_t code = rd_kafka_last_error();
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return produce_error(s, code, err);
        sender_poll(s, WAIT_MS);
        if (s->config.stopped(s->config.stopped_arg))
            return err_set(err, ERR_CANCELED, "stopped while the queue was full");
    }
    sender_poll(s, 0);
    return 0;
}

void sender_poll(struct sender *s, int timeout_ms)
{
    rd_kafka_poll(s->rk, timeout_ms);
}

void sender_flush(struct sender *s)
{
    while (rd_kafka_outq_len(s->rk) > 0 && !s->config.stopped(s->config.stopped_arg))
        rd_kafka_flush(s->rk, WAIT_MS); /* returns as soon as the queue is empty */
    sender_poll(s, 0);
}

void sender_stats(const struct sender *s, struct sender_stats *stats)
{
    *stats = (struct sender_stats){
        .acknowledged = s->acknowledged, .failed = s->failed, .waiting = rd_kafka_outq_len(s->rk)};
}
