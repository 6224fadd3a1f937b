#include "producer/intern.h"

#include "base/err.h"
#include "base/mem.h"

#include <xxhash.h>

#define FIRST_CAPACITY 1024 /* a power of two */

void intern_init(struct intern *t)
{
    *t = (struct intern){.capacity = FIRST_CAPACITY};
    buf_init(&t->bytes, INTERN_MAX_BYTES);
    t->ends = mem_calloc(FIRST_CAPACITY / 2, sizeof t->ends[0]);
    t->slots = mem_calloc(FIRST_CAPACITY, sizeof t->slots[0]);
}

void intern_deinit(struct intern *t)
{
    buf_deinit(&t->bytes);
    mem_free(t->ends);
    mem_free(t->slots);
    *t = (struct intern){0};
}

struct slice intern_text(const struct intern *t, uint32_t number)
{
    ASSERT(number < t->count);
    const size_t start = number > 0 ? t->ends[number - 1] : 0;
    const size_t len = t->ends[number] - start;
    return (struct slice){len > 0 ? t->bytes.data + start : "", len};
}

/* The slot that holds the text, or the empty one where it belongs. */
static uint32_t find(const struct intern *t, struct slice text)
{
    const uint32_t mask = t->capacity - 1;
    uint32_t at = (uint32_t)XXH3_64bits(text.ptr, text.len) & mask;
    while (t->slots[at] != 0 && !slice_equal(intern_text(t, t->slots[at] - 1), text))
        at = (at + 1) & mask;
    return at;
}

static void grow(struct intern *t)
{
    t->capacity *= 2;
    t->ends = mem_realloc(t->ends, t->capacity / 2 * sizeof t->ends[0]);
    mem_free(t->slots);
    t->slots = mem_calloc(t->capacity, sizeof t->slots[0]);
    for (uint32_t i = 0; i < t->count; i++)
        t->slots[find(t, intern_text(t, i))] = i + 1;
}

bool intern_has(const struct intern *t, struct slice text)
{
    return t->slots[find(t, text)] != 0;
}

int intern_add(struct intern *t, struct slice text, uint32_t *number)
{
    uint32_t at = find(t, text);
    if (t->slots[at] == 0) {
        if (t->count == INTERN_MAX_TEXTS || buf_append(&t->bytes, text.ptr, text.len) != 0)
            return ERR_TOO_LARGE;
        if (t->count == t->capacity / 2) {
            grow(t);
            at = find(t, text);
        }
        t->ends[t->count] = t->bytes.len;
        t->slots[at] = ++t->count;
    }
    *number = t->slots[at] - 1;
    return 0;
}
