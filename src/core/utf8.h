/* utf8.h -- is this UTF-8? Strictly: no overlong forms, no surrogates, nothing above U+10FFFF
 * (The Unicode Standard, table 3-7). */
#ifndef TURNSTILE_CORE_UTF8_H
#define TURNSTILE_CORE_UTF8_H

#include "base/slice.h"

bool utf8_valid(struct slice text);

/* Length of the sequence at p (1 to 4), of which `rest` > 0 bytes are there; 0 when it is none. */
size_t utf8_sequence_len(const unsigned char *p, size_t rest);

#endif
