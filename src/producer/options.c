#include "producer/options.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "producer/counters.h"
#include "producer/options_table.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_LONG 256 /* getopt's values for long options: FIRST_LONG + row; letters are below */
#define MAX_SPECS 64

static int bad_value(const char *where, const char *text, const char *wanted, struct err *err)
{
    return err_set(err, ERR_USAGE, "%s: '%s' is not %s", where, text, wanted);
}

static int check_range(const struct option_spec *spec, const char *where, const char *text,
                       double value, struct err *err)
{
    if (value < (double)spec->min || (spec->max > 0 && value > (double)spec->max))
        return err_set(err, ERR_USAGE, "%s: '%s' is too %s", where, text,
                       value < (double)spec->min ? "small" : "large");
    return 0;
}

static int add_item(struct options_list *list, const char *text, const char *where, struct err *err)
{
    if (list->count == OPTIONS_MAX_LIST)
        return err_set(err, ERR_USAGE, "%s: more than %d of them", where, OPTIONS_MAX_LIST);
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof list->items[0]);
    list->items[list->count++] = text;
    return 0;
}

static int set_number(void *at, const struct option_spec *spec, const char *where, const char *text,
                      struct err *err)
{
    double decimal = 0;
    int64_t ms = 0;
    uint64_t number = 0;
    switch (spec->kind) {
    case OPTION_NUMBER:
        if (!option_parse_number(text, &number))
            return bad_value(where, text, "a whole number", err);
        *(uint64_t *)at = number;
        return check_range(spec, where, text, (double)number, err);
    case OPTION_DECIMAL:
        if (!option_parse_decimal(text, &decimal))
            return bad_value(where, text, "a number", err);
        *(double *)at = decimal;
        return check_range(spec, where, text, decimal, err);
    case OPTION_FRACTION:
        if (!option_parse_fraction(text, &decimal))
            return bad_value(where, text, "a fraction (0.05 or 5%)", err);
        *(double *)at = decimal;
        return 0;
    default:
        if (!option_parse_time(text, spec->kind == OPTION_SECONDS, &ms))
            return bad_value(where, text, "a time (500ms 30s 10m 4h 1d)", err);
        *(int64_t *)at = ms;
        return check_range(spec, where, text, (double)ms, err);
    }
}

/* `where`: the option or variable, for messages. `text` NULL: a flag that was given. */
static int set_option(struct options *o, const struct option_spec *spec, const char *where,
                      const char *text, struct err *err)
{
    void *at = (char *)o + spec->offset;
    if (spec->has_offset != 0)
        *(bool *)(void *)((char *)o + spec->has_offset) = true;
    switch (spec->kind) {
    case OPTION_COMMAND:
        o->command = strcmp(spec->name, "help") == 0 ? OPTIONS_HELP : OPTIONS_VERSION;
        return 0;
    case OPTION_FLAG:
        *(bool *)at = text == NULL || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        if (text != NULL && !*(bool *)at && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
            return bad_value(where, text, "true or false", err);
        return 0;
    case OPTION_TEXT:
        if (*text == '\0')
            return err_set(err, ERR_USAGE, "%s: must not be empty", where);
        *(const char **)at = text;
        return 0;
    case OPTION_LIST:
        return add_item(at, text, where, err);
    default:
        return set_number(at, spec, where, text, err);
    }
}

/* -- environment ----------------------------------------------------------------------------- */

static void variable_name(const struct option_spec *spec, char out[64])
{
    snprintf(out, 64, "TURNSTILE_%s", spec->name);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* One item a line; the lines are kept in memory of our own. */
static int set_lines(struct options *o, const struct option_spec *spec, const char *where,
                     const char *text, struct err *err)
{
    struct options_list *list = (void *)((char *)o + spec->offset);
    char *line = mem_strdup(text);
    int rc = add_item(&o->owned, line, where, err);
    while (rc == 0 && line != NULL) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (*line != '\0')
            rc = add_item(list, line, where, err);
        line = end;
    }
    return rc;
}

static int read_environment(struct options *o, struct err *err)
{
    for (size_t i = 0; i < option_spec_count; i++) {
        const struct option_spec *spec = &option_specs[i];
        char name[64];
        variable_name(spec, name);
        const char *text = getenv(name);
        if (text == NULL || *text == '\0' || spec->kind == OPTION_COMMAND)
            continue;
        const int rc = spec->kind == OPTION_LIST ? set_lines(o, spec, name, text, err)
                                                 : set_option(o, spec, name, text, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* -- command line ---------------------------------------------------------------------------- */

struct getopt_tables {
    struct option longs[MAX_SPECS + 1];
    char letters[2 * MAX_SPECS + 2];
};

static void make_tables(struct getopt_tables *t)
{
    *t = (struct getopt_tables){0};
    size_t n = 0;
    t->letters[n++] = ':'; /* a missing value is ':' and not '?' */
    ASSERT(option_spec_count <= MAX_SPECS);
    for (size_t i = 0; i < option_spec_count; i++) {
        const struct option_spec *spec = &option_specs[i];
        t->longs[i] = (struct option){spec->name, spec->value ? required_argument : no_argument,
                                      NULL, FIRST_LONG + (int)i};
        if (spec->letter != 0) {
            t->letters[n++] = spec->letter;
            if (spec->value != NULL)
                t->letters[n++] = ':';
        }
    }
}

static const struct option_spec *find_spec(int value)
{
    if (value >= FIRST_LONG)
        return &option_specs[value - FIRST_LONG];
    for (size_t i = 0; i < option_spec_count; i++)
        if (option_specs[i].letter == value)
            return &option_specs[i];
    return NULL;
}

static int unknown_option(const char *text, struct err *err)
{
    if (strncmp(text, "--", 2) != 0)
        return err_set(err, ERR_USAGE, "unknown option '-%c'; see --help", optopt);
    const char *known[MAX_SPECS];
    for (size_t i = 0; i < option_spec_count; i++)
        known[i] = option_specs[i].name;
    const struct slice word = {text + 2, strcspn(text + 2, "=")};
    const char *near = suggest_near(word, known, option_spec_count);
    if (near != NULL)
        return err_set(err, ERR_USAGE, "unknown option '%s'; did you mean --%s?", text, near);
    return err_set(err, ERR_USAGE, "unknown option '%s'; see --help", text);
}

/* A list that a flag sets replaces the environment's, as any other option does. */
static void forget_environment_list(struct options *o, const struct option_spec *spec,
                                    bool *forgotten)
{
    if (spec->kind != OPTION_LIST || forgotten[spec - option_specs])
        return;
    forgotten[spec - option_specs] = true;
    ((struct options_list *)(void *)((char *)o + spec->offset))->count = 0;
}

static int read_arguments(struct options *o, int argc, char **argv, struct err *err)
{
    struct getopt_tables tables;
    bool forgotten[MAX_SPECS] = {false};
    make_tables(&tables);
    opterr = 0;
    optind = 0; /* GNU: start anew, also in the second call of a test */
    for (;;) {
        const int at = optind > 0 ? optind : 1;
        const int value = getopt_long(argc, argv, tables.letters, tables.longs, NULL);
        if (value == -1)
            break;
        const struct option_spec *spec = find_spec(value == ':' ? optopt : value);
        if (value == '?') /* also an abbreviation of two, or a value for a flag */
            return unknown_option(argv[optind > at ? optind - 1 : at], err);
        char where[64];
        snprintf(where, sizeof where, "--%s", spec->name);
        if (value == ':')
            return err_set(err, ERR_USAGE, "%s needs a value: %s", where, spec->value);
        forget_environment_list(o, spec, forgotten);
        const int rc = set_option(o, spec, where, optarg, err);
        if (rc != 0)
            return rc;
    }
    for (; optind < argc; optind++) {
        if (o->replay.count == 0)
            return err_set(err, ERR_USAGE, "'%s' is no option (files need --replay); see --help",
                           argv[optind]);
        if (add_item(&o->replay, argv[optind], "--replay", err) != 0)
            return ERR_USAGE;
    }
    return 0;
}

/* -- what goes together ---------------------------------------------------------------------- */

static bool one_of(const char *text, const char *first, const char *second)
{
    return strcmp(text, first) == 0 || strcmp(text, second) == 0;
}

static int check_start(struct options *o, struct err *err)
{
    struct row_formats formats;
    row_formats_init(&formats);
    if (o->start != NULL && !timefmt_parse(&formats.timestamp, slice_of(o->start), &o->start_ms))
        return err_set(err, ERR_USAGE, "--start: '%s' is not a time 'YYYY-MM-DD HH:MM:SS'",
                       o->start);
    return 0;
}

static int check_feed(struct options *o, struct err *err)
{
    if (o->poll != NULL && o->replay.count > 0)
        return err_set(err, ERR_USAGE, "--replay and --poll exclude each other");
    o->feed = o->poll != NULL ? OPTIONS_POLL : o->replay.count > 0 ? OPTIONS_REPLAY : OPTIONS_DUMMY;
    if (o->feed != OPTIONS_DUMMY && (o->turnstiles > 0 || o->start != NULL || o->has_step))
        return err_set(err, ERR_USAGE,
                       "--turnstiles, --start and --step are of the demonstration feed; they do "
                       "not go with --%s",
                       o->feed == OPTIONS_POLL ? "poll" : "replay");
    if (o->feed != OPTIONS_REPLAY && o->speed > 0)
        return err_set(err, ERR_USAGE, "--speed goes with --replay only");
    if (o->feed == OPTIONS_DUMMY && !o->has_rate)
        o->rate = 0.1; /* one message each 10 s */
    return 0;
}

static int check(struct options *o, struct err *err)
{
    if (o->topic == NULL)
        return err_set(err, ERR_USAGE, "--topic is missing; see --help");
    bool has_brokers = o->config != NULL || o->brokers != NULL;
    for (size_t i = 0; i < o->properties.count; i++)
        has_brokers |= strncmp(o->properties.items[i], "bootstrap.servers", 17) == 0 ||
                       strncmp(o->properties.items[i], "metadata.broker.list", 20) == 0;
    if (!has_brokers)
        return err_set(err, ERR_USAGE,
                       "--config FILE or --brokers HOST:PORT is missing; see --help");
    if (!one_of(o->key, "id", "turnstile"))
        return err_set(err, ERR_USAGE, "--key: '%s' is neither id nor turnstile", o->key);
    if (!one_of(o->format, "json", "csv"))
        return err_set(err, ERR_USAGE, "--format: '%s' is neither json nor csv", o->format);
    o->key_by = strcmp(o->key, "id") == 0 ? MESSAGE_KEY_ID : MESSAGE_KEY_TURNSTILE;
    o->message_format = strcmp(o->format, "json") == 0 ? MESSAGE_JSON : MESSAGE_CSV;
    const int rc = check_start(o, err);
    return rc != 0 ? rc : check_feed(o, err);
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
    *o = (struct options){.connect_timeout_ms = 30000,
                          .step_ms = 10000,
                          .start_ms = -1,
                          .key = "id",
                          .format = "json",
                          .late_by_ms = TIMEFMT_MS_PER_DAY,
                          .max_step = COUNTERS_DEFAULT_MAX_STEP,
                          .every_ms = 60000};
    int rc = read_environment(o, err);
    if (rc == 0)
        rc = read_arguments(o, argc, argv, err);
    if (rc == 0 && o->command == OPTIONS_RUN)
        rc = check(o, err);
    return rc;
}

void options_deinit(struct options *o)
{
    for (size_t i = 0; i < o->owned.count; i++)
        mem_free((void *)(uintptr_t)o->owned.items[i]);
    mem_free(o->owned.items);
    mem_free(o->properties.items);
    mem_free(o->replay.items);
}
