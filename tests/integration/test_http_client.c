#include "io/http_client.h"

#include "base/mem.h"
#include "http_server.h"
#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct http_client *client;
    char url[128];
};

struct result {
    bool done;
    unsigned calls;
    enum http_outcome outcome;
    int status;
    int64_t retry_after_ms;
    size_t body_len;
    char body[64], detail[HTTP_DETAIL_BYTES], etag[32];
};

static int setup(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->server = http_server_new(&f->loop);
    f->client = http_client_new(&f->loop);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/a", http_server_port(f->server));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bool client_closed = false, server_closed = false;
    http_client_close(f->client, loop_set_flag, &client_closed);
    loop_run_until(&f->loop, &client_closed);
    if (f->server != NULL) {
        http_server_close(f->server, loop_set_flag, &server_closed);
        loop_run_until(&f->loop, &server_closed);
    }
    loop_close(&f->loop);
    mem_free(f);
    return 0;
}

static void on_done(void *arg, const struct http_response *response)
{
    struct result *r = arg;
    r->done = true;
    r->calls++;
    r->outcome = response->outcome;
    r->status = response->status;
    r->retry_after_ms = response->retry_after_ms;
    r->body_len = response->body.len;
    snprintf(r->body, sizeof(r->body), "%.*s", (int)response->body.len,
             response->body.ptr ? response->body.ptr : "");
    snprintf(r->detail, sizeof(r->detail), "%s", response->detail);
    const char *etag = http_response_header(response, "etag");
    snprintf(r->etag, sizeof(r->etag), "%s", etag ? etag : "");
}

static struct result fetch(struct fixture *f, struct http_spec spec)
{
    struct result r = {.done = false};
    http_start(f->client, &spec, on_done, &r);
    assert_false(r.done); /* never from inside the call */
    loop_run_until(&f->loop, &r.done);
    assert_int_equal(r.calls, 1);
    return r;
}

static struct result put(struct fixture *f, struct slice body)
{
    return fetch(f, (struct http_spec){.method = "PUT", .url = f->url, .body = body});
}

static void script(struct fixture *f, struct http_step step)
{
    http_server_script(f->server, &step, 1);
}

static void puts_and_gets(void **state)
{
    struct fixture *f = *state;
    const char *headers[] = {"Content-Type: application/gzip", "If-None-Match: *", NULL};
    struct result r = fetch(f, (struct http_spec){.method = "PUT",
                                                  .url = f->url,
                                                  .headers = headers,
                                                  .user = "u",
                                                  .password = "p:w",
                                                  .body = SLICE_LITERAL("hello")});
    assert_int_equal(r.outcome, HTTP_ANSWERED);
    assert_int_equal(r.status, 201);
    const char *head = http_server_last_head(f->server);
    assert_non_null(strstr(head, "PUT /a HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/gzip\r\n"));
    assert_non_null(strstr(head, "\r\nIf-None-Match: *\r\n"));
    assert_non_null(strstr(head, "\r\nAuthorization: Basic dTpwOnc=\r\n"));
    assert_null(strstr(head, "Expect"));
    assert_null(strstr(head, "Content-Encoding"));
    r = fetch(f, (struct http_spec){.method = "GET", .url = f->url});
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello");
    assert_string_equal(r.etag, "\"1\"");
    assert_null(strstr(http_server_last_head(f->server), "Authorization"));
    r = fetch(f, (struct http_spec){.method = "HEAD", .url = f->url});
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_len, 0);
}

static void large_and_empty_bodies_arrive(void **state)
{
    struct fixture *f = *state;
    static char body[5 * 1024 * 1024];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 2654435761u >> 13);
    struct slice stored;
    assert_int_equal(put(f, (struct slice){body, sizeof(body)}).status, 201);
    assert_true(http_server_object(f->server, "/a", &stored));
    assert_true(slice_equal(stored, (struct slice){body, sizeof(body)}));
    assert_int_equal(put(f, (struct slice){NULL, 0}).status, 201);
    assert_true(http_server_object(f->server, "/a", &stored));
    assert_int_equal(stored.len, 0);
}

static void every_fault_has_its_outcome(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct http_step step;
        enum http_outcome outcome;
    } cases[] = {
        {{.kind = STEP_STATUS, .status = 500}, HTTP_ANSWERED},
        {{.kind = STEP_RESET_BEFORE}, HTTP_BROKEN},
        {{.kind = STEP_RESET_MID}, HTTP_BROKEN},
        {{.kind = STEP_RESET_AFTER}, HTTP_BROKEN},
        {{.kind = STEP_REPLY_CUT}, HTTP_BROKEN},
        {{.kind = STEP_GARBAGE}, HTTP_BROKEN},
        {{.kind = STEP_HUGE, .bytes = 10 * 1024 * 1024}, HTTP_TOO_LARGE},
        {{.kind = STEP_HUGE, .bytes = HTTP_RESPONSE_MAX_BYTES}, HTTP_ANSWERED},
        {{.kind = STEP_HUGE, .bytes = HTTP_RESPONSE_MAX_BYTES + 1}, HTTP_TOO_LARGE},
        {{.kind = STEP_HUGE_HEADERS, .bytes = 200 * 1024}, HTTP_TOO_LARGE},
        {{.kind = STEP_SLOW}, HTTP_ANSWERED},
    };
    static char body[300000];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        /* twice, so that each also happens on a connection that was used before */
        for (int again = 0; again < 2; again++) {
            const struct http_step steps[] = {cases[i].step, cases[i].step};
            http_server_script(f->server, steps, ARRAY_LEN(steps));
            const struct result r = put(f, (struct slice){body, sizeof(body)});
            if (r.outcome != cases[i].outcome)
                fail_msg("case %zu: outcome %d: %s", i, (int)r.outcome, r.detail);
            assert_true(r.outcome == HTTP_ANSWERED || r.detail[0] != '\0');
            script(f, (struct http_step){.kind = STEP_LAKE});
            assert_int_equal(put(f, SLICE_LITERAL("x")).status, 201);
        }
    }
}

static void a_hanging_server_is_given_up(void **state)
{
    struct fixture *f = *state;
    script(f, (struct http_step){.kind = STEP_HANG});
    const struct result r =
        fetch(f, (struct http_spec){.method = "GET", .url = f->url, .timeout_ms = 200});
    assert_int_equal(r.outcome, HTTP_TIMED_OUT);
}

static void retry_after_is_read(void **state)
{
    struct fixture *f = *state;
    script(f,
           (struct http_step){.kind = STEP_STATUS, .status = 503, .headers = "Retry-After: 7\r\n"});
    assert_int_equal(put(f, SLICE_LITERAL("x")).retry_after_ms, 7000);
    script(f, (struct http_step){
                  .kind = STEP_STATUS, .status = 503, .headers = "Retry-After: 99999999\r\n"});
    assert_int_equal(put(f, SLICE_LITERAL("x")).retry_after_ms, 86400000);
    script(f, (struct http_step){.kind = STEP_STATUS, .status = 503});
    assert_int_equal(put(f, SLICE_LITERAL("x")).retry_after_ms, -1);
}

static void redirects_are_not_followed(void **state)
{
    struct fixture *f = *state;
    script(f, (struct http_step){
                  .kind = STEP_STATUS, .status = 307, .headers = "Location: /elsewhere\r\n"});
    assert_int_equal(put(f, SLICE_LITERAL("x")).status, 307);
    assert_int_equal(http_server_requests(f->server), 1);
}

static void bad_urls_and_closed_ports_come_back_through_done(void **state)
{
    struct fixture *f = *state;
    static const char *urls[] = {"", "nonsense://x/", "ftp://127.0.0.1/x", "http://",
                                 "file:///etc/passwd"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        const struct result r = fetch(f, (struct http_spec){.method = "GET", .url = urls[i]});
        assert_true(r.outcome == HTTP_INVALID || r.outcome == HTTP_BROKEN);
        assert_int_equal(r.status, 0);
    }
    bool closed = false;
    http_server_close(f->server, loop_set_flag, &closed);
    loop_run_until(&f->loop, &closed);
    f->server = NULL;
    const struct result r = put(f, SLICE_LITERAL("x"));
    assert_int_equal(r.outcome, HTTP_UNREACHABLE);
}

static void cancel_completes_once_at_any_moment(void **state)
{
    struct fixture *f = *state;
    static char body[300000];
    for (int turns = 0; turns < 12; turns++) {
        struct result r = {.done = false};
        script(f, (struct http_step){.kind = STEP_HANG});
        struct http_request *request = http_start(
            f->client,
            &(struct http_spec){.method = "PUT", .url = f->url, .body = {body, sizeof(body)}},
            on_done, &r);
        for (int i = 0; i < turns; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_false(r.done);
        http_cancel(request);
        http_cancel(request); /* twice is once */
        assert_false(r.done);
        loop_run_until(&f->loop, &r.done);
        assert_int_equal(r.outcome, HTTP_CANCELED);
        for (int i = 0; i < 3; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_int_equal(r.calls, 1);
    }
    script(f, (struct http_step){.kind = STEP_LAKE});
    assert_int_equal(put(f, SLICE_LITERAL("x")).status, 201);
}

#define MANY 200

static void on_one_of_many(void *arg, const struct http_response *response)
{
    assert_int_equal(response->outcome, HTTP_ANSWERED);
    ++*(unsigned *)arg;
}

static void many_at_once(void **state)
{
    struct fixture *f = *state;
    unsigned count = 0;
    for (int i = 0; i < MANY; i++)
        http_start(
            f->client,
            &(struct http_spec){.method = "PUT", .url = f->url, .body = SLICE_LITERAL("same")},
            on_one_of_many, &count);
    assert_int_equal(count, 0);
    while (count < MANY)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(http_server_requests(f->server), MANY);
}

struct chain {
    struct fixture *f;
    bool closed;
};

static void on_last(void *arg, const struct http_response *response)
{
    struct chain *chain = arg;
    assert_int_equal(response->outcome, HTTP_ANSWERED);
    http_client_close(chain->f->client, loop_set_flag, &chain->closed);
}

static void may_be_closed_from_the_last_answer(void **state)
{
    struct fixture *f = *state;
    struct chain chain = {.f = f};
    http_start(f->client, &(struct http_spec){.method = "GET", .url = f->url}, on_last, &chain);
    loop_run_until(&f->loop, &chain.closed);
    f->client = http_client_new(&f->loop); /* for the teardown */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_and_gets, setup, teardown),
        cmocka_unit_test_setup_teardown(large_and_empty_bodies_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(every_fault_has_its_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hanging_server_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(retry_after_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(redirects_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_urls_and_closed_ports_come_back_through_done, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cancel_completes_once_at_any_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(may_be_closed_from_the_last_answer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
