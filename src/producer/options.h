/* options.h -- what the command line and the environment ask for.
 *
 * One table in options_table.c drives parsing, the environment (TURNSTILE_<NAME>)
 * and --help; a flag wins over the environment, that over the default. Texts are
 * borrowed from argv and the environment. */
#ifndef TURNSTILE_PRODUCER_OPTIONS_H
#define TURNSTILE_PRODUCER_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "producer/message.h"

#include <stdbool.h>

#define OPTIONS_MAX_LIST 4096 /* files of --replay, -X properties: more is a slip of the shell */

struct options_list {
    const char **items; /* the array is owned, the texts are not */
    size_t count;
};

enum options_command { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };
enum options_feed { OPTIONS_DUMMY, OPTIONS_REPLAY, OPTIONS_POLL };

struct options {
    enum options_command command;
    enum options_feed feed;
    const char *topic, *config, *brokers;
    struct options_list properties; /* key=value each */
    struct options_list owned;      /* texts of the environment, cut into lines */
    int64_t connect_timeout_ms;

    double rate; /* rows per second; 0: no limit */
    bool has_rate;
    uint64_t count; /* rows; 0: no end */
    uint64_t seed;
    bool has_seed;
    uint64_t turnstiles;
    int64_t start_ms, step_ms; /* event times; start: -1 = now */
    bool has_step;
    const char *key, *format, *start; /* as typed */
    enum message_key key_by;
    enum message_format message_format;

    int64_t disorder_ms, late_by_ms;
    double duplicates, malformed, late;

    struct options_list replay;
    double speed; /* times real time; 0: no limit */
    uint64_t max_step;

    const char *poll;
    int64_t every_ms;

    const char *record;
    bool quiet;
};

/* 0, or ERR_USAGE with one line. *o must be freed with options_deinit() in any case. */
int options_parse(struct options *o, int argc, char **argv, struct err *err) MUST_CHECK;
void options_deinit(struct options *o);
int options_help(struct buf *out) MUST_CHECK;

#endif
