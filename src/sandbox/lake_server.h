/* lake_server.h -- a small HTTP lake on loopback: PUT, GET and HEAD over a store.
 *
 *   PUT /lake/NAME      201 created, 204 replaced; with `If-None-Match: *` 412
 *                       where the object is there; Content-Length or chunked
 *   GET, HEAD           the object, or a plain text listing of a folder
 *
 * For a first run, the demo and the tests: no credentials, no TLS, no deletion,
 * no ranges. Runs on libmicrohttpd's own threads; start and stop from one. */
#ifndef TURNSTILE_SANDBOX_LAKE_SERVER_H
#define TURNSTILE_SANDBOX_LAKE_SERVER_H

#include "base/base.h"
#include "base/err.h"
#include "sandbox/store.h"

#include <stdint.h>

#define LAKE_SERVER_ROOT "/lake" /* the path that URLs begin with */
#define LAKE_SERVER_MAX_OBJECT_BYTES (UINT64_C(1) << 30)

struct lake_server;

/* Listens on a free port of 127.0.0.1. `store` must outlive the server. 0 and *out; ERR_IO. */
int lake_server_start(struct store *store, uint64_t max_object_bytes, struct lake_server **out,
                      struct err *err) MUST_CHECK;
uint16_t lake_server_port(const struct lake_server *server);
/* Uploads under way are dropped. NULL is a no-op. */
void lake_server_stop(struct lake_server *server);

#endif
