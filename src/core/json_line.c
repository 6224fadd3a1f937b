/* encode_side_line() and encode_raw_line() of encode.h: JSON lines. Written by hand, because the
 * bytes are part of the contract (a replay must write the same ones) and a library's formatting is
 * not. */
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

/* How many bytes at the start stand for themselves, as nearly all do. */
static size_t plain_run(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

/* A JSON string; bytes that are not UTF-8 become U+FFFD (only a name can hold any, see below). */
static int json_string(struct buf *out, struct slice text)
{
    int rc = buf_append_byte(out, '"');
    size_t from = 0, i = plain_run(text.ptr, text.len);
    for (; rc == 0 && i < text.len; i += plain_run(text.ptr + i, text.len - i)) {
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

/* `,"<name>":"text"`, `,"<name>_base64":"..."` or `,"<name>":null`. */
static int json_bytes(struct buf *out, const char *name, bool is_null, struct slice bytes)
{
    int rc = buf_append_str(out, ",\"");
    if (rc == 0)
        rc = buf_append_str(out, name);
    if (rc != 0 || is_null)
        return rc != 0 ? rc : buf_append_str(out, "\":null");
    const bool text = bytes.len <= ENCODE_TEXT_MAX_BYTES && is_text(bytes);
    rc = buf_append_str(out, text ? "\":" : "_base64\":");
    if (rc != 0)
        return rc;
    return text ? json_string(out, bytes) : json_base64(out, bytes);
}

/* `{"topic":..,"partition":..,"offset":..` */
static int json_place(struct buf *out, const char *topic, int32_t partition, int64_t offset)
{
    int rc = buf_append_str(out, "{\"topic\":");
    if (rc == 0)
        rc = json_string(out, slice_of(topic));
    if (rc == 0)
        rc = buf_printf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64, partition, offset);
    return rc;
}

int encode_side_line(struct buf *out, const char *topic, int32_t partition, int64_t offset,
                     uint32_t row, enum reject_reason reason, struct slice value)
{
    const size_t before = out->len;
    int rc = json_place(out, topic, partition, offset);
    if (rc == 0)
        rc = buf_printf(out, ",\"row\":%" PRIu32 ",\"reason\":\"%s\"", row, reject_name(reason));
    if (rc == 0)
        rc = json_bytes(out, "value", reason == REJECT_TOMBSTONE, value);
    if (rc == 0)
        rc = buf_append_str(out, "}\n");
    if (rc != 0)
        out->len = before;
    return rc;
}

int encode_raw_line(struct buf *out, const char *topic, int32_t partition,
                    const struct record *record)
{
    const size_t before = out->len;
    int rc = json_place(out, topic, partition, record->offset);
    if (rc == 0)
        rc = record->timestamp_ms == RECORD_NO_TIMESTAMP
                 ? buf_append_str(out, ",\"timestamp_ms\":null")
                 : buf_printf(out, ",\"timestamp_ms\":%" PRId64, record->timestamp_ms);
    if (rc == 0)
        rc = json_bytes(out, "key", record->key.ptr == NULL, record->key);
    if (rc == 0)
        rc = json_bytes(out, "value", record->tombstone, record->value);
    if (rc == 0)
        rc = buf_append_str(out, "}\n");
    if (rc != 0)
        out->len = before;
    return rc;
}
