#include "core/field.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Without blanks and sign. */
static struct slice trim_number(struct slice text, bool *negative)
{
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = (struct slice){text.ptr + 1, text.len - 1};
    *negative = text.len > 0 && text.ptr[0] == '-';
    if (*negative || (text.len > 0 && text.ptr[0] == '+'))
        text = (struct slice){text.ptr + 1, text.len - 1};
    return text;
}

/* value = value * 10 +- digit; false when it does not fit. Goes down for negative numbers, so that
 * INT64_MIN can be reached. */
static bool append_digit(int64_t *value, char c, bool negative)
{
    const int64_t digit = c - '0';
    return !__builtin_mul_overflow(*value, 10, value) &&
           !(negative ? __builtin_sub_overflow(*value, digit, value)
                      : __builtin_add_overflow(*value, digit, value));
}

enum reject_reason field_int(struct slice text, int64_t min, int64_t max, int64_t *value)
{
    bool negative;
    const struct slice digits = trim_number(text, &negative);
    if (digits.len == 0)
        return REJECT_TYPE;
    int64_t number = 0;
    bool fits = true;
    for (size_t i = 0; i < digits.len; i++) {
        if (!is_digit(digits.ptr[i]))
            return REJECT_TYPE;
        fits = fits && append_digit(&number, digits.ptr[i], negative);
    }
    if (!fits || number < min || number > max)
        return REJECT_RANGE;
    *value = number;
    return REJECT_NONE;
}

enum reject_reason field_decimal(struct slice text, unsigned scale, int64_t *value)
{
    bool negative;
    const struct slice digits = trim_number(text, &negative);
    int64_t number = 0;
    bool fits = true, point = false;
    unsigned behind = 0; /* digits behind the point that count, up to scale */
    for (size_t i = 0; i < digits.len; i++) {
        const char c = digits.ptr[i];
        if (c == '.' && !point) {
            point = true;
        } else if (!is_digit(c)) {
            return REJECT_TYPE;
        } else if (behind == scale && point) {
            fits = fits && c == '0';
        } else {
            behind += point;
            fits = fits && append_digit(&number, c, negative);
        }
    }
    if (digits.len == 0 || digits.ptr[digits.len - 1] == '.')
        return REJECT_TYPE;
    for (; behind < scale; behind++)
        fits = fits && append_digit(&number, '0', negative);
    if (!fits)
        return REJECT_RANGE;
    *value = number;
    return REJECT_NONE;
}

size_t field_write_decimal(int64_t value, unsigned scale, char out[FIELD_NUMBER_BYTES])
{
    char digits[FIELD_NUMBER_BYTES]; /* backwards */
    size_t count = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0 || count <= scale);
    size_t len = 0;
    if (value < 0)
        out[len++] = '-';
    while (count > 0) {
        if (count == scale)
            out[len++] = '.';
        out[len++] = digits[--count];
    }
    out[len] = '\0';
    return len;
}
