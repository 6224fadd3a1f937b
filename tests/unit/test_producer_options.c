/* The command line and the environment of turnstile-producer. */
#include "producer/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#define MAX_ARGS 32

/* Parses "a b c" (no blanks inside arguments; '_' stands for one). */
static int parse(struct options *o, const char *line, struct err *err)
{
    static char text[1000];
    static char *argv[MAX_ARGS];
    int argc = 0;
    char *at = text;
    err->text[0] = '\0';
    memset(text, 0, sizeof text);
    memcpy(text, line, strlen(line));
    argv[argc++] = (char *)(uintptr_t) "turnstile-producer";
    while (*at != '\0' && argc < MAX_ARGS - 1) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at == ' ')
            *at++ = '\0';
    }
    argv[argc] = NULL;
    return options_parse(o, argc, argv, err);
}

static void test_defaults_are_the_first_producer(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    assert_int_equal(parse(&o, "--topic t --config f", &err), 0);
    assert_int_equal(o.feed, OPTIONS_DUMMY);
    assert_true(o.rate > 0.0999 && o.rate < 0.1001);
    assert_int_equal(o.count, 0);
    assert_int_equal(o.key_by, MESSAGE_KEY_ID);
    assert_int_equal(o.message_format, MESSAGE_JSON);
    assert_false(o.has_seed);
    options_deinit(&o);
}

static void test_values(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    assert_int_equal(parse(&o,
                           "-t t -b h:1 -X a=1 -X b=2 --rate 0 -c 5 --seed 0 --disorder 90 "
                           "--duplicates 5% --malformed 0.25 --late 100% --late-by 2h "
                           "--key turnstile --format=csv",
                           &err),
                     0);
    assert_int_equal(o.properties.count, 2);
    assert_string_equal(o.properties.items[1], "b=2");
    assert_true(o.rate == 0);
    assert_int_equal(o.count, 5);
    assert_true(o.has_seed);
    assert_int_equal(o.disorder_ms, 90000);
    assert_true(o.duplicates == 0.05);
    assert_true(o.malformed == 0.25);
    assert_true(o.late == 1);
    assert_int_equal(o.late_by_ms, 7200000);
    assert_int_equal(o.key_by, MESSAGE_KEY_TURNSTILE);
    assert_int_equal(o.message_format, MESSAGE_CSV);
    options_deinit(&o);
    assert_int_equal(parse(&o, "-t t -b h:1 --replay a b --speed 60 c", &err), 0);
    assert_int_equal(o.feed, OPTIONS_REPLAY);
    assert_int_equal(o.replay.count, 3);
    assert_true(o.rate == 0);
    options_deinit(&o);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *reason;
    } examples[] = {
        {"", "--topic is missing"},
        {"--topic t", "--config FILE or --brokers"},
        {"-t t -b h --nonsense", "unknown option '--nonsense'"},
        {"-t t -b h --duplicate_s 4", "did you mean --duplicates?"},
        {"-t t -b h -y", "unknown option '-y'"},
        {"-t t -b h --count", "--count needs a value"},
        {"-t t -b h --count -3", "--count: '-3' is not a whole number"},
        {"-t t -b h --count 1e3", "is not a whole number"},
        {"-t t -b h --count 99999999999999999999", "is not a whole number"},
        {"-t t -b h --rate nan", "--rate: 'nan' is not a number"},
        {"-t t -b h --rate 1e5", "is not a number"},
        {"-t t -b h --duplicates 101%", "--duplicates: '101%' is not a fraction"},
        {"-t t -b h --duplicates 1.5", "is not a fraction"},
        {"-t t -b h --late-by 5", "--late-by: '5' is not a time"},
        {"-t t -b h --every 1ms", "--every: '1ms' is too small"},
        {"-t t -b h --turnstiles 2000000", "--turnstiles: '2000000' is too large"},
        {"-t t -b h --start yesterday", "--start: 'yesterday' is not a time"},
        {"-t t -b h --key name", "--key: 'name' is neither"},
        {"-t t -b h --format xml", "--format: 'xml' is neither"},
        {"-t t -b h file.csv", "'file.csv' is no option"},
        {"-t t -b h --replay f --poll http://x", "exclude each other"},
        {"-t t -b h --replay f --turnstiles 5", "do not go with --replay"},
        {"-t t -b h --poll http://x --step 5s", "do not go with --poll"},
        {"-t t -b h --speed 5", "--speed goes with --replay"},
        {"-t t -b h --quiet=1", "--quiet"},
    };
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct options o;
        struct err err;
        const int rc = parse(&o, examples[i].line, &err);
        options_deinit(&o);
        if (rc != ERR_USAGE || strstr(err.text, examples[i].reason) == NULL)
            fail_msg("'%s': %d '%s'", examples[i].line, rc, rc != 0 ? err.text : "");
        assert_null(strchr(err.text, '\n'));
    }
}

static void test_environment(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    setenv("TURNSTILE_TOPIC", "t", 1);
    setenv("TURNSTILE_PROPERTY", "bootstrap.servers=h:1\nlinger.ms=5\n", 1);
    setenv("TURNSTILE_LATE_BY", "3h", 1);
    setenv("TURNSTILE_QUIET", "true", 1);
    assert_int_equal(parse(&o, "--late-by 4h", &err), 0);
    assert_string_equal(o.topic, "t");
    assert_int_equal(o.properties.count, 2);
    assert_string_equal(o.properties.items[1], "linger.ms=5");
    assert_int_equal(o.late_by_ms, 4 * 3600000);
    assert_true(o.quiet);
    options_deinit(&o);
    assert_int_equal(parse(&o, "-X bootstrap.servers=g", &err), 0); /* replaces the list */
    assert_int_equal(o.properties.count, 1);
    options_deinit(&o);
    setenv("TURNSTILE_LATE_BY", "soon", 1);
    assert_int_equal(parse(&o, "", &err), ERR_USAGE);
    assert_string_equal(err.text, "TURNSTILE_LATE_BY: 'soon' is not a time (500ms 30s 10m 4h 1d)");
    options_deinit(&o);
    unsetenv("TURNSTILE_TOPIC");
    unsetenv("TURNSTILE_PROPERTY");
    unsetenv("TURNSTILE_LATE_BY");
    unsetenv("TURNSTILE_QUIET");
}

static void test_help_fits_a_terminal(void **state)
{
    (void)state;
    struct buf text;
    size_t width = 0;
    buf_init(&text, 64 * 1024);
    assert_int_equal(options_help(&text), 0);
    for (size_t i = 0; i < text.len; i++) {
        width = text.data[i] == '\n' ? 0 : width + 1;
        assert_true(width <= 98);
    }
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_first_producer),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_help_fits_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
