/* options_table.h -- the one table of options. Private to options*.c. */
#ifndef TURNSTILE_PRODUCER_OPTIONS_TABLE_H
#define TURNSTILE_PRODUCER_OPTIONS_TABLE_H

#include "producer/options.h"

enum option_kind {
    OPTION_COMMAND,  /* --help, --version; not in the environment */
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, not empty */
    OPTION_LIST,     /* struct options_list; in the environment one a line */
    OPTION_NUMBER,   /* uint64_t */
    OPTION_DECIMAL,  /* double, >= 0 */
    OPTION_FRACTION, /* double 0..1, or `5%` */
    OPTION_SECONDS,  /* int64_t ms; a bare number is seconds */
    OPTION_TIME      /* int64_t ms; needs a unit */
};

struct option_spec {
    const char *section; /* set where one begins */
    const char *name;    /* --name; TURNSTILE_NAME */
    char letter;         /* or 0 */
    enum option_kind kind;
    size_t offset;     /* into struct options */
    size_t has_offset; /* of a bool that says "given", or 0 */
    uint64_t min, max; /* of numbers, and of times in ms; max 0: no bound */
    const char *value; /* its name in --help; NULL: takes none */
    const char *help;  /* lines */
};

extern const struct option_spec option_specs[];
extern const size_t option_spec_count;

/* False: not a time. `bare`: a number without a unit is seconds. */
bool option_parse_time(const char *text, bool bare, int64_t *ms) MUST_CHECK;
bool option_parse_number(const char *text, uint64_t *number) MUST_CHECK;
bool option_parse_decimal(const char *text, double *number) MUST_CHECK;
bool option_parse_fraction(const char *text, double *fraction) MUST_CHECK;

#endif
