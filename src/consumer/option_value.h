/* option_value.h -- times and sizes as people write them: `30s`, `4h`, `256MiB`.
 *
 * Pure. A number is a whole one; a unit follows without a blank. */
#ifndef TURNSTILE_CONSUMER_OPTION_VALUE_H
#define TURNSTILE_CONSUMER_OPTION_VALUE_H

#include "base/base.h"

#include <stdbool.h>
#include <stdint.h>

#define OPTION_VALUE_BYTES 32 /* room for any formatted time or size */

/* Units: ms s m min h d. `bare_unit_ms` is what a number without unit counts in; 0: a unit must be
 * there. False: not a time, or more than int64 holds. */
bool option_value_parse_time(const char *text, int64_t bare_unit_ms, int64_t *ms) MUST_CHECK;

/* Digits and nothing else, below 2^63. */
bool option_value_parse_number(const char *text, int64_t *number) MUST_CHECK;

/* Units: KiB MiB GiB TiB, case ignored; the unit must be there. */
bool option_value_parse_size(const char *text, uint64_t *bytes) MUST_CHECK;

/* In the largest unit that needs no fraction; reads back as the same value (sizes: multiples of a
 * KiB, as all that were parsed). Returns out. */
const char *option_value_format_time(int64_t ms, char out[OPTION_VALUE_BYTES]);
const char *option_value_format_size(uint64_t bytes, char out[OPTION_VALUE_BYTES]);

#endif
