/* A folder as a lake. An object is written without a name (O_TMPFILE), made durable, and only then
 * given its name by linkat(), which never replaces: a crash leaves nothing to be seen, and of two
 * writers one wins whole. Where the file system or a missing /proc does not let us, a file
 * `.turnstile-<random>.tmp` stands in; one that a crash leaves is never read and may be deleted.
 *
 * All disk work is on libuv's thread pool. Folders are entered one by one without following
 * symbolic links, so no name leads out of the root. */
#define _GNU_SOURCE /* O_TMPFILE */
#include "base/mem.h"
#include "io/content.h"
#include "io/lake_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0644   /* less the umask */
#define FOLDER_MODE 0755 /* likewise */
#define READ_STEP_BYTES (256 * 1024)
#define WRITE_STEP_BYTES (16u * 1024 * 1024) /* below any limit of write() */
#define TEMP_NAME_BYTES 40
#define PART_MAX_BYTES 255 /* of Linux file systems */

struct lake_file {
    struct lake lake;
    char *root;
    uv_timer_t closer; /* only so that `closed` comes from the loop */
    void (*closed)(void *arg);
    void *closed_arg;
};

struct file_put {
    struct lake_put put;
    uv_work_t work;            /* .data = this put */
    struct lake_object object; /* a probe has none: name is NULL */
    struct lake_answer answer;
    lake_done *done;
    void *arg;
};

/* ---- on the worker ---- */

static enum lake_result result_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EINTR:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EBUSY:
    case ESTALE:
    case ETIMEDOUT:
        return LAKE_TRANSIENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return LAKE_DENIED;
    default:
        return LAKE_BROKEN;
    }
}

/* Leaves errno's meaning in the answer; returns false so that `return failed(...)` reads well. */
static bool failed(struct lake_answer *answer, const char *what, const char *name)
{
    const int error = errno;
    char text[128];
    uv_strerror_r(uv_translate_sys_error(error), text, sizeof(text));
    *answer = lake_answer_of(result_of(error), "%s %.100s: %s", what, name, text);
    return false;
}

enum links { LINKS_FOLLOWED, LINKS_REFUSED };

/* Makes the folder if it is not there and enters it. -1 with errno. */
static int enter(int parent, const char *part, enum links links)
{
    const int flags =
        O_RDONLY | O_DIRECTORY | O_CLOEXEC | (links == LINKS_REFUSED ? O_NOFOLLOW : 0);
    int fd = openat(parent, part, flags);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdirat(parent, part, FOLDER_MODE) != 0 && errno != EEXIST)
        return -1;
    if (fsync(parent) != 0) /* else a power cut could take the folder with the object in it */
        return -1;
    return openat(parent, part, flags);
}

/* From `fd`, which is taken, down all folders of `path`; *last is what stands behind the last
 * slash. -1 with errno. */
static int descend(int fd, const char *path, enum links links, const char **last)
{
    const char *part = path;
    for (const char *slash; fd >= 0 && (slash = strchr(part, '/')) != NULL; part = slash + 1) {
        char name[PART_MAX_BYTES + 1];
        const size_t len = (size_t)(slash - part);
        if (len == 0)
            continue;
        int next = -1;
        if (len > PART_MAX_BYTES) {
            errno = ENAMETOOLONG;
        } else {
            memcpy(name, part, len);
            name[len] = '\0';
            next = enter(fd, name, links);
        }
        const int error = errno;
        close(fd);
        errno = error;
        fd = next;
    }
    *last = part;
    return fd;
}

/* The root may be a symbolic link or lie behind one: that is the operator's choice. */
static int open_root(const char *root)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    const char *last;
    const char *start = root[0] == '/' ? "/" : ".";
    fd = descend(open(start, O_RDONLY | O_DIRECTORY | O_CLOEXEC), root, LINKS_FOLLOWED, &last);
    if (fd < 0 || last[0] == '\0')
        return fd;
    const int folder = enter(fd, last, LINKS_FOLLOWED);
    const int error = errno;
    close(fd);
    errno = error;
    return folder;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        const size_t step = bytes.len < WRITE_STEP_BYTES ? bytes.len : WRITE_STEP_BYTES;
        const ssize_t n = write(fd, bytes.ptr, step);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes = (struct slice){bytes.ptr + n, bytes.len - (size_t)n};
    }
    return true;
}

static bool hash_file(int fd, unsigned char hash[LAKE_SHA256_BYTES], bool *readable)
{
    struct content_hash *h = content_hash_new();
    char *piece = mem_alloc(READ_STEP_BYTES);
    ssize_t n;
    while ((n = read(fd, piece, READ_STEP_BYTES)) != 0) {
        if (n > 0)
            content_hash_feed(h, (struct slice){piece, (size_t)n});
        else if (errno != EINTR)
            break;
    }
    const int error = errno;
    mem_free(piece);
    *readable = content_hash_finish(h, hash);
    errno = error;
    return n == 0;
}

/* The name is taken: by us, earlier, or by someone else? True: the answer is there. False: the name
 * is free (again). What is ours is made durable once more: whoever linked it may have crashed
 * before its fsync of the folder. */
static bool judge_existing(int folder, const char *last, struct file_put *p)
{
    const char *name = p->object.name;
    const int fd = openat(folder, last, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return false;
    struct stat st;
    unsigned char hash[LAKE_SHA256_BYTES];
    bool readable = false;
    if (fd < 0) {
        failed(&p->answer, "cannot read", name);
    } else if (fstat(fd, &st) != 0) {
        failed(&p->answer, "cannot read", name);
    } else if (!S_ISREG(st.st_mode)) {
        p->answer = lake_answer_of(LAKE_CONFLICT, "%.100s is there and is no file", name);
    } else if (!hash_file(fd, hash, &readable)) {
        failed(&p->answer, "cannot read", name);
    } else if (!readable || memcmp(hash, p->object.sha256, sizeof(hash)) != 0) {
        p->answer = lake_answer_of(LAKE_CONFLICT, "%.100s is there with %s content", name,
                                   readable ? "another" : "unreadable");
    } else if (fsync(fd) != 0 || fsync(folder) != 0) {
        failed(&p->answer, "cannot sync", name);
    } else {
        p->answer = lake_answer_of(LAKE_OK, "was there");
        p->answer.existed = true;
    }
    if (fd >= 0)
        close(fd);
    return true;
}

/* A new file: without a name, or, `named`, with one that is left in temp. -1 with errno. */
static int open_temp(int folder, bool named, char temp[TEMP_NAME_BYTES])
{
    temp[0] = '\0';
    if (!named)
        return openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, FILE_MODE);
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -1;
    snprintf(temp, TEMP_NAME_BYTES, ".turnstile-%016llx.tmp", (unsigned long long)random);
    return openat(folder, temp, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
}

static int link_temp(int folder, int fd, const char *temp, const char *last)
{
    if (temp[0] != '\0')
        return linkat(folder, temp, folder, last, 0);
    char path[TEMP_NAME_BYTES];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, folder, last, AT_SYMLINK_FOLLOW);
}

enum write_end { WRITE_DONE, WRITE_EXISTS, WRITE_NEEDS_NAME, WRITE_FAILED };

static enum write_end write_new(int folder, const char *last, struct file_put *p, bool named)
{
    char temp[TEMP_NAME_BYTES];
    const int fd = open_temp(folder, named, temp);
    if (fd < 0) {
        if (!named &&
            (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL))
            return WRITE_NEEDS_NAME;
        failed(&p->answer, "cannot create", p->object.name);
        return WRITE_FAILED;
    }
    enum write_end end = WRITE_DONE;
    if (!write_all(fd, p->object.bytes) || fsync(fd) != 0) {
        failed(&p->answer, "cannot write", p->object.name);
        end = WRITE_FAILED;
    } else if (link_temp(folder, fd, temp, last) != 0) {
        if (errno == EEXIST)
            end = WRITE_EXISTS;
        else if (!named && errno == ENOENT) /* no /proc */
            end = WRITE_NEEDS_NAME;
        else
            end = WRITE_FAILED;
        if (end == WRITE_FAILED)
            failed(&p->answer, "cannot name", p->object.name);
    }
    if (temp[0] != '\0')
        unlinkat(folder, temp, 0);
    if (end == WRITE_DONE && fsync(folder) != 0) {
        failed(&p->answer, "cannot sync the folder of", p->object.name);
        end = WRITE_FAILED; /* the next try finds the object there and syncs again */
    }
    close(fd);
    return end;
}

static void put_in_folder(int folder, const char *last, struct file_put *p)
{
    if (judge_existing(folder, last, p))
        return;
    enum write_end end = write_new(folder, last, p, false);
    if (end == WRITE_NEEDS_NAME)
        end = write_new(folder, last, p, true);
    if (end == WRITE_DONE)
        p->answer = lake_answer_of(LAKE_OK, "written");
    else if (end == WRITE_EXISTS && !judge_existing(folder, last, p))
        p->answer = lake_answer_of(LAKE_TRANSIENT, "%.100s came and went", p->object.name);
}

static void put_on_worker(uv_work_t *work)
{
    struct file_put *p = work->data;
    const struct lake_file *lake = CONTAINER_OF(p->put.lake, struct lake_file, lake);
    struct err err;
    if (lake_check_name(p->object.name, &err) != 0) {
        p->answer = lake_answer_of(LAKE_BROKEN, "%.200s", err.text);
        return;
    }
    const char *last = NULL;
    const int folder = descend(open_root(lake->root), p->object.name, LINKS_REFUSED, &last);
    if (folder < 0) {
        failed(&p->answer, "cannot enter the folder of", p->object.name);
        return;
    }
    put_in_folder(folder, last, p);
    close(folder);
}

static void probe_on_worker(uv_work_t *work)
{
    struct file_put *p = work->data;
    const struct lake_file *lake = CONTAINER_OF(p->put.lake, struct lake_file, lake);
    const int folder = open_root(lake->root);
    if (folder < 0) {
        failed(&p->answer, "cannot enter", lake->root);
        return;
    }
    char temp[TEMP_NAME_BYTES];
    const int fd = open_temp(folder, true, temp);
    if (fd < 0 || !write_all(fd, SLICE_LITERAL("probe")))
        failed(&p->answer, "cannot write in", lake->root);
    else
        p->answer = lake_answer_of(LAKE_OK, "can be written");
    if (fd >= 0) {
        close(fd);
        unlinkat(folder, temp, 0);
    }
    close(folder);
}

/* ---- on the loop ---- */

static void on_worked(uv_work_t *work, int status)
{
    struct file_put *p = work->data;
    if (status == UV_ECANCELED)
        p->answer = lake_answer_of(LAKE_CANCELED, "canceled");
    p->done(p->arg, &p->answer);
    mem_free(p);
}

static struct file_put *start(struct lake *lake, const struct lake_object *object, uv_work_cb work,
                              lake_done *done, void *arg)
{
    struct file_put *p = mem_calloc(1, sizeof(*p));
    p->put.lake = lake;
    p->work.data = p;
    p->done = done;
    p->arg = arg;
    if (object != NULL)
        p->object = *object;
    ASSERT(uv_queue_work(lake->loop, &p->work, work, on_worked) == 0);
    return p;
}

static void file_probe(struct lake *lake, lake_done *done, void *arg)
{
    start(lake, NULL, probe_on_worker, done, arg);
}

static struct lake_put *file_put_object(struct lake *lake, const struct lake_object *object,
                                        lake_done *done, void *arg)
{
    return &start(lake, object, put_on_worker, done, arg)->put;
}

static void file_cancel(struct lake_put *put)
{
    uv_cancel((uv_req_t *)&CONTAINER_OF(put, struct file_put, put)->work); /* too late is fine */
}

static void on_closed(uv_handle_t *handle)
{
    struct lake_file *l = handle->data;
    void (*closed)(void *) = l->closed;
    void *arg = l->closed_arg;
    lake_deinit(&l->lake);
    mem_free(l->root);
    mem_free(l);
    closed(arg);
}

static void file_close(struct lake *lake, void (*closed)(void *arg), void *arg)
{
    struct lake_file *l = CONTAINER_OF(lake, struct lake_file, lake);
    l->closed = closed;
    l->closed_arg = arg;
    uv_close((uv_handle_t *)&l->closer, on_closed);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place. False: a bad escape or a NUL. */
static bool percent_decode(char *text)
{
    char *out = text;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '%') {
            *out++ = *p;
            continue;
        }
        const int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0 || high * 16 + low == 0)
            return false;
        *out++ = (char)(high * 16 + low);
        p += 2;
    }
    *out = '\0';
    return true;
}

/* The folder that the URL means, to be freed; NULL with the reason. */
static char *root_of(const char *url, struct err *err)
{
    if (strncasecmp(url, "file:", 5) != 0)
        return mem_strdup(url);
    const char *path = url + 5;
    if (strncmp(path, "//", 2) == 0)
        path += 2;
    if (strncasecmp(path, "localhost/", 10) == 0)
        path += 9;
    if (path[0] != '/') {
        err_set(err, ERR_CONFIG, "lake %.200s: write file:///folder, or just the path", url);
        return NULL;
    }
    char *root = mem_strdup(path);
    if (percent_decode(root))
        return root;
    err_set(err, ERR_CONFIG, "lake %.200s: bad percent escape", url);
    mem_free(root);
    return NULL;
}

static int file_open(uv_loop_t *loop, const char *url, struct lake **out, struct err *err)
{
    char *root = root_of(url, err);
    if (root == NULL)
        return err->code;
    struct lake_file *l = mem_calloc(1, sizeof(*l));
    l->lake.ops = &lake_file_ops;
    l->lake.loop = loop;
    l->lake.display = mem_strdup(root);
    l->root = root;
    ASSERT(uv_timer_init(loop, &l->closer) == 0);
    l->closer.data = l;
    *out = &l->lake;
    return 0;
}

const struct lake_ops lake_file_ops = {
    .open = file_open,
    .probe = file_probe,
    .put = file_put_object,
    .cancel = file_cancel,
    .close = file_close,
};
