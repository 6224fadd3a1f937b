/* schema_json.h -- reading one JSON object whose keys are all known.
 *
 * Wraps jansson so that every complaint has the same shape: where (`columns[3]`),
 * which key, what is wrong, what to do. Values are borrowed from the object. */
#ifndef TURNSTILE_CORE_SCHEMA_JSON_H
#define TURNSTILE_CORE_SCHEMA_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

#define SCHEMA_JSON_WHERE_BYTES 64

/* An object of the file and its place in it, for error texts ("" is the whole file). */
struct schema_json {
    json_t *object;
    char where[SCHEMA_JSON_WHERE_BYTES];
};

/* ERR_CONFIG "<where>.<key>: <text>". */
int schema_json_error(const struct schema_json *at, const char *key, struct err *err,
                      const char *format, ...) FORMAT_PRINTF(4, 5);

/* 0, or ERR_CONFIG when `value` is no object or has a key that is not in known[]. `index` < 0: not
 * an element of an array. */
int schema_json_enter(struct schema_json *at, json_t *value, const char *where, int index,
                      const char *const *known, size_t known_count, struct err *err) MUST_CHECK;

/* Each: 0, or ERR_CONFIG. A missing optional key leaves *out alone. */
int schema_json_string(const struct schema_json *at, const char *key, bool required,
                       const char **out, struct err *err) MUST_CHECK;
int schema_json_bool(const struct schema_json *at, const char *key, bool *out,
                     struct err *err) MUST_CHECK;
int schema_json_array(const struct schema_json *at, const char *key, bool required,
                      size_t max_count, json_t **out, struct err *err) MUST_CHECK;

#endif
