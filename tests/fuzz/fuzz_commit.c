/* Input: 8 bytes of committed offset, then a metadata string without its checksum, which is made
 * here: else no mutation would ever pass. What decodes must encode again, to a string that decodes
 * to the same record. The bytes as they are must never be taken for a record unless the checksum
 * happens to be right. */
#include "core/commit.h"
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

static void check_same(const struct commit_record *a, const struct commit_record *b)
{
    ASSERT(a->floor == b->floor && a->watermark_ms == b->watermark_ms);
    ASSERT(a->frontier_ms == b->frontier_ms && a->side_offset == b->side_offset);
    ASSERT(a->raw_offset == b->raw_offset && a->check_offset == b->check_offset);
    ASSERT(a->check == b->check && a->fingerprint == b->fingerprint);
    ASSERT(a->cut_count == b->cut_count);
    for (unsigned i = 0; i < a->cut_count; i++)
        ASSERT(a->cuts[i].offset == b->cuts[i].offset &&
               a->cuts[i].watermark_ms == b->cuts[i].watermark_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[COMMIT_MAX_BYTES + 64];
    struct commit_record r, again;
    struct err err;
    int64_t floor;
    if (size < 8 || size - 8 > COMMIT_MAX_BYTES)
        return 0;
    memcpy(&floor, data, 8);
    const size_t body = size - 8;
    memcpy(text, data + 8, body);
    const int plain = commit_decode((struct slice){text, body}, floor, &r, &err);
    ASSERT(plain == 0 || (plain < 0 && err.text[0] != '\0'));

    unsigned char le[8];
    for (int i = 0; i < 8; i++)
        le[i] = (unsigned char)((uint64_t)floor >> (8 * i));
    uLong crc = crc32(0L, (const unsigned char *)text, (uInt)body);
    crc = crc32(crc, le, sizeof(le));
    const int n = snprintf(text + body, sizeof(text) - body, " %08lx", crc);
    const struct slice whole = {text, body + (size_t)n};
    if (commit_decode(whole, floor, &r, &err) != 0)
        return 0;
    struct buf out;
    buf_init(&out, COMMIT_MAX_BYTES);
    if (commit_encode(&r, &out) == 0) {
        ASSERT(commit_decode(buf_slice(&out), floor, &again, &err) == 0);
        check_same(&r, &again);
    }
    buf_deinit(&out);
    return 0;
}
