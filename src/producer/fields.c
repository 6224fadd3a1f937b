#include "producer/fields.h"

#define LENGTH_BYTES 4

int fields_join(struct buf *out, const struct slice *fields, size_t count)
{
    int rc = 0;
    buf_clear(out);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        ASSERT(fields[i].len <= UINT32_MAX);
        const size_t len = fields[i].len; /* little-endian everywhere: ids are made from it */
        const unsigned char head[LENGTH_BYTES] = {(unsigned char)len, (unsigned char)(len >> 8),
                                                  (unsigned char)(len >> 16),
                                                  (unsigned char)(len >> 24)};
        rc = buf_append(out, head, sizeof head);
    }
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = buf_append(out, fields[i].ptr, fields[i].len);
    return rc;
}

void fields_split(struct slice joined, struct slice *fields, size_t count)
{
    const char *bytes = joined.ptr + count * LENGTH_BYTES;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *head = (const unsigned char *)joined.ptr + i * LENGTH_BYTES;
        const size_t len =
            head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        fields[i] = (struct slice){bytes, len};
        bytes += len;
    }
    ASSERT(bytes == joined.ptr + joined.len);
}
