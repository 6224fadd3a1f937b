/* audit.h -- --record FILE: what the broker acknowledged, one JSON line each.
 *
 * {"partition":0,"offset":12,"key":"...","value":"...","timestamp_ms":...}; bytes
 * that are not UTF-8 are under key_base64 / value_base64; a tombstone is null.
 * Written in the order of the acknowledgements: in order within a partition. */
#ifndef TURNSTILE_PRODUCER_AUDIT_H
#define TURNSTILE_PRODUCER_AUDIT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>
#include <stdio.h>

struct audit {
    FILE *file; /* NULL: nobody asked for it */
    const char *path;
    struct buf line;
};

/* `path` may be NULL (no audit) and must live as long. An existing file is replaced. */
int audit_open(struct audit *a, const char *path, struct err *err) MUST_CHECK;

/* `value` NULL: tombstone. A failed write is reported by audit_close(). */
void audit_write(struct audit *a, int32_t partition, int64_t offset, struct slice key,
                 const struct slice *value, int64_t timestamp_ms);
int audit_close(struct audit *a, struct err *err) MUST_CHECK;

#endif
