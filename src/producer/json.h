/* json.h -- a JSON string as Python's json.dumps() writes it, which is what the
 * topic's other producers send: everything outside printable ASCII is escaped.
 * Bytes that are not UTF-8 pass as they are; the reader has to reject them. */
#ifndef TURNSTILE_PRODUCER_JSON_H
#define TURNSTILE_PRODUCER_JSON_H

#include "base/buf.h"

#include <stdbool.h>

/* With the quotes. 0 or ERR_TOO_LARGE. */
int json_append_string(struct buf *out, struct slice text) MUST_CHECK;
int json_append_base64(struct buf *out, struct slice bytes) MUST_CHECK; /* RFC 4648, padded */

/* Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool json_is_utf8(struct slice text);

#endif
