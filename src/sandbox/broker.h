/* broker.h -- an embedded Kafka broker on loopback: librdkafka's mock cluster.
 *
 * Good for groups, commits and replay; its limits are librdkafka's: 5 MiB a
 * partition (then the oldest is trimmed), a group's first member waits 3 s,
 * session.timeout.ms must be above 3,000, nothing is kept on exit, no
 * transactions, no admin requests. Runs on librdkafka's threads; start and stop
 * from one. */
#ifndef TURNSTILE_SANDBOX_BROKER_H
#define TURNSTILE_SANDBOX_BROKER_H

#include "base/base.h"
#include "base/err.h"

struct broker;

/* 0 and *out; ERR_FATAL. */
int broker_start(struct broker **out, struct err *err) MUST_CHECK;
/* 0; ERR_CONFIG where the name or number is refused. */
int broker_create_topic(struct broker *broker, const char *topic, int partitions,
                        struct err *err) MUST_CHECK;
/* host:port; valid as long as the broker. */
const char *broker_bootstrap_servers(const struct broker *broker);
void broker_stop(struct broker *broker); /* NULL is a no-op */

#endif
