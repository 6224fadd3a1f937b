/* field.h -- numbers in the fields of a row: from text, and to the text of a group.
 *
 * Blanks around a number and a sign are allowed, nothing else: no exponent, no thousands
 * separators, no hexadecimal, no locale. */
#ifndef TURNSTILE_CORE_FIELD_H
#define TURNSTILE_CORE_FIELD_H

#include "base/base.h"
#include "base/slice.h"
#include "core/record.h"

#include <stdint.h>

#define FIELD_NUMBER_BYTES 24 /* the longest text of an int64 with sign and point, and its NUL */

/* REJECT_NONE, REJECT_TYPE (not a number, empty) or REJECT_RANGE (not within min..max). */
enum reject_reason field_int(struct slice text, int64_t min, int64_t max,
                             int64_t *value) MUST_CHECK;

/* A decimal number as value * 10^scale. Digits behind the point beyond `scale` must be zeros, else
 * REJECT_RANGE. `.5` is a number, `5.` is not. */
enum reject_reason field_decimal(struct slice text, unsigned scale, int64_t *value) MUST_CHECK;

/* The one way to write value / 10^scale: no plus sign, no leading zeros, `scale` digits behind the
 * point. Returns the length. */
size_t field_write_decimal(int64_t value, unsigned scale, char out[FIELD_NUMBER_BYTES]);

#endif
