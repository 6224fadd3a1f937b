/* Most tests use a lake whose answers the test gives, one by one; the last ones use a folder and an
 * HTTP server that misbehaves. Waiting times are read from the loop's next timer, not waited for.
 */
#include "io/uploader.h"

#include "base/log.h"
#include "base/mem.h"
#include "http_server.h"
#include "io/content.h"
#include "io/lake_ops.h"
#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define OBJECTS_MAX 400

/* ---- a lake that answers when told ---- */

struct fake_put {
    struct lake_put put;
    const struct lake_object *object;
    lake_done *done;
    void *arg;
    bool pending, canceled;
};

struct fake_lake {
    struct lake lake;
    struct fake_put puts[4 * OBJECTS_MAX];
    size_t count; /* puts ever, answered ones included */
    unsigned pending, most_pending;
};

static struct lake_put *fake_put_object(struct lake *lake, const struct lake_object *object,
                                        lake_done *done, void *arg)
{
    struct fake_lake *l = CONTAINER_OF(lake, struct fake_lake, lake);
    assert_true(l->count < ARRAY_LEN(l->puts));
    struct fake_put *p = &l->puts[l->count++];
    *p = (struct fake_put){{lake}, object, done, arg, true, false};
    if (++l->pending > l->most_pending)
        l->most_pending = l->pending;
    return &p->put;
}

static void fake_cancel(struct lake_put *put)
{
    CONTAINER_OF(put, struct fake_put, put)->canceled = true;
}

static void answer(struct fake_lake *l, size_t i, struct lake_answer a)
{
    struct fake_put *p = &l->puts[i];
    assert_true(p->pending);
    p->pending = false;
    l->pending--;
    if (p->canceled)
        a.result = LAKE_CANCELED;
    p->done(p->arg, &a);
}

static void answer_all(struct fake_lake *l, struct lake_answer a)
{
    for (size_t i = 0, n = l->count; i < n; i++)
        if (l->puts[i].pending)
            answer(l, i, a);
}

static const struct lake_ops fake_ops = {.put = fake_put_object, .cancel = fake_cancel};

/* ---- fixture ---- */

struct fixture {
    uv_loop_t loop;
    struct fake_lake fake;
    struct uploader *uploader;
    unsigned stored[OBJECTS_MAX], conflicts[OBJECTS_MAX]; /* calls, by object id */
    unsigned stored_count;
    unsigned resubmit; /* so many more objects are submitted from the callback */
    bool close_on_stored;
    bool open, closed; /* of the uploader */
};

static struct schema_column columns[] = {{.name = (char[]){"A"}}, {.name = (char[]){"B"}}};
static struct schema_output outputs[] = {
    {.name = (char[]){"A"}, .source = SCHEMA_OUT_GROUP, .index = 0},
    {.name = (char[]){"B"}, .source = SCHEMA_OUT_GROUP, .index = 1}};
static const struct schema schema = {.columns = columns,
                                     .column_count = 2,
                                     .group = {0, 1},
                                     .group_count = 2,
                                     .outputs = outputs,
                                     .output_count = 2,
                                     .unique = {0},
                                     .unique_count = 1};

static struct object *side_object(uint64_t id, const char *line)
{
    struct object *o = mem_calloc(1, sizeof(*o));
    char name[64];
    snprintf(name, sizeof(name), "rejected/t-0-%llu.jsonl.gz", (unsigned long long)id);
    o->id = id;
    o->kind = OBJECT_SIDE;
    o->name = mem_strdup(name);
    buf_init(&o->lines, 1 << 20);
    assert_int_equal(buf_append_str(&o->lines, line), 0);
    o->rows = 1;
    return o;
}

static struct object *batch_with_collision(uint64_t id)
{
    struct object *o = mem_calloc(1, sizeof(*o));
    o->id = id;
    o->kind = OBJECT_MINI_BATCH;
    o->name = mem_strdup("turnstile/batch_1.csv.gz");
    o->groups = groups_new(&schema);
    groups_add(o->groups, 1, SLICE_LITERAL("x\0y"), NULL);
    groups_add(o->groups, 2, SLICE_LITERAL("x\0z"), NULL);
    groups_sort(o->groups);
    o->rows = 2;
    return o;
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->closed = true;
}

static void on_stored(void *arg, uint64_t id)
{
    struct fixture *f = arg;
    f->stored[id]++;
    f->stored_count++;
    if (f->resubmit > 0) {
        f->resubmit--;
        uploader_submit(f->uploader, side_object(id + 1, "again\n"));
    }
    if (f->close_on_stored) {
        f->close_on_stored = false;
        uploader_close(f->uploader, on_closed, f);
        f->uploader = NULL;
    }
}

static void on_conflict(void *arg, uint64_t id, const char *detail)
{
    struct fixture *f = arg;
    f->conflicts[id]++;
    assert_true(detail[0] != '\0');
}

static void use_lake(struct fixture *f, struct lake *lake, unsigned max_in_flight)
{
    const struct uploader_callbacks callbacks = {on_stored, on_conflict, f};
    f->open = true;
    f->closed = false;
    f->uploader = uploader_new(&f->loop, lake, &schema, max_in_flight, 42, &callbacks);
}

static int setup(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->fake.lake.ops = &fake_ops;
    static char display[] = "fake:";
    f->fake.lake.display = display;
    *state = f;
    return 0;
}

/* The uploader closes by itself once the fake's answers are in. */
static void close_uploader(struct fixture *f)
{
    if (!f->open)
        return;
    if (f->uploader != NULL)
        uploader_close(f->uploader, on_closed, f);
    f->uploader = NULL;
    answer_all(&f->fake, lake_answer_of(LAKE_OK, "late"));
    loop_run_until(&f->loop, &f->closed);
    f->open = false;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close_uploader(f);
    loop_close(&f->loop);
    mem_free(f);
    return 0;
}

/* Turns the loop until the fake holds `pending` puts. */
static void run_until_pending(struct fixture *f, unsigned pending)
{
    while (f->fake.pending < pending)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->fake.pending, pending);
}

static struct uploader_stats stats_of(const struct fixture *f)
{
    struct uploader_stats stats;
    uploader_stats(f->uploader, &stats);
    return stats;
}

/* ---- tests ---- */

static void a_stored_object_completes_once_and_is_freed(void **state)
{
    struct fixture *f = *state;
    use_lake(f, &f->fake.lake, 4);
    uploader_submit(f->uploader, side_object(7, "one\n"));
    assert_int_equal(f->fake.count, 0); /* nothing from inside the call */
    assert_true(stats_of(f).memory_bytes > 0);
    run_until_pending(f, 1);
    const struct lake_object *object = f->fake.puts[0].object;
    assert_string_equal(object->name, "rejected/t-0-7.jsonl.gz");
    assert_string_equal(object->content_type, "application/gzip");
    unsigned char hash[LAKE_SHA256_BYTES], unpacked[LAKE_SHA256_BYTES];
    content_sha256(SLICE_LITERAL("one\n"), hash);
    assert_memory_equal(object->sha256, hash, sizeof(hash));
    struct content_hash *h = content_hash_new();
    content_hash_feed(h, object->bytes);
    assert_true(content_hash_finish(h, unpacked));
    assert_memory_equal(unpacked, hash, sizeof(hash));
    answer(&f->fake, 0, lake_answer_of(LAKE_OK, "ok"));
    assert_int_equal(f->stored[7], 1);
    const struct uploader_stats stats = stats_of(f);
    assert_int_equal(stats.stored, 1);
    assert_int_equal(stats.memory_bytes, 0);
    assert_int_equal(stats.in_flight + stats.queued, 0);
    assert_true(stats.bytes_stored > 0);
}

static void no_more_than_the_limit_is_under_way(void **state)
{
    struct fixture *f = *state;
    use_lake(f, &f->fake.lake, 3);
    for (uint64_t id = 0; id < 20; id++)
        uploader_submit(f->uploader, side_object(id, "x\n"));
    while (f->stored_count < 20) {
        run_until_pending(f, f->stored_count + 3 <= 20 ? 3 : 20 - f->stored_count);
        assert_true(stats_of(f).in_flight <= 3);
        answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
    }
    assert_int_equal(f->fake.most_pending, 3);
    for (uint64_t id = 0; id < 20; id++)
        assert_int_equal(f->stored[id], 1);
}

static void a_transient_failure_is_tried_until_it_succeeds(void **state)
{
    struct fixture *f = *state;
    use_lake(f, &f->fake.lake, 4);
    uploader_submit(f->uploader, side_object(1, "x\n"));
    for (int i = 0; i < 4; i++) {
        run_until_pending(f, 1);
        answer_all(&f->fake, lake_answer_of(LAKE_TRANSIENT, "503 not now"));
        assert_int_equal(f->stored_count, 0);
        const struct uploader_stats stats = stats_of(f);
        assert_true(stats.failing);
        assert_string_equal(stats.last_failure, "503 not now");
        assert_int_equal(stats.retries, i + 1);
        assert_true(uv_backend_timeout(&f->loop) <= UPLOADER_RETRY_BASE_MS << i);
    }
    run_until_pending(f, 1);
    answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
    assert_int_equal(f->stored[1], 1);
    assert_false(stats_of(f).failing);
    assert_int_equal(stats_of(f).memory_bytes, 0);
}

static void a_success_calls_the_waiting_ones(void **state)
{
    struct fixture *f = *state;
    use_lake(f, &f->fake.lake, 2);
    uploader_submit(f->uploader, side_object(2, "x\n"));
    run_until_pending(f, 1); /* and stays so until the end */
    uploader_submit(f->uploader, side_object(1, "x\n"));
    for (int wait_ms = 0; wait_ms <= 1500; wait_ms = uv_backend_timeout(&f->loop)) {
        run_until_pending(f, 2);
        answer(&f->fake, f->fake.count - 1, lake_answer_of(LAKE_TRANSIENT, "503 not now"));
    }
    answer(&f->fake, 0, lake_answer_of(LAKE_OK, "back"));
    assert_int_equal(f->stored[2], 1);
    assert_true(uv_backend_timeout(&f->loop) <= 1000);
    run_until_pending(f, 1);
    answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
    assert_int_equal(f->stored[1], 1);
}

static void what_a_person_must_mend_is_tried_at_the_cap(void **state)
{
    struct fixture *f = *state;
    static const enum lake_result results[] = {LAKE_DENIED, LAKE_BROKEN};
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        use_lake(f, &f->fake.lake, 4);
        uploader_submit(f->uploader, side_object(1, "x\n"));
        run_until_pending(f, 1);
        answer_all(&f->fake, lake_answer_of(results[i], "no"));
        assert_int_equal(stats_of(f).in_flight, 1); /* not given up */
        const int wait_ms = uv_backend_timeout(&f->loop);
        assert_in_range(wait_ms, UPLOADER_RETRY_CAP_MS - 1000, UPLOADER_RETRY_CAP_MS);
        close_uploader(f);
    }
    assert_int_equal(f->stored_count, 0);
}

static void retry_after_is_honoured_within_reason(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t asked_ms;
        int at_least_ms, at_most_ms;
    } cases[] = {{30000, 29000, 30000}, {INT64_MAX, 599000, 600000}, {-1, 0, 100}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        use_lake(f, &f->fake.lake, 4);
        uploader_submit(f->uploader, side_object(1, "x\n"));
        run_until_pending(f, 1);
        struct lake_answer a = lake_answer_of(LAKE_TRANSIENT, "wait");
        a.retry_after_ms = cases[i].asked_ms;
        answer_all(&f->fake, a);
        const int wait_ms = uv_backend_timeout(&f->loop);
        assert_in_range(wait_ms, cases[i].at_least_ms, cases[i].at_most_ms);
        close_uploader(f);
    }
}

static void slow_down_halves_the_limit_and_successes_raise_it(void **state)
{
    struct fixture *f = *state;
    use_lake(f, &f->fake.lake, 8);
    for (uint64_t id = 0; id < 250; id++)
        uploader_submit(f->uploader, side_object(id, "x\n"));
    run_until_pending(f, 8);
    struct lake_answer slow = lake_answer_of(LAKE_TRANSIENT, "503 slow down");
    slow.slow_down = true;
    answer(&f->fake, 0, slow); /* 8 -> 4 */
    answer(&f->fake, 1, slow); /* -> 2 */
    for (size_t i = 2; i < 8; i++)
        answer(&f->fake, i, lake_answer_of(LAKE_OK, "ok"));
    f->fake.most_pending = 0;
    while (f->stored_count < 100) {
        while (f->fake.pending == 0)
            uv_run(&f->loop, UV_RUN_ONCE);
        assert_true(f->fake.pending <= 2);
        answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
    }
    f->fake.most_pending = 0;
    while (f->stored_count < 200) {
        while (f->fake.pending == 0)
            uv_run(&f->loop, UV_RUN_ONCE);
        assert_true(f->fake.pending <= 3);
        answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
    }
    run_until_pending(f, 4); /* two steps up from 2 */
}

static void a_conflict_is_told_and_the_others_go_on(void **state)
{
    struct fixture *f = *state;
    use_lake(f, &f->fake.lake, 2);
    uploader_submit(f->uploader, side_object(1, "x\n"));
    uploader_submit(f->uploader, side_object(2, "y\n"));
    run_until_pending(f, 2);
    answer(&f->fake, 0, lake_answer_of(LAKE_CONFLICT, "another content"));
    answer(&f->fake, 1, lake_answer_of(LAKE_OK, "ok"));
    assert_int_equal(f->conflicts[1] + f->conflicts[2], 1);
    assert_int_equal(f->stored[1] + f->stored[2], 1);
    assert_int_equal(stats_of(f).conflicts, 1);
    assert_int_equal(stats_of(f).memory_bytes, 0);
}

static void canceled_objects_are_never_heard_of(void **state)
{
    struct fixture *f = *state;
    for (int turns = 0; turns < 8; turns++) {
        f->fake.count = 0;
        use_lake(f, &f->fake.lake, 3);
        for (uint64_t id = 0; id < 9; id++)
            uploader_submit(f->uploader, side_object(id, "x\n"));
        for (int i = 0; i < turns; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        if (f->fake.pending > 0 && turns % 2) /* one of them waits for its retry */
            answer(&f->fake, 0, lake_answer_of(LAKE_TRANSIENT, "x"));
        uploader_cancel_all(f->uploader);
        uploader_cancel_all(f->uploader);
        assert_int_equal(stats_of(f).queued, 0);
        uploader_submit(f->uploader, side_object(20, "new\n")); /* a new assignment */
        answer_all(&f->fake, lake_answer_of(LAKE_OK, "landed all the same"));
        while (f->stored[20] == 0) {
            uv_run(&f->loop, UV_RUN_ONCE);
            answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
        }
        while (stats_of(f).in_flight > 0) /* workers that could not be stopped */
            uv_run(&f->loop, UV_RUN_ONCE);
        assert_int_equal(f->stored_count, 1);
        f->stored[20] = f->stored_count = 0;
        assert_int_equal(stats_of(f).memory_bytes, 0);
        close_uploader(f);
    }
}

static void callbacks_may_submit_and_close(void **state)
{
    struct fixture *f = *state;
    use_lake(f, &f->fake.lake, 2);
    f->resubmit = 5;
    uploader_submit(f->uploader, side_object(10, "x\n"));
    for (unsigned n = 1; n <= 6; n++) {
        run_until_pending(f, 1);
        f->close_on_stored = n == 6;
        answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
        assert_int_equal(f->stored_count, n);
    }
    assert_null(f->uploader);
}

static unsigned count_lines(FILE *log, const char *needle)
{
    char line[4096];
    unsigned count = 0;
    rewind(log);
    while (fgets(line, sizeof(line), log) != NULL)
        count += strstr(line, needle) != NULL;
    return count;
}

static void one_log_line_a_change_not_a_try(void **state)
{
    struct fixture *f = *state;
    FILE *log = tmpfile();
    assert_non_null(log);
    fflush(stderr);
    const int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(fileno(log), STDERR_FILENO) >= 0);
    use_lake(f, &f->fake.lake, 3);
    uploader_submit(f->uploader, batch_with_collision(1));
    uploader_submit(f->uploader, batch_with_collision(3));
    uploader_submit(f->uploader, side_object(2, "x\n"));
    for (int i = 0; i < 4; i++) {
        run_until_pending(f, 3);
        answer_all(&f->fake, lake_answer_of(LAKE_TRANSIENT, "503"));
    }
    run_until_pending(f, 3);
    answer_all(&f->fake, lake_answer_of(LAKE_OK, "ok"));
    fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    assert_int_equal(count_lines(log, "store_failing"), 1);
    assert_int_equal(count_lines(log, "store_recovered"), 1);
    assert_int_equal(count_lines(log, "event=stored "), 3);
    assert_int_equal(count_lines(log, "event=unique_collisions "), 1);
    assert_int_equal(stats_of(f).unique_collisions, 2);
    fclose(log);
}

#define MANY 60

static void everything_arrives_through_a_server_that_misbehaves(void **state)
{
    struct fixture *f = *state;
    static const enum http_step_kind faults[] = {
        STEP_RESET_BEFORE, STEP_RESET_MID,    STEP_RESET_AFTER, STEP_REPLY_CUT,
        STEP_GARBAGE,      STEP_STORE_STATUS, STEP_STATUS};
    struct http_step steps[2 * MANY];
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        steps[i] =
            (struct http_step){.kind = i % 3 == 0 ? faults[i / 3 % ARRAY_LEN(faults)] : STEP_LAKE,
                               .status = 500 + (int)(i % 5),
                               .bytes = 100000};
    struct http_server *server = http_server_new(&f->loop);
    http_server_script(server, steps, ARRAY_LEN(steps));
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/lake", http_server_port(server));
    struct lake *lake;
    struct err err;
    assert_int_equal(lake_new(&f->loop, url, &lake, &err), 0);
    use_lake(f, lake, UPLOADER_MAX_IN_FLIGHT);
    for (uint64_t id = 0; id < MANY; id++)
        uploader_submit(f->uploader, side_object(id, "the same everywhere\n"));
    while (f->stored_count < MANY)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(http_server_overwrites(server), 0);
    unsigned char expected[LAKE_SHA256_BYTES], found[LAKE_SHA256_BYTES];
    content_sha256(SLICE_LITERAL("the same everywhere\n"), expected);
    for (uint64_t id = 0; id < MANY; id++) {
        struct slice bytes;
        char path[64];
        snprintf(path, sizeof(path), "/lake/rejected/t-0-%llu.jsonl.gz", (unsigned long long)id);
        assert_int_equal(f->stored[id], 1);
        assert_true(http_server_object(server, path, &bytes));
        struct content_hash *h = content_hash_new();
        content_hash_feed(h, bytes);
        assert_true(content_hash_finish(h, found));
        assert_memory_equal(found, expected, sizeof(found));
    }
    assert_true(stats_of(f).retries > 10);
    close_uploader(f);
    bool lake_closed = false, server_closed = false;
    lake_close(lake, loop_set_flag, &lake_closed);
    loop_run_until(&f->loop, &lake_closed);
    http_server_close(server, loop_set_flag, &server_closed);
    loop_run_until(&f->loop, &server_closed);
}

static void everything_arrives_in_a_folder(void **state)
{
    struct fixture *f = *state;
    char root[] = "/tmp/test_uploader_XXXXXX";
    assert_non_null(mkdtemp(root));
    struct lake *lake;
    struct err err;
    assert_int_equal(lake_new(&f->loop, root, &lake, &err), 0);
    use_lake(f, lake, UPLOADER_MAX_IN_FLIGHT);
    for (uint64_t id = 0; id < MANY; id++)
        uploader_submit(f->uploader, side_object(id, "x\n"));
    uploader_submit(f->uploader, batch_with_collision(MANY));
    while (f->stored_count < MANY + 1)
        uv_run(&f->loop, UV_RUN_ONCE);
    close_uploader(f);
    bool lake_closed = false;
    lake_close(lake, loop_set_flag, &lake_closed);
    loop_run_until(&f->loop, &lake_closed);
    char command[128];
    snprintf(command, sizeof(command),
             "test \"$(zcat %s/turnstile/batch_1.csv.gz)\" = \"A,B\nx,y\nx,z\"", root);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "rm -rf -- %s", root);
    assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_log_line_a_change_not_a_try), /* before LOG_BURST lines of one event are out */
        TEST(a_stored_object_completes_once_and_is_freed),
        TEST(no_more_than_the_limit_is_under_way),
        TEST(a_transient_failure_is_tried_until_it_succeeds),
        TEST(a_success_calls_the_waiting_ones),
        TEST(what_a_person_must_mend_is_tried_at_the_cap),
        TEST(retry_after_is_honoured_within_reason),
        TEST(slow_down_halves_the_limit_and_successes_raise_it),
        TEST(a_conflict_is_told_and_the_others_go_on),
        TEST(canceled_objects_are_never_heard_of),
        TEST(callbacks_may_submit_and_close),
        TEST(everything_arrives_through_a_server_that_misbehaves),
        TEST(everything_arrives_in_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
