/* words.h -- a line of a scenario: its words, numbers, times and places.
 *
 * What does not fit ends the program with the file, the line and the reason. */
#ifndef TURNSTILE_SCENARIO_WORDS_H
#define TURNSTILE_SCENARIO_WORDS_H

#include "base/base.h"
#include "base/timefmt.h"

#include <stdbool.h>
#include <stdint.h>

#define WORDS_LINE_BYTES 512
#define WORDS_MAX 100
#define WORDS_MAX_PARTITIONS 8

struct words_place {
    const char *path;
    unsigned line;
};

struct words {
    char text[WORDS_LINE_BYTES];
    char *word[WORDS_MAX];
    unsigned count;
};

NORETURN FORMAT_PRINTF(2, 3) void words_fail(const struct words_place *at, const char *format, ...);

/* `#` begins a comment. */
void words_split(const struct words_place *at, const char *line, struct words *w);

/* The value of `key=value` among the words, or NULL. */
const char *words_value(const struct words *w, const char *key);
bool words_has(const struct words *w, const char *word);

/* A whole number that ends with the text or with one of end_chars. */
int64_t words_number(const struct words_place *at, const char *text, const char *end_chars);

/* In ms: 5, 5s, 250ms, 2m, 1h; or PIPELINE_OFF: off. */
int64_t words_duration(const struct words_place *at, const char *text);

/* p0@12 -> 0 and 12; p0 alone leaves *offset at -1. */
unsigned words_partition(const struct words_place *at, const char *text, int64_t *offset);

/* A scenario's times of day are those of 2024-07-22; a day and more away is written with its date;
 * WATERMARK_NONE is `none`. */
const char *words_clock(int64_t ms, char out[TIMEFMT_MAX_TEXT]);

#endif
