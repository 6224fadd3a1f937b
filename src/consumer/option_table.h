/* option_table.h -- the one table of options: parsing, help, environment, printing.
 *
 * Private to consumer/option*.c, and for the test that holds --help to it. */
#ifndef TURNSTILE_CONSUMER_OPTION_TABLE_H
#define TURNSTILE_CONSUMER_OPTION_TABLE_H

#include "consumer/options.h"

#include <stddef.h>

enum option_kind {
    OPTION_COMMAND, /* does something else instead of running; not in the environment */
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char *, not empty */
    OPTION_LIST,    /* key=value, may be repeated; in the environment one a line */
    OPTION_MINUTES, /* time; a bare number is minutes */
    OPTION_TIME,    /* time; needs a unit */
    OPTION_SIZE,
    OPTION_NUMBER, /* int64_t, a plain count */
    OPTION_SCOPE,  /* bool: partition scope */
    OPTION_LEVEL,
    OPTION_FORMAT
};

enum option_section {
    OPTION_SECTION_KAFKA,
    OPTION_SECTION_WINDOWS,
    OPTION_SECTION_LAKE,
    OPTION_SECTION_RUN,
    OPTION_SECTION_LOG,
    OPTION_SECTION_COUNT
};

struct option_spec {
    const char *name;       /* --name; TURNSTILE_NAME */
    const char *aliases[3]; /* further long names, NULL-terminated */
    const char *letters;    /* short names, "" for none */
    enum option_section section;
    enum option_kind kind;
    size_t offset;       /* into struct options */
    const char *initial; /* default as it would be typed; NULL: none, or a rule told in `help` */
    bool may_be_off;     /* a time that takes `off` */
    int64_t min, max;    /* of times (ms), sizes (bytes) and numbers */
    const char *value;   /* its name in --help; NULL: takes none */
    const char *help;
};

extern const struct option_spec option_table[];
extern const size_t option_table_count;
extern const char *const option_section_titles[OPTION_SECTION_COUNT];

#endif
