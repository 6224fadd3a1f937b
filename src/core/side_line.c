/* encode_side_line() of encode.h: JSON lines. Written by hand, because the bytes are part of the
 * contract (a replay must write the same ones) and a library's formatting is not. */
#include "core/encode.h"
#include "core/utf8.h"

#include <inttypes.h>

static bool is_text(struct slice value)
{
    size_t i = 0;
    while (i < value.len) {
        const size_t n = utf8_sequence_len((const unsigned char *)value.ptr + i, value.len - i);
        if (n == 0 || value.ptr[i] == '\0')
            return false;
        i += n;
    }
    return true;
}

/* What must be written otherwise than as itself, or NULL. */
static const char *json_escape(unsigned char c, char scratch[7])
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        break;
    }
    if (c >= 0x20 && c != 0x7f)
        return NULL;
    const char text[7] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], '\0'};
    memcpy(scratch, text, sizeof(text));
    return scratch;
}

/* A JSON string; bytes that are not UTF-8 become U+FFFD (only a name can hold any, see below). */
static int json_string(struct buf *out, struct slice text)
{
    int rc = buf_append_byte(out, '"');
    size_t from = 0, i = 0;
    while (rc == 0 && i < text.len) {
        char scratch[7];
        const unsigned char *p = (const unsigned char *)text.ptr + i;
        const size_t n = utf8_sequence_len(p, text.len - i);
        const char *instead = n == 0 ? "\xef\xbf\xbd" : json_escape(*p, scratch);
        i += n > 0 ? n : 1;
        if (instead == NULL)
            continue;
        const size_t used = n > 0 ? n : 1;
        rc = buf_append(out, text.ptr + from, i - used - from);
        if (rc == 0)
            rc = buf_append_str(out, instead);
        from = i;
    }
    if (rc == 0)
        rc = buf_append(out, text.ptr + from, text.len - from);
    return rc == 0 ? buf_append_byte(out, '"') : rc;
}

/* RFC 4648, section 4, padded. */
static int json_base64(struct buf *out, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int rc = buf_reserve(out, bytes.len / 3 * 4 + 6);
    if (rc == 0)
        rc = buf_append_byte(out, '"');
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    for (size_t left = bytes.len; rc == 0 && left > 0;) {
        const size_t n = left < 3 ? left : 3;
        const uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0u) |
                              (n > 2 ? (uint32_t)p[2] : 0u);
        const char quad[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              n > 1 ? digits[bits >> 6 & 63] : '=',
                              n > 2 ? digits[bits & 63] : '='};
        rc = buf_append(out, quad, sizeof(quad));
        p += n;
        left -= n;
    }
    return rc == 0 ? buf_append_byte(out, '"') : rc;
}

static int json_value(struct buf *out, enum reject_reason reason, struct slice value)
{
    if (reason == REJECT_TOMBSTONE)
        return buf_append_str(out, ",\"value\":null");
    const bool text = is_text(value);
    const int rc = buf_append_str(out, text ? ",\"value\":" : ",\"value_base64\":");
    if (rc != 0)
        return rc;
    return text ? json_string(out, value) : json_base64(out, value);
}

int encode_side_line(struct buf *out, const char *topic, int32_t partition, int64_t offset,
                     uint32_t row, enum reject_reason reason, struct slice value)
{
    const size_t before = out->len;
    int rc = buf_append_str(out, "{\"topic\":");
    if (rc == 0)
        rc = json_string(out, slice_of(topic));
    if (rc == 0)
        rc = buf_printf(out,
                        ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"row\":%" PRIu32
                        ",\"reason\":\"%s\"",
                        partition, offset, row, reject_name(reason));
    if (rc == 0)
        rc = json_value(out, reason, value);
    if (rc == 0)
        rc = buf_append_str(out, "}\n");
    if (rc != 0)
        out->len = before;
    return rc;
}
