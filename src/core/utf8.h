/* utf8.h -- is this UTF-8? Strictly: no overlong forms, no surrogates, nothing above U+10FFFF
 * (The Unicode Standard, table 3-7). */
#ifndef TURNSTILE_CORE_UTF8_H
#define TURNSTILE_CORE_UTF8_H

#include "base/slice.h"

bool utf8_valid(struct slice text);

#endif
