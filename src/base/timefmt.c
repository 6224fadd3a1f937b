#include "base/timefmt.h"

#define MS_PER_SECOND INT64_C(1000)
#define MS_PER_MINUTE INT64_C(60000)
#define MS_PER_HOUR INT64_C(3600000)

/* Days of the Gregorian calendar's 400-year cycle, and from 0000-03-01 to 1970-01-01. */
#define DAYS_PER_ERA 146097
#define DAYS_BEFORE_EPOCH 719468

/* Years start in March here, so that the leap day is the last day of one. */
static int64_t days_from_civil(int year, int month, int day)
{
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t year_of_era = y - era * 400;
    const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_EPOCH;
}

static void civil_from_days(int64_t days, struct timefmt_civil *c)
{
    const int64_t shifted = days + DAYS_BEFORE_EPOCH;
    const int64_t era = (shifted >= 0 ? shifted : shifted - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    const int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t march_month = (5 * day_of_year + 2) / 153;
    c->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    c->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    c->year = (int)(year_of_era + era * 400 + (c->month <= 2 ? 1 : 0));
}

int64_t timefmt_to_ms(const struct timefmt_civil *c)
{
    return days_from_civil(c->year, c->month, c->day) * TIMEFMT_MS_PER_DAY + c->hour * MS_PER_HOUR +
           c->minute * MS_PER_MINUTE + c->second * MS_PER_SECOND + c->ms;
}

void timefmt_from_ms(int64_t ms, struct timefmt_civil *c)
{
    ASSERT(ms >= TIMEFMT_FIRST_MS && ms < TIMEFMT_END_MS);
    const int64_t midnight_ms = timefmt_floor(ms, TIMEFMT_MS_PER_DAY);
    const int64_t rest_ms = ms - midnight_ms;
    civil_from_days(midnight_ms / TIMEFMT_MS_PER_DAY, c);
    c->hour = (int)(rest_ms / MS_PER_HOUR);
    c->minute = (int)(rest_ms / MS_PER_MINUTE % 60);
    c->second = (int)(rest_ms / MS_PER_SECOND % 60);
    c->ms = (int)(rest_ms % MS_PER_SECOND);
}

int64_t timefmt_floor(int64_t value, int64_t step)
{
    ASSERT(step > 0);
    const int64_t rest = value % step;
    return value - (rest < 0 ? rest + step : rest);
}

/* ---- compiling ---- */

static bool has_conversion(const struct timefmt *f, char conversion)
{
    for (unsigned i = 0; i < f->count; i++) {
        if (f->is_conversion[i] && f->parts[i] == (unsigned char)conversion)
            return true;
    }
    return false;
}

static int add_conversion(struct timefmt *f, char conversion, struct err *err)
{
    if (conversion == '\0')
        return err_set(err, ERR_CONFIG,
                       "format ends with a lone %%; write %%%% for a per cent sign");
    if (strchr("YymdHMSfz", conversion) == NULL)
        return err_set(
            err, ERR_CONFIG,
            "unknown conversion %%%c; known are %%Y %%y %%m %%d %%H %%M %%S %%f %%z %%%%",
            conversion);
    const char other_year = conversion == 'Y' ? 'y' : 'Y';
    if (has_conversion(f, conversion) ||
        ((conversion == 'Y' || conversion == 'y') && has_conversion(f, other_year)))
        return err_set(err, ERR_CONFIG, "%%%c gives the same part of the time twice", conversion);
    f->parts[f->count] = (unsigned char)conversion;
    f->is_conversion[f->count++] = 1;
    return 0;
}

int timefmt_compile(struct timefmt *f, const char *pattern, bool lenient, struct err *err)
{
    *f = (struct timefmt){.lenient = lenient};
    if (pattern[0] == '\0')
        return err_set(err, ERR_CONFIG, "format is empty");
    for (const char *p = pattern; *p != '\0'; p++) {
        if (f->count == TIMEFMT_MAX_PARTS)
            return err_set(err, ERR_CONFIG, "format has more than %d parts", TIMEFMT_MAX_PARTS);
        if (*p != '%' || p[1] == '%') {
            p += *p == '%';
            f->parts[f->count++] = (unsigned char)*p;
            continue;
        }
        const int rc = add_conversion(f, *++p, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- parsing ---- */

struct reader {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number of min_digits to max_digits digits, as many as there are. */
static bool read_number(struct reader *r, int min_digits, int max_digits, int *value)
{
    int digits = 0;
    *value = 0;
    while (digits < max_digits && r->at < r->end && is_digit(*r->at)) {
        *value = *value * 10 + (*r->at++ - '0');
        digits++;
    }
    return digits >= min_digits;
}

static bool read_fraction(struct reader *r, int *ms)
{
    const char *const start = r->at;
    int nanos;
    if (!read_number(r, 1, 9, &nanos))
        return false;
    for (int64_t digits = r->at - start; digits < 9; digits++)
        nanos *= 10; /* fewer than 9 digits: stays below 10^9 */
    *ms = nanos / 1000000;
    return true;
}

/* Z, +hh:mm, +hhmm and the same with a minus sign. */
static bool read_offset(struct reader *r, int64_t *offset_ms)
{
    if (r->at == r->end)
        return false;
    const char sign = *r->at++;
    *offset_ms = 0;
    if (sign == 'Z')
        return true;
    int hours, minutes;
    if ((sign != '+' && sign != '-') || !read_number(r, 2, 2, &hours))
        return false;
    if (r->at < r->end && *r->at == ':')
        r->at++;
    if (!read_number(r, 2, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_ms = (hours * MS_PER_HOUR + minutes * MS_PER_MINUTE) * (sign == '-' ? -1 : 1);
    return true;
}

static bool read_part(const struct timefmt *f, unsigned i, struct reader *r,
                      struct timefmt_civil *c, int64_t *offset_ms)
{
    if (!f->is_conversion[i])
        return r->at < r->end && (unsigned char)*r->at++ == f->parts[i];
    const int min_digits = f->lenient ? 1 : 2;
    switch (f->parts[i]) {
    case 'Y':
        return read_number(r, 4, 4, &c->year);
    case 'y':
        if (!read_number(r, min_digits, 2, &c->year))
            return false;
        c->year += c->year >= 69 ? 1900 : 2000;
        return true;
    case 'm':
        return read_number(r, min_digits, 2, &c->month);
    case 'd':
        return read_number(r, min_digits, 2, &c->day);
    case 'H':
        return read_number(r, min_digits, 2, &c->hour);
    case 'M':
        return read_number(r, min_digits, 2, &c->minute);
    case 'S':
        return read_number(r, min_digits, 2, &c->second);
    case 'f':
        return read_fraction(r, &c->ms);
    default: /* 'z'; timefmt_compile() lets nothing else in */
        return read_offset(r, offset_ms);
    }
}

static bool exists(const struct timefmt_civil *c)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->month < 1 || c->month > 12 || c->hour > 23 || c->minute > 59 || c->second > 59)
        return false;
    const bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    const int last = days[c->month - 1] + (c->month == 2 && leap ? 1 : 0);
    return c->day >= 1 && c->day <= last;
}

bool timefmt_parse(const struct timefmt *f, struct slice text, int64_t *ms)
{
    struct timefmt_civil c = {.year = 1970, .month = 1, .day = 1};
    int64_t offset_ms = 0;
    if (text.len == 0 || text.len >= TIMEFMT_MAX_TEXT)
        return false;
    struct reader r = {text.ptr, text.ptr + text.len};
    for (unsigned i = 0; i < f->count; i++) {
        if (!read_part(f, i, &r, &c, &offset_ms))
            return false;
    }
    if (r.at != r.end || !exists(&c))
        return false;
    const int64_t utc_ms = timefmt_to_ms(&c) - offset_ms;
    if (utc_ms < TIMEFMT_FIRST_MS || utc_ms >= TIMEFMT_END_MS)
        return false;
    *ms = utc_ms;
    return true;
}

/* ---- formatting ---- */

static char *write_number(char *out, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + digits;
}

static char *write_part(char *out, unsigned char conversion, const struct timefmt_civil *c)
{
    switch (conversion) {
    case 'Y':
        return write_number(out, c->year, 4);
    case 'y':
        return write_number(out, c->year % 100, 2);
    case 'm':
        return write_number(out, c->month, 2);
    case 'd':
        return write_number(out, c->day, 2);
    case 'H':
        return write_number(out, c->hour, 2);
    case 'M':
        return write_number(out, c->minute, 2);
    case 'S':
        return write_number(out, c->second, 2);
    case 'f':
        return write_number(out, c->ms, 3);
    default: /* 'z': times are written in UTC */
        *out = 'Z';
        return out + 1;
    }
}

/* Every conversion occurs once, so no text passes 32 + 10 bytes (%Y and %f add three and two). */
size_t timefmt_format(const struct timefmt *f, int64_t ms, char out[TIMEFMT_MAX_TEXT])
{
    struct timefmt_civil c;
    timefmt_from_ms(ms, &c);
    char *at = out;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->is_conversion[i])
            at = write_part(at, f->parts[i], &c);
        else
            *at++ = (char)f->parts[i];
    }
    *at = '\0';
    return (size_t)(at - out);
}
