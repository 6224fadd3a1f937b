/* option_print.c -- the table as text: --help and --print-config. */
#include "consumer/option_table.h"
#include "consumer/option_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 32 /* where the explanations start */

static const char help_head[] =
    "turnstile-consumer: CSV rows from a Kafka topic, deduplicated and summed in windows, as gzip\n"
    "CSV mini-batches in a data lake. Kafka holds all state; stop and start it at any time.\n"
    "\n"
    "Examples:\n"
    "  turnstile-consumer --topic mta-turnstile --group mta --config ~/.kafka/localhost.properties "
    "\\\n"
    "      --lake /srv/lake                          windows of 5 minutes\n"
    "  turnstile-consumer ... --duration 60 --slide 15      an hour's sum every 15 minutes\n"
    "  turnstile-consumer ... --once                        what is there now, then exit (cron)\n"
    "  turnstile-consumer ... --once --flush                and close the last windows too\n"
    "  turnstile-consumer -t mta-turnstile -G mta -b localhost:9092 --lake http://lake:8080/data\n";

static const char help_tail[] =
    "\n"
    "Times: 500ms 30s 10m 4h 1d; a bare number is minutes for --duration, --slide and --delay.\n"
    "Sizes: 64MiB 1GiB. Every option can be set in the environment as TURNSTILE_<NAME>, such as\n"
    "TURNSTILE_IDLE_TIMEOUT=2m (TURNSTILE_PROPERTY: one KEY=VALUE a line). A flag wins over the\n"
    "environment, that over the --config file, that over the default.\n"
    "\n"
    "Exit codes:\n"
    "  0   done: asked to stop, or the end of --once\n"
    "  1   a failure that needs a person; the last line of the log says which\n"
    "  2   wrong use: an option is unknown, missing or has a bad value\n"
    "  69  Kafka or the lake could not be reached at start\n"
    "  75  uploads or commits did not finish in --drain-timeout, or --once met another member of\n"
    "      the group at work; nothing is lost, start again\n"
    "  77  credentials or permissions\n"
    "  78  configuration: a file, variable, topic or state that does not fit\n"
    "  128 + the signal: a second SIGTERM or SIGINT, which ends it at once; nothing is lost\n";

static int put_names(const struct option_spec *spec, struct buf *out)
{
    const size_t start = out->len;
    int rc = spec->letters[0] != '\0' ? buf_printf(out, "  -%c, ", spec->letters[0])
                                      : buf_append_str(out, "      ");
    if (rc == 0)
        rc = buf_printf(out, "--%s", spec->name);
    for (const char *const *alias = spec->aliases; rc == 0 && *alias != NULL; alias++)
        rc = buf_printf(out, ", --%s", *alias);
    if (rc == 0 && spec->value != NULL)
        rc = buf_printf(out, " %s", spec->value);
    const size_t width = out->len - start;
    if (rc == 0 && width >= HELP_COLUMN)
        return buf_printf(out, "\n%*s", HELP_COLUMN, "");
    return rc == 0 ? buf_printf(out, "%*s", (int)(HELP_COLUMN - width), "") : rc;
}

static int put_option(const struct option_spec *spec, struct buf *out)
{
    int rc = put_names(spec, out);
    for (const char *line = spec->help; rc == 0;) {
        const size_t len = strcspn(line, "\n");
        rc = buf_append(out, line, len);
        line += len;
        if (rc != 0 || *line == '\0')
            break;
        rc = buf_printf(out, "\n%*s", HELP_COLUMN, "");
        line++;
    }
    if (rc == 0 && spec->initial != NULL)
        rc = buf_printf(out, " [%s%s]", spec->initial,
                        spec->kind == OPTION_MINUTES ? " minutes" : "");
    return rc == 0 ? buf_append_byte(out, '\n') : rc;
}

int options_print_help(struct buf *out)
{
    int rc = buf_append_str(out, help_head);
    for (unsigned section = 0; rc == 0 && section < OPTION_SECTION_COUNT; section++) {
        rc = buf_printf(out, "\n%s:\n", option_section_titles[section]);
        for (size_t i = 0; rc == 0 && i < option_table_count; i++) {
            if (option_table[i].section == section)
                rc = put_option(&option_table[i], out);
        }
    }
    return rc == 0 ? buf_append_str(out, help_tail) : rc;
}

/* ---- --print-config ---- */

/* A URL without its user and password. */
static int put_url(const char *url, struct buf *out)
{
    const char *host = strstr(url, "://");
    if (host == NULL)
        return buf_append_str(out, url);
    host += 3;
    const size_t authority = strcspn(host, "/?#");
    const char *at = NULL;
    for (size_t i = 0; i < authority; i++) {
        if (host[i] == '@')
            at = host + i;
    }
    int rc = buf_append(out, url, (size_t)(host - url));
    if (rc == 0 && at != NULL)
        rc = buf_append_str(out, "***");
    return rc == 0 ? buf_append_str(out, at != NULL ? at : host) : rc;
}

static int put_text(const struct option_spec *spec, const char *text, struct buf *out)
{
    if (text == NULL)
        return 0;
    return strcmp(spec->name, "lake") == 0 ? put_url(text, out) : buf_append_str(out, text);
}

static int put_value(const struct options *o, const struct option_spec *spec, struct buf *out)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const void *at = (const char *)o + spec->offset;
    char text[OPTION_VALUE_BYTES];
    switch (spec->kind) {
    case OPTION_FLAG:
        return buf_append_str(out, *(const bool *)at ? "true" : "false");
    case OPTION_TEXT:
        return put_text(spec, *(const char *const *)at, out);
    case OPTION_MINUTES:
    case OPTION_TIME:
        if (*(const int64_t *)at == OPTIONS_OFF)
            return buf_append_str(out, "off");
        return buf_append_str(out, option_value_format_time(*(const int64_t *)at, text));
    case OPTION_SIZE:
        return buf_append_str(out, option_value_format_size(*(const uint64_t *)at, text));
    case OPTION_NUMBER:
        return buf_printf(out, "%" PRId64, *(const int64_t *)at);
    case OPTION_SCOPE:
        return buf_append_str(out, *(const bool *)at ? "partition" : "topic");
    case OPTION_LEVEL:
        return buf_append_str(out, levels[*(const enum log_level *)at]);
    case OPTION_FORMAT:
        return buf_append_str(out,
                              *(const enum log_format *)at == LOG_FORMAT_JSON ? "json" : "logfmt");
    case OPTION_COMMAND:
    case OPTION_LIST: /* printed with the properties */
        break;
    }
    return 0;
}

static const char *origin_text(const struct options *o, size_t row)
{
    const struct option_spec *spec = &option_table[row];
    if (strcmp(spec->name, "lake") == 0 && o->lake_variable != NULL)
        return o->lake_variable;
    switch ((enum option_origin)o->origin[row]) {
    case OPTION_FROM_FLAG:
        return "flag";
    case OPTION_FROM_ENVIRONMENT:
        return "environment";
    case OPTION_FROM_DEFAULT:
        break;
    }
    return "default";
}

int options_print(const struct options *o, struct buf *out)
{
    for (size_t row = 0; row < option_table_count; row++) {
        const struct option_spec *spec = &option_table[row];
        if (spec->kind == OPTION_COMMAND || spec->kind == OPTION_LIST)
            continue;
        int rc = buf_printf(out, "%s=", spec->name);
        if (rc == 0)
            rc = put_value(o, spec, out);
        if (rc == 0)
            rc = buf_printf(out, "  # %s\n", origin_text(o, row));
        if (rc != 0)
            return rc;
    }
    return 0;
}
