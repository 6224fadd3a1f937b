#include "io/lake.h"

#include "base/buf.h"
#include "base/mem.h"
#include "core/encode.h"
#include "http_server.h"
#include "io/content.h"
#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define PATH "/base%20x/turnstile/dt%3D2024-07-22/batch_1.csv.gz"
#define NAME "turnstile/dt=2024-07-22/batch_1.csv.gz"

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct lake *lake;
};

struct result {
    bool done;
    unsigned calls;
    struct lake_answer answer;
};

static void on_done(void *arg, const struct lake_answer *answer)
{
    struct result *r = arg;
    r->done = true;
    r->calls++;
    r->answer = *answer;
}

static int setup(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->server = http_server_new(&f->loop);
    char url[128];
    snprintf(url, sizeof(url), "http://us%%40er:pass%%3Aword@127.0.0.1:%d/base%%20x?timeout=1",
             http_server_port(f->server));
    struct err err;
    if (lake_new(&f->loop, url, &f->lake, &err) != 0)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bool lake_closed = false, server_closed = false;
    lake_close(f->lake, loop_set_flag, &lake_closed);
    loop_run_until(&f->loop, &lake_closed);
    if (f->server != NULL) {
        http_server_close(f->server, loop_set_flag, &server_closed);
        loop_run_until(&f->loop, &server_closed);
    }
    loop_close(&f->loop);
    mem_free(f);
    return 0;
}

static struct slice packed(struct buf *gzip, const char *plain, int level)
{
    buf_init(gzip, 1 << 20);
    assert_int_equal(encode_gzip(slice_of(plain), level, gzip), 0);
    return buf_slice(gzip);
}

static struct lake_answer put(struct fixture *f, const char *name, const char *plain)
{
    struct buf gzip;
    struct lake_object object = {
        .name = name, .bytes = packed(&gzip, plain, 6), .content_type = "application/gzip"};
    content_sha256(slice_of(plain), object.sha256);
    struct result r = {.done = false};
    lake_put(f->lake, &object, on_done, &r);
    assert_false(r.done);
    loop_run_until(&f->loop, &r.done);
    assert_int_equal(r.calls, 1);
    buf_deinit(&gzip);
    return r.answer;
}

static struct lake_answer probe(struct fixture *f)
{
    struct result r = {.done = false};
    lake_probe(f->lake, on_done, &r);
    assert_false(r.done);
    loop_run_until(&f->loop, &r.done);
    return r.answer;
}

static void there_is(struct fixture *f, const char *plain, int level)
{
    struct buf gzip;
    http_server_set_object(f->server, PATH, packed(&gzip, plain, level));
    buf_deinit(&gzip);
}

static void puts_once_with_the_right_request(void **state)
{
    struct fixture *f = *state;
    struct lake_answer a = put(f, NAME, "content");
    assert_int_equal(a.result, LAKE_OK);
    assert_false(a.existed);
    const char *head = http_server_last_head(f->server);
    assert_non_null(strstr(head, "PUT " PATH " HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nIf-None-Match: *\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/gzip\r\n"));
    /* us@er:pass:word */
    assert_non_null(strstr(head, "\r\nAuthorization: Basic dXNAZXI6cGFzczp3b3Jk\r\n"));
    assert_null(strstr(head, "Content-Encoding"));
    a = put(f, NAME, "content");
    assert_int_equal(a.result, LAKE_OK);
    assert_true(a.existed);
    assert_int_equal(http_server_requests(f->server), 3); /* PUT, PUT, GET */
    assert_int_equal(http_server_overwrites(f->server), 0);
}

static void credentials_are_not_shown(void **state)
{
    struct fixture *f = *state;
    assert_null(strstr(lake_display(f->lake), "us"));
    assert_null(strstr(lake_display(f->lake), "word"));
    assert_non_null(strstr(lake_display(f->lake), "/base%20x/"));
    static const char *bad[] = {"http://",
                                "http://u:secret@:99999999/x",
                                "http://u:secret@h/x?sig=1",
                                "http://u:secret@h/x#y",
                                "http://u:secret@h/x?timeout=0",
                                "http://u:secret@h/x?timeout=99999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct lake *lake = NULL;
        struct err err;
        assert_int_equal(lake_new(&f->loop, bad[i], &lake, &err), ERR_CONFIG);
        assert_null(strstr(err.text, "secret"));
    }
}

static void every_status_has_its_meaning(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int status;
        enum lake_result result;
        bool slow_down;
    } cases[] = {
        {200, LAKE_OK, false},        {201, LAKE_OK, false},        {204, LAKE_OK, false},
        {202, LAKE_BROKEN, false},    {207, LAKE_BROKEN, false},    {301, LAKE_BROKEN, false},
        {307, LAKE_BROKEN, false},    {400, LAKE_BROKEN, false},    {401, LAKE_DENIED, false},
        {403, LAKE_DENIED, false},    {404, LAKE_BROKEN, false},    {405, LAKE_BROKEN, false},
        {408, LAKE_TRANSIENT, false}, {411, LAKE_BROKEN, false},    {413, LAKE_BROKEN, false},
        {429, LAKE_TRANSIENT, true},  {500, LAKE_TRANSIENT, false}, {502, LAKE_TRANSIENT, false},
        {503, LAKE_TRANSIENT, true},  {504, LAKE_TRANSIENT, false}, {507, LAKE_TRANSIENT, false},
        {599, LAKE_TRANSIENT, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_step step = {.kind = STEP_STATUS, .status = cases[i].status};
        http_server_script(f->server, &step, 1);
        const struct lake_answer a = put(f, NAME, "content");
        if (a.result != cases[i].result || a.slow_down != cases[i].slow_down)
            fail_msg("%d became %d %s", cases[i].status, (int)a.result, a.detail);
        char number[8];
        snprintf(number, sizeof(number), "%d", cases[i].status);
        assert_non_null(strstr(a.detail, number));
        assert_int_equal(a.retry_after_ms, -1);
    }
    const struct http_step step = {
        .kind = STEP_STATUS, .status = 503, .headers = "Retry-After: 3\r\n"};
    http_server_script(f->server, &step, 1);
    assert_int_equal(put(f, NAME, "content").retry_after_ms, 3000);
}

/* Whatever happens to the connection, the next try ends well, and nothing is written twice. */
static void every_fault_is_transient_and_the_next_try_succeeds(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct http_step step;
        bool stored; /* the server had stored it all the same */
    } cases[] = {
        {{.kind = STEP_RESET_BEFORE}, false},
        {{.kind = STEP_RESET_MID}, false},
        {{.kind = STEP_RESET_AFTER}, true},
        {{.kind = STEP_REPLY_CUT}, true},
        {{.kind = STEP_HANG}, false},
        {{.kind = STEP_GARBAGE}, false},
        {{.kind = STEP_HUGE, .bytes = 1 << 20}, true},
        {{.kind = STEP_HUGE_HEADERS, .bytes = 200000}, false},
        {{.kind = STEP_STORE_STATUS, .status = 500}, true},
        {{.kind = STEP_STORE_STATUS, .status = 504}, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char name[64];
        snprintf(name, sizeof(name), "fault/%zu", i);
        http_server_script(f->server, &cases[i].step, 1);
        const struct lake_answer first = put(f, name, "content");
        if (first.result != LAKE_TRANSIENT || first.detail[0] == '\0')
            fail_msg("case %zu became %d %s", i, (int)first.result, first.detail);
        const struct lake_answer second = put(f, name, "content");
        assert_int_equal(second.result, LAKE_OK);
        assert_int_equal(second.existed, cases[i].stored);
    }
    const struct http_step slow = {.kind = STEP_SLOW};
    http_server_script(f->server, &slow, 1);
    assert_int_equal(put(f, "slow", "content").result, LAKE_OK);
    assert_int_equal(http_server_overwrites(f->server), 0);
}

static void what_is_there_is_compared(void **state)
{
    struct fixture *f = *state;
    there_is(f, "content", 1);
    assert_true(put(f, NAME, "content").existed); /* other gzip bytes, the same rows */
    there_is(f, "another", 6);
    struct lake_answer a = put(f, NAME, "content");
    assert_int_equal(a.result, LAKE_CONFLICT);
    assert_non_null(strstr(a.detail, NAME));
    http_server_set_object(f->server, PATH, SLICE_LITERAL("\x1f\x8b\x08"));
    assert_int_equal(put(f, NAME, "content").result, LAKE_CONFLICT);
    http_server_set_object(f->server, PATH, SLICE_LITERAL(""));
    assert_int_equal(put(f, NAME, "content").result, LAKE_CONFLICT);
    static char large[3 << 20];
    http_server_set_object(f->server, PATH, (struct slice){large, sizeof(large)});
    a = put(f, NAME, "content");
    assert_int_equal(a.result, LAKE_CONFLICT);
    assert_non_null(strstr(a.detail, "larger"));
    const struct http_step conflict = {.kind = STEP_STATUS, .status = 409};
    there_is(f, "content", 6);
    http_server_script(f->server, &conflict, 1);
    assert_true(put(f, NAME, "content").existed);
    http_server_script(f->server, &conflict, 1);
    assert_int_equal(put(f, "not/there", "content").result, LAKE_BROKEN);
}

static void faults_while_comparing_are_tried_again(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct http_step step;
        enum lake_result result;
    } cases[] = {
        {{.kind = STEP_STATUS, .status = 503}, LAKE_TRANSIENT},
        {{.kind = STEP_STATUS, .status = 403}, LAKE_DENIED},
        {{.kind = STEP_STATUS, .status = 404}, LAKE_TRANSIENT},
        {{.kind = STEP_STATUS, .status = 204}, LAKE_BROKEN},
        {{.kind = STEP_RESET_AFTER}, LAKE_TRANSIENT},
        {{.kind = STEP_REPLY_CUT}, LAKE_TRANSIENT},
        {{.kind = STEP_HANG}, LAKE_TRANSIENT},
        {{.kind = STEP_GARBAGE}, LAKE_TRANSIENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        there_is(f, "content", 6);
        const struct http_step steps[] = {{.kind = STEP_STATUS, .status = 412}, cases[i].step};
        http_server_script(f->server, steps, ARRAY_LEN(steps));
        const struct lake_answer a = put(f, NAME, "content");
        if (a.result != cases[i].result || a.existed)
            fail_msg("case %zu became %d %s", i, (int)a.result, a.detail);
    }
}

static void the_probe_tells_who_is_there(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct http_step step;
        enum lake_result result;
    } cases[] = {
        {{.kind = STEP_LAKE}, LAKE_OK}, /* 404 */
        {{.kind = STEP_STATUS, .status = 200}, LAKE_OK},
        {{.kind = STEP_STATUS, .status = 405}, LAKE_OK},
        {{.kind = STEP_STATUS, .status = 302}, LAKE_OK},
        {{.kind = STEP_HUGE, .bytes = 1 << 20}, LAKE_OK},
        {{.kind = STEP_STATUS, .status = 401}, LAKE_DENIED},
        {{.kind = STEP_STATUS, .status = 403}, LAKE_DENIED},
        {{.kind = STEP_STATUS, .status = 503}, LAKE_TRANSIENT},
        {{.kind = STEP_HANG}, LAKE_TRANSIENT},
        {{.kind = STEP_GARBAGE}, LAKE_TRANSIENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        http_server_script(f->server, &cases[i].step, 1);
        const struct lake_answer a = probe(f);
        if (a.result != cases[i].result)
            fail_msg("case %zu became %d %s", i, (int)a.result, a.detail);
    }
    bool closed = false;
    http_server_close(f->server, loop_set_flag, &closed);
    loop_run_until(&f->loop, &closed);
    f->server = NULL;
    assert_int_equal(probe(f).result, LAKE_TRANSIENT);
    assert_int_equal(put(f, NAME, "content").result, LAKE_TRANSIENT);
}

static void bad_names_are_refused_without_a_request(void **state)
{
    struct fixture *f = *state;
    static const char *names[] = {"", "../x", "a/../../x", "/x", "a//b", "a\r\nX-Evil: 1"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(put(f, names[i], "x").result, LAKE_BROKEN);
    assert_int_equal(http_server_requests(f->server), 0);
}

static void cancel_completes_once_at_any_moment(void **state)
{
    struct fixture *f = *state;
    there_is(f, "content", 1);
    for (int turns = 0; turns < 30; turns++) {
        struct buf gzip;
        struct lake_object object = {
            .name = NAME, .bytes = packed(&gzip, "content", 6), .content_type = "application/gzip"};
        content_sha256(SLICE_LITERAL("content"), object.sha256);
        struct result r = {.done = false};
        struct lake_put *under_way = lake_put(f->lake, &object, on_done, &r);
        for (int i = 0; i < turns && !r.done; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        if (!r.done)
            lake_cancel(under_way);
        loop_run_until(&f->loop, &r.done);
        assert_true(r.answer.result == LAKE_CANCELED || r.answer.result == LAKE_OK);
        assert_int_equal(r.calls, 1);
        buf_deinit(&gzip);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(puts_once_with_the_right_request),
        TEST(credentials_are_not_shown),
        TEST(every_status_has_its_meaning),
        TEST(every_fault_is_transient_and_the_next_try_succeeds),
        TEST(what_is_there_is_compared),
        TEST(faults_while_comparing_are_tried_again),
        TEST(the_probe_tells_who_is_there),
        TEST(bad_names_are_refused_without_a_request),
        TEST(cancel_completes_once_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
