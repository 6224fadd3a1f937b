/* content.h -- the identity of an object: SHA-256 of its plain bytes.
 *
 * Two gzip files of the same rows may differ (another zlib, another level), so what
 * is compared is what is inside. Pure; called on worker threads. */
#ifndef TURNSTILE_IO_CONTENT_H
#define TURNSTILE_IO_CONTENT_H

#include "base/slice.h"
#include "io/lake.h"

#include <stdbool.h>

/* A gzip that unpacks to more is not ours. */
#define CONTENT_MAX_PLAIN_BYTES (1024u * 1024 * 1024)

void content_sha256(struct slice plain, unsigned char out[LAKE_SHA256_BYTES]);

/* Of stored bytes, which may come in pieces. Where they begin like gzip they are unpacked, all
 * members; else they are taken as they are. */
struct content_hash;
struct content_hash *content_hash_new(void);
void content_hash_feed(struct content_hash *h, struct slice stored);
/* False: a damaged or cut gzip, or one that unpacks to more than CONTENT_MAX_PLAIN_BYTES. Frees h.
 */
bool content_hash_finish(struct content_hash *h, unsigned char out[LAKE_SHA256_BYTES]);

#endif
