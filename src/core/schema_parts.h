/* schema_parts.h -- the pieces that schema_parse() is put together from: not for others.
 *
 * Each reads one part of the file into the schema; 0, or ERR_CONFIG with place and reason. What
 * they put there schema_free() frees, after a failure too. */
#ifndef TURNSTILE_CORE_SCHEMA_PARTS_H
#define TURNSTILE_CORE_SCHEMA_PARTS_H

#include "core/schema.h"
#include "core/schema_json.h"

/* A name of ours: not too long, no control characters, no blanks at its ends. */
int schema_check_name(const struct schema_json *at, const char *key, const char *name,
                      struct err *err) MUST_CHECK;
int schema_read_name(const struct schema_json *at, const char *key, const char **name,
                     struct err *err) MUST_CHECK;

/* The index of a column that the file refers to by name or alias. */
int schema_refer(const struct schema *s, const struct schema_json *at, const char *key,
                 const json_t *value, unsigned *index, struct err *err) MUST_CHECK;

/* An optional time format; absent: *format is left alone. */
int schema_read_format(const struct schema_json *at, const char *key, bool lenient,
                       struct timefmt *format, struct err *err) MUST_CHECK;

int schema_read_columns(struct schema *s, const struct schema_json *root,
                        struct err *err) MUST_CHECK;

/* After columns and groups. */
int schema_read_outputs(struct schema *s, const struct schema_json *root,
                        struct err *err) MUST_CHECK;

/* The place of a column in group_by, or -1. */
int schema_group_index(const struct schema *s, unsigned column);

#endif
