/* suggest.h -- "did you mean": the known word nearest to a mistyped one.
 *
 * Pure, bounded: words longer than SUGGEST_MAX_WORD are never near anything. */
#ifndef TURNSTILE_BASE_SUGGEST_H
#define TURNSTILE_BASE_SUGGEST_H

#include "base/base.h"
#include "base/slice.h"

#define SUGGEST_MAX_WORD 64

/* The first of known[0..count-1] that needs the fewest edits (ASCII case ignored), if that are at
 * most a third of the word and at least one; else NULL. */
const char *suggest_near(struct slice word, const char *const *known, size_t count);

#endif
