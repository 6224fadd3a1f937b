#include "producer/options_table.h"

#include "producer/feed_dummy.h"

#define AT(member) offsetof(struct options, member)
#define DAY_MS UINT64_C(86400000)

const struct option_spec option_specs[] = {
    {.section = "Kafka",
     .name = "topic",
     .letter = 't',
     .kind = OPTION_TEXT,
     .offset = AT(topic),
     .value = "TOPIC",
     .help = "topic to write to; required"},
    {.name = "config",
     .letter = 'F',
     .kind = OPTION_TEXT,
     .offset = AT(config),
     .value = "FILE",
     .help = "librdkafka properties, key=value: bootstrap.servers, ...;\nthis or --brokers is "
             "required"},
    {.name = "brokers",
     .letter = 'b',
     .kind = OPTION_TEXT,
     .offset = AT(brokers),
     .value = "HOST:PORT,...",
     .help = "brokers; instead of, or over, bootstrap.servers of the file"},
    {.name = "property",
     .letter = 'X',
     .kind = OPTION_LIST,
     .offset = AT(properties),
     .value = "KEY=VALUE",
     .help = "one librdkafka property, over the file; may be repeated"},
    {.name = "connect-timeout",
     .kind = OPTION_TIME,
     .offset = AT(connect_timeout_ms),
     .min = 100,
     .max = DAY_MS,
     .value = "TIME",
     .help = "at start: give up when Kafka has not answered [30s]"},

    {.section = "Feed (without --replay or --poll: the demonstration feed)",
     .name = "rate",
     .kind = OPTION_DECIMAL,
     .offset = AT(rate),
     .has_offset = AT(has_rate),
     .max = 100000000,
     .value = "N",
     .help = "rows per second, 0: as fast as possible\n[0.1 for the demonstration feed, else 0]"},
    {.name = "count",
     .letter = 'c',
     .kind = OPTION_NUMBER,
     .offset = AT(count),
     .value = "N",
     .help = "stop after N rows [0: never, or at the end of the files]"},
    {.name = "seed",
     .kind = OPTION_NUMBER,
     .offset = AT(seed),
     .has_offset = AT(has_seed),
     .value = "N",
     .help = "repeat the same ids, values and disturbances; with --start\nthe same messages"},
    {.name = "turnstiles",
     .kind = OPTION_NUMBER,
     .offset = AT(turnstiles),
     .max = FEED_DUMMY_MAX_TURNSTILES,
     .value = "N",
     .help = "rows of N distinct turnstiles in turn [0: a few test stations]"},
    {.name = "start",
     .kind = OPTION_TEXT,
     .offset = AT(start),
     .value = "'YYYY-MM-DD HH:MM:SS'",
     .help = "event time of the first row [the local clock, for each row]"},
    {.name = "step",
     .kind = OPTION_TIME,
     .offset = AT(step_ms),
     .has_offset = AT(has_step),
     .max = 366 * DAY_MS,
     .value = "TIME",
     .help = "event time from row to row [10s, with --start]"},
    {.name = "key",
     .kind = OPTION_TEXT,
     .offset = AT(key),
     .value = "id|turnstile",
     .help = "message key: the row's ID, or CA,UNIT,SCP, so that a turnstile\nstays in one "
             "partition [id]"},
    {.name = "format",
     .kind = OPTION_TEXT,
     .offset = AT(format),
     .value = "json|csv",
     .help = "message value: the CSV row as a JSON string, or bare [json]"},

    {.section = "Replay of weekly MTA files",
     .name = "replay",
     .kind = OPTION_LIST,
     .offset = AT(replay),
     .value = "FILE...",
     .help = "read these files, plain or gzip; rows are the differences of the\ncounters, in event "
             "order; further arguments are files too"},
    {.name = "speed",
     .kind = OPTION_DECIMAL,
     .offset = AT(speed),
     .max = 100000000,
     .value = "X",
     .help = "X times real time [0: as fast as possible]"},
    {.name = "max-step",
     .kind = OPTION_NUMBER,
     .offset = AT(max_step),
     .min = 1,
     .max = 1000000000,
     .value = "N",
     .help = "more passages than N from one reading to the next are a broken\ncounter: dropped and "
             "counted [10000]"},

    {.section = "Polling over HTTP",
     .name = "poll",
     .kind = OPTION_TEXT,
     .offset = AT(poll),
     .value = "URL",
     .help = "GET CSV from here again and again, and send what is new"},
    {.name = "every",
     .kind = OPTION_TIME,
     .offset = AT(every_ms),
     .min = 100,
     .max = 366 * DAY_MS,
     .value = "TIME",
     .help = "time between two requests [60s]"},

    {.section = "Disturbance (for tests; rows stay, the rest comes on top)",
     .name = "disorder",
     .kind = OPTION_SECONDS,
     .offset = AT(disorder_ms),
     .max = 366 * DAY_MS,
     .value = "TIME",
     .help = "shuffle: rows come up to TIME behind the newest; seconds [0]"},
    {.name = "duplicates",
     .kind = OPTION_FRACTION,
     .offset = AT(duplicates),
     .value = "FRACTION",
     .help = "send this many rows again, such as 0.05 or 5% [0]"},
    {.name = "malformed",
     .kind = OPTION_FRACTION,
     .offset = AT(malformed),
     .value = "FRACTION",
     .help = "malformed messages of twelve kinds in turn [0]"},
    {.name = "late",
     .kind = OPTION_FRACTION,
     .offset = AT(late),
     .value = "FRACTION",
     .help = "rows far behind [0]"},
    {.name = "late-by",
     .kind = OPTION_TIME,
     .offset = AT(late_by_ms),
     .min = 1000,
     .max = 366 * DAY_MS,
     .value = "TIME",
     .help = "how far behind late rows are [1d]"},

    {.section = "Looking",
     .name = "record",
     .kind = OPTION_TEXT,
     .offset = AT(record),
     .value = "FILE",
     .help = "write each acknowledged message to FILE as a JSON line"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .offset = AT(quiet),
     .help = "no line per message, no progress"},
    {.name = "help", .letter = 'h', .kind = OPTION_COMMAND, .help = "this text"},
    {.name = "version", .kind = OPTION_COMMAND, .help = "the version"},
};
const size_t option_spec_count = ARRAY_LEN(option_specs);

#define HELP_COLUMN 34

static const char help_head[] =
    "turnstile-producer: turnstile rows into a Kafka topic: a demonstration feed, real weekly\n"
    "files, or an HTTP endpoint.\n"
    "\n"
    "Examples:\n"
    "  turnstile-producer --topic mta-turnstile --config ~/.kafka/localhost.properties\n"
    "  turnstile-producer -t mta-turnstile -b localhost:9092 --rate 0 --count 1000000 "
    "--turnstiles 500\n"
    "  turnstile-producer -t mta-turnstile -b localhost:9092 --replay 240106.csv.gz --speed 3600\n"
    "  turnstile-producer -t mta-turnstile -b localhost:9092 --poll http://host/feed.csv "
    "--every 60s\n";

static const char help_tail[] =
    "\n"
    "Times: 500ms 30s 10m 4h 1d. Every option can be set in the environment as TURNSTILE_<NAME>,\n"
    "such as TURNSTILE_LATE_BY=2h (TURNSTILE_PROPERTY, TURNSTILE_REPLAY: one a line); a flag "
    "wins.\n"
    "\n"
    "Exit codes:\n"
    "  0   all messages acknowledged, or asked to stop (SIGINT, SIGTERM)\n"
    "  1   some messages were not acknowledged, or a failure that needs a person\n"
    "  2   wrong use: an option is unknown, missing or has a bad value\n"
    "  69  Kafka could not be reached\n"
    "  77  credentials or permissions\n"
    "  78  configuration: a file, property or topic that is missing or does not fit\n";

static int put_option(struct buf *out, const struct option_spec *spec)
{
    const size_t start = out->len;
    int rc = spec->letter != 0 ? buf_printf(out, "  -%c, ", spec->letter)
                               : buf_append_str(out, "      ");
    if (rc == 0)
        rc = buf_printf(out, "--%s%s%s", spec->name, spec->value ? " " : "",
                        spec->value ? spec->value : "");
    const size_t width = out->len - start;
    if (rc == 0)
        rc = width < HELP_COLUMN ? buf_printf(out, "%*s", (int)(HELP_COLUMN - width), "")
                                 : buf_printf(out, "\n%*s", HELP_COLUMN, "");
    for (const char *line = spec->help; rc == 0;) {
        const size_t len = strcspn(line, "\n");
        rc = buf_append(out, line, len);
        line += len;
        if (rc != 0 || *line++ == '\0')
            break;
        rc = buf_printf(out, "\n%*s", HELP_COLUMN, "");
    }
    return rc != 0 ? rc : buf_append_byte(out, '\n');
}

int options_help(struct buf *out)
{
    int rc = buf_append_str(out, help_head);
    for (size_t i = 0; rc == 0 && i < option_spec_count; i++) {
        if (option_specs[i].section != NULL)
            rc = buf_printf(out, "\n%s:\n", option_specs[i].section);
        if (rc == 0)
            rc = put_option(out, &option_specs[i]);
    }
    return rc != 0 ? rc : buf_append_str(out, help_tail);
}
