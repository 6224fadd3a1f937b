#include "reader.h"

#include <stdlib.h>
#include <string.h>

static bool take(struct reader *r, const char *text)
{
    const size_t len = strlen(text);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    return true;
}

/* ---- CSV ---- */

static bool quoted_field(struct reader *r, char out[READER_FIELD_BYTES])
{
    size_t len = 0;
    while (r->at < r->end && len + 1 < READER_FIELD_BYTES) {
        const char c = *r->at++;
        if (c != '"')
            out[len++] = c;
        else if (r->at < r->end && *r->at == '"')
            out[len++] = *r->at++;
        else {
            out[len] = '\0';
            return true;
        }
    }
    return false;
}

static bool bare_field(struct reader *r, char out[READER_FIELD_BYTES])
{
    size_t len = 0;
    while (r->at < r->end && *r->at != ',' && *r->at != '\n') {
        if (*r->at == '"' || len + 1 >= READER_FIELD_BYTES)
            return false;
        out[len++] = *r->at++;
    }
    out[len] = '\0';
    return true;
}

bool reader_csv_field(struct reader *r, char out[READER_FIELD_BYTES], bool *ends_line)
{
    const bool ok = take(r, "\"") ? quoted_field(r, out) : bare_field(r, out);
    *ends_line = r->at < r->end && *r->at == '\n';
    return ok && (take(r, ",") || take(r, "\n"));
}

/* ---- JSON lines ---- */

static bool take_number(struct reader *r, int64_t *out)
{
    char digits[24];
    size_t len = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && len + 1 < sizeof(digits))
        digits[len++] = *r->at++;
    digits[len] = '\0';
    *out = strtoll(digits, NULL, 10);
    return len > 0;
}

/* Code points above U+007F never need an escape, so none is understood here. */
static bool take_escape(struct reader *r, char *out)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end)
        return false;
    const char *letter = strchr(letters, *r->at);
    if (letter && *letter) {
        *out = bytes[letter - letters];
        r->at++;
        return true;
    }
    int code = 0;
    if (r->end - r->at < 5 || *r->at != 'u')
        return false;
    for (int i = 1; i <= 4; i++) {
        static const char hex[] = "0123456789abcdef";
        const char *digit = memchr(hex, r->at[i], 16);
        if (!digit)
            return false;
        code = code * 16 + (int)(digit - hex);
    }
    if (code == 0 || code > 0x7f)
        return false;
    *out = (char)code;
    r->at += 5;
    return true;
}

static bool take_string(struct reader *r, char *out, size_t capacity, size_t *len)
{
    *len = 0;
    if (!take(r, "\""))
        return false;
    while (r->at < r->end && *len < capacity) {
        const char c = *r->at++;
        if (c == '"')
            return true;
        if ((unsigned char)c < ' ')
            return false;
        if (c != '\\')
            out[(*len)++] = c;
        else if (!take_escape(r, &out[(*len)++]))
            return false;
    }
    return false;
}

static bool base64_decode(char *text, size_t *len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, held = 0;
    size_t out = 0;
    for (size_t i = 0; i < *len && text[i] != '='; i++) {
        const char *place = memchr(alphabet, text[i], 64);
        if (!place)
            return false;
        bits = bits << 6 | (unsigned)(place - alphabet);
        held += 6;
        if (held >= 8) {
            held -= 8;
            text[out++] = (char)(bits >> held & 0xff);
        }
    }
    const bool ok = *len % 4 == 0;
    *len = out;
    return ok;
}

/* "<name>":null, "<name>":"text" or "<name>_base64":"..." */
static bool take_bytes(struct reader *r, const char *name, bool *is_null, char *out,
                       size_t capacity, size_t *len)
{
    if (!take(r, "\"") || !take(r, name))
        return false;
    *is_null = take(r, "\":null");
    if (*is_null)
        return true;
    if (take(r, "\":"))
        return take_string(r, out, capacity, len);
    return take(r, "_base64\":") && take_string(r, out, capacity, len) && base64_decode(out, len);
}

bool reader_side_line(struct reader *r, const char *topic, struct reader_side_row *row)
{
    int64_t partition, number;
    size_t len;
    memset(row, 0, sizeof(*row));
    if (!take(r, "{\"topic\":\"") || !take(r, topic) || !take(r, "\",\"partition\":") ||
        !take_number(r, &partition) || !take(r, ",\"offset\":") || !take_number(r, &row->offset) ||
        !take(r, ",\"row\":") || !take_number(r, &number) || !take(r, ",\"reason\":"))
        return false;
    row->partition = (unsigned)partition;
    row->row = (unsigned)number;
    return take_string(r, row->reason, sizeof(row->reason) - 1, &len) && take(r, ",") &&
           take_bytes(r, "value", &row->is_null, row->value, sizeof(row->value), &row->len) &&
           take(r, "}\n");
}

bool reader_raw_line(struct reader *r, const char *topic, struct reader_raw_row *row)
{
    int64_t partition;
    bool no_key, no_value;
    memset(row, 0, sizeof(*row));
    if (!take(r, "{\"topic\":\"") || !take(r, topic) || !take(r, "\",\"partition\":") ||
        !take_number(r, &partition) || !take(r, ",\"offset\":") || !take_number(r, &row->offset) ||
        !take(r, ",\"timestamp_ms\":"))
        return false;
    row->partition = (unsigned)partition;
    row->has_timestamp = !take(r, "null");
    if ((row->has_timestamp && !take_number(r, &row->timestamp_ms)) || !take(r, ",") ||
        !take_bytes(r, "key", &no_key, row->key, sizeof(row->key), &row->key_len) ||
        !take(r, ",") ||
        !take_bytes(r, "value", &no_value, row->value, sizeof(row->value), &row->value_len))
        return false;
    row->has_key = !no_key;
    row->has_value = !no_value;
    return take(r, "}\n");
}
