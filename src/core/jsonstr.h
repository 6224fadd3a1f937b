/* jsonstr.h -- a message that is one JSON string (RFC 8259): is it, and what does it say?
 *
 * Strict where a string would lose or invent bytes: unknown escapes, lone surrogates and raw
 * control bytes are errors. UTF-8 is not checked here. */
#ifndef TURNSTILE_CORE_JSONSTR_H
#define TURNSTILE_CORE_JSONSTR_H

#include "base/base.h"
#include "base/slice.h"

/* True when `value` is blanks, a string up to its first quote without a backslash, and blanks;
 * *inner is what is between the quotes. False: it is something else, CSV for us. */
bool jsonstr_find(struct slice value, struct slice *inner) MUST_CHECK;

/* True: there is no escape and no control byte, `inner` can be used as it is. */
bool jsonstr_is_plain(struct slice inner);

/* Undoes the escapes into out (room for inner.len bytes, the text never grows). False: malformed. A
 * \u0000 becomes a NUL byte. */
bool jsonstr_decode(struct slice inner, char *out, size_t *out_len) MUST_CHECK;

#endif
