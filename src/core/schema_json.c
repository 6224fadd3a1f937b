#include "core/schema_json.h"

#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

int schema_json_error(const struct schema_json *at, const char *key, struct err *err,
                      const char *format, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_set(err, ERR_CONFIG, "%s%s%s: %s", at->where, at->where[0] ? "." : "", key, text);
}

static int unknown_key(const struct schema_json *at, const char *key, const char *const *known,
                       size_t known_count, struct err *err)
{
    const char *near = suggest_near(slice_of(key), known, known_count);
    if (near != NULL)
        return schema_json_error(at, key, err, "unknown key, did you mean \"%s\"?", near);
    return schema_json_error(at, key, err, "unknown key");
}

int schema_json_enter(struct schema_json *at, json_t *value, const char *where, int index,
                      const char *const *known, size_t known_count, struct err *err)
{
    at->object = value;
    if (index < 0)
        snprintf(at->where, sizeof(at->where), "%s", where);
    else
        snprintf(at->where, sizeof(at->where), "%s[%d]", where, index);
    if (!json_is_object(value))
        return err_set(err, ERR_CONFIG, "%s: must be an object {...}",
                       at->where[0] ? at->where : "the file");
    const char *key;
    json_t *ignored;
    json_object_foreach(value, key, ignored)
    {
        bool found = false;
        for (size_t i = 0; i < known_count && !found; i++)
            found = strcmp(known[i], key) == 0;
        if (!found)
            return unknown_key(at, key, known, known_count, err);
    }
    return 0;
}

int schema_json_string(const struct schema_json *at, const char *key, bool required,
                       const char **out, struct err *err)
{
    json_t *value = json_object_get(at->object, key);
    if (value == NULL && !required)
        return 0;
    if (value == NULL)
        return schema_json_error(at, key, err, "missing");
    if (!json_is_string(value) || json_string_length(value) == 0)
        return schema_json_error(at, key, err, "must be a string that is not empty");
    *out = json_string_value(value);
    return 0;
}

int schema_json_bool(const struct schema_json *at, const char *key, bool *out, struct err *err)
{
    json_t *value = json_object_get(at->object, key);
    if (value == NULL)
        return 0;
    if (!json_is_boolean(value))
        return schema_json_error(at, key, err, "must be true or false");
    *out = json_is_true(value);
    return 0;
}

int schema_json_array(const struct schema_json *at, const char *key, bool required,
                      size_t max_count, json_t **out, struct err *err)
{
    json_t *value = json_object_get(at->object, key);
    if (value == NULL && !required)
        return 0;
    if (value == NULL)
        return schema_json_error(at, key, err, "missing");
    if (!json_is_array(value))
        return schema_json_error(at, key, err, "must be a list [...]");
    if (json_array_size(value) > max_count)
        return schema_json_error(at, key, err, "has %zu entries, the most is %zu",
                                 json_array_size(value), max_count);
    *out = value;
    return 0;
}
