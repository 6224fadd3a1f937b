#include "core/schema_parts.h"

#include "base/mem.h"

#include <string.h>

#define SCHEMA_MAX_SCALE 9 /* 10^9 times an int32 still fits an int64 */

static const char *const TYPE_NAMES[] = {"string",  "int32", "int64",
                                         "decimal", "date",  "timestamp"}; /* enum schema_type */

int schema_read_format(const struct schema_json *at, const char *key, bool lenient,
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
    rc = schema_read_format(at, "format", lenient, &column->format, err);
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
    rc = schema_read_format(at, "output_format", false, &column->output_format, err);
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
    const int rc = schema_check_name(at, key, name, err);
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

int schema_read_columns(struct schema *s, const struct schema_json *root, struct err *err)
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
