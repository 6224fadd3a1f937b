/* options_value.c -- numbers and times as people type them. */
#include "producer/options_table.h"

#include <errno.h>
#include <stdlib.h>

bool option_parse_number(const char *text, uint64_t *number)
{
    if (*text < '0' || *text > '9') /* strtoull would take blanks and a sign */
        return false;
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* The number at the start of `text`: digits and a point, no sign, exponent, blank or "inf". */
static bool leading_decimal(const char *text, double *number, const char **rest)
{
    const size_t len = strspn(text, "0123456789.");
    if (len == 0 || len > 30 || text[0] == '.')
        return false;
    char digits[32];
    memcpy(digits, text, len);
    digits[len] = '\0';
    char *end;
    *number = strtod(digits, &end);
    *rest = text + len;
    return *end == '\0';
}

bool option_parse_decimal(const char *text, double *number)
{
    const char *rest;
    return leading_decimal(text, number, &rest) && *rest == '\0';
}

bool option_parse_fraction(const char *text, double *fraction)
{
    const char *rest;
    if (!leading_decimal(text, fraction, &rest))
        return false;
    if (strcmp(rest, "%") == 0)
        *fraction /= 100;
    else if (*rest != '\0')
        return false;
    return *fraction <= 1;
}

bool option_parse_time(const char *text, bool bare, int64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"min", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}};
    const char *rest;
    double number;
    if (!leading_decimal(text, &number, &rest))
        return false;
    double unit_ms = bare && *rest == '\0' ? 1e3 : 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(rest, units[i].name) == 0)
            unit_ms = units[i].ms;
    const double product = number * unit_ms;
    if (unit_ms == 0 || product > 1e15)
        return false;
    *ms = (int64_t)(product + 0.5);
    return true;
}
