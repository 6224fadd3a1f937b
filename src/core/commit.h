/* commit.h -- the commit record: all that survives a crash, per partition.
 *
 * Section 5 of the design. The group's committed offset is the floor L; the rest
 * travels in the commit's metadata string, ASCII, at most COMMIT_MAX_BYTES. Any
 * record committed before is a correct, merely older, place to start.
 *
 *     T1 <fingerprint> W=<ms> U=<ms> S=<offset> R=<offset> K=<offset>:<check> P=<cuts> <crc>
 *
 * `-` stands for "none". Cuts are `+<offset - L>@<watermark>`, each watermark in ms.
 * The last word is the CRC-32 (zlib) of all before it and of L. */
#ifndef TURNSTILE_CORE_COMMIT_H
#define TURNSTILE_CORE_COMMIT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

#define COMMIT_VERSION 1
#define COMMIT_MAX_BYTES 3500 /* Kafka refuses 4,096; the rest is room for a later version */
/* The record's other words, each with the longest number it can have, and room for a NUL. */
#define COMMIT_FIXED_BYTES 153
/* What is left for the punctuations. Held against its own bound, so that a punctuation that fits
 * today fits in every later record as well, whatever the other numbers have become. */
#define COMMIT_CUT_BYTES (COMMIT_MAX_BYTES - COMMIT_FIXED_BYTES)
/* Punctuations that fit: of 24 bytes each, which is less than 10^9 records above L and a time
 * between 2001 and 2286. Of longer ones fewer do. */
#define COMMIT_MAX_CUTS (COMMIT_CUT_BYTES / 24)
/* A record that holds as many gets no further ones that only cut side output and raw layer: what is
 * left is for those that raise W, without which windows would wait. */
#define COMMIT_MAX_SIDE_CUTS 16

#define WATERMARK_NONE INT64_MIN /* no event time seen yet */

/* A punctuation: at `offset` the watermark is at least `watermark_ms`. Where it applies, the side
 * object and the raw chunk that are open are cut as well; WATERMARK_NONE: only that. */
struct commit_cut {
    int64_t offset;
    int64_t watermark_ms;
};

struct commit_record {
    int64_t floor;        /* L: the committed offset itself */
    int64_t watermark_ms; /* W just before the message at L */
    int64_t frontier_ms;  /* U */
    int64_t side_offset;  /* S: side output below is durable */
    int64_t raw_offset;   /* R: likewise for the raw layer */
    int64_t check_offset; /* record that `check` is of: at L, or the last one read; or
                             RECORD_NO_OFFSET */
    uint32_t check;       /* of its key, value and timestamp (commit_check()) */
    uint64_t fingerprint; /* of everything that decides content */
    unsigned cut_count;   /* punctuations at or above L, by offset, one an offset */
    struct commit_cut cuts[COMMIT_MAX_CUTS];
};

/* Appends the metadata string. 0, or ERR_TOO_LARGE when the punctuations pass COMMIT_CUT_BYTES. */
int commit_encode(const struct commit_record *r, struct buf *out) MUST_CHECK;

/* `floor` is the committed offset. 0; ERR_PARSE (not a record of ours, or damaged); ERR_CONFIG (a
 * version this program does not know). The fingerprint is the caller's to compare. */
int commit_decode(struct slice metadata, int64_t floor, struct commit_record *r,
                  struct err *err) MUST_CHECK;

#endif
