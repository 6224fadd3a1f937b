#include "consumer/options.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "consumer/option_table.h"
#include "consumer/option_value.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define SECOND_MS INT64_C(1000)

#define TOPIC_MAX_BYTES 249  /* Kafka's */
#define GROUP_MAX_BYTES 1024 /* longer ones are accidents */
#define PREFIX_MAX_BYTES 512 /* leaves half of a store's key for the name of a batch */
#define VARIABLE_BYTES 64    /* TURNSTILE_ and an option's name */
#define ROW_BASE 256         /* getopt's value of a long option: above every letter */

/* Long names with their aliases, and the end marker. */
#define LONG_MAX (OPTIONS_MAX_COUNT * 2 + 1)
#define LETTERS_MAX (OPTIONS_MAX_COUNT * 2 + 2)

static void *member(struct options *o, const struct option_spec *spec)
{
    return (char *)o + spec->offset;
}

static const char *variable_of(const struct option_spec *spec, char out[VARIABLE_BYTES])
{
    snprintf(out, VARIABLE_BYTES, "TURNSTILE_%s", spec->name);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return out;
}

/* ---- one value ---- */

struct setting {
    const struct option_spec *spec;
    const char *name; /* what the user wrote it under: --topic or TURNSTILE_TOPIC */
    const char *text;
    int code; /* of an error */
};

static int set_time(struct options *o, const struct setting *s, struct err *err)
{
    const bool minutes = s->spec->kind == OPTION_MINUTES;
    int64_t *ms = member(o, s->spec);
    if (s->spec->may_be_off && strcmp(s->text, "off") == 0) {
        *ms = OPTIONS_OFF;
        return 0;
    }
    if (!option_value_parse_time(s->text, minutes ? MINUTE_MS : 0, ms))
        return err_set(err, s->code, "%s: '%s' is not a time; write %s30s, 10m, 4h or 1d%s",
                       s->name, s->text, minutes ? "5 (minutes), " : "",
                       s->spec->may_be_off ? ", or off" : "");
    if (*ms < s->spec->min || *ms > s->spec->max) {
        char low[OPTION_VALUE_BYTES], high[OPTION_VALUE_BYTES];
        return err_set(err, s->code, "%s: %s is out of range; it must be %s to %s", s->name,
                       s->text, option_value_format_time(s->spec->min, low),
                       option_value_format_time(s->spec->max, high));
    }
    return 0;
}

static int set_size(struct options *o, const struct setting *s, struct err *err)
{
    uint64_t *bytes = member(o, s->spec);
    if (!option_value_parse_size(s->text, bytes))
        return err_set(err, s->code, "%s: '%s' is not a size; write 256MiB or 1GiB", s->name,
                       s->text);
    if (*bytes < (uint64_t)s->spec->min || *bytes > (uint64_t)s->spec->max) {
        char low[OPTION_VALUE_BYTES], high[OPTION_VALUE_BYTES];
        return err_set(err, s->code, "%s: %s is out of range; it must be %s to %s", s->name,
                       s->text, option_value_format_size((uint64_t)s->spec->min, low),
                       option_value_format_size((uint64_t)s->spec->max, high));
    }
    return 0;
}

static int set_number(struct options *o, const struct setting *s, struct err *err)
{
    int64_t *number = member(o, s->spec);
    if (!option_value_parse_number(s->text, number) || *number < s->spec->min ||
        *number > s->spec->max)
        return err_set(err, s->code, "%s: '%s' is not a number from %lld to %lld", s->name, s->text,
                       (long long)s->spec->min, (long long)s->spec->max);
    return 0;
}

static int set_property(struct options *o, const struct setting *s, struct err *err)
{
    const char *equals = strchr(s->text, '=');
    if (equals == NULL || equals == s->text)
        return err_set(err, s->code, "%s: '%s' is not KEY=VALUE", s->name, s->text);
    if (o->property_count == OPTIONS_MAX_PROPERTIES)
        return err_set(err, s->code, "%s: more than %d properties; put them into a file (--config)",
                       s->name, OPTIONS_MAX_PROPERTIES);
    o->properties[o->property_count++] = s->text;
    return 0;
}

static int set_flag(struct options *o, const struct setting *s, struct err *err)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off"};
    bool *flag = member(o, s->spec);
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(s->text, yes[i]) == 0 || strcmp(s->text, no[i]) == 0) {
            *flag = strcmp(s->text, yes[i]) == 0;
            return 0;
        }
    }
    return err_set(err, s->code, "%s: '%s' is neither true nor false", s->name, s->text);
}

static int set_scope(struct options *o, const struct setting *s, struct err *err)
{
    bool *partition_scope = member(o, s->spec);
    if (strcmp(s->text, "topic") != 0 && strcmp(s->text, "partition") != 0)
        return err_set(err, s->code, "%s: '%s' is not a scope; write topic or partition", s->name,
                       s->text);
    *partition_scope = s->text[0] == 'p';
    return 0;
}

static int set_value(struct options *o, const struct setting *s, struct err *err)
{
    if (s->text[0] == '\0')
        return err_set(err, s->code, "%s is empty; give it a value or leave it out", s->name);
    switch (s->spec->kind) {
    case OPTION_COMMAND:
        return 0;
    case OPTION_FLAG:
        return set_flag(o, s, err);
    case OPTION_TEXT:
        *(const char **)member(o, s->spec) = s->text;
        return 0;
    case OPTION_LIST:
        return set_property(o, s, err);
    case OPTION_MINUTES:
    case OPTION_TIME:
        return set_time(o, s, err);
    case OPTION_SIZE:
        return set_size(o, s, err);
    case OPTION_NUMBER:
        return set_number(o, s, err);
    case OPTION_SCOPE:
        return set_scope(o, s, err);
    case OPTION_LEVEL:
        if (!log_level_parse(s->text, member(o, s->spec)))
            return err_set(err, s->code,
                           "%s: '%s' is not a level; write debug, info, warn or error", s->name,
                           s->text);
        return 0;
    case OPTION_FORMAT:
        if (!log_format_parse(s->text, member(o, s->spec)))
            return err_set(err, s->code, "%s: '%s' is not a format; write logfmt or json", s->name,
                           s->text);
        return 0;
    }
    base_assert_failed("every kind has its case", __FILE__, __LINE__, __func__);
}

/* ---- the three sources: defaults, flags, environment ---- */

static void set_defaults(struct options *o)
{
    *o = (struct options){.command = OPTIONS_RUN};
    o->slide_ms = o->delay_ms = o->max_future_skew_ms = o->idle_close_ms = OPTIONS_UNSET;
    for (size_t i = 0; i < option_table_count; i++) {
        const struct option_spec *spec = &option_table[i];
        struct err err;
        const struct setting s = {spec, spec->name, spec->initial, ERR_FATAL};
        if (spec->initial != NULL) {
            const int rc = set_value(o, &s, &err);
            ASSERT(rc == 0);
        }
    }
}

static void fill_getopt(struct option longs[LONG_MAX], char letters[LETTERS_MAX])
{
    size_t n = 0, used = 0;
    letters[used++] = ':'; /* a missing value is told apart from an unknown option */
    for (size_t i = 0; i < option_table_count; i++) {
        const struct option_spec *spec = &option_table[i];
        const int has_value = spec->value != NULL ? required_argument : no_argument;
        const int row = ROW_BASE + (int)i;
        longs[n++] = (struct option){spec->name, has_value, NULL, row};
        for (const char *const *alias = spec->aliases; *alias != NULL; alias++) {
            ASSERT(n + 1 < LONG_MAX);
            longs[n++] = (struct option){*alias, has_value, NULL, row};
        }
        for (const char *letter = spec->letters; *letter != '\0'; letter++) {
            ASSERT(used + 3 < LETTERS_MAX);
            letters[used++] = *letter;
            if (spec->value != NULL)
                letters[used++] = ':';
        }
    }
    longs[n] = (struct option){NULL, 0, NULL, 0};
    letters[used] = '\0';
}

/* getopt's answer as a row of the table, or the count of rows when it is none. */
static size_t row_of(int answer)
{
    if (answer >= ROW_BASE)
        return (size_t)(answer - ROW_BASE);
    for (size_t i = 0; i < option_table_count; i++) {
        if (answer > 0 && strchr(option_table[i].letters, answer) != NULL)
            return i;
    }
    return option_table_count;
}

/* `word` is what stands behind the dashes, up to '='. */
static int unknown_long(const struct option *longs, struct slice word, struct err *err)
{
    const char *names[LONG_MAX];
    char matching[256] = "";
    size_t count = 0, matches = 0;
    for (; longs[count].name != NULL; count++) {
        names[count] = longs[count].name;
        if (word.len > 0 && strncmp(names[count], word.ptr, word.len) == 0) {
            const size_t used = strlen(matching);
            snprintf(matching + used, sizeof(matching) - used, "%s--%s", matches > 0 ? ", " : "",
                     names[count]);
            matches++;
        }
    }
    const int shown = word.len < SUGGEST_MAX_WORD ? (int)word.len : SUGGEST_MAX_WORD;
    if (matches > 1)
        return err_set(err, ERR_USAGE, "--%.*s could be %s; write more of it", shown, word.ptr,
                       matching);
    const char *near = suggest_near(word, names, count);
    if (near != NULL)
        return err_set(err, ERR_USAGE, "unknown option --%.*s; did you mean --%s?", shown, word.ptr,
                       near);
    return err_set(err, ERR_USAGE, "unknown option --%.*s; --help lists all", shown, word.ptr);
}

static int refused_by_getopt(int answer, const struct option *longs, const char *argument,
                             struct err *err)
{
    const size_t row = row_of(optopt);
    if (answer == ':')
        return err_set(err, ERR_USAGE, "--%s needs a value: --%s %s", option_table[row].name,
                       option_table[row].name, option_table[row].value);
    if (optopt >= ROW_BASE)
        return err_set(err, ERR_USAGE, "--%s takes no value", option_table[row].name);
    if (optopt != 0)
        return err_set(err, ERR_USAGE, "unknown option -%c; --help lists all",
                       isprint(optopt) ? optopt : '?');
    const struct slice word = {argument + 2, strcspn(argument + 2, "=")};
    return unknown_long(longs, word, err);
}

static int parse_flags(struct options *o, int argc, char **argv, struct err *err)
{
    struct option longs[LONG_MAX];
    char letters[LETTERS_MAX];
    fill_getopt(longs, letters);
    optind = 0; /* glibc: start afresh */
    opterr = 0;
    int answer;
    while ((answer = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (answer == '?' || answer == ':')
            return refused_by_getopt(answer, longs, argv[optind - 1], err);
        const size_t row = row_of(answer);
        const struct option_spec *spec = &option_table[row];
        if (spec->kind == OPTION_COMMAND) {
            o->command = (enum options_command)spec->offset;
            return 0;
        }
        char name[VARIABLE_BYTES];
        snprintf(name, sizeof(name), "--%s", spec->name);
        const struct setting s = {spec, name, spec->value != NULL ? optarg : "true", ERR_USAGE};
        const int rc = set_value(o, &s, err);
        if (rc != 0)
            return rc;
        o->origin[row] = OPTION_FROM_FLAG;
    }
    if (optind < argc)
        return err_set(err, ERR_USAGE, "'%s' belongs to no option; the topic is given with --topic",
                       argv[optind]);
    return 0;
}

/* TURNSTILE_PROPERTY: one key=value a line. */
static int set_property_lines(struct options *o, const struct setting *s, struct err *err)
{
    o->property_lines = mem_strdup(s->text);
    for (char *line = o->property_lines; *line != '\0';) {
        char *end = line + strcspn(line, "\n");
        const bool last = *end == '\0';
        *end = '\0';
        struct setting one = *s;
        one.text = line;
        const int rc = line == end ? 0 : set_value(o, &one, err);
        if (rc != 0)
            return rc;
        line = last ? end : end + 1;
    }
    return 0;
}

static int parse_environment(struct options *o, options_getenv *lookup, struct err *err)
{
    for (size_t row = 0; row < option_table_count; row++) {
        const struct option_spec *spec = &option_table[row];
        char name[VARIABLE_BYTES];
        if (spec->kind == OPTION_COMMAND || o->origin[row] != OPTION_FROM_DEFAULT)
            continue;
        const struct setting s = {spec, name, lookup(variable_of(spec, name)), ERR_CONFIG};
        if (s.text == NULL)
            continue;
        const int rc =
            spec->kind == OPTION_LIST ? set_property_lines(o, &s, err) : set_value(o, &s, err);
        if (rc != 0)
            return rc;
        o->origin[row] = OPTION_FROM_ENVIRONMENT;
    }
    return 0;
}

/* OUTPUT_DIR and OUTPUT_FS, where the batch loaders before us look. A bucket's name without its
 * scheme would be a folder on the local disk: refused. */
static int lake_of_output_dir(struct options *o, options_getenv *lookup, struct err *err)
{
    const char *dir = lookup("OUTPUT_DIR");
    const char *fs = lookup("OUTPUT_FS");
    if (o->lake != NULL || dir == NULL || dir[0] == '\0')
        return 0;
    if (fs != NULL && fs[0] != '\0' && strcmp(fs, "LOCAL") != 0 && strstr(dir, "://") == NULL)
        return err_set(err, ERR_CONFIG, "OUTPUT_FS is %s, so OUTPUT_DIR must be a URL, not '%s'",
                       fs, dir);
    o->lake = dir;
    o->lake_variable = "OUTPUT_DIR";
    return 0;
}

/* ---- what the values mean together ---- */

static int check_required(const struct options *o, struct err *err)
{
    char missing[128] = "";
    const struct {
        const char *value, *text;
    } needed[] = {
        {o->topic, "--topic TOPIC"}, {o->group, "--group GROUP"}, {o->lake, "--lake URL"}};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        const size_t used = strlen(missing);
        if (needed[i].value == NULL)
            snprintf(missing + used, sizeof(missing) - used, "%s%s", used > 0 ? ", " : "",
                     needed[i].text);
    }
    if (missing[0] != '\0')
        return err_set(err, ERR_USAGE, "missing: %s; --help shows an example", missing);
    for (unsigned i = 0; i < o->property_count; i++) {
        if (strncmp(o->properties[i], "bootstrap.servers=", 18) == 0)
            return 0;
    }
    if (o->config == NULL && o->brokers == NULL)
        return err_set(err, ERR_USAGE,
                       "no broker: give --config FILE with bootstrap.servers=..., or -b HOST:PORT");
    return 0;
}

static int check_names(const struct options *o, struct err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t topic = strlen(o->topic);
    if (topic > TOPIC_MAX_BYTES || strspn(o->topic, allowed) != topic ||
        strcmp(o->topic, ".") == 0 || strcmp(o->topic, "..") == 0)
        return err_set(err, ERR_USAGE,
                       "--topic: '%.64s' is not one topic's name (letters, digits, . _ -)",
                       o->topic);
    if (strlen(o->group) > GROUP_MAX_BYTES)
        return err_set(err, ERR_USAGE, "--group: longer than %d bytes", GROUP_MAX_BYTES);
    return 0;
}

/* A relative path of plain parts. The lake's own folders are not for mini-batches: a warehouse
 * reads the whole prefix as data. */
static int check_prefix(const char *prefix, struct err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=";
    static const char *const taken[] = {"rejected", "raw", "_turnstile"};
    if (strlen(prefix) > PREFIX_MAX_BYTES)
        return err_set(err, ERR_USAGE, "--prefix: longer than %d bytes", PREFIX_MAX_BYTES);
    for (const char *part = prefix;; part++) {
        const size_t len = strcspn(part, "/");
        if (len == 0 || strspn(part, allowed) < len || part[0] == '.')
            return err_set(err, ERR_USAGE,
                           "--prefix: '%.64s' is not a path like turnstile or feeds/mta (letters, "
                           "digits, . _ - =; no / at the ends)",
                           prefix);
        for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
            if (part == prefix && strlen(taken[i]) == len && memcmp(part, taken[i], len) == 0)
                return err_set(err, ERR_USAGE, "--prefix: %s/ is for other objects; choose another",
                               taken[i]);
        }
        part += len;
        if (*part == '\0')
            return 0;
    }
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    ASSERT(a > 0);
    return a;
}

static int check_times(struct options *o, struct err *err)
{
    if (o->slide_ms == OPTIONS_UNSET)
        o->slide_ms = o->duration_ms;
    if (o->delay_ms == OPTIONS_UNSET)
        o->delay_ms = o->duration_ms;
    if (o->idle_close_ms == OPTIONS_UNSET)
        o->idle_close_ms = o->duration_ms + o->delay_ms;
    char slide[OPTION_VALUE_BYTES], duration[OPTION_VALUE_BYTES];
    option_value_format_time(o->slide_ms, slide);
    option_value_format_time(o->duration_ms, duration);
    if (o->duration_ms % SECOND_MS != 0 || o->slide_ms % SECOND_MS != 0)
        return err_set(
            err, ERR_USAGE,
            "--duration %s, --slide %s: both must be whole seconds, because a mini-batch "
            "carries its window's end in seconds",
            duration, slide);
    if (o->slide_ms > o->duration_ms)
        return err_set(err, ERR_USAGE,
                       "--slide %s is longer than --duration %s: rows between windows would be in "
                       "none; make it at most the duration",
                       slide, duration);
    const int64_t panes = o->duration_ms / gcd(o->duration_ms, o->slide_ms);
    if (panes > OPTIONS_MAX_PANES)
        return err_set(err, ERR_USAGE,
                       "--duration %s, --slide %s: a window would be made of %lld panes of their "
                       "common divisor; at most %d are allowed, so choose a slide that divides the "
                       "duration into fewer",
                       duration, slide, (long long)panes, OPTIONS_MAX_PANES);
    return 0;
}

void options_deinit(struct options *o)
{
    mem_free(o->property_lines);
    o->property_lines = NULL;
}

static int parse_all(struct options *o, options_getenv *lookup, struct err *err)
{
    int rc = parse_environment(o, lookup, err);
    if (rc == 0)
        rc = lake_of_output_dir(o, lookup, err);
    if (rc == 0)
        rc = check_required(o, err);
    if (rc == 0)
        rc = check_names(o, err);
    if (rc == 0)
        rc = check_prefix(o->prefix, err);
    if (rc == 0)
        rc = check_times(o, err);
    if (rc == 0 && o->flush && !o->once)
        rc = err_set(err, ERR_USAGE, "--flush works with --once only; add --once or leave it out");
    return rc;
}

int options_parse(struct options *o, int argc, char **argv, options_getenv *lookup, struct err *err)
{
    set_defaults(o);
    int rc = parse_flags(o, argc, argv, err);
    if (rc == 0 && o->command == OPTIONS_RUN)
        rc = parse_all(o, lookup, err);
    if (rc != 0)
        options_deinit(o);
    return rc;
}
