#include "base/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* LOG_LINE_MAX_BYTES holds the longest line, so an append that fails is a bug. */
static void put(struct buf *out, const char *bytes, size_t len)
{
    const int rc = buf_append(out, bytes, len);
    ASSERT(rc == 0);
}

static void put_text(struct buf *out, const char *text)
{
    put(out, text, strlen(text));
}

/* Length of the well-formed UTF-8 character at p (RFC 3629: no surrogates, no overlong forms), and
 * its code point; 0 when there is none. */
static size_t utf8_char(const unsigned char *p, size_t len, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    } else if ((p[0] & 0xe0) == 0xc0) {
        n = 2;
    } else if ((p[0] & 0xf0) == 0xe0) {
        n = 3;
    } else if ((p[0] & 0xf8) == 0xf0) {
        n = 4;
    } else {
        return 0;
    }
    if (n > len)
        return 0;
    uint32_t c = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = (c << 6) | (p[i] & 0x3fu);
    }
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code = c;
    return n;
}

/* One character inside quotes. What a terminal would act on (C0, DEL, C1) is escaped the way JSON
 * escapes it, in logfmt too. */
static void put_char(struct buf *out, const unsigned char *p, size_t n, uint32_t code)
{
    char escaped[16];
    switch (code) {
    case '"':
        put_text(out, "\\\"");
        return;
    case '\\':
        put_text(out, "\\\\");
        return;
    case '\n':
        put_text(out, "\\n");
        return;
    case '\r':
        put_text(out, "\\r");
        return;
    case '\t':
        put_text(out, "\\t");
        return;
    default:
        break;
    }
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) {
        snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)code);
        put_text(out, escaped);
        return;
    }
    put(out, (const char *)p, n);
}

static void put_quoted(struct buf *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t rest = strlen(text);
    size_t shown = 0;
    put(out, "\"", 1);
    while (rest > 0) {
        uint32_t code = 0;
        const size_t n = utf8_char(p, rest, &code);
        const size_t step = n > 0 ? n : 1;
        if (shown + step > LOG_VALUE_BYTES) {
            put_text(out, "...");
            break;
        }
        if (n > 0)
            put_char(out, p, n, code);
        else
            put_text(out, "\xef\xbf\xbd");
        shown += step;
        p += step;
        rest -= step;
    }
    put(out, "\"", 1);
}

/* Values that read well without quotes: printable ASCII without what logfmt gives a meaning. */
static bool is_plain(const char *text)
{
    size_t n = 0;
    for (; text[n] != '\0'; n++) {
        const unsigned char c = (unsigned char)text[n];
        if (n >= LOG_VALUE_BYTES || c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return n > 0;
}

static void put_key(struct buf *out, enum log_format format, const char *key)
{
    if (format == LOG_FORMAT_JSON) {
        put_text(out, ",\"");
        put_text(out, key);
        put_text(out, "\":");
    } else {
        put_text(out, " ");
        put_text(out, key);
        put_text(out, "=");
    }
}

static void put_field(struct buf *out, enum log_format format, const struct log_field *field)
{
    put_key(out, format, field->key);
    if (field->text == NULL) {
        char number[24];
        snprintf(number, sizeof(number), "%" PRId64, field->number);
        put_text(out, number);
    } else if (format == LOG_FORMAT_LOGFMT && is_plain(field->text)) {
        put_text(out, field->text);
    } else {
        put_quoted(out, field->text);
    }
}

/* RFC 3339, UTC, milliseconds. */
static void put_time(struct buf *out, int64_t unix_ms)
{
    const int64_t ms = unix_ms % 1000 < 0 ? unix_ms % 1000 + 1000 : unix_ms % 1000;
    const time_t seconds = (time_t)((unix_ms - ms) / 1000);
    struct tm tm;
    char text[64];
    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(text, sizeof(text), "1970-01-01T00:00:00");
    put_text(out, text);
    snprintf(text, sizeof(text), ".%03dZ", (int)ms);
    put_text(out, text);
}

void log_line(struct buf *out, enum log_format format, int64_t unix_ms, enum log_level level,
              const char *event, const struct log_field *fields, size_t count, uint64_t repeated)
{
    ASSERT(count <= LOG_MAX_FIELDS);
    const bool json = format == LOG_FORMAT_JSON;
    put_text(out, json ? "{\"time\":\"" : "time=");
    put_time(out, unix_ms);
    put_text(out, json ? "\"" : "");
    put_field(out, format, &LOG_STR("level", level_names[level]));
    put_field(out, format, &LOG_STR("event", event));
    for (size_t i = 0; i < count; i++)
        put_field(out, format, &fields[i]);
    if (repeated > 0)
        put_field(out, format, &LOG_INT("repeated", repeated));
    put_text(out, json ? "}\n" : "\n");
}

static struct log_limit_slot *find_slot(struct log_limit *limit, enum log_level level,
                                        const char *event)
{
    for (size_t i = 0; i < LOG_LIMIT_SLOTS; i++) {
        struct log_limit_slot *slot = &limit->slots[i];
        if (slot->event[0] == '\0') {
            snprintf(slot->event, sizeof(slot->event), "%s", event);
            slot->level = level;
            slot->since_ms = INT64_MIN;
            return slot;
        }
        if (slot->level == level && strncmp(slot->event, event, sizeof(slot->event) - 1) == 0)
            return slot;
    }
    return NULL;
}

bool log_limit_admit(struct log_limit *limit, enum log_level level, const char *event,
                     int64_t now_ms, uint64_t *repeated)
{
    *repeated = 0;
    if (level == LOG_LEVEL_ERROR || event[0] == '\0')
        return true;
    struct log_limit_slot *slot = find_slot(limit, level, event);
    if (slot == NULL)
        return true;
    if (slot->since_ms == INT64_MIN || now_ms - slot->since_ms >= LOG_LIMIT_PERIOD_MS) {
        slot->since_ms = now_ms;
        slot->lines = 0;
    }
    if (slot->lines >= LOG_BURST) {
        slot->held++;
        return false;
    }
    slot->lines++;
    *repeated = slot->held;
    slot->held = 0;
    return true;
}
