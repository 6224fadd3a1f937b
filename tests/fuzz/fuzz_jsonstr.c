/* Differential against jansson: what we take for a JSON string and can decode, jansson decodes to
 * the same bytes; and the other way round. Only UTF-8 is compared, jsonstr leaves it alone. */
#include "base/mem.h"
#include "core/jsonstr.h"
#include "core/utf8.h"
#include "fuzz.h"

#include <jansson.h>

/* jansson's answer; NULL: not a JSON string. */
static json_t *oracle(struct slice value)
{
    json_error_t error;
    json_t *json = json_loadb(value.ptr, value.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (json_is_string(json))
        return json;
    json_decref(json);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice value = {size > 0 ? (const char *)data : "", size};
    struct slice inner;
    const bool found = jsonstr_find(value, &inner);
    json_t *json = oracle(value);
    if (!found) {
        ASSERT(json == NULL);
        return 0;
    }
    ASSERT(inner.ptr > value.ptr && inner.ptr + inner.len < value.ptr + value.len);
    char *out = mem_alloc(inner.len);
    size_t len = 0;
    const bool ok = jsonstr_decode(inner, out, &len);
    ASSERT(ok || !jsonstr_is_plain(inner));
    if (utf8_valid(value))
        ASSERT(ok == (json != NULL));
    if (ok) {
        ASSERT(len <= inner.len);
        ASSERT(!jsonstr_is_plain(inner) || slice_equal(inner, (struct slice){out, len}));
    }
    if (json != NULL) {
        ASSERT(ok && utf8_valid(value) && utf8_valid((struct slice){out, len}));
        ASSERT(json_string_length(json) == len);
        ASSERT(len == 0 || memcmp(json_string_value(json), out, len) == 0);
    }
    json_decref(json);
    mem_free(out);
    return 0;
}
