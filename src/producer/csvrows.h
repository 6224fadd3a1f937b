/* csvrows.h -- CSV text, plain or gzip, as one call per row.
 *
 * libcsv splits, zlib unpacks (several gzip members in a file included; what is
 * not gzip passes as it is). Blanks around unquoted fields are dropped, empty
 * lines skipped. Rows are views, valid during the call. */
#ifndef TURNSTILE_PRODUCER_CSVROWS_H
#define TURNSTILE_PRODUCER_CSVROWS_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

#define CSVROWS_MAX_COLUMNS 64
#define CSVROWS_MAX_ROW_BYTES 65535 /* longer: not a turnstile file, or an open quote */

/* `count` is the row's real number of fields; those above CSVROWS_MAX_COLUMNS are not in `fields`.
 * Nonzero stops the reading, which then returns that code. */
typedef int csvrows_row(void *arg, const struct slice *fields, size_t count, uint64_t row_number,
                        struct err *err);

/* 0; ERR_NOT_FOUND, ERR_PERMISSION, ERR_IO, ERR_PARSE (damaged gzip), ERR_TOO_LARGE; or what
 * `on_row` returned. Rows before the failure have been handed out. */
int csvrows_read_file(const char *path, csvrows_row *on_row, void *arg, struct err *err) MUST_CHECK;
int csvrows_read_text(const char *name, struct slice text, csvrows_row *on_row, void *arg,
                      struct err *err) MUST_CHECK;

#endif
