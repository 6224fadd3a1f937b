#include "core/jsonstr.h"

#include <stdint.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The first quote in [at, end) that no backslash escapes, or NULL. */
static const char *closing_quote(const char *start, const char *end)
{
    const char *at = start;
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL)
            return NULL;
        const char *run = quote;
        while (run > at && run[-1] == '\\')
            run--;
        if ((quote - run) % 2 == 0)
            return quote;
        at = quote + 1;
    }
    return NULL;
}

bool jsonstr_find(struct slice value, struct slice *inner)
{
    const char *at = value.ptr;
    const char *const end = at + value.len;
    while (at < end && is_space(*at))
        at++;
    if (at == end || *at != '"')
        return false;
    const char *const start = at + 1;
    const char *const quote = closing_quote(start, end);
    if (quote == NULL)
        return false;
    for (at = quote + 1; at < end; at++) {
        if (!is_space(*at))
            return false;
    }
    *inner = (struct slice){start, (size_t)(quote - start)};
    return true;
}

bool jsonstr_is_plain(struct slice inner)
{
    unsigned char found = 0;
    for (size_t i = 0; i < inner.len; i++) { /* without a way out, so that it is vectorised */
        const unsigned char c = (unsigned char)inner.ptr[i];
        found |= (unsigned char)((c < ' ') | (c == '\\'));
    }
    return found == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits after \u. */
static bool read_unit(const char **at, const char *end, uint32_t *unit)
{
    if (end - *at < 4)
        return false;
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(*(*at)++);
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

/* What follows \u: one unit, or a surrogate pair. */
static bool read_code_point(const char **at, const char *end, uint32_t *code_point)
{
    if (!read_unit(at, end, code_point))
        return false;
    if (*code_point < 0xd800 || *code_point > 0xdfff)
        return true;
    uint32_t low;
    if (*code_point > 0xdbff || end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return false;
    *at += 2;
    if (!read_unit(at, end, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *code_point = 0x10000 + ((*code_point - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static char *write_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (c & 0x3f));
    return out;
}

/* What follows a backslash. */
static bool read_escape(const char **at, const char *end, char **out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (*at == end)
        return false;
    const char letter = *(*at)++;
    if (letter == 'u') {
        uint32_t code_point;
        if (!read_code_point(at, end, &code_point))
            return false;
        *out = write_utf8(*out, code_point);
        return true;
    }
    const char *known = memchr(from, letter, sizeof(from) - 1);
    if (known == NULL)
        return false;
    *(*out)++ = to[known - from];
    return true;
}

bool jsonstr_decode(struct slice inner, char *out, size_t *out_len)
{
    const char *at = inner.ptr;
    const char *const end = at + inner.len;
    char *to = out;
    while (at < end) {
        const char c = *at++;
        if ((unsigned char)c < ' ')
            return false;
        if (c != '\\')
            *to++ = c;
        else if (!read_escape(&at, end, &to))
            return false;
    }
    *out_len = (size_t)(to - out);
    return true;
}
