/* A schema either parses, with every index in range, or is refused with a reason. */
#include "core/schema.h"
#include "fuzz.h"

#include <string.h>

static void check(const struct schema *s)
{
    ASSERT(s->column_count >= 1 && s->column_count <= SCHEMA_MAX_COLUMNS);
    ASSERT(s->event_time < s->column_count);
    ASSERT(s->columns[s->event_time].type == SCHEMA_TIMESTAMP);
    for (unsigned i = 0; i < s->column_count; i++)
        ASSERT(schema_find(s, slice_of(s->columns[i].name)) == (int)i);
    for (unsigned i = 0; i < s->key_count; i++)
        ASSERT(s->key[i] < s->column_count);
    ASSERT(s->group_count <= SCHEMA_MAX_GROUP);
    for (unsigned i = 0; i < s->group_count; i++)
        ASSERT(s->group[i] < s->column_count);
    for (unsigned i = 0; i < s->unique_count; i++)
        ASSERT(s->unique[i] < s->group_count);
    ASSERT(s->measure_count >= 1 && s->measure_count <= SCHEMA_MAX_MEASURES);
    for (unsigned i = 0; i < s->output_count; i++) {
        const struct schema_output *out = &s->outputs[i];
        ASSERT(out->name != NULL && out->name[0] != '\0');
        ASSERT(out->source != SCHEMA_OUT_GROUP || out->index < s->group_count);
        ASSERT(out->source != SCHEMA_OUT_MEASURE || out->index < s->measure_count);
    }
    uint64_t fingerprint[2];
    schema_fingerprint(s, fingerprint);
    ASSERT(fingerprint[0] == s->fingerprint[0] && fingerprint[1] == s->fingerprint[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema *s = NULL;
    struct err err = {.code = 0};
    const int rc = schema_parse((struct slice){(const char *)data, size}, &s, &err);
    if (rc == 0) {
        check(s);
        schema_free(s);
    } else {
        ASSERT(s == NULL && rc == ERR_CONFIG && err.code == rc && err.text[0] != '\0');
        ASSERT(strchr(err.text, '\n') == NULL);
    }
    return 0;
}
