/* setup.h -- from options to everything the program needs before it may connect:
 * schema, properties, the pipeline's configuration, and how memory is shared out.
 *
 * Reads files, touches no network. */
#ifndef TURNSTILE_CONSUMER_SETUP_H
#define TURNSTILE_CONSUMER_SETUP_H

#include "base/buf.h"
#include "base/err.h"
#include "consumer/options.h"
#include "core/pipeline.h"
#include "core/schema.h"
#include "io/properties.h"

/* Side output lies beside the data, because the warehouse reads all below the prefix: in rejected/
 * with the default prefix, else in rejected/<prefix>/, so that two jobs that share a lake and a
 * topic do not write under one name. */
#define SETUP_SIDE_PREFIX "rejected"
#define SETUP_RAW_PREFIX "raw" /* likewise */

struct setup {
    struct options options;
    char *schema_path; /* owned */
    char *side_prefix; /* owned */
    char *raw_prefix;  /* owned */
    struct schema *schema;
    struct properties properties;
    rd_kafka_conf_t *conf; /* NULL once a Kafka source has taken it */
    struct pipeline_config pipeline;
    size_t queue_budget_bytes; /* of librdkafka's queues */
    size_t state_budget_bytes; /* of open windows and of objects on their way to the lake */
    size_t backlog_bytes; /* objects on their way: above it reading waits, it would gain nothing */
};

/* `options` were parsed; *s borrows what they borrow. 0, or an error with its one line.
 * setup_deinit() in any case. */
int setup_load(struct setup *s, const struct options *options, struct err *err) MUST_CHECK;
void setup_deinit(struct setup *s);

/* --print-config: every setting with its origin, secrets hidden. 0 or ERR_TOO_LARGE. */
int setup_print(const struct setup *s, struct buf *out) MUST_CHECK;

#endif
