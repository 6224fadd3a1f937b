#include "sandbox/broker.h"

#include "base/mem.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

/* One broker: leader moves and replicas are no matter of a sandbox, and
 * `bootstrap.servers` stays one address. */
#define BROKERS 1
#define LOG_LEVEL "4" /* syslog's warning */

struct broker {
    rd_kafka_t *handle; /* a client that the cluster needs for its threads; it connects nowhere */
    rd_kafka_mock_cluster_t *cluster;
};

int broker_start(struct broker **out, struct err *err)
{
    char reason[512];
    struct broker *broker = mem_calloc(1, sizeof(*broker));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int rc = 0;
    /* warnings and worse; else it says that it has no bootstrap.servers, as it should */
    const rd_kafka_conf_res_t set =
        rd_kafka_conf_set(conf, "log_level", LOG_LEVEL, reason, sizeof(reason));
    ASSERT(set == RD_KAFKA_CONF_OK);
    broker->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!broker->handle) {
        rd_kafka_conf_destroy(conf);
        rc = err_set(err, ERR_FATAL, "the embedded broker does not start: %s", reason);
        goto out;
    }
    broker->cluster = rd_kafka_mock_cluster_new(broker->handle, BROKERS);
    if (!broker->cluster) {
        rc = err_set(err, ERR_FATAL, "the embedded broker does not start: no cluster");
        goto out;
    }
    *out = broker;
out:
    if (rc)
        broker_stop(broker);
    return rc;
}

int broker_create_topic(struct broker *broker, const char *topic, int partitions, struct err *err)
{
    const rd_kafka_resp_err_t rc =
        rd_kafka_mock_topic_create(broker->cluster, topic, partitions, BROKERS);
    if (rc)
        return err_set(err, ERR_CONFIG, "topic %s with %d partitions: %s", topic, partitions,
                       rd_kafka_err2str(rc));
    return 0;
}

const char *broker_bootstrap_servers(const struct broker *broker)
{
    return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

void broker_stop(struct broker *broker)
{
    if (!broker)
        return;
    if (broker->cluster)
        rd_kafka_mock_cluster_destroy(broker->cluster);
    if (broker->handle)
        rd_kafka_destroy(broker->handle);
    mem_free(broker);
}
