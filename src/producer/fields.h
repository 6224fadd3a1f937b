/* fields.h -- several fields as one text, for tables and sets of rows: a 32-bit
 * length each, then the bytes. Two rows are equal when their texts are. */
#ifndef TURNSTILE_PRODUCER_FIELDS_H
#define TURNSTILE_PRODUCER_FIELDS_H

#include "base/buf.h"

/* Replaces what `out` held. 0 or ERR_TOO_LARGE. */
int fields_join(struct buf *out, const struct slice *fields, size_t count) MUST_CHECK;

/* The way back; `count` must be what was joined. Views into `joined`. */
void fields_split(struct slice joined, struct slice *fields, size_t count);

#endif
