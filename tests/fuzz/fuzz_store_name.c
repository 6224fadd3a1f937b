/* Input: the path of a URL below the lake's root. Whatever is accepted stays inside the root, and
 * comes back the same when it is escaped and parsed again. */
#include "base/mem.h"
#include "fuzz.h"
#include "sandbox/store.h"

#include <stdio.h>
#include <string.h>

#define ESCAPED_BYTES (STORE_NAME_BYTES * 3 + 1)

static void check_part(const char *part)
{
    const size_t len = strlen(part);
    ASSERT(len > 0 && len <= STORE_PART_BYTES);
    ASSERT(strcmp(part, ".") != 0 && strcmp(part, "..") != 0);
    for (size_t i = 0; i < len; i++) {
        const unsigned char byte = (unsigned char)part[i];
        ASSERT(byte >= 0x20 && byte != 0x7f && byte != '/');
    }
}

/* Every byte as %XX. */
static void escape(const struct store_name *name, char out[ESCAPED_BYTES])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < name->count; i++) {
        if (i > 0)
            out[len++] = '/';
        for (const char *c = name->parts[i]; *c; c++) {
            ASSERT(len + 5 <= ESCAPED_BYTES);
            snprintf(out + len, 4, "%%%02X", (unsigned)(unsigned char)*c);
            len += 3;
        }
    }
    if (name->is_folder && name->count > 0)
        out[len++] = '/';
    out[len] = '\0';
}

static void check_name(const struct store_name *name)
{
    ASSERT(name->count <= STORE_MAX_PARTS);
    ASSERT(name->count > 0 || name->is_folder);
    for (size_t i = 0; i < name->count; i++)
        check_part(name->parts[i]);
    char escaped[ESCAPED_BYTES];
    escape(name, escaped);
    struct store_name again;
    const char *why = store_name_parse(&again, escaped);
    ASSERT(why == NULL && again.count == name->count && again.is_folder == name->is_folder);
    for (size_t i = 0; i < name->count; i++)
        ASSERT(strcmp(again.parts[i], name->parts[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *raw = mem_alloc(size + 1);
    memcpy(raw, data, size);
    raw[size] = '\0';
    struct store_name name;
    const char *why = store_name_parse(&name, raw);
    if (!why)
        check_name(&name);
    mem_free(raw);
    return 0;
}
