/* timefmt.h -- civil time <-> milliseconds, by formats written like strftime's.
 *
 * No locale, no time zone database, no clock: a time is milliseconds since
 * 1970-01-01T00:00 in the proleptic Gregorian calendar, and a wall time without
 * an offset is read as if it were UTC. Day arithmetic after Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms" (days_from_civil). */
#ifndef TURNSTILE_BASE_TIMEFMT_H
#define TURNSTILE_BASE_TIMEFMT_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMEFMT_MS_PER_DAY INT64_C(86400000)

/* 0000-01-01 and 10000-01-01: the years that four digits can write. */
#define TIMEFMT_FIRST_MS (INT64_C(-719528) * TIMEFMT_MS_PER_DAY)
#define TIMEFMT_END_MS (INT64_C(2932897) * TIMEFMT_MS_PER_DAY)

struct timefmt_civil {
    int year; /* 0..9999 */
    int month, day;
    int hour, minute, second, ms;
};

int64_t timefmt_to_ms(const struct timefmt_civil *c);
void timefmt_from_ms(int64_t ms, struct timefmt_civil *c); /* year must be in 0..9999 */

/* Largest multiple of `step` that is <= `value`; step > 0. Right for negative values too. */
int64_t timefmt_floor(int64_t value, int64_t step);

#define TIMEFMT_MAX_PARTS 32
#define TIMEFMT_MAX_TEXT 64 /* longest text a format can produce, with its NUL */

/* A compiled format. Conversions: %Y (4 digits) %y (2 digits: 69-99 are 19xx, as
 * strptime has it) %m %d %H %M %S %f (1 to 9 digits, cut to ms) %z (Z, +hh:mm,
 * +hhmm) %%; all else stands for itself. Opaque but embeddable. */
struct timefmt {
    unsigned char parts[TIMEFMT_MAX_PARTS]; /* a conversion letter or a literal byte */
    unsigned char is_conversion[TIMEFMT_MAX_PARTS];
    unsigned char count;
    bool lenient; /* numbers may lack their leading zero: 7-4-24 */
};

/* 0, or ERR_CONFIG with the reason (unknown conversion, one given twice, too long). */
int timefmt_compile(struct timefmt *f, const char *pattern, bool lenient,
                    struct err *err) MUST_CHECK;

/* The whole text must match and be a date that exists (no 30 February, no 24:00, no :60). A
 * format without a date is a time of 1970-01-01. False leaves *ms alone. */
bool timefmt_parse(const struct timefmt *f, struct slice text, int64_t *ms) MUST_CHECK;

/* Writes at most TIMEFMT_MAX_TEXT - 1 bytes and a NUL into out; returns the length. */
size_t timefmt_format(const struct timefmt *f, int64_t ms, char out[TIMEFMT_MAX_TEXT]);

#endif
