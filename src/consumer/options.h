/* options.h -- what the user asked for, from flags and the environment.
 *
 * One table (option_table.c) drives parsing, --help, the environment and
 * --print-config. A flag wins over TURNSTILE_<NAME>, that over the default. This
 * file knows nothing about files or networks: it looks at strings only.
 *
 * Texts are borrowed from argv and the environment; options_deinit() frees the rest. */
#ifndef TURNSTILE_CONSUMER_OPTIONS_H
#define TURNSTILE_CONSUMER_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_OFF INT64_C(-1)   /* a time that is switched off; PIPELINE_OFF */
#define OPTIONS_UNSET INT64_C(-2) /* a time whose default depends on something else */

#define OPTIONS_MAX_PROPERTIES 64         /* -X settings; more belong into the file */
#define OPTIONS_MAX_COUNT 40              /* rows that the table may have */
#define OPTIONS_MAX_BATCH_RECORDS 1000000 /* RAW_MAX_CHUNK_RECORDS */

/* A window is cut into panes of gcd(duration, slide). A closed window visits each of its panes, and
 * a row is in duration / slide windows, which cannot be more than the panes. 1,440 is a day in
 * minutes. */
#define OPTIONS_MAX_PANES 1440

enum option_origin { OPTION_FROM_DEFAULT, OPTION_FROM_ENVIRONMENT, OPTION_FROM_FLAG };

enum options_command { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
    enum options_command command;

    const char *topic, *group;
    const char *client;                             /* or NULL */
    const char *config;                             /* properties file, or NULL */
    const char *brokers;                            /* or NULL */
    const char *properties[OPTIONS_MAX_PROPERTIES]; /* key=value, as given */
    unsigned property_count;

    int64_t duration_ms, slide_ms, delay_ms;
    const char *schema;         /* path, or NULL: the one that came with the program */
    int64_t max_future_skew_ms; /* OPTIONS_OFF, or OPTIONS_UNSET: depends on the schema */

    const char *lake, *prefix;
    bool raw;
    int64_t batch_records; /* of a raw object */

    int64_t idle_timeout_ms, idle_close_ms; /* or OPTIONS_OFF */
    bool partition_scope;
    uint64_t memory_limit_bytes;
    bool once, flush;
    int64_t connect_timeout_ms, drain_timeout_ms;

    enum log_level log_level;
    enum log_format log_format;
    bool check_config, print_config;

    char *property_lines;      /* what TURNSTILE_PROPERTY held, cut up; owned, or NULL */
    const char *lake_variable; /* the environment variable that named the lake */
    unsigned char origin[OPTIONS_MAX_COUNT]; /* enum option_origin, by row of the table */
};

/* Reads an environment variable; NULL when it is not set. getenv, or a test's. */
typedef const char *options_getenv(const char *name);

/* Fill *o and check it. 0; ERR_USAGE (a flag is wrong or missing) or ERR_CONFIG (a variable is),
 * with one line that says what to do; then there is nothing to deinit. With command HELP or VERSION
 * nothing else is checked. argv may be reordered. */
int options_parse(struct options *o, int argc, char **argv, options_getenv *lookup,
                  struct err *err) MUST_CHECK;

void options_deinit(struct options *o);

/* The text of --help. 0 or ERR_TOO_LARGE. */
int options_print_help(struct buf *out) MUST_CHECK;

/* One `name=value` line an option, with where the value came from; secrets as ***. */
int options_print(const struct options *o, struct buf *out) MUST_CHECK;

#endif
