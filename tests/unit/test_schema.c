#include "core/schema.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define MAX_TEXT (2 * 1024 * 1024)

/* A small schema that uses every key; the tests below break one thing of it at a time. */
static const char BASE[] =
    "{\"name\": \"t\",\n"
    " \"columns\": [\n"
    "  {\"name\": \"a\", \"type\": \"string\", \"aliases\": [\"A1\", \"A2\"]},\n"
    "  {\"name\": \"d\", \"type\": \"date\", \"format\": \"%m-%d-%y\", \"lenient\": true,\n"
    "   \"output_format\": \"%m/%d/%Y\"},\n"
    "  {\"name\": \"i\", \"type\": \"int32\"},\n"
    "  {\"name\": \"l\", \"type\": \"int64\"},\n"
    "  {\"name\": \"c\", \"type\": \"decimal\", \"scale\": 2},\n"
    "  {\"name\": \"t\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%d\", \"utc_offset\": "
    "\"-05:00\"}],\n"
    " \"event_time\": \"t\",\n"
    " \"key\": [\"a\", \"t\"],\n"
    " \"group_by\": [\"a\", \"d\"],\n"
    " \"output\": [\"a\", {\"group\": \"d\", \"name\": \"day\"}, {\"sum\": \"i\"},\n"
    "  {\"min\": \"l\", \"name\": \"least\"}, {\"max\": \"c\"}, {\"count\": true},\n"
    "  {\"window_start\": \"%H:%M\"}, {\"window_end\": \"%H:%M\", \"name\": \"end\"}],\n"
    " \"row_number\": true,\n"
    " \"unique\": [\"d\"]}\n";

/* BASE with the first `from` replaced by `to`. */
static char *edited(const char *from, const char *to)
{
    const char *at = strstr(BASE, from);
    assert_non_null(at);
    const size_t bytes = sizeof(BASE) + strlen(to);
    char *text = mem_alloc(bytes);
    snprintf(text, bytes, "%.*s%s%s", (int)(at - BASE), BASE, to, at + strlen(from));
    return text;
}

static struct schema *parsed(struct slice text)
{
    struct schema *s = NULL;
    struct err err = {.text = ""};
    const int rc = schema_parse(text, &s, &err);
    if (rc != 0)
        fail_msg("%s", err.text);
    return s;
}

static struct slice read_file(const char *path)
{
    char *text = mem_alloc(MAX_TEXT);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    const size_t len = fread(text, 1, MAX_TEXT, file);
    fclose(file);
    return (struct slice){text, len};
}

static struct schema *parsed_file(const char *path)
{
    const struct slice text = read_file(path);
    struct schema *s = parsed(text);
    mem_free((char *)(uintptr_t)text.ptr);
    return s;
}

static void reads_every_key(void **state)
{
    UNUSED(state);
    struct schema *s = parsed(slice_of(BASE));
    assert_string_equal(s->name, "t");
    assert_int_equal(s->column_count, 6);
    assert_int_equal(s->columns[0].alias_count, 2);
    assert_true(s->columns[1].format.lenient);
    assert_int_equal(s->columns[4].scale, 2);
    assert_int_equal(s->event_time, 5);
    assert_true(s->columns[5].has_offset);
    assert_int_equal(s->columns[5].utc_offset_ms, -5 * 3600 * 1000);
    assert_int_equal(s->key_count, 2);
    assert_true(s->key_has_event_time);
    assert_int_equal(s->group_count, 2);
    assert_int_equal(s->measure_count, 4);
    assert_int_equal(s->measures[0].function, SCHEMA_SUM);
    assert_int_equal(s->measures[0].column, 2);
    assert_int_equal(s->measures[1].function, SCHEMA_MIN);
    assert_int_equal(s->measures[2].function, SCHEMA_MAX);
    assert_int_equal(s->measures[3].function, SCHEMA_COUNT);
    static const char *const names[] = {"a",     "day",          "i",  "least", "c",
                                        "COUNT", "window_start", "end"};
    assert_int_equal(s->output_count, ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_string_equal(s->outputs[i].name, names[i]);
    assert_int_equal(s->outputs[1].source, SCHEMA_OUT_GROUP);
    assert_int_equal(s->outputs[1].index, 1);
    assert_int_equal(s->outputs[3].index, 1);
    assert_int_equal(s->outputs[6].source, SCHEMA_OUT_WINDOW_START);
    assert_int_equal(s->outputs[7].source, SCHEMA_OUT_WINDOW_END);
    assert_true(s->row_number);
    assert_int_equal(s->unique_count, 1);
    assert_int_equal(s->unique[0], 1);
    schema_free(s);
}

static void finds_columns_by_any_name(void **state)
{
    UNUSED(state);
    struct schema *s = parsed_file(TURNSTILE_SOURCE_DIR "/schemas/mta-turnstile.json");
    static const struct {
        const char *name;
        int column;
    } cases[] = {{"CA", 0},    {"C/A", 0},    {"A/C", 0},        {"ac", 0},
                 {" ca\t", 0}, {"EXITS", 10}, {"timestamp", 12}, {"TIMESTAMPS", -1},
                 {"", -1},     {" ", -1},     {"C A", -1},       {"C", -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(schema_find(s, slice_of(cases[i].name)), cases[i].column);
    assert_int_equal(schema_find(s, (struct slice){NULL, 0}), -1);
    schema_free(s);
}

static void the_default_schema_is_the_seed_s(void **state)
{
    UNUSED(state);
    struct schema *s = parsed_file(TURNSTILE_SOURCE_DIR "/schemas/mta-turnstile.json");
    static const char *const outputs[] = {"CA",   "UNIT", "SCP",  "STATION", "LINENAME", "DIVISION",
                                          "DATE", "TIME", "DESC", "ENTRIES", "EXITS"};
    assert_int_equal(s->output_count, ARRAY_LEN(outputs));
    for (size_t i = 0; i < ARRAY_LEN(outputs); i++)
        assert_string_equal(s->outputs[i].name, outputs[i]);
    assert_true(s->row_number);
    assert_true(s->key_has_event_time);
    assert_int_equal(s->unique_count, 4);
    assert_false(s->columns[s->event_time].has_offset);
    schema_free(s);
}

/* The first block of docs/schema.md that is a whole schema. */
static void the_example_of_the_documentation_is_right(void **state)
{
    UNUSED(state);
    const struct slice doc = read_file(TURNSTILE_SOURCE_DIR "/docs/schema.md");
    ((char *)(uintptr_t)doc.ptr)[doc.len] = '\0';
    const char *start = strstr(doc.ptr, "```json\n");
    assert_non_null(start);
    start += strlen("```json\n");
    const char *end = strstr(start, "```");
    assert_non_null(end);
    struct schema *s = parsed((struct slice){start, (size_t)(end - start)});
    assert_string_equal(s->name, "parking");
    assert_true(s->columns[s->event_time].has_offset); /* by its %z */
    schema_free(s);
    mem_free((char *)(uintptr_t)doc.ptr);
}

static void the_fingerprint_is_of_the_meaning(void **state)
{
    UNUSED(state);
    struct schema *base = parsed(slice_of(BASE));
    static const struct {
        const char *from, *to;
        bool same;
    } cases[] = {
        {"{\"name\": \"t\",\n", "{\n\n  \"name\" :\"other\" ,", true},
        {"\"name\": \"a\", \"type\": \"string\"", "\"type\": \"string\", \"name\": \"a\"", true},
        {" \"unique\": [\"d\"]", " \"unique\": []", true},
        {"\"A2\"", "\"A3\"", false},
        {"\"lenient\": true", "\"lenient\": false", false},
        {"%m/%d/%Y", "%m/%d/%y", false},
        {"\"scale\": 2", "\"scale\": 3", false},
        {"int64", "int32", false},
        {"-05:00", "-04:00", false},
        {", \"utc_offset\": \"-05:00\"", "", false},
        {"[\"a\", \"t\"]", "[\"t\", \"a\"]", false},
        {"\"group_by\": [\"a\", \"d\"]", "\"group_by\": [\"d\", \"a\"]", false},
        {"{\"sum\": \"i\"}", "{\"sum\": \"i\", \"name\": \"I\"}", false},
        {"{\"sum\": \"i\"}", "{\"max\": \"i\"}", false},
        {"\"row_number\": true", "\"row_number\": false", false},
        {"\"%H:%M\", \"name\": \"end\"", "\"%H.%M\", \"name\": \"end\"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = edited(cases[i].from, cases[i].to);
        struct schema *s = parsed(slice_of(text));
        const bool same = memcmp(s->fingerprint, base->fingerprint, sizeof(s->fingerprint)) == 0;
        if (same != cases[i].same)
            fail_msg("%s -> %s", cases[i].from, cases[i].to);
        schema_free(s);
        mem_free(text);
    }
    schema_free(base);
}

/* Commit records in the wild hold it: a change of the serialisation is a new content version. */
static void the_fingerprint_is_the_same_for_ever(void **state)
{
    UNUSED(state);
    struct schema *s = parsed_file(TURNSTILE_SOURCE_DIR "/schemas/mta-turnstile.json");
    char text[40];
    snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)s->fingerprint[1],
             (unsigned long long)s->fingerprint[0]);
    assert_string_equal(text, "1df1c5856467e9b5552ed453629d12e5");
    schema_free(s);
}

#define TEN "\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"j\",\"k\""
#define NAME_129                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* In BASE, `from` becomes `to`; what schema_parse() says then. */
static const struct {
    const char *from, *to, *reason;
} MISTAKES[] = {
    {"{\"name\": \"t\",\n", "[", "line "},
    {"\"name\": \"t\",\n", "\"name\": \"t\", \"name\": \"t\",", "duplicate"},
    {"{\"name\": \"t\",\n", "{", "name: missing"},
    {"\"name\": \"t\",\n", "\"name\": 7,", "name: must be a string that is not empty"},
    {"\"name\": \"t\",\n", "\"name\": \"\",", "name: must be a string that is not empty"},
    {"\"group_by\"", "\"grup_by\"", "grup_by: unknown key, did you mean \"group_by\"?"},
    {"\"group_by\"", "\"zzz\"", "zzz: unknown key"},
    {"\"columns\"", "\"column\"", "column: unknown key, did you mean \"columns\"?"},
    {"\"lenient\"", "\"Lenient\"", "columns[1].Lenient: unknown key, did you mean \"lenient\"?"},
    {"{\"name\": \"i\", \"type\": \"int32\"}", "7", "columns[2]: must be an object {...}"},
    {"\"name\": \"i\", ", "", "columns[2].name: missing"},
    {"\"name\": \"i\"", "\"name\": \"a\\tb\"", "columns[2].name: has a control character"},
    {"\"name\": \"i\"", "\"name\": \" i\"", "columns[2].name: \" i\" has a blank at an end"},
    {"\"name\": \"i\"", "\"name\": \"" NAME_129 "\"", "columns[2].name: is longer than 128 bytes"},
    {"\"name\": \"i\"", "\"name\": \"A\"",
     "columns[2].name: \"A\" is the name or alias of a column already"},
    {"\"name\": \"i\"", "\"name\": \"a2\"",
     "columns[2].name: \"a2\" is the name or alias of a column already"},
    {"\"A2\"", "\"a1\"", "columns[0].aliases: \"a1\" is the name or alias of a column already"},
    {"[\"A1\", \"A2\"]", "\"A1\"", "columns[0].aliases: must be a list [...]"},
    {"\"A2\"", "7", "columns[0].aliases: must be strings that are not empty"},
    {"[\"A1\", \"A2\"]", "[" TEN "]", "columns[0].aliases: has 10 entries, the most is 8"},
    {", \"type\": \"int32\"", "", "columns[2].type: missing"},
    {"\"int32\"", "\"int\"",
     "columns[2].type: no type \"int\"; there are string, int32, int64, decimal, date, "
     "timestamp"},
    {"\"int32\"", "\"int32\", \"format\": \"%Y\"",
     "columns[2].format: means nothing for the type int32"},
    {"\"int32\"", "\"int32\", \"output_format\": \"%Y\"",
     "columns[2].output_format: means nothing for the type int32"},
    {"\"int32\"", "\"int32\", \"lenient\": true",
     "columns[2].lenient: means nothing for the type int32"},
    {"\"int32\"", "\"int32\", \"scale\": 1", "columns[2].scale: means nothing for the type int32"},
    {"\"lenient\": true", "\"utc_offset\": \"Z\"",
     "columns[1].utc_offset: means nothing for the type date"},
    {", \"scale\": 2", "", "columns[4].scale: a decimal needs one, a number from 0 to 9"},
    {"\"scale\": 2", "\"scale\": 10", "columns[4].scale: a decimal needs one"},
    {"\"scale\": 2", "\"scale\": -1", "columns[4].scale: a decimal needs one"},
    {"\"scale\": 2", "\"scale\": \"2\"", "columns[4].scale: a decimal needs one"},
    {"\"format\": \"%m-%d-%y\", ", "", "columns[1].format: missing: a date needs one"},
    {"%m-%d-%y", "%m-%d-%Q", "columns[1].format: unknown conversion %Q"},
    {"%m-%d-%y", "%m-%m", "columns[1].format: %m gives the same part of the time twice"},
    {"%m/%d/%Y", "%", "columns[1].output_format: format ends with a lone %"},
    {"\"lenient\": true", "\"lenient\": 1", "columns[1].lenient: must be true or false"},
    {"\"%Y-%m-%d\"", "\"%Y-%m\"", "columns[5].format: a timestamp needs year, month and day"},
    {"-05:00", "EST", "columns[5].utc_offset: \"EST\" is not like -05:00 or Z"},
    {"\"%Y-%m-%d\"", "\"%Y-%m-%d%z\"",
     "columns[5].utc_offset: the format has %z, which gives it too"},
    {" \"event_time\": \"t\",\n", "",
     "event_time: missing: name the column that holds the event time"},
    {"\"event_time\": \"t\"", "\"event_time\": 7", "event_time: must be the name of a column"},
    {"\"event_time\": \"t\"", "\"event_time\": \"zzz\"", "event_time: no column \"zzz\""},
    {"\"event_time\": \"t\"", "\"event_time\": \"tt\"",
     "event_time: no column \"tt\", did you mean \"t\"?"},
    {"\"event_time\": \"t\"", "\"event_time\": \"d\"",
     "event_time: column \"d\" is not a timestamp"},
    {" \"key\": [\"a\", \"t\"],\n", "",
     "key: missing: name the columns that tell two rows apart, or write [] to count every "
     "copy"},
    {"[\"a\", \"t\"]", "\"a\"", "key: must be a list [...]"},
    {"[\"a\", \"t\"]", "[\"a\", \"A1\"]", "key: names column \"a\" twice"},
    {" \"group_by\": [\"a\", \"d\"],\n", "", "group_by: missing"},
    {"\"group_by\": [\"a\", \"d\"]", "\"group_by\": [\"a\", 7]",
     "group_by: must be the name of a column"},
    {"\"unique\": [\"d\"]", "\"unique\": [\"i\"]", "unique: column \"i\" is not in group_by"},
    {"[\"a\", {\"group\"", "[\"i\", {\"group\"",
     "output[0]: column \"i\" is not in group_by; write {\"sum\": \"i\"} for its total"},
    {"[\"a\", {\"group\"", "[7, {\"group\"", "output[0]: must be an object {...}"},
    {"{\"group\": \"d\", \"name\": \"day\"}", "{\"group\": \"i\"}",
     "output[1].group: column \"i\" is not in group_by"},
    {"{\"sum\": \"i\"}", "{\"summ\": \"i\"}", "output[2].summ: unknown key, did you mean \"sum\"?"},
    {"{\"sum\": \"i\"}", "{\"name\": \"i\"}",
     "output[2]: needs one of group, sum, count, min, max, window_start, window_end"},
    {"{\"sum\": \"i\"}", "{\"sum\": \"i\", \"max\": \"i\"}",
     "output[2].max: not together with \"sum\": an output column is one thing"},
    {"{\"sum\": \"i\"}", "{\"sum\": \"a\"}", "output[2].sum: column \"a\" is not a number"},
    {"{\"sum\": \"i\"}", "{\"sum\": \"q\"}", "output[2].sum: no column \"q\""},
    {"{\"count\": true}", "{\"count\": \"i\"}", "output[5].count: write \"count\": true"},
    {"\"least\"", "\"\"", "output[3].name: must be a string that is not empty"},
    {"\"least\"", "\"i\"", "output[3].name: \"i\" is there twice"},
    {"{\"window_start\": \"%H:%M\"}", "{\"window_start\": \"%J\"}",
     "output[6].window_start: unknown conversion %J"},
    {"{\"window_start\": \"%H:%M\"}", "{\"window_start\": true}",
     "output[6].window_start: must be a string that is not empty"},
    {"\"output\": [\"a\", ", "\"output\": [", "output: column \"a\" of group_by is missing"},
    {"\"row_number\": true", "\"row_number\": 1", "row_number: must be true or false"},
};

static void every_mistake_has_its_line(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < ARRAY_LEN(MISTAKES); i++) {
        char *text = edited(MISTAKES[i].from, MISTAKES[i].to);
        struct schema *s = NULL;
        struct err err = {.text = ""};
        const int rc = schema_parse(slice_of(text), &s, &err);
        if (rc != ERR_CONFIG || s != NULL || strstr(err.text, MISTAKES[i].reason) == NULL)
            fail_msg("%s -> %s\nsays: %s", MISTAKES[i].from, MISTAKES[i].to, err.text);
        mem_free(text);
    }
}

static void says_what_cannot_be_said_by_editing(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "line 1, column 0"},
        {"{\"na\\nme\": 1}", "na me: unknown key, did you mean \"name\"?"},
        {"[]", "the file: must be an object {...}"},
        {"{\"name\": \"t\", \"columns\": []}", "columns: is empty"},
        {"{\"name\": \"t\"}", "columns: missing"},
        {"{\"name\": \"t\", \"columns\": {}}", "columns: must be a list [...]"},
        {"{\"name\": \"t\", \"columns\": [{\"name\": \"t\", \"type\": \"timestamp\", \"format\": "
         "\"%Y%m%d\"}], \"event_time\": \"t\", \"key\": [], \"group_by\": [], \"output\": []}",
         "output: has no measure"},
    };
    struct schema *s = NULL;
    struct err err = {.text = ""};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(schema_parse(slice_of(cases[i].text), &s, &err), ERR_CONFIG);
        assert_null(s);
        if (strstr(err.text, cases[i].reason) == NULL)
            fail_msg("%s\nsays: %s", cases[i].text, err.text);
    }
    char *big = mem_calloc(1, SCHEMA_FILE_MAX_BYTES + 1);
    assert_int_equal(schema_parse((struct slice){big, SCHEMA_FILE_MAX_BYTES + 1}, &s, &err),
                     ERR_CONFIG);
    assert_string_equal(err.text, "is larger than 1048576 bytes");
    mem_free(big);
}

/* A schema with `columns` columns, or with `measures` measures. */
static char *large_schema(int columns, int measures)
{
    char *text = mem_alloc(MAX_TEXT);
    size_t n = (size_t)snprintf(text, MAX_TEXT,
                                "{\"name\": \"t\", \"columns\": [{\"name\": \"t\", \"type\": "
                                "\"timestamp\", \"format\": \"%%Y%%m%%d\"}");
    for (int i = 1; i < columns; i++)
        n += (size_t)snprintf(text + n, MAX_TEXT - n, ", {\"name\": \"c%d\", \"type\": \"int64\"}",
                              i);
    n += (size_t)snprintf(text + n, MAX_TEXT - n,
                          "], \"event_time\": \"t\", \"key\": [], \"group_by\": [], \"output\": [");
    for (int i = 0; i < measures; i++)
        n += (size_t)snprintf(text + n, MAX_TEXT - n, "%s{\"count\": true, \"name\": \"n%d\"}",
                              i > 0 ? "," : "", i);
    snprintf(text + n, MAX_TEXT - n, "]}");
    return text;
}

static void limits_are_kept(void **state)
{
    UNUSED(state);
    static const struct {
        int columns, measures;
        const char *reason;
    } cases[] = {
        {SCHEMA_MAX_COLUMNS, SCHEMA_MAX_MEASURES, NULL},
        {SCHEMA_MAX_COLUMNS + 1, 1, "columns: has 257 entries, the most is 256"},
        {1, SCHEMA_MAX_MEASURES + 1, "output[16].count: more than 16 measures"},
        {1, 2 * SCHEMA_MAX_COLUMNS + 1, "output: has 513 entries, the most is 512"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = large_schema(cases[i].columns, cases[i].measures);
        struct schema *s = NULL;
        struct err err = {.text = ""};
        const int rc = schema_parse(slice_of(text), &s, &err);
        assert_int_equal(rc, cases[i].reason == NULL ? 0 : ERR_CONFIG);
        assert_string_equal(err.text, cases[i].reason == NULL ? "" : cases[i].reason);
        schema_free(s);
        mem_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_key),
        cmocka_unit_test(finds_columns_by_any_name),
        cmocka_unit_test(the_default_schema_is_the_seed_s),
        cmocka_unit_test(the_example_of_the_documentation_is_right),
        cmocka_unit_test(the_fingerprint_is_of_the_meaning),
        cmocka_unit_test(the_fingerprint_is_the_same_for_ever),
        cmocka_unit_test(every_mistake_has_its_line),
        cmocka_unit_test(says_what_cannot_be_said_by_editing),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
