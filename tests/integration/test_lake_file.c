#define _GNU_SOURCE /* nftw, unshare-free tmpfs */
#include "io/lake.h"

#include "base/buf.h"
#include "base/mem.h"
#include "core/encode.h"
#include "io/content.h"
#include "loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PATH_BYTES 4096

struct fixture {
    uv_loop_t loop;
    char base[64]; /* a folder of this test alone */
    char root[96]; /* base/lake */
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

static void open_lake(struct fixture *f, const char *url)
{
    struct err err;
    if (lake_new(&f->loop, url, &f->lake, &err) != 0)
        fail_msg("%s", err.text);
}

static void close_lake(struct fixture *f)
{
    bool closed = false;
    lake_close(f->lake, loop_set_flag, &closed);
    loop_run_until(&f->loop, &closed);
    f->lake = NULL;
}

static int setup(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    snprintf(f->base, sizeof(f->base), "/tmp/test_lake_file_XXXXXX");
    assert_non_null(mkdtemp(f->base));
    snprintf(f->root, sizeof(f->root), "%s/lake", f->base);
    open_lake(f, f->root);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->lake != NULL)
        close_lake(f);
    loop_close(&f->loop);
    char disk[PATH_BYTES], command[PATH_BYTES];
    snprintf(disk, sizeof(disk), "%s/lake/disk", f->base);
    umount2(disk, MNT_DETACH); /* of a_full_disk_is_waited_for(), also when it failed */
    snprintf(command, sizeof(command), "rm -rf -- '%s'", f->base);
    assert_int_equal(system(command), 0);
    mem_free(f);
    return 0;
}

/* Compressed at `level`, so that equal content can have different bytes. */
static struct lake_answer put_at(struct fixture *f, const char *name, const char *plain, int level)
{
    struct buf gzip;
    buf_init(&gzip, 1 << 20);
    assert_int_equal(encode_gzip(slice_of(plain), level, &gzip), 0);
    struct lake_object object = {
        .name = name, .bytes = buf_slice(&gzip), .content_type = "application/gzip"};
    content_sha256(slice_of(plain), object.sha256);
    struct result r = {.done = false};
    lake_put(f->lake, &object, on_done, &r);
    assert_false(r.done);
    loop_run_until(&f->loop, &r.done);
    assert_int_equal(r.calls, 1);
    buf_deinit(&gzip);
    return r.answer;
}

static struct lake_answer put(struct fixture *f, const char *name, const char *plain)
{
    return put_at(f, name, plain, 6);
}

static struct lake_answer probe(struct fixture *f)
{
    struct result r = {.done = false};
    lake_probe(f->lake, on_done, &r);
    assert_false(r.done);
    loop_run_until(&f->loop, &r.done);
    return r.answer;
}

static void assert_holds(struct fixture *f, const char *name, const char *plain)
{
    char path[PATH_BYTES], bytes[65536];
    snprintf(path, sizeof(path), "%s/%s", f->root, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is not there", path);
    const size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    unsigned char expected[LAKE_SHA256_BYTES], found[LAKE_SHA256_BYTES];
    content_sha256(slice_of(plain), expected);
    struct content_hash *h = content_hash_new();
    content_hash_feed(h, (struct slice){bytes, len});
    assert_true(content_hash_finish(h, found));
    assert_memory_equal(found, expected, sizeof(found));
}

static unsigned count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return 0;
    unsigned count = 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void write_file(const struct fixture *f, const char *name, const char *bytes, size_t len)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", f->root, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void writes_once_and_makes_the_folders(void **state)
{
    struct fixture *f = *state;
    struct lake_answer a = put(f, "turnstile/dt=2024-07-22/batch_1.csv.gz", "content");
    assert_int_equal(a.result, LAKE_OK);
    assert_false(a.existed);
    assert_holds(f, "turnstile/dt=2024-07-22/batch_1.csv.gz", "content");
    a = put(f, "turnstile/dt=2024-07-22/batch_1.csv.gz", "content");
    assert_int_equal(a.result, LAKE_OK);
    assert_true(a.existed);
    char folder[PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s/turnstile/dt=2024-07-22", f->root);
    assert_int_equal(count_entries(folder), 1); /* no temporary file stays */
    assert_int_equal(put(f, "plain", "").result, LAKE_OK);
    assert_holds(f, "plain", "");
}

static void the_same_rows_in_other_gzip_bytes_are_the_same(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put_at(f, "a/b", "0,A001\n1,A002\n", 1).result, LAKE_OK);
    const struct lake_answer a = put_at(f, "a/b", "0,A001\n1,A002\n", 9);
    assert_int_equal(a.result, LAKE_OK);
    assert_true(a.existed);
}

static void another_content_is_a_conflict_and_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a/b", "first").result, LAKE_OK);
    const struct lake_answer a = put(f, "a/b", "second");
    assert_int_equal(a.result, LAKE_CONFLICT);
    assert_non_null(strstr(a.detail, "a/b"));
    assert_holds(f, "a/b", "first");
    write_file(f, "cut", "\x1f\x8b\x08\x00", 4);
    assert_int_equal(put(f, "cut", "x").result, LAKE_CONFLICT);
    write_file(f, "empty", "", 0);
    assert_int_equal(put(f, "empty", "x").result, LAKE_CONFLICT);
    write_file(f, "text", "x", 1); /* not packed at all, but our content */
    assert_true(put(f, "text", "x").existed);
    char folder[PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s/folder", f->root);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(put(f, "folder", "x").result, LAKE_CONFLICT);
}

static void names_that_lead_out_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *names[] = {"",  "/etc/x", "../x",  "a/../../x", "a//b", "a/",
                                  ".", "..",     "a/./b", "a/..",      "a\nb", "\x7f"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct lake_answer a = put(f, names[i], "x");
        if (a.result != LAKE_BROKEN || a.detail[0] == '\0')
            fail_msg("'%s' was answered %d %s", names[i], (int)a.result, a.detail);
    }
    assert_int_equal(count_entries(f->base), 0); /* not even the root was made */
    char longer[400];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(put(f, longer, "x").result, LAKE_BROKEN);
    longer[300] = '/';
    assert_int_equal(put(f, longer, "x").result, LAKE_BROKEN);
}

static void links_inside_the_lake_are_not_followed(void **state)
{
    struct fixture *f = *state;
    char link[PATH_BYTES];
    assert_int_equal(put(f, "a/b", "x").result, LAKE_OK);
    snprintf(link, sizeof(link), "%s/out", f->root);
    assert_int_equal(symlink(f->base, link), 0);
    assert_int_equal(put(f, "out/escaped", "x").result, LAKE_BROKEN);
    snprintf(link, sizeof(link), "%s/dangling", f->root);
    assert_int_equal(symlink("../escaped", link), 0);
    assert_int_equal(put(f, "dangling", "x").result, LAKE_BROKEN);
    assert_int_equal(count_entries(f->base), 1);
}

static void the_root_may_be_behind_a_link(void **state)
{
    struct fixture *f = *state;
    close_lake(f);
    char target[PATH_BYTES], url[PATH_BYTES];
    snprintf(target, sizeof(target), "%s/target", f->base);
    assert_int_equal(mkdir(target, 0755), 0);
    snprintf(url, sizeof(url), "%s/link", f->base);
    assert_int_equal(symlink("target", url), 0);
    snprintf(url, sizeof(url), "file://%s/link/deep%%20er/lake/", f->base);
    open_lake(f, url);
    assert_int_equal(put(f, "a/b", "x").result, LAKE_OK);
    snprintf(f->root, sizeof(f->root), "%s/target/deep er/lake", f->base);
    assert_holds(f, "a/b", "x");
}

static void a_file_in_place_of_a_folder_is_said(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a", "x").result, LAKE_OK);
    const struct lake_answer a = put(f, "a/b", "x");
    assert_int_equal(a.result, LAKE_BROKEN);
    assert_non_null(strstr(a.detail, "not a directory"));
    close_lake(f);
    char url[PATH_BYTES];
    snprintf(url, sizeof(url), "%s/a/lake", f->root);
    open_lake(f, url);
    assert_int_equal(probe(f).result, LAKE_BROKEN);
}

static void the_probe_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(probe(f).result, LAKE_OK);
    assert_int_equal(count_entries(f->root), 0);
    assert_int_equal(count_entries(f->base), 1);
}

/* Root passes every mode, so the process becomes nobody for a while; it runs in a child. */
static void in_child(struct fixture *f, void (*body)(struct fixture *), bool as_nobody)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        assert_int_equal(uv_loop_fork(&f->loop), 0);
        if (as_nobody && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(77);
        body(f);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define CHILD_CHECK(condition)                                              \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                       \
        }                                                                   \
    } while (0)

static void put_where_nothing_is_allowed(struct fixture *f)
{
    CHILD_CHECK(probe(f).result == LAKE_DENIED);
    CHILD_CHECK(put(f, "b", "x").result == LAKE_DENIED);
    CHILD_CHECK(put(f, "new/b", "x").result == LAKE_DENIED);
    CHILD_CHECK(put(f, "open/b", "x").result == LAKE_OK);
    CHILD_CHECK(put(f, "secret", "x").result == LAKE_DENIED); /* there, unreadable */
}

static void a_folder_without_permission_is_denied(void **state)
{
    struct fixture *f = *state;
    char path[PATH_BYTES];
    assert_int_equal(put(f, "a", "x").result, LAKE_OK);
    assert_int_equal(put(f, "open/a", "x").result, LAKE_OK);
    assert_int_equal(put(f, "secret", "x").result, LAKE_OK);
    assert_int_equal(chmod(f->base, 0755), 0);
    snprintf(path, sizeof(path), "%s/open", f->root);
    assert_int_equal(chmod(path, 0777), 0);
    snprintf(path, sizeof(path), "%s/secret", f->root);
    assert_int_equal(chmod(path, 0000), 0);
    assert_int_equal(chmod(f->root, 0555), 0);
    in_child(f, put_where_nothing_is_allowed, getuid() == 0);
}

static void fill_small_disk(struct fixture *f)
{
    static char big[1 << 20];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof(big) - 1; i++) {
        seed = seed * 1664525u + 1013904223u;
        big[i] = (char)('!' + (seed >> 24) % 90); /* does not pack below 256 KiB */
    }
    const struct lake_answer a = put(f, "disk/big", big);
    assert_true(a.result == LAKE_TRANSIENT);
    assert_true(strstr(a.detail, "no space") != NULL);
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/disk", f->root);
    assert_true(count_entries(path) == 0);
    assert_true(put(f, "disk/small", "x").result == LAKE_OK); /* and there is room again */
}

static void remounted_read_only(struct fixture *f)
{
    assert_true(put(f, "disk/new", "x").result == LAKE_DENIED);
}

static void a_full_disk_is_waited_for(void **state)
{
    struct fixture *f = *state;
    char path[PATH_BYTES];
    assert_int_equal(put(f, "a", "x").result, LAKE_OK);
    snprintf(path, sizeof(path), "%s/disk", f->root);
    assert_int_equal(mkdir(path, 0755), 0);
    if (mount("tmpfs", path, "tmpfs", 0, "size=256k") != 0) {
        print_message("a small disk cannot be mounted here (%s): skipped\n", strerror(errno));
        skip();
    }
    fill_small_disk(f);
    assert_int_equal(mount("tmpfs", path, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=256k"), 0);
    remounted_read_only(f);
}

static void put_for_ever(struct fixture *f)
{
    char name[64];
    for (int i = 0;; i++) {
        snprintf(name, sizeof(name), "killed/batch_%d", i);
        put(f, name, "a line\nanother line\n");
    }
}

/* Killed at random points: every name that can be seen holds the whole content. */
static void a_kill_leaves_only_whole_objects(void **state)
{
    struct fixture *f = *state;
    char folder[PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s/killed", f->root);
    for (unsigned run = 0; run < 20; run++) {
        const unsigned before = count_entries(folder);
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            CHILD_CHECK(uv_loop_fork(&f->loop) == 0);
            put_for_ever(f);
        }
        while (count_entries(folder) < before + run % 5) /* it replays what is there, then adds */
            assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    unsigned count = 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        char name[PATH_BYTES];
        snprintf(name, sizeof(name), "killed/%s", e->d_name);
        assert_holds(f, name, "a line\nanother line\n");
        count++;
    }
    closedir(dir);
    assert_true(count > 0);
}

static void two_at_once_make_one_object(void **state)
{
    struct fixture *f = *state;
    struct buf gzip;
    buf_init(&gzip, 1 << 20);
    assert_int_equal(encode_gzip(SLICE_LITERAL("same"), 6, &gzip), 0);
    struct lake_object object = {
        .name = "a/b", .bytes = buf_slice(&gzip), .content_type = "application/gzip"};
    content_sha256(SLICE_LITERAL("same"), object.sha256);
    struct result results[8] = {{.done = false}};
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        lake_put(f->lake, &object, on_done, &results[i]);
    unsigned written = 0;
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        loop_run_until(&f->loop, &results[i].done);
        assert_int_equal(results[i].answer.result, LAKE_OK);
        written += !results[i].answer.existed;
    }
    assert_int_equal(written, 1);
    buf_deinit(&gzip);
}

static void cancel_completes_once(void **state)
{
    struct fixture *f = *state;
    struct lake_object object = {.name = "a", .bytes = SLICE_LITERAL("x"), .content_type = "x"};
    content_sha256(SLICE_LITERAL("x"), object.sha256);
    struct result results[20] = {{.done = false}};
    struct lake_put *puts[ARRAY_LEN(results)];
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        puts[i] = lake_put(f->lake, &object, on_done, &results[i]);
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        lake_cancel(puts[i]);
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        loop_run_until(&f->loop, &results[i].done);
        assert_int_equal(results[i].calls, 1);
        assert_true(results[i].answer.result == LAKE_CANCELED ||
                    results[i].answer.result == LAKE_OK);
    }
}

static void urls_are_understood_or_refused(void **state)
{
    struct fixture *f = *state;
    static const char *bad[] = {"",
                                "s4://bucket/x",
                                "file://host/x",
                                "file:relative",
                                "file:///a%2",
                                "file:///a%00b",
                                "ftp://x/y"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct lake *lake = NULL;
        struct err err;
        assert_int_equal(lake_new(&f->loop, bad[i], &lake, &err), ERR_CONFIG);
        assert_null(lake);
        assert_true(strlen(err.text) > 10);
    }
    static const char *good[][2] = {{"/a/b", "/a/b"},
                                    {"a:b", "a:b"},
                                    {"file:///a/b", "/a/b"},
                                    {"FILE:/a/b", "/a/b"},
                                    {"file://localhost/a%20b", "/a b"},
                                    {"relative/folder", "relative/folder"}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        close_lake(f);
        open_lake(f, good[i][0]);
        assert_string_equal(lake_display(f->lake), good[i][1]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_once_and_makes_the_folders),
        TEST(the_same_rows_in_other_gzip_bytes_are_the_same),
        TEST(another_content_is_a_conflict_and_stays),
        TEST(names_that_lead_out_are_refused),
        TEST(links_inside_the_lake_are_not_followed),
        TEST(the_root_may_be_behind_a_link),
        TEST(a_file_in_place_of_a_folder_is_said),
        TEST(the_probe_leaves_nothing),
        TEST(two_at_once_make_one_object),
        TEST(cancel_completes_once),
        TEST(urls_are_understood_or_refused),
        TEST(a_full_disk_is_waited_for),
        /* the last two fork; libuv's pool has threads by now, so the children start their own */
        TEST(a_folder_without_permission_is_denied),
        TEST(a_kill_leaves_only_whole_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
