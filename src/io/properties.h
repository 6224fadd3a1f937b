/* properties.h -- the seed's `key=value` file, and what librdkafka makes of it.
 *
 * Grammar: one `key=value` a line, split at the first '='; blanks around key and
 * value are dropped; empty lines and lines that begin with '#' are skipped; no
 * quoting, no continuation. A line without '=' is an error with file and line.
 * Parsing is separate from files, so that it can be fuzzed. */
#ifndef TURNSTILE_IO_PROPERTIES_H
#define TURNSTILE_IO_PROPERTIES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <librdkafka/rdkafka.h>

#define PROPERTIES_MAX_BYTES (256 * 1024) /* a configuration file is not larger */
#define PROPERTIES_MAX_ENTRIES 1024

struct property {
    char *key, *value; /* owned, NUL-terminated */
    char *where;       /* "client.properties:7", or "-X", for messages; owned */
};

struct properties {
    struct property *entries; /* in file order; a later entry of the same key wins */
    size_t count;
};

void properties_init(struct properties *p);
void properties_deinit(struct properties *p);

/* Append what `text` says; `name` is used in messages. 0; ERR_PARSE / ERR_TOO_LARGE, p unchanged.
 */
int properties_parse(struct properties *p, const char *name, struct slice text,
                     struct err *err) MUST_CHECK;
/* Read the file (a leading `~/` is $HOME). 0; ERR_NOT_FOUND, ERR_PERMISSION, ERR_PARSE, .... */
int properties_load(struct properties *p, const char *path, struct err *err) MUST_CHECK;
/* One `key=value` from the command line (-X). 0 or ERR_USAGE. */
int properties_add(struct properties *p, const char *where, const char *assignment,
                   struct err *err) MUST_CHECK;
/* Value of the last entry with this key, or NULL. Valid as long as p. */
const char *properties_get(const struct properties *p, const char *key);

/* Set every entry on `conf`, except those of `owned` (a NULL-terminated list of {key, why} pairs,
 * may be NULL): these are left out with one warning in the log that says why. An unknown key or a
 * bad value is ERR_CONFIG, with where it stands and, for a key, the nearest known one ("did you
 * mean ..."). */
struct properties_owned {
    const char *key, *why;
};
int properties_apply(const struct properties *p, rd_kafka_conf_t *conf,
                     const struct properties_owned *owned, struct err *err) MUST_CHECK;

/* Print the properties with secrets (passwords, keys, tokens) as "***", one `key=value` a line. */
int properties_print_redacted(const struct properties *p, struct buf *out) MUST_CHECK;

#endif
