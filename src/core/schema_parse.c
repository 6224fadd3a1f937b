#include "core/schema.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "core/schema_json.h"

#include <string.h>

#define SCHEMA_MAX_SCALE 9                          /* 10^9 times an int32 still fits an int64 */
#define SCHEMA_MAX_OUTPUTS (2 * SCHEMA_MAX_COLUMNS) /* bounds the memory a file can ask for */

static const char *const TYPE_NAMES[] = {"string",  "int32", "int64",
                                         "decimal", "date",  "timestamp"}; /* enum schema_type */

/* ---- names ---- */

static int check_name(const struct schema_json *at, const char *key, const char *name,
                      struct err *err)
{
    const size_t len = strlen(name);
    if (len > SCHEMA_MAX_NAME_BYTES)
        return schema_json_error(at, key, err, "is longer than %d bytes", SCHEMA_MAX_NAME_BYTES);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return schema_json_error(at, key, err, "has a control character");
    }
    if (name[0] == ' ' || name[len - 1] == ' ')
        return schema_json_error(at, key, err, "\"%s\" has a blank at an end", name);
    return 0;
}

static int read_name(const struct schema_json *at, const char *key, const char **name,
                     struct err *err)
{
    const int rc = schema_json_string(at, key, true, name, err);
    return rc < 0 ? rc : check_name(at, key, *name, err);
}

/* The index of a column that the file refers to, or ERR_CONFIG. */
static int refer(const struct schema *s, const struct schema_json *at, const char *key,
                 const json_t *value, unsigned *index, struct err *err)
{
    if (!json_is_string(value))
        return schema_json_error(at, key, err, "must be the name of a column");
    const char *name = json_string_value(value);
    const int found = schema_find(s, slice_of(name));
    if (found >= 0) {
        *index = (unsigned)found;
        return 0;
    }
    const char *names[SCHEMA_MAX_COLUMNS];
    for (unsigned i = 0; i < s->column_count; i++)
        names[i] = s->columns[i].name;
    const char *near = suggest_near(slice_of(name), names, s->column_count);
    if (near != NULL)
        return schema_json_error(at, key, err, "no column \"%s\", did you mean \"%s\"?", name,
                                 near);
    return schema_json_error(at, key, err, "no column \"%s\"", name);
}

static bool contains(const unsigned *indexes, unsigned count, unsigned index)
{
    for (unsigned i = 0; i < count; i++) {
        if (indexes[i] == index)
            return true;
    }
    return false;
}

/* A list of column names, each at most once, into indexes[]. */
static int refer_list(const struct schema *s, const struct schema_json *at, const char *key,
                      json_t *list, unsigned *indexes, unsigned *count, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        unsigned index = 0;
        const int rc = refer(s, at, key, value, &index, err);
        if (rc < 0)
            return rc;
        if (contains(indexes, *count, index))
            return schema_json_error(at, key, err, "names column \"%s\" twice",
                                     s->columns[index].name);
        indexes[(*count)++] = index;
    }
    return 0;
}

/* ---- columns ---- */

static int read_format(const struct schema_json *at, const char *key, bool lenient,
                       struct timefmt *format, struct err *err)
{
    const char *pattern = NULL;
    const int rc = schema_json_string(at, key, false, &pattern, err);
    if (rc < 0 || pattern == NULL)
        return rc;
    struct err reason;
    if (timefmt_compile(format, pattern, lenient, &reason) < 0)
        return schema_json_error(at, key, err, "%s", reason.text);
    return 0;
}

static bool has_part(const struct timefmt *f, const char *any_of)
{
    for (unsigned i = 0; i < f->count; i++) {
        if (f->is_conversion[i] && strchr(any_of, f->parts[i]) != NULL)
            return true;
    }
    return false;
}

static int read_offset(const struct schema_json *at, struct schema_column *column, struct err *err)
{
    const char *text = NULL;
    const int rc = schema_json_string(at, "utc_offset", false, &text, err);
    if (rc < 0)
        return rc;
    const bool in_format = has_part(&column->format, "z");
    if (text == NULL) {
        column->has_offset = in_format; /* what is read with %z is UTC already */
        return 0;
    }
    if (in_format)
        return schema_json_error(at, "utc_offset", err, "the format has %%z, which gives it too");
    struct timefmt offset;
    int64_t ms = 0;
    if (timefmt_compile(&offset, "%z", false, err) < 0)
        return err->code;
    if (!timefmt_parse(&offset, slice_of(text), &ms))
        return schema_json_error(at, "utc_offset", err, "\"%s\" is not like -05:00 or Z", text);
    column->has_offset = true;
    column->utc_offset_ms = -ms; /* 00:00 at +01:00 is one hour before 00:00 UTC */
    return 0;
}

static int read_time_column(const struct schema_json *at, struct schema_column *column,
                            struct err *err)
{
    bool lenient = false;
    int rc = schema_json_bool(at, "lenient", &lenient, err);
    if (rc < 0)
        return rc;
    rc = read_format(at, "format", lenient, &column->format, err);
    if (rc < 0)
        return rc;
    if (column->format.count == 0)
        return schema_json_error(at, "format", err, "missing: a %s needs one",
                                 TYPE_NAMES[column->type]);
    const bool whole_date = has_part(&column->format, "Yy") && has_part(&column->format, "m") &&
                            has_part(&column->format, "d");
    if (column->type == SCHEMA_TIMESTAMP && !whole_date)
        return schema_json_error(at, "format", err, "a timestamp needs year, month and day");
    column->output_format = column->format;
    rc = read_format(at, "output_format", false, &column->output_format, err);
    if (rc < 0 || column->type == SCHEMA_DATE)
        return rc;
    return read_offset(at, column, err);
}

static int read_scale(const struct schema_json *at, struct schema_column *column, struct err *err)
{
    const json_t *scale = json_object_get(at->object, "scale");
    if (!json_is_integer(scale) || json_integer_value(scale) < 0 ||
        json_integer_value(scale) > SCHEMA_MAX_SCALE)
        return schema_json_error(at, "scale", err, "a decimal needs one, a number from 0 to %d",
                                 SCHEMA_MAX_SCALE);
    column->scale = (unsigned)json_integer_value(scale);
    return 0;
}

static int add_name(const struct schema *s, const struct schema_json *at, const char *key,
                    const char *name, char **slot, struct err *err)
{
    const int rc = check_name(at, key, name, err);
    if (rc < 0)
        return rc;
    if (schema_find(s, slice_of(name)) >= 0)
        return schema_json_error(at, key, err, "\"%s\" is the name or alias of a column already",
                                 name);
    *slot = mem_strdup(name);
    return 0;
}

static int read_aliases(struct schema *s, const struct schema_json *at,
                        struct schema_column *column, struct err *err)
{
    json_t *list = NULL;
    int rc = schema_json_array(at, "aliases", false, SCHEMA_MAX_ALIASES, &list, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_string(value) || json_string_length(value) == 0)
            return schema_json_error(at, "aliases", err, "must be strings that are not empty");
        rc = add_name(s, at, "aliases", json_string_value(value),
                      &column->aliases[column->alias_count], err);
        if (rc == 0)
            column->alias_count++;
    }
    return rc;
}

static int read_type(const struct schema_json *at, enum schema_type *type, struct err *err)
{
    const char *name = NULL;
    const int rc = schema_json_string(at, "type", true, &name, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(TYPE_NAMES); i++) {
        if (strcmp(TYPE_NAMES[i], name) == 0) {
            *type = (enum schema_type)i;
            return 0;
        }
    }
    return schema_json_error(at, "type", err,
                             "no type \"%s\"; there are string, int32, int64, decimal, date, "
                             "timestamp",
                             name);
}

/* A key that the column's type has no use for is a misunderstanding, not a detail. */
static int refuse_foreign_keys(const struct schema_json *at, enum schema_type type, struct err *err)
{
    static const struct {
        const char *key;
        bool for_type[ARRAY_LEN(TYPE_NAMES)];
    } rules[] = {
        {"format", {[SCHEMA_DATE] = true, [SCHEMA_TIMESTAMP] = true}},
        {"output_format", {[SCHEMA_DATE] = true, [SCHEMA_TIMESTAMP] = true}},
        {"lenient", {[SCHEMA_DATE] = true, [SCHEMA_TIMESTAMP] = true}},
        {"utc_offset", {[SCHEMA_TIMESTAMP] = true}},
        {"scale", {[SCHEMA_DECIMAL] = true}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (!rules[i].for_type[type] && json_object_get(at->object, rules[i].key) != NULL)
            return schema_json_error(at, rules[i].key, err, "means nothing for the type %s",
                                     TYPE_NAMES[type]);
    }
    return 0;
}

static int read_column(struct schema *s, json_t *value, int index, struct err *err)
{
    static const char *const known[] = {"name",          "type",    "aliases",    "format",
                                        "output_format", "lenient", "utc_offset", "scale"};
    struct schema_json at;
    int rc = schema_json_enter(&at, value, "columns", index, known, ARRAY_LEN(known), err);
    if (rc < 0)
        return rc;
    const char *name = NULL;
    rc = schema_json_string(&at, "name", true, &name, err);
    if (rc < 0)
        return rc;
    struct schema_column *column = &s->columns[s->column_count];
    rc = add_name(s, &at, "name", name, &column->name, err);
    if (rc < 0)
        return rc;
    s->column_count++; /* from here on schema_find() sees it and schema_free() frees it */
    rc = read_type(&at, &column->type, err);
    if (rc == 0)
        rc = refuse_foreign_keys(&at, column->type, err);
    if (rc == 0)
        rc = read_aliases(s, &at, column, err);
    if (rc < 0)
        return rc;
    if (column->type == SCHEMA_DECIMAL)
        return read_scale(&at, column, err);
    if (column->type == SCHEMA_DATE || column->type == SCHEMA_TIMESTAMP)
        return read_time_column(&at, column, err);
    return 0;
}

static int read_columns(struct schema *s, const struct schema_json *root, struct err *err)
{
    json_t *list = NULL;
    int rc = schema_json_array(root, "columns", true, SCHEMA_MAX_COLUMNS, &list, err);
    if (rc < 0)
        return rc;
    if (json_array_size(list) == 0)
        return schema_json_error(root, "columns", err, "is empty");
    s->columns = mem_calloc(json_array_size(list), sizeof(*s->columns));
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
        rc = read_column(s, json_array_get(list, i), (int)i, err);
    return rc;
}

/* ---- event time, key, groups ---- */

static int read_event_time(struct schema *s, const struct schema_json *root, struct err *err)
{
    const json_t *value = json_object_get(root->object, "event_time");
    if (value == NULL)
        return schema_json_error(root, "event_time", err,
                                 "missing: name the column that holds the event time");
    const int rc = refer(s, root, "event_time", value, &s->event_time, err);
    if (rc < 0)
        return rc;
    if (s->columns[s->event_time].type != SCHEMA_TIMESTAMP)
        return schema_json_error(root, "event_time", err, "column \"%s\" is not a timestamp",
                                 s->columns[s->event_time].name);
    return 0;
}

static int read_key(struct schema *s, const struct schema_json *root, struct err *err)
{
    json_t *list = NULL;
    if (json_object_get(root->object, "key") == NULL)
        return schema_json_error(root, "key", err,
                                 "missing: name the columns that tell two rows apart, or write [] "
                                 "to count every copy");
    int rc = schema_json_array(root, "key", true, SCHEMA_MAX_COLUMNS, &list, err);
    if (rc < 0)
        return rc;
    s->key = mem_calloc(json_array_size(list), sizeof(*s->key));
    rc = refer_list(s, root, "key", list, s->key, &s->key_count, err);
    s->key_has_event_time = contains(s->key, s->key_count, s->event_time);
    return rc;
}

static int read_groups(struct schema *s, const struct schema_json *root, struct err *err)
{
    json_t *list = NULL;
    const int rc = schema_json_array(root, "group_by", true, SCHEMA_MAX_GROUP, &list, err);
    if (rc < 0)
        return rc;
    return refer_list(s, root, "group_by", list, s->group, &s->group_count, err);
}

/* The place of a column in group_by, or -1. */
static int group_index(const struct schema *s, unsigned column)
{
    for (unsigned i = 0; i < s->group_count; i++) {
        if (s->group[i] == column)
            return (int)i;
    }
    return -1;
}

static int read_unique(struct schema *s, const struct schema_json *root, struct err *err)
{
    json_t *list = NULL;
    int rc = schema_json_array(root, "unique", false, SCHEMA_MAX_GROUP, &list, err);
    if (rc < 0 || list == NULL)
        return rc;
    rc = refer_list(s, root, "unique", list, s->unique, &s->unique_count, err);
    for (unsigned i = 0; rc == 0 && i < s->unique_count; i++) {
        const int index = group_index(s, s->unique[i]);
        if (index < 0)
            return schema_json_error(root, "unique", err, "column \"%s\" is not in group_by",
                                     s->columns[s->unique[i]].name);
        s->unique[i] = (unsigned)index;
    }
    return rc;
}

/* ---- output ---- */

static const struct {
    const char *key;
    enum schema_output_source source;
    enum schema_function function;
} OUTPUT_KINDS[] = {
    {"group", SCHEMA_OUT_GROUP, SCHEMA_SUM},
    {"sum", SCHEMA_OUT_MEASURE, SCHEMA_SUM},
    {"count", SCHEMA_OUT_MEASURE, SCHEMA_COUNT},
    {"min", SCHEMA_OUT_MEASURE, SCHEMA_MIN},
    {"max", SCHEMA_OUT_MEASURE, SCHEMA_MAX},
    {"window_start", SCHEMA_OUT_WINDOW_START, SCHEMA_SUM},
    {"window_end", SCHEMA_OUT_WINDOW_END, SCHEMA_SUM},
};

static int output_group(const struct schema *s, const struct schema_json *at, const char *key,
                        const json_t *value, struct schema_output *out, struct err *err)
{
    unsigned column = 0;
    const int rc = refer(s, at, key, value, &column, err);
    if (rc < 0)
        return rc;
    const int index = group_index(s, column);
    if (index < 0)
        return schema_json_error(at, key, err,
                                 "column \"%s\" is not in group_by; write {\"sum\": \"%s\"} for "
                                 "its total",
                                 s->columns[column].name, s->columns[column].name);
    out->source = SCHEMA_OUT_GROUP;
    out->index = (unsigned)index;
    out->name = mem_strdup(s->columns[column].name);
    return 0;
}

static bool is_number(enum schema_type type)
{
    return type == SCHEMA_INT32 || type == SCHEMA_INT64 || type == SCHEMA_DECIMAL;
}

static int output_measure(struct schema *s, const struct schema_json *at, const char *key,
                          enum schema_function function, const json_t *value,
                          struct schema_output *out, struct err *err)
{
    struct schema_measure measure = {.function = function};
    if (function == SCHEMA_COUNT) {
        if (!json_is_true(value))
            return schema_json_error(at, key, err, "write \"count\": true");
    } else {
        const int rc = refer(s, at, key, value, &measure.column, err);
        if (rc < 0)
            return rc;
        if (!is_number(s->columns[measure.column].type))
            return schema_json_error(at, key, err, "column \"%s\" is not a number",
                                     s->columns[measure.column].name);
    }
    if (s->measure_count == SCHEMA_MAX_MEASURES)
        return schema_json_error(at, key, err, "more than %d measures", SCHEMA_MAX_MEASURES);
    out->source = SCHEMA_OUT_MEASURE;
    out->index = s->measure_count;
    out->name = mem_strdup(function == SCHEMA_COUNT ? "COUNT" : s->columns[measure.column].name);
    s->measures[s->measure_count++] = measure;
    return 0;
}

static int output_window(const struct schema_json *at, const char *key,
                         enum schema_output_source source, struct schema_output *out,
                         struct err *err)
{
    const int rc = read_format(at, key, false, &out->format, err);
    if (rc < 0)
        return rc;
    out->source = source;
    out->name = mem_strdup(key);
    return 0;
}

/* Which one of OUTPUT_KINDS the object is, or ERR_CONFIG when it is none or several. */
static int output_kind(const struct schema_json *at, struct err *err)
{
    int kind = -1;
    for (size_t i = 0; i < ARRAY_LEN(OUTPUT_KINDS); i++) {
        if (json_object_get(at->object, OUTPUT_KINDS[i].key) == NULL)
            continue;
        if (kind >= 0)
            return schema_json_error(at, OUTPUT_KINDS[i].key, err,
                                     "not together with \"%s\": an output column is one thing",
                                     OUTPUT_KINDS[kind].key);
        kind = (int)i;
    }
    if (kind < 0)
        return err_set(err, ERR_CONFIG,
                       "%s: needs one of group, sum, count, min, max, window_start, window_end",
                       at->where);
    return kind;
}

static int read_output_object(struct schema *s, const struct schema_json *at,
                              struct schema_output *out, struct err *err)
{
    const int kind = output_kind(at, err);
    if (kind < 0)
        return kind;
    const char *key = OUTPUT_KINDS[kind].key;
    const json_t *value = json_object_get(at->object, key);
    int rc;
    switch (OUTPUT_KINDS[kind].source) {
    case SCHEMA_OUT_GROUP:
        rc = output_group(s, at, key, value, out, err);
        break;
    case SCHEMA_OUT_MEASURE:
        rc = output_measure(s, at, key, OUTPUT_KINDS[kind].function, value, out, err);
        break;
    default:
        rc = output_window(at, key, OUTPUT_KINDS[kind].source, out, err);
    }
    if (rc < 0 || json_object_get(at->object, "name") == NULL)
        return rc;
    const char *name = NULL;
    rc = read_name(at, "name", &name, err);
    if (rc < 0)
        return rc;
    mem_free(out->name);
    out->name = mem_strdup(name);
    return 0;
}

static int read_output(struct schema *s, json_t *value, int index, struct err *err)
{
    static const char *const known[] = {"name", "group", "sum",          "count",
                                        "min",  "max",   "window_start", "window_end"};
    struct schema_output *out = &s->outputs[s->output_count++];
    struct schema_json at = {.object = value};
    int rc;
    if (json_is_string(value)) {
        const struct schema_json whole = {.where = ""};
        char key[SCHEMA_JSON_WHERE_BYTES];
        snprintf(key, sizeof(key), "output[%d]", index);
        rc = output_group(s, &whole, key, value, out, err);
    } else {
        rc = schema_json_enter(&at, value, "output", index, known, ARRAY_LEN(known), err);
        if (rc == 0)
            rc = read_output_object(s, &at, out, err);
    }
    for (unsigned i = 0; rc == 0 && i + 1 < s->output_count; i++) {
        if (strcmp(s->outputs[i].name, out->name) == 0)
            return err_set(err, ERR_CONFIG, "output[%d].name: \"%s\" is there twice", index,
                           out->name);
    }
    return rc;
}

/* A group column that is not written would leave rows that look alike. */
static int check_outputs(const struct schema *s, const struct schema_json *root, struct err *err)
{
    if (s->measure_count == 0)
        return schema_json_error(root, "output", err,
                                 "has no measure; add {\"sum\": \"COLUMN\"} or {\"count\": true}");
    for (unsigned g = 0; g < s->group_count; g++) {
        bool found = false;
        for (unsigned i = 0; i < s->output_count && !found; i++)
            found = s->outputs[i].source == SCHEMA_OUT_GROUP && s->outputs[i].index == g;
        if (!found)
            return schema_json_error(root, "output", err, "column \"%s\" of group_by is missing",
                                     s->columns[s->group[g]].name);
    }
    return 0;
}

static int read_outputs(struct schema *s, const struct schema_json *root, struct err *err)
{
    json_t *list = NULL;
    int rc = schema_json_array(root, "output", true, SCHEMA_MAX_OUTPUTS, &list, err);
    if (rc < 0)
        return rc;
    s->outputs = mem_calloc(json_array_size(list), sizeof(*s->outputs));
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
        rc = read_output(s, json_array_get(list, i), (int)i, err);
    return rc < 0 ? rc : check_outputs(s, root, err);
}

/* ---- the file ---- */

static int read_root(struct schema *s, json_t *file, struct err *err)
{
    static const char *const known[] = {"name",     "columns", "event_time", "key",
                                        "group_by", "output",  "row_number", "unique"};
    struct schema_json root;
    int rc = schema_json_enter(&root, file, "", -1, known, ARRAY_LEN(known), err);
    if (rc < 0)
        return rc;
    const char *name = NULL;
    rc = read_name(&root, "name", &name, err);
    if (rc < 0)
        return rc;
    s->name = mem_strdup(name);
    int (*const steps[])(struct schema *, const struct schema_json *, struct err *) = {
        read_columns, read_event_time, read_key, read_groups, read_outputs, read_unique};
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++)
        rc = steps[i](s, &root, err);
    return rc < 0 ? rc : schema_json_bool(&root, "row_number", &s->row_number, err);
}

int schema_parse(struct slice text, struct schema **out, struct err *err)
{
    *out = NULL;
    if (text.len > SCHEMA_FILE_MAX_BYTES)
        return err_set(err, ERR_CONFIG, "is larger than %d bytes", SCHEMA_FILE_MAX_BYTES);
    json_error_t where;
    json_t *file =
        json_loadb(text.len > 0 ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &where);
    if (file == NULL)
        return err_set(err, ERR_CONFIG, "line %d, column %d: %s", where.line, where.column,
                       where.text);
    struct schema *s = mem_calloc(1, sizeof(*s));
    const int rc = read_root(s, file, err);
    json_decref(file);
    if (rc < 0) {
        schema_free(s);
        return rc;
    }
    schema_fingerprint(s, s->fingerprint);
    *out = s;
    return 0;
}
