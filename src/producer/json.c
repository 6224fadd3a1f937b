#include "producer/json.h"

#include <stdint.h>

/* Length of the sequence at text[at] and its code point; 0: not UTF-8. */
static size_t decode(struct slice text, size_t at, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)text.ptr + at;
    const size_t left = text.len - at;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    const size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
        return 0;
    uint32_t c = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code = c;
    return n;
}

bool json_is_utf8(struct slice text)
{
    uint32_t code;
    for (size_t at = 0; at < text.len;) {
        const size_t n = decode(text, at, &code);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

static int append_escape(struct buf *out, uint32_t code)
{
    switch (code) {
    case '"':
        return buf_append(out, "\\\"", 2);
    case '\\':
        return buf_append(out, "\\\\", 2);
    case '\n':
        return buf_append(out, "\\n", 2);
    case '\r':
        return buf_append(out, "\\r", 2);
    case '\t':
        return buf_append(out, "\\t", 2);
    case '\b':
        return buf_append(out, "\\b", 2);
    case '\f':
        return buf_append(out, "\\f", 2);
    default:
        break;
    }
    if (code < 0x10000)
        return buf_printf(out, "\\u%04x", code);
    code -= 0x10000;
    return buf_printf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

int json_append_string(struct buf *out, struct slice text)
{
    int rc = buf_append_byte(out, '"');
    for (size_t at = 0; rc == 0 && at < text.len;) {
        size_t run = at;
        while (run < text.len && is_plain(text.ptr[run]))
            run++;
        if (run > at) {
            rc = buf_append(out, text.ptr + at, run - at);
            at = run;
            continue;
        }
        uint32_t code;
        const size_t n = decode(text, at, &code);
        rc = n > 0 ? append_escape(out, code) : buf_append_byte(out, text.ptr[at]);
        at += n > 0 ? n : 1;
    }
    return rc != 0 ? rc : buf_append_byte(out, '"');
}

int json_append_base64(struct buf *out, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < bytes.len; at += 3) {
        const size_t n = bytes.len - at < 3 ? bytes.len - at : 3;
        const uint32_t group = (uint32_t)p[at] << 16 | (n > 1 ? (uint32_t)p[at + 1] << 8 : 0) |
                               (n > 2 ? (uint32_t)p[at + 2] : 0);
        const char text[4] = {digits[group >> 18], digits[group >> 12 & 63],
                              n > 1 ? digits[group >> 6 & 63] : '=',
                              n > 2 ? digits[group & 63] : '='};
        rc = buf_append(out, text, sizeof text);
    }
    return rc;
}
