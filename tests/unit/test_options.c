#include "base/mem.h"
#include "consumer/option_table.h"
#include "consumer/option_value.h"
#include "consumer/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define MAX_WORDS 160

/* The environment of the running case: "NAME=value" strings. */
static const char *const *environment;

static const char *lookup(const char *name)
{
    const size_t len = strlen(name);
    for (const char *const *e = environment; e != NULL && *e != NULL; e++) {
        if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
            return *e + len + 1;
    }
    return NULL;
}

/* A command line in one string, split at blanks; the words stay valid until the next call. */
static int parse(struct options *o, const char *line, struct err *err)
{
    static char text[8192];
    char *argv[MAX_WORDS + 1];
    int argc = 0;
    snprintf(text, sizeof(text), "%s", line);
    char *rest = text;
    argv[argc++] = (char *)"turnstile-consumer";
    while (*rest != '\0' && argc < MAX_WORDS) {
        argv[argc++] = rest;
        rest += strcspn(rest, " ");
        while (*rest == ' ')
            *rest++ = '\0';
    }
    argv[argc] = NULL;
    return options_parse(o, argc, argv, lookup, err);
}

#define NEEDED "--topic t --group g --config f --lake /l "

static void takes_the_seed_flags(void **state)
{
    UNUSED(state);
    static const char *const lines[] = {
        "--topic mta --group g --client c --config f --duration 10 --slide 5 --lake /l",
        "--topic=mta --groupid g --clientid=c -F f --dur 10m --sli 300s --lake /l",
        "-t mta -G g --client c --config f --duration 10min --slide 5m --lake /l",
        "-tmta -Gg --clientid c -Ff --duration=600s --lake=/l --slide 5M",
    };
    environment = NULL;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct options o;
        struct err err;
        assert_int_equal(parse(&o, lines[i], &err), 0);
        assert_string_equal(o.topic, "mta");
        assert_string_equal(o.group, "g");
        assert_string_equal(o.client, "c");
        assert_string_equal(o.config, "f");
        assert_string_equal(o.lake, "/l");
        assert_int_equal(o.duration_ms, 10 * MINUTE_MS);
        assert_int_equal(o.slide_ms, 5 * MINUTE_MS);
        assert_int_equal(o.delay_ms, 10 * MINUTE_MS);
        assert_int_equal(o.idle_close_ms, 20 * MINUTE_MS);
    }
}

static void has_the_documented_defaults(void **state)
{
    UNUSED(state);
    struct options o;
    struct err err;
    environment = NULL;
    assert_int_equal(parse(&o, "-t t -G g -b h:9092 --lake /l", &err), 0);
    assert_string_equal(o.brokers, "h:9092");
    assert_null(o.client);
    assert_null(o.config);
    assert_null(o.schema);
    assert_string_equal(o.prefix, "turnstile");
    assert_false(o.partition_scope);
    assert_int_equal(o.duration_ms, 5 * MINUTE_MS);
    assert_int_equal(o.slide_ms, 5 * MINUTE_MS);
    assert_int_equal(o.delay_ms, 5 * MINUTE_MS);
    assert_int_equal(o.idle_timeout_ms, MINUTE_MS);
    assert_int_equal(o.idle_close_ms, 10 * MINUTE_MS);
    assert_int_equal(o.max_future_skew_ms, OPTIONS_UNSET);
    assert_int_equal(o.memory_limit_bytes, 256u << 20);
    assert_int_equal(o.connect_timeout_ms, 20000);
    assert_int_equal(o.drain_timeout_ms, 60000);
    assert_int_equal(o.log_level, LOG_LEVEL_INFO);
    assert_int_equal(o.log_format, LOG_FORMAT_LOGFMT);
    assert_false(o.once || o.flush || o.raw || o.check_config || o.print_config);
    assert_int_equal(o.batch_records, 1000);
}

static void takes_every_other_option(void **state)
{
    UNUSED(state);
    struct options o;
    struct err err;
    environment = NULL;
    assert_int_equal(
        parse(&o,
              "-t t -G g --lake s -X bootstrap.servers=h -X a=b=c --delay 0 "
              "--schema x.json --prefix feeds/mta_1 --idle-timeout off "
              "--idle-close off --max-future-skew 90s --memory-limit 1gib --once "
              "--flush --log-format json --log-level debug --check-config "
              "--print-config --scope partition --connect-timeout 2s --drain-timeout 1h "
              "--duration 90s --raw --batch-size 500",
              &err),
        0);
    assert_int_equal(o.property_count, 2);
    assert_string_equal(o.properties[1], "a=b=c");
    assert_int_equal(o.duration_ms, 90000);
    assert_int_equal(o.delay_ms, 0);
    assert_string_equal(o.schema, "x.json");
    assert_string_equal(o.prefix, "feeds/mta_1");
    assert_int_equal(o.idle_timeout_ms, OPTIONS_OFF);
    assert_int_equal(o.idle_close_ms, OPTIONS_OFF);
    assert_true(o.partition_scope);
    assert_int_equal(o.max_future_skew_ms, 90000);
    assert_int_equal(o.memory_limit_bytes, 1u << 30);
    assert_true(o.once && o.flush && o.check_config && o.print_config);
    assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(o.log_format, LOG_FORMAT_JSON);
    assert_int_equal(o.connect_timeout_ms, 2000);
    assert_int_equal(o.drain_timeout_ms, 3600000);
    assert_true(o.raw);
    assert_int_equal(o.batch_records, 500);
}

static void refuses_wrong_use_in_one_line_that_helps(void **state)
{
    UNUSED(state);
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"", "missing: --topic TOPIC, --group GROUP, --lake URL"},
        {"--topic t --group g --config f", "missing: --lake URL"},
        {"-t t -G g --lake /l", "no broker"},
        {NEEDED "--durations 5", "--duration?"},
        {NEEDED "--grup x", "--group?"},
        {NEEDED "--memory-limt=1GiB", "--memory-limit?"},
        {NEEDED "--zzzzzz", "unknown option --zzzzzz"},
        {NEEDED "--c x", "--c could be --client, --clientid, --config, --connect-timeout"},
        {NEEDED "-z", "unknown option -z"},
        {NEEDED "-- x", "'x' belongs to no option"},
        {NEEDED "more", "'more' belongs to no option"},
        {NEEDED "--duration", "--duration needs a value: --duration TIME"},
        {NEEDED "-X", "--property needs a value: --property KEY=VALUE"},
        {NEEDED "--once=yes", "--once takes no value"},
        {NEEDED "--prefix=", "--prefix is empty"},
        {NEEDED "--duration five", "'five' is not a time; write 5 (minutes)"},
        {NEEDED "--duration 5x", "'5x' is not a time"},
        {NEEDED "--duration -5", "'-5' is not a time"},
        {NEEDED "--duration 1.5h", "'1.5h' is not a time"},
        {NEEDED "--duration 99999999999999999999", "is not a time"},
        {NEEDED "--duration 9223372036854775807", "is not a time"},
        {NEEDED "--duration 0", "0 is out of range; it must be 1s to 366d"},
        {NEEDED "--duration 500ms", "500ms is out of range"},
        {NEEDED "--duration 1500ms", "whole seconds"},
        {NEEDED "--duration 400d", "400d is out of range"},
        {NEEDED "--duration 5 --slide 10", "--slide 10m is longer than --duration 5m"},
        {NEEDED "--duration 3601s --slide 1h --slide 7s", "at most 1440"},
        {NEEDED "--duration 1441 --slide 1", "1441 panes"},
        {NEEDED "--idle-timeout 5", "'5' is not a time; write 30s, 10m, 4h or 1d, or off"},
        {NEEDED "--idle-close 0s", "out of range"},
        {NEEDED "--scope turnstile", "write topic or partition"},
        {NEEDED "--delay off", "'off' is not a time"},
        {NEEDED "--connect-timeout 26s", "must be 100ms to 25s"},
        {NEEDED "--memory-limit 256", "'256' is not a size; write 256MiB"},
        {NEEDED "--memory-limit 1MiB", "must be 64MiB to 1TiB"},
        {NEEDED "--memory-limit 99999999999TiB", "is not a size"},
        {NEEDED "--log-level loud", "'loud' is not a level"},
        {NEEDED "--log-format xml", "'xml' is not a format"},
        {NEEDED "-X novalue", "'novalue' is not KEY=VALUE"},
        {NEEDED "-X =x", "'=x' is not KEY=VALUE"},
        {NEEDED "--batch-size 0", "'0' is not a number from 1 to 1000000"},
        {NEEDED "--batch-size 1000001", "'1000001' is not a number"},
        {NEEDED "--batch-size -5", "'-5' is not a number"},
        {NEEDED "--batch-size 1k", "'1k' is not a number"},
        {NEEDED "--batch-size 99999999999999999999", "is not a number"},
        {NEEDED "--raw=yes", "--raw takes no value"},
        {NEEDED "--flush", "--flush works with --once only"},
        {NEEDED "--topic a,b", "'a,b' is not one topic's name"},
        {NEEDED "--topic ^a", "is not one topic's name"},
        {NEEDED "--topic ..", "is not one topic's name"},
        {NEEDED "--prefix /x", "is not a path"},
        {NEEDED "--prefix x/", "is not a path"},
        {NEEDED "--prefix a/../b", "is not a path"},
        {NEEDED "--prefix a%2f", "is not a path"},
        {NEEDED "--prefix rejected/x", "rejected/ is for other objects"},
        {NEEDED "--prefix _turnstile", "_turnstile/ is for other objects"},
    };
    environment = NULL;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options o;
        struct err err;
        if (parse(&o, cases[i].line, &err) != ERR_USAGE)
            fail_msg("not refused: %s", cases[i].line);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: says '%s', not '%s'", cases[i].line, err.text, cases[i].says);
        assert_null(strchr(err.text, '\n'));
    }
}

static void keeps_bounds_that_are_allowed(void **state)
{
    UNUSED(state);
    static const char *const lines[] = {
        NEEDED "--duration 1440 --slide 1", NEEDED "--duration 1s",
        NEEDED "--duration 366d",           NEEDED "--duration 60 --slide 7",
        NEEDED "--prefix rejected2",        NEEDED "--idle-timeout 1ms",
        NEEDED "--memory-limit 64MiB",      NEEDED "--prefix dt=2024/x.y"};
    environment = NULL;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct options o;
        struct err err = {0};
        if (parse(&o, lines[i], &err) != 0)
            fail_msg("%s: %s", lines[i], err.text);
    }
}

static void ranks_flag_over_environment_over_default(void **state)
{
    UNUSED(state);
    static const char *const set[] = {"TURNSTILE_TOPIC=env",
                                      "TURNSTILE_GROUP=g",
                                      "TURNSTILE_BROKERS=h:1",
                                      "TURNSTILE_LAKE=/env",
                                      "OUTPUT_DIR=/out",
                                      "TURNSTILE_DURATION=7",
                                      "TURNSTILE_IDLE_TIMEOUT=2m",
                                      "TURNSTILE_ONCE=true",
                                      "TURNSTILE_FLUSH=no",
                                      "TURNSTILE_MEMORY_LIMIT=64MiB",
                                      NULL};
    environment = set;
    struct options o;
    struct err err = {0};
    assert_int_equal(parse(&o, "--topic flag --duration 9", &err), 0);
    assert_string_equal(o.topic, "flag");
    assert_string_equal(o.group, "g");
    assert_string_equal(o.lake, "/env");
    assert_int_equal(o.duration_ms, 9 * MINUTE_MS);
    assert_int_equal(o.idle_timeout_ms, 2 * MINUTE_MS);
    assert_true(o.once);
    assert_false(o.flush);
    assert_int_equal(o.memory_limit_bytes, 64u << 20);

    struct buf text;
    buf_init(&text, 65536);
    assert_int_equal(options_print(&o, &text), 0);
    assert_int_equal(buf_append_byte(&text, '\0'), 0);
    assert_non_null(strstr(text.data, "topic=flag  # flag\n"));
    assert_non_null(strstr(text.data, "group=g  # environment\n"));
    assert_non_null(strstr(text.data, "duration=9m  # flag\n"));
    assert_non_null(strstr(text.data, "idle-timeout=2m  # environment\n"));
    assert_non_null(strstr(text.data, "memory-limit=64MiB  # environment\n"));
    assert_non_null(strstr(text.data, "prefix=turnstile  # default\n"));
    buf_deinit(&text);
}

static void refuses_bad_variables_as_configuration(void **state)
{
    UNUSED(state);
    static const struct {
        const char *set[3];
        const char *says;
    } cases[] = {
        {{"TURNSTILE_DURATION=x"}, "TURNSTILE_DURATION: 'x' is not a time"},
        {{"TURNSTILE_ONCE=perhaps"}, "TURNSTILE_ONCE: 'perhaps' is neither true nor false"},
        {{"TURNSTILE_PREFIX="}, "TURNSTILE_PREFIX is empty"},
        {{"TURNSTILE_MEMORY_LIMIT=1"}, "TURNSTILE_MEMORY_LIMIT: '1' is not a size"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options o;
        struct err err = {0};
        environment = cases[i].set;
        assert_int_equal(parse(&o, NEEDED, &err), ERR_CONFIG);
        assert_non_null(strstr(err.text, cases[i].says));
    }
}

static void honours_output_dir(void **state)
{
    UNUSED(state);
    struct options o;
    struct err err = {0};
    environment = (const char *const[]){"OUTPUT_DIR=/out", NULL};
    assert_int_equal(parse(&o, "-t t -G g -b h", &err), 0);
    assert_string_equal(o.lake, "/out");
    environment = (const char *const[]){"OUTPUT_DIR=/out", "OUTPUT_FS=LOCAL", NULL};
    assert_int_equal(parse(&o, "-t t -G g -b h", &err), 0);
    assert_int_equal(parse(&o, "-t t -G g -b h --lake /l", &err), 0);
    assert_string_equal(o.lake, "/l");
    environment = (const char *const[]){"OUTPUT_DIR=bucket", "OUTPUT_FS=AWS", NULL};
    assert_int_equal(parse(&o, "-t t -G g -b h", &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "OUTPUT_FS is AWS"));
    environment = NULL;
}

static void hides_the_password_of_a_lake(void **state)
{
    UNUSED(state);
    static const char *const lakes[][2] = {
        {"http://me:secret@host/a@b", "lake=http://***@host/a@b  # flag\n"},
        {"http://me:se@cret@host", "lake=http://***@host  # flag\n"},
        {"http://host/a@b", "lake=http://host/a@b  # flag\n"},
        {"/srv/a@b", "lake=/srv/a@b  # flag\n"},
    };
    environment = NULL;
    for (size_t i = 0; i < ARRAY_LEN(lakes); i++) {
        struct options o;
        struct err err = {0};
        struct buf text;
        char line[256];
        buf_init(&text, 65536);
        snprintf(line, sizeof(line), "-t t -G g -b h --lake %s", lakes[i][0]);
        assert_int_equal(parse(&o, line, &err), 0);
        assert_int_equal(options_print(&o, &text), 0);
        assert_int_equal(buf_append_byte(&text, '\0'), 0);
        assert_non_null(strstr(text.data, lakes[i][1]));
        assert_null(strstr(text.data, "secret"));
        buf_deinit(&text);
    }
}

static void takes_properties_a_line_from_the_environment(void **state)
{
    UNUSED(state);
    struct options o;
    struct err err = {0};
    environment = (const char *const[]){"TURNSTILE_PROPERTY=a=1,2\n\nb=x y\n", NULL};
    assert_int_equal(parse(&o, NEEDED, &err), 0);
    assert_int_equal(o.property_count, 2);
    assert_string_equal(o.properties[0], "a=1,2");
    assert_string_equal(o.properties[1], "b=x y");
    options_deinit(&o);
    assert_int_equal(parse(&o, NEEDED "-X c=d", &err), 0); /* the flag replaces the variable */
    assert_int_equal(o.property_count, 1);
    options_deinit(&o);
    environment = NULL;
    char line[8000] = NEEDED;
    for (int i = 0; i <= OPTIONS_MAX_PROPERTIES; i++)
        strcat(line, " -Xa=b");
    assert_int_equal(parse(&o, line, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "more than 64"));
}

static void help_names_every_option_and_asks_for_nothing(void **state)
{
    UNUSED(state);
    struct options o;
    struct err err = {0};
    environment = NULL;
    assert_int_equal(parse(&o, "--help", &err), 0);
    assert_int_equal(o.command, OPTIONS_HELP);
    assert_int_equal(parse(&o, "-h", &err), 0);
    assert_int_equal(o.command, OPTIONS_HELP);
    assert_int_equal(parse(&o, "--version --nonsense", &err), 0);
    assert_int_equal(o.command, OPTIONS_VERSION);
    struct buf text;
    buf_init(&text, 65536);
    assert_int_equal(options_print_help(&text), 0);
    assert_int_equal(buf_append_byte(&text, '\0'), 0);
    for (size_t i = 0; i < option_table_count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "--%s", option_table[i].name);
        assert_non_null(strstr(text.data, name));
    }
    for (const char *line = text.data; *line != '\0';) {
        const size_t len = strcspn(line, "\n");
        if (len > 98)
            fail_msg("wider than 98 columns: %.*s", (int)len, line);
        line += len + (line[len] != '\0');
    }
    buf_deinit(&text);
}

static void writes_times_and_sizes_that_read_back(void **state)
{
    UNUSED(state);
    static const struct {
        int64_t ms;
        const char *text;
    } times[] = {{0, "0s"},       {1, "1ms"},       {1500, "1500ms"},
                 {90000, "90s"},  {300000, "5m"},   {5400000, "90m"},
                 {3600000, "1h"}, {86400000, "1d"}, {172800000, "2d"}};
    char text[OPTION_VALUE_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        int64_t back = -1;
        assert_string_equal(option_value_format_time(times[i].ms, text), times[i].text);
        assert_true(option_value_parse_time(text, 0, &back));
        assert_int_equal(back, times[i].ms);
    }
    uint64_t bytes;
    assert_true(option_value_parse_size("3KiB", &bytes));
    assert_string_equal(option_value_format_size(bytes, text), "3KiB");
    assert_string_equal(option_value_format_size(UINT64_C(1) << 40, text), "1TiB");
    assert_false(option_value_parse_size("MiB", &bytes));
    assert_false(option_value_parse_size("5MB", &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_seed_flags),
        cmocka_unit_test(has_the_documented_defaults),
        cmocka_unit_test(takes_every_other_option),
        cmocka_unit_test(refuses_wrong_use_in_one_line_that_helps),
        cmocka_unit_test(keeps_bounds_that_are_allowed),
        cmocka_unit_test(ranks_flag_over_environment_over_default),
        cmocka_unit_test(refuses_bad_variables_as_configuration),
        cmocka_unit_test(honours_output_dir),
        cmocka_unit_test(hides_the_password_of_a_lake),
        cmocka_unit_test(takes_properties_a_line_from_the_environment),
        cmocka_unit_test(help_names_every_option_and_asks_for_nothing),
        cmocka_unit_test(writes_times_and_sizes_that_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
