/* Input: a flag byte (bit 0: lenient), a format up to a NUL, the text to parse. What parses must
 * come back from format() as the same text (strict formats that lose nothing) or at least as the
 * same time. */
#include "base/timefmt.h"
#include "fuzz.h"

#include <string.h>

/* Text written by format() holds all that a parse can give. */
static bool loses_nothing(const struct timefmt *f)
{
    const char *needed = "mdHMSf";
    bool year = false;
    size_t found = 0;
    for (unsigned i = 0; i < f->count; i++) {
        if (!f->is_conversion[i])
            continue;
        year = year || f->parts[i] == 'Y';
        found += strchr(needed, f->parts[i]) != NULL;
    }
    return year && found == strlen(needed);
}

/* A digit after %f, or a digit right after a lenient number, is read as part of the number. */
static bool ambiguous(const struct timefmt *f)
{
    for (unsigned i = 0; i + 1 < f->count; i++) {
        const bool open_end = f->is_conversion[i] && (f->parts[i] == 'f' || f->lenient);
        const unsigned char next = f->parts[i + 1];
        const bool digit_next = f->is_conversion[i + 1] ? next != 'z' : next >= '0' && next <= '9';
        if (open_end && digit_next)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
    if (end == NULL || end - data > 100)
        return 0;
    struct timefmt f;
    struct err err;
    if (timefmt_compile(&f, (const char *)data + 1, data[0] & 1, &err) < 0)
        return 0;
    const struct slice text = {(const char *)end + 1, (size_t)(data + size - end - 1)};
    int64_t ms = -1;
    if (!timefmt_parse(&f, text, &ms)) {
        ASSERT(ms == -1);
        return 0;
    }
    struct timefmt_civil civil;
    timefmt_from_ms(ms, &civil);
    ASSERT(timefmt_to_ms(&civil) == ms);
    char out[TIMEFMT_MAX_TEXT];
    const size_t len = timefmt_format(&f, ms, out);
    ASSERT(len < TIMEFMT_MAX_TEXT && out[len] == '\0');
    int64_t again = -1;
    if (!ambiguous(&f)) {
        ASSERT(timefmt_parse(&f, (struct slice){out, len}, &again));
        ASSERT(again == ms || !loses_nothing(&f));
    }
    return 0;
}
