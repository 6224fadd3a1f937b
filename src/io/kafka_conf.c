#include "io/kafka_private.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The limit is set before the number of partitions is known (a question to Kafka first would cost
 * a connection, and a TLS handshake, before joining): the budget is cut for this many, and each has
 * at least the minimum. An unread queue takes about four times its limit: it is looked at before a
 * fetch, and a fetch brings up to 256 KiB of compressed records. A larger one makes nothing faster
 * (see nudge_leader()). */
#define QUEUE_PARTITIONS 32
#define QUEUE_MIN_KIB 256
#define FETCH_AGAIN_MS "5"
#define CLIENT_ID_BYTES 256
#define VALUE_BYTES 512
#define NAME_OF_START_TIME "%013lld" /* ms since 1970; sorts until the year 2286 */

const struct properties_owned kafka_source_owned_properties[] = {
    {"auto.offset.reset", "offsets come from the commit records; a jump would lose rows"},
    {"enable.auto.commit", "a commit says what is durable in the lake"},
    {"auto.commit.enable", "a commit says what is durable in the lake"},
    {"auto.commit.interval.ms", "a commit says what is durable in the lake"},
    {"enable.auto.offset.store", "a commit says what is durable in the lake"},
    {"isolation.level", "a replay must read what was read before: read_committed"},
    {"check.crcs", "a damaged batch must not be read as if it were whole"},
    {"enable.partition.eof", "the end of the log decides what is idle"},
    {"group.id", "use --group"},
    {"partition.assignment.strategy", "the owner of partition 0 owns the topic: eager assignors"},
    {"queued.max.messages.kbytes", "the partitions share a part of --memory-limit"},
    {"log.queue", "log lines are written by the program"},
    {NULL, NULL}};

struct setting {
    const char *key, *value;
};

static int set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count,
                   struct err *err)
{
    char errstr[VALUE_BYTES];
    for (size_t i = 0; i < count; i++)
        if (rd_kafka_conf_set(conf, settings[i].key, settings[i].value, errstr, sizeof(errstr)) !=
            RD_KAFKA_CONF_OK)
            return err_set(err, ERR_CONFIG, "%s=%s: %s", settings[i].key, settings[i].value,
                           errstr);
    return 0;
}

rd_kafka_conf_t *kafka_source_conf_new(void)
{
    static const struct setting defaults[] = {
        {"client.id", "turnstile"},
        {"session.timeout.ms", "10000"},   /* what a take-over after a crash takes at most */
        {"heartbeat.interval.ms", "1000"}, /* how soon a member hears of a rebalance */
        {"socket.timeout.ms", "10000"},    /* a silent connection is given up, as the session is */
        {"socket.keepalive.enable", "true"},
        {"socket.nagle.disable", "true"}, /* small requests do not wait for one another's ACK */
        /* Of an empty answer; rows come at once. While the broker waits for a partition that is at
         * its end, it is not asked for one that lags: higher makes catching up slower. */
        {"fetch.wait.max.ms", "20"},
        /* Of one partition in one answer, as compressed: several times that when unpacked, for each
         * partition. With 1 MiB, 12 partitions took 20 MiB more and were read no faster. A larger
         * batch comes all the same, alone. */
        {"fetch.message.max.bytes", "262144"},
        {"topic.metadata.refresh.interval.ms", "60000"}, /* how soon a new partition is seen */
        {"reconnect.backoff.ms", "50"},
        {"reconnect.backoff.max.ms", "2000"}, /* a broker that is back is found within this */
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct err err;
    const int code = set_all(conf, defaults, ARRAY_LEN(defaults), &err);
    ASSERT(code == 0); /* constants: wrong ones do not get past the tests */
    return conf;
}

/* The range assignor gives partition 0 to the member whose id sorts first, and a member id begins
 * with the client id: with the start time at its end, the oldest member stays the owner. */
static void make_client_id(const rd_kafka_conf_t *conf, const char *wanted,
                           char client_id[CLIENT_ID_BYTES])
{
    char base[CLIENT_ID_BYTES - 32] = "turnstile";
    size_t size = sizeof(base);
    if (wanted)
        snprintf(base, sizeof(base), "%s", wanted);
    else if (rd_kafka_conf_get(conf, "client.id", base, &size) != RD_KAFKA_CONF_OK)
        snprintf(base, sizeof(base), "turnstile");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(client_id, CLIENT_ID_BYTES, "%s-" NAME_OF_START_TIME, base,
             (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

size_t kafka_conf_queue_kib(size_t budget_bytes)
{
    const size_t share_kib = budget_bytes / 1024 / QUEUE_PARTITIONS;
    const size_t most_kib = 1024 * 1024;
    return share_kib < QUEUE_MIN_KIB ? QUEUE_MIN_KIB : share_kib > most_kib ? most_kib : share_kib;
}

bool kafka_conf_fetches_on(rd_kafka_conf_t *conf)
{
    char errstr[VALUE_BYTES]; /* since librdkafka 2.2 */
    return rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", FETCH_AGAIN_MS, errstr,
                             sizeof(errstr)) == RD_KAFKA_CONF_OK;
}

int kafka_conf_finish(rd_kafka_conf_t *conf, const struct kafka_source_config *config,
                      struct err *err)
{
    char client_id[CLIENT_ID_BYTES];
    char queue_kib[32];
    make_client_id(conf, config->client_id, client_id);
    snprintf(queue_kib, sizeof(queue_kib), "%zu", kafka_conf_queue_kib(config->queue_budget_bytes));

    const struct setting owned[] = {
        {"group.id", config->group},
        {"client.id", client_id},
        {"auto.offset.reset", "error"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"isolation.level", "read_committed"},
        {"check.crcs", "true"},
        {"enable.partition.eof", "true"},
        {"allow.auto.create.topics", "false"},
        /* Eager: librdkafka 2.0's cooperative protocol loses assignments and hangs at close. */
        {"partition.assignment.strategy", "range,roundrobin"},
        {"queued.max.messages.kbytes", queue_kib},
        {"log.queue", "true"},
    };
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT |
                                       RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
                                       RD_KAFKA_EVENT_FETCH);
    return set_all(conf, owned, ARRAY_LEN(owned), err);
}
