/* split.h -- a text into CSV rows, a row into fields (RFC 4180).
 *
 * A row ends at LF, CR or CRLF outside quotes; empty lines are no rows; blanks are
 * data. A quote opens a field only as its first byte; within, `""` is a quote. A
 * quote elsewhere, or anything else after a closing one, makes the row malformed: it
 * ends at the next newline. A quote that nothing closes makes the rest of the text
 * one malformed row. Rows without a quote are split in one pass over their bytes;
 * the others are measured here and decoded by libcsv, whose verdict on them is the
 * same (fuzzed). */
#ifndef TURNSTILE_CORE_SPLIT_H
#define TURNSTILE_CORE_SPLIT_H

#include "base/base.h"
#include "base/slice.h"

#define SPLIT_MAX_COLUMNS 4096            /* 16 times what a schema can have; more: oversized */
#define SPLIT_MAX_FIELD_BYTES (64 * 1024) /* after unquoting; longer: oversized */

/* A row, valid until the next one of the same splitter (`text`: as long as the text). */
struct split_row {
    struct slice text;          /* its bytes without the newline */
    const struct slice *fields; /* field_count of them, unless malformed or oversized */
    size_t field_count;
    bool malformed; /* quoting */
    bool oversized; /* too many fields, or one too long */
    bool has_nul;   /* a NUL byte */
    bool has_high;  /* a byte that is not ASCII */
};

struct splitter;

/* libcsv_only: rows without a quote go through libcsv too. */
struct splitter *splitter_new(bool libcsv_only);
void splitter_free(struct splitter *s); /* NULL is a no-op */
size_t splitter_memory_bytes(const struct splitter *s);

/* Begin with a text, which must outlive the rows. */
void splitter_start(struct splitter *s, struct slice text);

/* False: no row left. */
bool splitter_next(struct splitter *s, struct split_row *row);

#endif
