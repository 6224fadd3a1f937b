#include "words.h"

#include "core/commit.h"
#include "core/pipeline.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(1721606400000) /* 2024-07-22T00:00:00 */

void words_fail(const struct words_place *at, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s:%u: ", at->path, at->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void words_split(const struct words_place *at, const char *line, struct words *w)
{
    snprintf(w->text, sizeof(w->text), "%s", line);
    w->count = 0;
    for (char *next = w->text; *next;) {
        while (isspace((unsigned char)*next))
            *next++ = '\0';
        if (!*next || *next == '#')
            break;
        if (w->count == WORDS_MAX)
            words_fail(at, "more than %d words", WORDS_MAX);
        w->word[w->count++] = next;
        while (*next && !isspace((unsigned char)*next))
            next++;
    }
}

/* The value of `key=value` among the words, or NULL. */
const char *words_value(const struct words *w, const char *key)
{
    const size_t len = strlen(key);
    for (unsigned i = 0; i < w->count; i++) {
        if (strncmp(w->word[i], key, len) == 0 && w->word[i][len] == '=')
            return w->word[i] + len + 1;
    }
    return NULL;
}

bool words_has(const struct words *w, const char *word)
{
    for (unsigned i = 0; i < w->count; i++) {
        if (strcmp(w->word[i], word) == 0)
            return true;
    }
    return false;
}

int64_t words_number(const struct words_place *at, const char *text, const char *end_chars)
{
    char *end;
    errno = 0;
    const long long n = strtoll(text, &end, 10);
    if (end == text || errno || (*end && !strchr(end_chars, *end)))
        words_fail(at, "\"%s\" is not a number", text);
    return n;
}

/* 5, 5s, 250ms, 2m, 1h, off */
int64_t words_duration(const struct words_place *at, const char *text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
    if (strcmp(text, "off") == 0)
        return PIPELINE_OFF;
    const int64_t n = words_number(at, text, "smh");
    const char *unit = text + strspn(text, "0123456789");
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(unit, units[i].unit) == 0)
            return n * units[i].ms;
    }
    words_fail(at, "\"%s\" is not a time: write 5s, 250ms, 2m, 1h or off", text);
}

/* p0@12 -> 0 and 12; p0 alone leaves *offset at -1 */
unsigned words_partition(const struct words_place *at, const char *text, int64_t *offset)
{
    const char *sign = strchr(text, '@');
    if (text[0] != 'p' || text[1] < '0' || text[1] >= '0' + WORDS_MAX_PARTITIONS ||
        (text[2] && sign != text + 2))
        words_fail(at, "\"%s\" is not a place: write p0 or p0@12", text);
    *offset = sign ? words_number(at, sign + 1, "") : -1;
    return (unsigned)(text[1] - '0');
}

/* Time of day; a day and more away is written with its date. */
const char *words_clock(int64_t ms, char out[TIMEFMT_MAX_TEXT])
{
    struct timefmt format;
    struct err err;
    const bool near = ms >= DAY_MS - TIMEFMT_MS_PER_DAY && ms < DAY_MS + TIMEFMT_MS_PER_DAY;
    const bool whole = ms % 1000 == 0;
    if (ms == WATERMARK_NONE)
        return "none";
    const char *pattern = near ? whole ? "%H:%M:%S" : "%H:%M:%S.%f" : "%Y-%m-%dT%H:%M:%S";
    ASSERT(timefmt_compile(&format, pattern, false, &err) == 0);
    timefmt_format(&format, ms, out);
    return out;
}
