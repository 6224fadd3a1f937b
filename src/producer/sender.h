/* sender.h -- messages to one topic, each acknowledged or counted as failed.
 *
 * librdkafka retries (acks=all, idempotent unless the properties say otherwise, so
 * that a retry makes no second copy); a full queue means waiting, never dropping.
 * One thread: all calls, and all callbacks, on the thread of the caller. */
#ifndef TURNSTILE_PRODUCER_SENDER_H
#define TURNSTILE_PRODUCER_SENDER_H

#include "io/properties.h"
#include "producer/audit.h"
#include "producer/message.h"

struct sender_config {
    const struct properties *properties;
    const char *topic;
    bool print;              /* a line per acknowledged message, on stdout */
    struct audit *audit;     /* gets every acknowledged message */
    bool (*stopped)(void *); /* asked while waiting: true ends the wait */
    void *stopped_arg;
};

struct sender_stats {
    uint64_t acknowledged, failed;
    int waiting; /* sent, no answer yet */
};

struct sender;

/* 0 and *out, or ERR_CONFIG. The config's pointers must outlive the sender. */
int sender_new(const struct sender_config *config, struct sender **out, struct err *err) MUST_CHECK;

/* Until a broker has answered for the topic. 0; ERR_UNREACHABLE after timeout_ms, ERR_PERMISSION,
 * ERR_NOT_FOUND (no such topic), ERR_CANCELED (stopped). */
int sender_connect(struct sender *s, int64_t timeout_ms, struct err *err) MUST_CHECK;

/* Queues a copy. 0; ERR_CANCELED (stopped while the queue was full), ERR_FATAL. */
int sender_send(struct sender *s, const struct message *message, struct err *err) MUST_CHECK;

void sender_poll(struct sender *s, int timeout_ms); /* serve answers for up to timeout_ms */

/* Waits for every answer (librdkafka's message.timeout.ms bounds it), or until `stopped`. */
void sender_flush(struct sender *s);
void sender_stats(const struct sender *s, struct sender_stats *stats);
void sender_free(struct sender *s); /* what is still waiting is lost; NULL is a no-op */

#endif
