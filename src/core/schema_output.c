#include "core/schema_parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SCHEMA_MAX_OUTPUTS (2 * SCHEMA_MAX_COLUMNS) /* bounds the memory a file can ask for */

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
    const int rc = schema_refer(s, at, key, value, &column, err);
    if (rc < 0)
        return rc;
    const int index = schema_group_index(s, column);
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
        const int rc = schema_refer(s, at, key, value, &measure.column, err);
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
    const int rc = schema_read_format(at, key, false, &out->format, err);
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
    rc = schema_read_name(at, "name", &name, err);
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

int schema_read_outputs(struct schema *s, const struct schema_json *root, struct err *err)
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
