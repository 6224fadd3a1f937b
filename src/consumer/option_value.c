#include "consumer/option_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* The first name of a factor is the one that is written. */
static const struct unit time_units[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", INT64_C(60) * 1000},
    {"min", INT64_C(60) * 1000},
    {"h", INT64_C(3600) * 1000},
    {"d", INT64_C(86400) * 1000},
};

static const struct unit size_units[] = {
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40},
};

/* Digits at the start of text; returns what follows them, NULL when there are none or too many. */
static const char *parse_number(const char *text, int64_t *number)
{
    int64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return NULL;
    }
    *number = n;
    return p == text ? NULL : p;
}

static bool apply_unit(const struct unit *units, size_t count, const char *name, int64_t *number)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(name, units[i].name) == 0)
            return !__builtin_mul_overflow(*number, units[i].factor, number);
    }
    return false;
}

bool option_value_parse_time(const char *text, int64_t bare_unit_ms, int64_t *ms)
{
    int64_t number;
    const char *unit = parse_number(text, &number);
    if (unit == NULL)
        return false;
    if (*unit == '\0') {
        if ((bare_unit_ms == 0 && number != 0) ||
            __builtin_mul_overflow(number, bare_unit_ms, &number))
            return false;
    } else if (!apply_unit(time_units, ARRAY_LEN(time_units), unit, &number)) {
        return false;
    }
    *ms = number;
    return true;
}

bool option_value_parse_number(const char *text, int64_t *number)
{
    const char *rest = parse_number(text, number);
    return rest != NULL && *rest == '\0';
}

bool option_value_parse_size(const char *text, uint64_t *bytes)
{
    int64_t number;
    const char *unit = parse_number(text, &number);
    if (unit == NULL || !apply_unit(size_units, ARRAY_LEN(size_units), unit, &number))
        return false;
    *bytes = (uint64_t)number;
    return true;
}

static const char *format(const struct unit *units, size_t count, int64_t value,
                          char out[OPTION_VALUE_BYTES])
{
    const struct unit *best = &units[0];
    for (size_t i = 1; i < count; i++) {
        if (value % units[i].factor == 0 && units[i].factor > best->factor)
            best = &units[i];
    }
    snprintf(out, OPTION_VALUE_BYTES, "%" PRId64 "%s", value / best->factor, best->name);
    return out;
}

const char *option_value_format_time(int64_t ms, char out[OPTION_VALUE_BYTES])
{
    if (ms == 0) {
        snprintf(out, OPTION_VALUE_BYTES, "0s");
        return out;
    }
    return format(time_units, ARRAY_LEN(time_units), ms, out);
}

const char *option_value_format_size(uint64_t bytes, char out[OPTION_VALUE_BYTES])
{
    return format(size_units, ARRAY_LEN(size_units), (int64_t)bytes, out);
}
