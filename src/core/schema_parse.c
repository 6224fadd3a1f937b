#include "core/schema_parts.h"

#include "base/mem.h"
#include "base/suggest.h"

#include <string.h>

/* ---- names ---- */

int schema_check_name(const struct schema_json *at, const char *key, const char *name,
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

int schema_read_name(const struct schema_json *at, const char *key, const char **name,
                     struct err *err)
{
    const int rc = schema_json_string(at, key, true, name, err);
    return rc < 0 ? rc : schema_check_name(at, key, *name, err);
}

int schema_refer(const struct schema *s, const struct schema_json *at, const char *key,
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
        const int rc = schema_refer(s, at, key, value, &index, err);
        if (rc < 0)
            return rc;
        if (contains(indexes, *count, index))
            return schema_json_error(at, key, err, "names column \"%s\" twice",
                                     s->columns[index].name);
        indexes[(*count)++] = index;
    }
    return 0;
}

/* ---- event time, key, groups ---- */

static int read_event_time(struct schema *s, const struct schema_json *root, struct err *err)
{
    const json_t *value = json_object_get(root->object, "event_time");
    if (value == NULL)
        return schema_json_error(root, "event_time", err,
                                 "missing: name the column that holds the event time");
    const int rc = schema_refer(s, root, "event_time", value, &s->event_time, err);
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

int schema_group_index(const struct schema *s, unsigned column)
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
        const int index = schema_group_index(s, s->unique[i]);
        if (index < 0)
            return schema_json_error(root, "unique", err, "column \"%s\" is not in group_by",
                                     s->columns[s->unique[i]].name);
        s->unique[i] = (unsigned)index;
    }
    return rc;
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
    rc = schema_read_name(&root, "name", &name, err);
    if (rc < 0)
        return rc;
    s->name = mem_strdup(name);
    int (*const steps[])(struct schema *, const struct schema_json *,
                         struct err *) = {schema_read_columns, read_event_time,     read_key,
                                          read_groups,         schema_read_outputs, read_unique};
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++)
        rc = steps[i](s, &root, err);
    return rc < 0 ? rc : schema_json_bool(&root, "row_number", &s->row_number, err);
}

/* Texts quote the file, which may hold newlines and worse; a reason is one line. */
static int one_line(struct err *err)
{
    for (char *at = err->text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    }
    return err->code;
}

int schema_parse(struct slice text, struct schema **out, struct err *err)
{
    *out = NULL;
    if (text.len > SCHEMA_FILE_MAX_BYTES)
        return err_set(err, ERR_CONFIG, "is larger than %d bytes", SCHEMA_FILE_MAX_BYTES);
    json_error_t where;
    json_t *file =
        json_loadb(text.len > 0 ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &where);
    if (file == NULL) {
        err_set(err, ERR_CONFIG, "line %d, column %d: %s", where.line, where.column, where.text);
        return one_line(err);
    }
    struct schema *s = mem_calloc(1, sizeof(*s));
    const int rc = read_root(s, file, err);
    json_decref(file);
    if (rc < 0) {
        schema_free(s);
        return one_line(err);
    }
    schema_fingerprint(s, s->fingerprint);
    *out = s;
    return 0;
}
