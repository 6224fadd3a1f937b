/* Input: a properties file. What is taken must come back from the redacted print as something that
 * parses again into as many keys, without blanks around them. */
#include "base/mem.h"
#include "fuzz.h"
#include "io/properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct properties p;
    struct err err = {0};
    properties_init(&p);
    if (properties_parse(&p, "fuzz", (struct slice){(const char *)data, size}, &err)) {
        ASSERT(p.count == 0 && err.text[0]);
        properties_deinit(&p);
        return 0;
    }
    struct buf out;
    buf_init(&out, 2 * PROPERTIES_MAX_BYTES);
    int code = buf_append_str(&out, "#\n"); /* a key may begin like a byte order mark */
    ASSERT(code == 0);
    code = properties_print_redacted(&p, &out);
    ASSERT(code == 0);

    struct properties again;
    properties_init(&again);
    const int second = properties_parse(&again, "printed", buf_slice(&out), &err);
    ASSERT(second == 0 && again.count <= p.count);
    for (size_t i = 0; i < again.count; i++) {
        const char *key = again.entries[i].key;
        const char *before = properties_get(&p, key);
        const char *value = again.entries[i].value;
        ASSERT(key[0] && key[0] != '#');
        ASSERT(before && (strcmp(before, value) == 0 || strcmp(value, "***") == 0));
    }
    properties_deinit(&again);
    buf_deinit(&out);
    properties_deinit(&p);
    return 0;
}
