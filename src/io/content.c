#include "io/content.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <zlib.h>

#define UNPACK_BYTES (64 * 1024)
#define GZIP_MAGIC_0 0x1f
#define GZIP_MAGIC_1 0x8b
#define GZIP_WINDOW_BITS (15 + 16) /* 16: gzip only */

enum content_form { FORM_UNKNOWN, FORM_PLAIN, FORM_GZIP };

struct content_hash {
    EVP_MD_CTX *md;
    z_stream z;
    enum content_form form;
    unsigned char head[2]; /* until the form is known */
    size_t head_len;
    uint64_t plain_bytes;
    bool damaged;
    bool member_ended;
    unsigned char unpacked[UNPACK_BYTES];
};

void content_sha256(struct slice plain, unsigned char out[LAKE_SHA256_BYTES])
{
    unsigned len = 0;
    ASSERT(EVP_Digest(plain.len ? plain.ptr : "", plain.len, out, &len, EVP_sha256(), NULL) == 1);
    ASSERT(len == LAKE_SHA256_BYTES);
}

struct content_hash *content_hash_new(void)
{
    struct content_hash *h = mem_calloc(1, sizeof(*h));
    h->md = EVP_MD_CTX_new();
    ASSERT(h->md != NULL && EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) == 1);
    ASSERT(inflateInit2(&h->z, GZIP_WINDOW_BITS) == Z_OK);
    return h;
}

static void hash_plain(struct content_hash *h, const void *bytes, size_t len)
{
    h->plain_bytes += len;
    if (h->plain_bytes > CONTENT_MAX_PLAIN_BYTES)
        h->damaged = true;
    else
        ASSERT(EVP_DigestUpdate(h->md, bytes, len) == 1);
}

/* After a member's end another one may follow, as `cat a.gz b.gz` makes them. */
static void unpack(struct content_hash *h, struct slice stored)
{
    ASSERT(stored.len <= UINT_MAX);
    h->z.next_in = (Bytef *)(uintptr_t)stored.ptr;
    h->z.avail_in = (uInt)stored.len;
    do {
        if (h->member_ended && h->z.avail_in > 0) {
            h->member_ended = false;
            ASSERT(inflateReset(&h->z) == Z_OK);
        }
        h->z.next_out = h->unpacked;
        h->z.avail_out = sizeof(h->unpacked);
        const int state = inflate(&h->z, Z_NO_FLUSH);
        hash_plain(h, h->unpacked, sizeof(h->unpacked) - h->z.avail_out);
        h->member_ended = h->member_ended || state == Z_STREAM_END;
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            h->damaged = true;
    } while (!h->damaged && (h->z.avail_in > 0 || h->z.avail_out == 0));
}

static void feed_known(struct content_hash *h, struct slice stored)
{
    while (stored.len > 0 && !h->damaged) {
        const size_t n = stored.len < INT_MAX ? stored.len : INT_MAX;
        if (h->form == FORM_GZIP)
            unpack(h, (struct slice){stored.ptr, n});
        else
            hash_plain(h, stored.ptr, n);
        stored = (struct slice){stored.ptr + n, stored.len - n};
    }
}

static void decide_form(struct content_hash *h)
{
    const bool gzip = h->head_len == 2 && h->head[0] == GZIP_MAGIC_0 && h->head[1] == GZIP_MAGIC_1;
    h->form = gzip ? FORM_GZIP : FORM_PLAIN;
    feed_known(h, (struct slice){(const char *)h->head, h->head_len});
}

void content_hash_feed(struct content_hash *h, struct slice stored)
{
    while (h->form == FORM_UNKNOWN && stored.len > 0) {
        h->head[h->head_len++] = (unsigned char)*stored.ptr;
        stored = (struct slice){stored.ptr + 1, stored.len - 1};
        if (h->head_len == sizeof(h->head))
            decide_form(h);
    }
    feed_known(h, stored);
}

bool content_hash_finish(struct content_hash *h, unsigned char out[LAKE_SHA256_BYTES])
{
    if (h->form == FORM_UNKNOWN)
        decide_form(h);
    const bool whole = !h->damaged && (h->form == FORM_PLAIN || h->member_ended);
    unsigned len = 0;
    ASSERT(EVP_DigestFinal_ex(h->md, out, &len) == 1 && len == LAKE_SHA256_BYTES);
    EVP_MD_CTX_free(h->md);
    inflateEnd(&h->z);
    mem_free(h);
    return whole;
}
