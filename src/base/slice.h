/* slice.h -- borrowed bytes: a pointer and a length, not NUL-terminated.
 *
 * Whoever hands out a slice says how long it stays valid; without a word, only
 * during the call. */
#ifndef TURNSTILE_BASE_SLICE_H
#define TURNSTILE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Bytewise, as memcmp; a prefix comes before what it is a prefix of. */
static inline int slice_compare(struct slice a, struct slice b)
{
    const size_t n = a.len < b.len ? a.len : b.len;
    const int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
