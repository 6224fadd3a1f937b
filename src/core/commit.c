#include "core/commit.h"

#include "core/record.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#define COMMIT_MAGIC "T"
#define COMMIT_NUMBER_MAX 24 /* digits of an int64 with sign and room */

static uint32_t crc_of(struct slice text, int64_t floor)
{
    unsigned char le[8];
    for (int i = 0; i < 8; i++)
        le[i] = (unsigned char)((uint64_t)floor >> (8 * i));
    uLong crc = crc32(0L, Z_NULL, 0);
    crc = crc32(crc, (const unsigned char *)text.ptr, (uInt)text.len);
    return (uint32_t)crc32(crc, le, sizeof(le));
}

/* " <tag>=<number>", `none` as "-". */
static int put_number(struct buf *out, const char *tag, int64_t value, int64_t none)
{
    return value == none ? buf_printf(out, " %s=-", tag)
                         : buf_printf(out, " %s=%" PRId64, tag, value);
}

static int encode_body(const struct commit_record *r, struct buf *out)
{
    int rc = buf_printf(out, COMMIT_MAGIC "%d %016" PRIx64, COMMIT_VERSION, r->fingerprint);
    if (rc == 0)
        rc = put_number(out, "W", r->watermark_ms, WATERMARK_NONE);
    if (rc == 0)
        rc = put_number(out, "U", r->frontier_ms, WATERMARK_NONE);
    if (rc == 0)
        rc = put_number(out, "S", r->side_offset, RECORD_NO_OFFSET);
    if (rc == 0)
        rc = put_number(out, "R", r->raw_offset, RECORD_NO_OFFSET);
    if (rc == 0)
        rc = r->check_offset == RECORD_NO_OFFSET
                 ? buf_append_str(out, " K=-")
                 : buf_printf(out, " K=%" PRId64 ":%08" PRIx32, r->check_offset, r->check);
    if (rc == 0)
        rc = buf_append_str(out, " P=");
    const size_t before_cuts = out->len;
    for (unsigned i = 0; rc == 0 && i < r->cut_count; i++) {
        const struct commit_cut *c = &r->cuts[i];
        ASSERT(c->offset >= r->floor && (i == 0 || c->offset > r->cuts[i - 1].offset));
        rc = buf_printf(out, "+%" PRId64 "@", c->offset - r->floor);
        if (rc == 0)
            rc = c->watermark_ms == WATERMARK_NONE ? buf_append_byte(out, '-')
                                                   : buf_printf(out, "%" PRId64, c->watermark_ms);
    }
    if (rc == 0 && out->len - before_cuts > COMMIT_CUT_BYTES)
        rc = ERR_TOO_LARGE;
    return rc;
}

int commit_encode(const struct commit_record *r, struct buf *out)
{
    ASSERT(r->cut_count <= COMMIT_MAX_CUTS);
    struct buf text;
    buf_init(&text, COMMIT_MAX_BYTES - sizeof(" 00000000") + 1);
    int rc = encode_body(r, &text);
    if (rc == 0)
        rc = buf_append(out, text.data, text.len);
    if (rc == 0)
        rc = buf_printf(out, " %08" PRIx32, crc_of(buf_slice(&text), r->floor));
    buf_deinit(&text);
    return rc;
}

/* ---- decoding: a cursor that only moves forward; false means malformed ---- */

struct cursor {
    const char *at, *end;
};

static bool take_text(struct cursor *c, const char *text)
{
    const size_t n = strlen(text);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0)
        return false;
    c->at += n;
    return true;
}

static bool take_int(struct cursor *c, int64_t *value)
{
    const bool negative = c->at < c->end && *c->at == '-';
    const char *digits = c->at + (negative ? 1 : 0);
    uint64_t n = 0;
    const char *p = digits;
    for (; p < c->end && *p >= '0' && *p <= '9' && p - digits < COMMIT_NUMBER_MAX; p++) {
        const uint64_t digit = (uint64_t)(*p - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (p == digits ||
        n > (uint64_t)INT64_MAX) /* INT64_MIN stands for "none" and is never written */
        return false;
    *value = negative ? -(int64_t)n : (int64_t)n;
    c->at = p;
    return true;
}

static bool take_hex(struct cursor *c, unsigned digits, uint64_t *value)
{
    uint64_t n = 0;
    if ((size_t)(c->end - c->at) < digits)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        const char ch = c->at[i];
        unsigned digit;
        if (ch >= '0' && ch <= '9')
            digit = (unsigned)(ch - '0');
        else if (ch >= 'a' && ch <= 'f')
            digit = (unsigned)(ch - 'a') + 10;
        else
            return false;
        n = n << 4 | digit;
    }
    *value = n;
    c->at += digits;
    return true;
}

/* A number, or "-" for `none`. A minus sign with digits behind it is a number. */
static bool take_optional(struct cursor *c, int64_t *value, int64_t none)
{
    if (take_int(c, value))
        return true;
    *value = none;
    return take_text(c, "-");
}

static bool take_check(struct cursor *c, struct commit_record *r)
{
    uint64_t check = 0;
    if (take_text(c, "-")) {
        r->check_offset = RECORD_NO_OFFSET;
        r->check = 0;
        return true;
    }
    if (!take_int(c, &r->check_offset) || r->check_offset < 0 || !take_text(c, ":") ||
        !take_hex(c, 8, &check))
        return false;
    r->check = (uint32_t)check;
    return true;
}

static bool take_cuts(struct cursor *c, struct commit_record *r)
{
    r->cut_count = 0;
    while (take_text(c, "+")) {
        int64_t distance;
        if (r->cut_count == COMMIT_MAX_CUTS || !take_int(c, &distance) || distance < 0 ||
            distance > INT64_MAX - r->floor || !take_text(c, "@"))
            return false;
        struct commit_cut *cut = &r->cuts[r->cut_count];
        cut->offset = r->floor + distance;
        if (!take_optional(c, &cut->watermark_ms, WATERMARK_NONE))
            return false;
        if (r->cut_count > 0 && cut->offset <= cut[-1].offset)
            return false;
        r->cut_count++;
    }
    return true;
}

static bool take_body(struct cursor *c, struct commit_record *r)
{
    return take_text(c, " ") && take_hex(c, 16, &r->fingerprint) && take_text(c, " W=") &&
           take_optional(c, &r->watermark_ms, WATERMARK_NONE) && take_text(c, " U=") &&
           take_optional(c, &r->frontier_ms, WATERMARK_NONE) && take_text(c, " S=") &&
           take_optional(c, &r->side_offset, RECORD_NO_OFFSET) && take_text(c, " R=") &&
           take_optional(c, &r->raw_offset, RECORD_NO_OFFSET) && take_text(c, " K=") &&
           take_check(c, r) && take_text(c, " P=") && take_cuts(c, r);
}

int commit_decode(struct slice metadata, int64_t floor, struct commit_record *r, struct err *err)
{
    struct cursor c = {metadata.ptr, metadata.ptr + metadata.len};
    int64_t version = 0;
    uint64_t crc = 0;

    *r = (struct commit_record){.floor = floor};
    if (metadata.len == 0 || metadata.len > COMMIT_MAX_BYTES || floor < 0 ||
        !take_text(&c, COMMIT_MAGIC) || !take_int(&c, &version))
        return err_set(err, ERR_PARSE,
                       "the committed offset %" PRId64 " carries no record of this program", floor);
    if (version != COMMIT_VERSION)
        return err_set(err, ERR_CONFIG,
                       "commit record of version %" PRId64 ", this program reads version %d",
                       version, COMMIT_VERSION);
    if (!take_body(&c, r))
        return err_set(err, ERR_PARSE, "the commit record at offset %" PRId64 " is malformed",
                       floor);
    const struct slice body = {metadata.ptr, (size_t)(c.at - metadata.ptr)};
    if (!take_text(&c, " ") || !take_hex(&c, 8, &crc) || c.at != c.end ||
        crc != crc_of(body, floor))
        return err_set(err, ERR_PARSE,
                       "the commit record at offset %" PRId64 " is damaged (checksum)", floor);
    return 0;
}
