#include "io/properties.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct properties *p = mem_alloc(sizeof(*p));
    properties_init(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    properties_deinit(*state);
    mem_free(*state);
    return 0;
}

static void parse_ok(struct properties *p, const char *text)
{
    struct err err = {0};
    if (properties_parse(p, "f.properties", slice_of(text), &err))
        fail_msg("%s", err.text);
}

/* Apply p to a new configuration; the error's text, or "" when it fits. */
static const char *applied(const struct properties *p, const struct properties_owned *owned)
{
    static struct err err;
    err = (struct err){0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const int code = properties_apply(p, conf, owned, &err);
    assert_true(code == 0 || code == ERR_CONFIG);
    assert_int_equal(code, err.code);
    rd_kafka_conf_destroy(conf);
    return err.text;
}

static void reads_the_grammar(void **state)
{
    struct properties *p = *state;
    parse_ok(p, "# a comment\r\n"
                "\n"
                "   # another\n"
                "bootstrap.servers=localhost:9092\r\n"
                " \tsecurity.protocol = SASL_SSL \t\r\n"
                "sasl.password=a=b = c\n"
                "empty=\n"
                "last=no newline");
    assert_int_equal(p->count, 5);
    assert_string_equal(properties_get(p, "bootstrap.servers"), "localhost:9092");
    assert_string_equal(properties_get(p, "security.protocol"), "SASL_SSL");
    assert_string_equal(properties_get(p, "sasl.password"), "a=b = c");
    assert_string_equal(properties_get(p, "empty"), "");
    assert_string_equal(properties_get(p, "last"), "no newline");
    assert_string_equal(p->entries[1].where, "f.properties:5");
    assert_null(properties_get(p, "bootstrap"));
}

static void skips_a_byte_order_mark(void **state)
{
    parse_ok(*state, "\xEF\xBB\xBF"
                     "acks=all\n");
    assert_string_equal(properties_get(*state, "acks"), "all");
}

static void a_later_entry_wins(void **state)
{
    struct properties *p = *state;
    struct err err = {0};
    parse_ok(p, "client.id=a\nclient.id=b\n");
    assert_string_equal(properties_get(p, "client.id"), "b");
    assert_int_equal(properties_add(p, "-X", "client.id = c", &err), 0);
    assert_string_equal(properties_get(p, "client.id"), "c");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(properties_apply(p, conf, NULL, &err), 0);
    char value[64];
    size_t size = sizeof(value);
    assert_int_equal(rd_kafka_conf_get(conf, "client.id", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "c");
    rd_kafka_conf_destroy(conf);
}

static void wrong_lines_are_named_and_change_nothing(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *expected;
    } cases[] = {
        {"c=d\n\nbootstrap.servers\n", 0, "f.properties:3: no '=' in \"bootstrap.servers\""},
        {"c=d\n = x\n", 0, "f.properties:2: no key before '='"},
        {"c=d\nx\0y=1\n", 10, "f.properties:2: a NUL byte"},
    };
    struct properties *p = *state;
    parse_ok(p, "a=b\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        const size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
        assert_int_equal(
            properties_parse(p, "f.properties", (struct slice){cases[i].text, len}, &err),
            ERR_PARSE);
        if (!strstr(err.text, cases[i].expected))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].expected, err.text);
        assert_int_equal(p->count, 1);
    }
    struct err err = {0};
    assert_int_equal(properties_add(p, "-X", "bootstrap.servers", &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "-X: no '='"));
}

static void sizes_are_bounded(void **state)
{
    struct properties *p = *state;
    struct err err = {0};
    char *text = mem_alloc(PROPERTIES_MAX_BYTES + 1);
    memset(text, '\n', PROPERTIES_MAX_BYTES + 1);
    assert_int_equal(properties_parse(p, "f", (struct slice){text, PROPERTIES_MAX_BYTES}, &err), 0);
    assert_int_equal(properties_parse(p, "f", (struct slice){text, PROPERTIES_MAX_BYTES + 1}, &err),
                     ERR_TOO_LARGE);
    for (size_t i = 0; i <= PROPERTIES_MAX_ENTRIES; i++)
        memcpy(text + 4 * i, "a=b\n", 4);
    assert_int_equal(
        properties_parse(p, "f", (struct slice){text, 4 * PROPERTIES_MAX_ENTRIES + 4}, &err),
        ERR_TOO_LARGE);
    assert_int_equal(p->count, 0);
    mem_free(text);
}

static void every_cut_of_a_file_is_safe(void **state)
{
    static const char text[] = "\xEF\xBB\xBF# c\r\n a.b = c \r\n\r\nd=\n=\n";
    for (size_t len = 0; len < sizeof(text); len++) {
        struct err err = {0};
        char *exact = mem_dup(text, len); /* what reads past it is seen by the sanitizer */
        const int code = properties_parse(*state, "f", (struct slice){exact, len}, &err);
        assert_true(code == 0 || code == ERR_PARSE);
        mem_free(exact);
    }
}

static void unknown_keys_get_a_hint(void **state)
{
    static const struct {
        const char *line, *expected;
    } cases[] = {
        {"kafka.bootstrap.servers=x",
         "f.properties:1: unknown property \"kafka.bootstrap.servers\"; did you mean "
         "\"bootstrap.servers\"?"},
        {"bootstrap.server=x", "did you mean \"bootstrap.servers\"?"},
        {"Bootstrap_Servers=x", "did you mean \"bootstrap.servers\"?"},
        {"sasl.usrname=x", "did you mean \"sasl.username\"?"},
        {"checkpointLocation=x", "unknown property \"checkpointLocation\"; see librdkafka's"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct properties p;
        properties_init(&p);
        parse_ok(&p, cases[i].line);
        const char *text = applied(&p, NULL);
        if (!strstr(text, cases[i].expected))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].expected, text);
        properties_deinit(&p);
    }
    UNUSED(state);
}

static void aliases_and_topic_properties_fit(void **state)
{
    parse_ok(*state, "sasl.mechanism=PLAIN\nacks=all\nauto.offset.reset=earliest\n"
                     "metadata.broker.list=localhost:1\n");
    assert_string_equal(applied(*state, NULL), "");
}

static void bad_values_are_named_with_the_reason(void **state)
{
    parse_ok(*state, "client.id=x\nsecurity.protocol=tsl\n");
    const char *text = applied(*state, NULL);
    assert_non_null(strstr(text, "f.properties:2: security.protocol: "));
    assert_non_null(strstr(text, "tsl"));
}

static void java_properties_are_explained(void **state)
{
    parse_ok(*state, "sasl.jaas.config=org.example.Login required password=\"hunter2\";\n");
    const char *text = applied(*state, NULL);
    assert_non_null(strstr(text, "f.properties:1: sasl.jaas.config: "));
    assert_null(strstr(text, "hunter2"));
}

static void owned_properties_are_left_out(void **state)
{
    static const struct properties_owned owned[] = {{"auto.offset.reset", "a reason"},
                                                    {NULL, NULL}};
    parse_ok(*state, "auto.offset.reset=nonsense\nauto.offset.reset=more nonsense\n");
    assert_string_equal(applied(*state, owned), "");
    assert_string_not_equal(applied(*state, NULL), "");
}

static void secrets_are_not_printed(void **state)
{
    parse_ok(*state, "sasl.username=me\nsasl.password=hunter2\nssl.key.password=hunter2\n"
                     "ssl.key.pem=hunter2\nsasl.oauthbearer.client.secret=hunter2\n"
                     "sasl.oauthbearer.config=hunter2\nsasl.username=you\n");
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(properties_print_redacted(*state, &out), 0);
    assert_int_equal(buf_append_byte(&out, '\0'), 0);
    assert_string_equal(out.data, "sasl.password=***\nssl.key.password=***\nssl.key.pem=***\n"
                                  "sasl.oauthbearer.client.secret=***\n"
                                  "sasl.oauthbearer.config=***\nsasl.username=you\n");
    buf_deinit(&out);
    buf_init(&out, 10);
    assert_int_equal(properties_print_redacted(*state, &out), ERR_TOO_LARGE);
    buf_deinit(&out);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void loads_files_also_from_home(void **state)
{
    char dir[] = "/tmp/test_properties_XXXXXX";
    char path[128];
    struct err err = {0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a.properties", dir);
    write_file(path, "a=b\nc\n");
    assert_int_equal(properties_load(*state, path, &err), ERR_PARSE);
    assert_non_null(strstr(err.text, "/a.properties:2: no '='"));
    write_file(path, "a=b\n");
    assert_int_equal(properties_load(*state, path, &err), 0);

    assert_int_equal(setenv("HOME", dir, 1), 0);
    assert_int_equal(properties_load(*state, "~/a.properties", &err), 0);
    assert_string_equal(properties_get(*state, "a"), "b");
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(properties_load(*state, "~/a.properties", &err), ERR_CONFIG);

    assert_int_equal(properties_load(*state, dir, &err), ERR_CONFIG); /* a directory */
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0), 0);
        assert_int_equal(properties_load(*state, path, &err), ERR_PERMISSION);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(properties_load(*state, path, &err), ERR_NOT_FOUND);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_the_grammar, setup, teardown),
        cmocka_unit_test_setup_teardown(skips_a_byte_order_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(a_later_entry_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_lines_are_named_and_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cut_of_a_file_is_safe, setup, teardown),
        cmocka_unit_test(unknown_keys_get_a_hint),
        cmocka_unit_test_setup_teardown(aliases_and_topic_properties_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_values_are_named_with_the_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(java_properties_are_explained, setup, teardown),
        cmocka_unit_test_setup_teardown(owned_properties_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_are_not_printed, setup, teardown),
        cmocka_unit_test_setup_teardown(loads_files_also_from_home, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
