#include "sandbox/store.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define STORE_LIST_MAX_ENTRIES 100000 /* of one listing; for people, who read fewer */
#define STAGED_BYTES 32

static enum store_result result_of_errno(int error)
{
    switch (error) {
    case ENOENT:
        return STORE_MISSING;
    case EEXIST:
        return STORE_EXISTS;
    case ENOTDIR:
    case EISDIR:
    case ELOOP: /* a symbolic link, with O_NOFOLLOW */
    case ENOTEMPTY:
        return STORE_BLOCKED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STORE_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return STORE_DENIED;
    default:
        return STORE_FAILED;
    }
}

/* ---- the directory ---- */

static int make_and_open(const char *dir, const char *leaf, int *fd, struct err *err)
{
    char path[4096];
    const int n = snprintf(path, sizeof(path), "%s%s%s", dir, leaf ? "/" : "", leaf ? leaf : "");
    if (n < 0 || (size_t)n >= sizeof(path))
        return err_set(err, ERR_CONFIG, "the directory's name is too long");
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        const int code = errno == EACCES || errno == EROFS ? ERR_PERMISSION : ERR_IO;
        return err_set(err, code, "cannot make %s: %s", path, strerror(errno));
    }
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return err_set(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    return 0;
}

/* What a killed process left half-written. */
static void empty_staging(int staging_fd)
{
    const int fd = dup(staging_fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (strncmp(entry->d_name, "upload-", 7) == 0)
            unlinkat(staging_fd, entry->d_name, 0);
    }
    closedir(dir);
}

int store_open(struct store *store, const char *dir, struct err *err)
{
    store->lock_fd = store->root_fd = store->staging_fd = -1;
    atomic_init(&store->next_upload, 1);
    int rc = make_and_open(dir, NULL, &store->lock_fd, err);
    if (rc)
        goto out;
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        rc = err_set(err, ERR_CONFLICT, "%s is in use by another sandbox: stop it or name another",
                     dir);
        goto out;
    }
    rc = make_and_open(dir, "lake", &store->root_fd, err);
    if (rc)
        goto out;
    rc = make_and_open(dir, ".staging", &store->staging_fd, err);
    if (rc)
        goto out;
    empty_staging(store->staging_fd);
out:
    if (rc)
        store_close(store);
    return rc;
}

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void store_close(struct store *store)
{
    close_if_open(&store->root_fd);
    close_if_open(&store->staging_fd);
    close_if_open(&store->lock_fd);
}

/* ---- names ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One byte of `raw` into *byte; returns how many bytes it took, 0 for a bad escape. */
static size_t decode_byte(const char *raw, unsigned char *byte)
{
    *byte = (unsigned char)raw[0];
    if (raw[0] != '%')
        return 1;
    const int high = hex_digit(raw[1]);
    const int low = high < 0 ? -1 : hex_digit(raw[2]);
    if (low < 0)
        return 0;
    *byte = (unsigned char)(high * 16 + low);
    return 3;
}

static const char *decode(struct store_name *name, const char *raw, size_t *len)
{
    *len = 0;
    while (*raw) {
        unsigned char byte;
        const size_t taken = decode_byte(raw, &byte);
        if (taken == 0)
            return "a % is not followed by two hexadecimal digits";
        if (byte < 0x20 || byte == 0x7f)
            return "a name holds a control character";
        if (taken == 3 && byte == '/')
            return "a name holds an escaped slash";
        if (*len == STORE_NAME_BYTES)
            return "the name is longer than 1024 bytes";
        name->bytes[(*len)++] = (char)byte;
        raw += taken;
    }
    name->bytes[*len] = '\0';
    return NULL;
}

const char *store_name_parse(struct store_name *name, const char *raw)
{
    name->count = 0;
    name->is_folder = false;
    size_t len;
    const char *why = decode(name, raw, &len);
    if (why)
        return why;
    if (len == 0) {
        name->is_folder = true;
        return NULL;
    }
    char *part = name->bytes;
    for (;;) {
        char *slash = strchr(part, '/');
        const size_t part_len = slash ? (size_t)(slash - part) : strlen(part);
        if (part_len == 0)
            return "a part of the name is empty";
        if (part_len > STORE_PART_BYTES)
            return "a part of the name is longer than 255 bytes";
        if (name->count == STORE_MAX_PARTS)
            return "the name has more than 32 parts";
        part[part_len] = '\0';
        if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0)
            return "a name has no \".\" or \"..\"";
        name->parts[name->count++] = part;
        if (!slash)
            return NULL;
        part = slash + 1;
        if (*part == '\0') {
            name->is_folder = true;
            return NULL;
        }
    }
}

/* ---- the walk ---- */

/* Make the directory `part` in `fd`, durably. */
static enum store_result make_folder(int fd, const char *part)
{
    if (mkdirat(fd, part, 0777) != 0) /* EEXIST: another thread was first */
        return errno == EEXIST ? STORE_OK : result_of_errno(errno);
    return fsync(fd) == 0 ? STORE_OK : result_of_errno(errno);
}

/* Open the first `count` parts as directories; *out is a new descriptor. */
static enum store_result walk(const struct store *store, const struct store_name *name,
                              size_t count, bool make, int *out)
{
    int fd = openat(store->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return result_of_errno(errno);
    for (size_t i = 0; i < count; i++) {
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        int next = openat(fd, name->parts[i], flags);
        enum store_result result = next < 0 ? result_of_errno(errno) : STORE_OK;
        if (result == STORE_MISSING && make) {
            result = make_folder(fd, name->parts[i]);
            if (result == STORE_OK) {
                next = openat(fd, name->parts[i], flags);
                result = next < 0 ? result_of_errno(errno) : STORE_OK;
            }
        }
        close(fd);
        if (result != STORE_OK)
            return result;
        fd = next;
    }
    *out = fd;
    return STORE_OK;
}

enum store_result store_find(const struct store *store, const struct store_name *name, int *fd,
                             struct stat *st)
{
    *fd = -1;
    int parent = -1;
    enum store_result result = walk(store, name, name->count ? name->count - 1 : 0, false, &parent);
    if (result != STORE_OK)
        return result == STORE_BLOCKED ? STORE_MISSING : result;
    if (name->count == 0) {
        *fd = parent;
    } else {
        /* O_NONBLOCK: a pipe that a person put there must not hold the server */
        const char *leaf = name->parts[name->count - 1];
        *fd = openat(parent, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        const int error = errno;
        close(parent);
        if (*fd < 0)
            return error == ELOOP || error == ENOTDIR ? STORE_MISSING : result_of_errno(error);
    }
    const bool readable =
        fstat(*fd, st) == 0 && (S_ISDIR(st->st_mode) || (S_ISREG(st->st_mode) && !name->is_folder));
    if (readable)
        return STORE_OK;
    close_if_open(fd);
    return STORE_MISSING;
}

/* ---- listing ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* 0, or ERR_TOO_LARGE when `out` is full. */
static int list_entry(int dir_fd, const char *entry, struct buf *out)
{
    struct stat st;
    if (fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0; /* gone meanwhile */
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return 0;
    struct tm tm;
    char when[32] = "";
    if (gmtime_r(&st.st_mtime, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    if (S_ISDIR(st.st_mode))
        return buf_printf(out, "%12s  %s  %s/\n", "-", when, entry);
    return buf_printf(out, "%12" PRIu64 "  %s  %s\n", (uint64_t)st.st_size, when, entry);
}

enum store_result store_list(int dir_fd, struct buf *out)
{
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        const int error = errno;
        close(dir_fd);
        return result_of_errno(error);
    }
    char **names = NULL;
    size_t count = 0;
    size_t room = 0;
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (count == STORE_LIST_MAX_ENTRIES)
            break;
        if (count == room) {
            room = room ? room * 2 : 64;
            names = mem_realloc(names, room * sizeof(*names));
        }
        names[count++] = mem_strdup(entry->d_name);
    }
    bool whole = count < STORE_LIST_MAX_ENTRIES;
    if (count)
        qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (whole && list_entry(dirfd(dir), names[i], out) != 0)
            whole = false;
        mem_free(names[i]);
    }
    mem_free(names);
    closedir(dir);
    return whole ? STORE_OK : STORE_FULL;
}

/* ---- uploads ---- */

static void staged_name(const struct store_upload *upload, char out[STAGED_BYTES])
{
    snprintf(out, STAGED_BYTES, "upload-%" PRIu64, upload->id);
}

enum store_result store_upload_begin(struct store *store, struct store_upload *upload)
{
    upload->id = (uint64_t)atomic_fetch_add(&store->next_upload, 1);
    char staged[STAGED_BYTES];
    staged_name(upload, staged);
    upload->fd = openat(store->staging_fd, staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return upload->fd < 0 ? result_of_errno(errno) : STORE_OK;
}

enum store_result store_upload_write(const struct store_upload *upload, const char *bytes,
                                     size_t len)
{
    while (len > 0) {
        const ssize_t n = write(upload->fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return result_of_errno(errno);
        bytes += n;
        len -= (size_t)n;
    }
    return STORE_OK;
}

void store_upload_abort(const struct store *store, struct store_upload *upload)
{
    if (upload->fd < 0)
        return;
    close_if_open(&upload->fd);
    char staged[STAGED_BYTES];
    staged_name(upload, staged);
    unlinkat(store->staging_fd, staged, 0);
}

/* The staged file becomes `leaf` of `parent`. */
static enum store_result publish(const struct store *store, const char *staged, int parent,
                                 const char *leaf, bool create_only, bool *replaced)
{
    struct stat st;
    *replaced = fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (*replaced && S_ISDIR(st.st_mode))
        return STORE_BLOCKED;
    const int rc = create_only ? linkat(store->staging_fd, staged, parent, leaf, 0)
                               : renameat(store->staging_fd, staged, parent, leaf);
    if (rc != 0 || fsync(parent) != 0)
        return result_of_errno(errno);
    return STORE_OK;
}

enum store_result store_upload_commit(const struct store *store, struct store_upload *upload,
                                      const struct store_name *name, bool create_only,
                                      bool *replaced)
{
    ASSERT(upload->fd >= 0 && name->count > 0);
    *replaced = false;
    enum store_result result = fsync(upload->fd) == 0 ? STORE_OK : result_of_errno(errno);
    int parent = -1;
    if (result == STORE_OK)
        result = walk(store, name, name->count - 1, true, &parent);
    if (result == STORE_OK) {
        char staged[STAGED_BYTES];
        staged_name(upload, staged);
        result =
            publish(store, staged, parent, name->parts[name->count - 1], create_only, replaced);
    }
    close_if_open(&parent);
    store_upload_abort(store, upload);
    return result;
}
