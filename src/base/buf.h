/* buf.h -- growable bytes with a mandatory maximum.
 *
 * Owns its bytes. Appending past the maximum is an error that the caller must
 * look at (buf_append() returns it); what was there stays. The memory never
 * moves between appends, and buf_take() hands it over. */
#ifndef TURNSTILE_BASE_BUF_H
#define TURNSTILE_BASE_BUF_H

#include "base/base.h"
#include "base/slice.h"

struct buf {
    char *data; /* NULL until the first byte; not NUL-terminated */
    size_t len;
    size_t cap;
    size_t max_bytes;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_deinit(struct buf *b); /* b may be used again after buf_init() */
void buf_clear(struct buf *b);  /* len = 0, memory kept */

/* 0 or ERR_TOO_LARGE; on failure nothing was appended. */
int buf_append(struct buf *b, const void *bytes, size_t len) MUST_CHECK;
int buf_append_byte(struct buf *b, char byte) MUST_CHECK;
int buf_append_str(struct buf *b, const char *text) MUST_CHECK;
int buf_printf(struct buf *b, const char *format, ...) FORMAT_PRINTF(2, 3) MUST_CHECK;

/* Room for at least `bytes` more at data + len; the caller then adds to len. */
int buf_reserve(struct buf *b, size_t bytes) MUST_CHECK;

/* The bytes, to be freed with mem_free(); b is empty afterwards. NULL if empty. */
char *buf_take(struct buf *b);

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

#endif
