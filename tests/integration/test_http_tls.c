/* A server whose certificate nobody has signed, and one that speaks only TLS 1.1: neither may ever
 * see a request. The certificate is made here, the server is a thread of OpenSSL's blocking calls.
 */
#include "io/http_client.h"

#include "base/base.h"
#include "loop.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY_S 86400L

struct tls_server {
    SSL_CTX *context;
    int listener;
    uv_thread_t thread;
    bool handshake; /* one was completed */
    int read_bytes; /* of a request, after it */
};

struct result {
    bool done;
    enum http_outcome outcome;
    char detail[HTTP_DETAIL_BYTES];
};

static SSL_CTX *self_signed(int max_version)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *cert = X509_new();
    assert_true(key != NULL && cert != NULL);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert), DAY_S);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    SSL_CTX_set_security_level(context, 0); /* or OpenSSL itself would refuse TLS 1.1 */
    assert_int_equal(SSL_CTX_set_min_proto_version(context, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, max_version), 1);
    assert_int_equal(SSL_CTX_use_certificate(context, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    return context;
}

static void serve_one(void *arg)
{
    struct tls_server *s = arg;
    const int fd = accept(s->listener, NULL, NULL);
    SSL *ssl = SSL_new(s->context);
    char bytes[1024];
    SSL_set_fd(ssl, fd);
    s->handshake = SSL_accept(ssl) == 1;
    if (s->handshake)
        s->read_bytes = SSL_read(ssl, bytes, sizeof(bytes));
    SSL_free(ssl);
    close(fd);
}

static int start(struct tls_server *s, int max_version)
{
    *s = (struct tls_server){.context = self_signed(max_version)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(uv_thread_create(&s->thread, serve_one, s), 0);
    return ntohs(address.sin_port);
}

static void on_done(void *arg, const struct http_response *response)
{
    struct result *r = arg;
    r->outcome = response->outcome;
    snprintf(r->detail, sizeof(r->detail), "%s", response->detail);
    r->done = true;
}

static struct result put_secret(int port)
{
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct http_client *client = http_client_new(&loop);
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/secret", port);
    struct result r = {.done = false};
    http_start(client,
               &(struct http_spec){.method = "PUT",
                                   .url = url,
                                   .user = "u",
                                   .password = "p",
                                   .body = SLICE_LITERAL("secret")},
               on_done, &r);
    loop_run_until(&loop, &r.done);
    bool closed = false;
    http_client_close(client, loop_set_flag, &closed);
    loop_run_until(&loop, &closed);
    loop_close(&loop);
    return r;
}

static void refused(int max_version, const char *why)
{
    struct tls_server server;
    const int port = start(&server, max_version);
    const struct result r = put_secret(port);
    assert_int_equal(uv_thread_join(&server.thread), 0);
    close(server.listener);
    SSL_CTX_free(server.context);
    assert_int_equal(r.outcome, HTTP_UNREACHABLE);
    if (strstr(r.detail, why) == NULL)
        fail_msg("no '%s' in '%s'", why, r.detail);
    assert_true(server.read_bytes <= 0);
}

static void a_certificate_nobody_signed_is_refused(void **state)
{
    UNUSED(state);
    refused(TLS1_3_VERSION, "certificate");
    refused(TLS1_2_VERSION, "certificate");
}

static void old_tls_is_refused(void **state)
{
    UNUSED(state);
    refused(TLS1_1_VERSION, "protocol");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_nobody_signed_is_refused),
        cmocka_unit_test(old_tls_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
