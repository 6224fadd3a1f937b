/* store.h -- a directory tree as an object store: names to files, whole or not at all.
 *
 * A name comes from a URL path and is checked before it touches the disk; the
 * walk opens one part after the other without following symbolic links, so that
 * no name leads out of the root. An upload is written beside the tree, synced,
 * and then linked or renamed into it: a reader sees the whole object or none.
 *
 * Deliberately without deletion, versions and metadata. Thread safe: one upload
 * belongs to one thread, the store is shared. */
#ifndef TURNSTILE_SANDBOX_STORE_H
#define TURNSTILE_SANDBOX_STORE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define STORE_NAME_BYTES 1024 /* of a whole decoded name; S3 has the same limit */
#define STORE_PART_BYTES 255  /* of one part: NAME_MAX of the usual file systems */
#define STORE_MAX_PARTS 32

struct store {
    int lock_fd;    /* held for the store's life: one process a directory */
    int root_fd;    /* <dir>/lake */
    int staging_fd; /* <dir>/.staging, emptied at start */
    atomic_uint_fast64_t next_upload;
};

/* A decoded, checked name: parts[i] are NUL-terminated. No parts: the root. */
struct store_name {
    char bytes[STORE_NAME_BYTES + 1];
    const char *parts[STORE_MAX_PARTS];
    size_t count;
    bool is_folder; /* ended in '/': names a directory */
};

enum store_result {
    STORE_OK,
    STORE_EXISTS,  /* create-only, and there already */
    STORE_MISSING, /* nothing readable of that name */
    STORE_BLOCKED, /* a part is a file where a directory is needed, or the reverse */
    STORE_FULL,    /* no space, quota or file size limit */
    STORE_DENIED,  /* the file system's permissions */
    STORE_FAILED   /* any other error of the file system */
};

/* One object on its way in. */
struct store_upload {
    int fd; /* -1: none */
    uint64_t id;
};

/* Makes `dir`, `dir`/lake and `dir`/.staging as needed. 0; ERR_CONFLICT (another process has it),
 * ERR_PERMISSION, ERR_IO. */
int store_open(struct store *store, const char *dir, struct err *err) MUST_CHECK;
void store_close(struct store *store);

/* Decode the percent-escapes of `raw` (a path below the root, without query) and split it. NULL,
 * or why it is no name, for people: escapes that lead nowhere, NUL and control characters, empty
 * parts, "." and "..", limits. A leading '/' is not part of a name. */
const char *store_name_parse(struct store_name *name, const char *raw) MUST_CHECK;

/* A regular file or a directory, open for reading. The caller closes *fd. */
enum store_result store_find(const struct store *store, const struct store_name *name, int *fd,
                             struct stat *st) MUST_CHECK;

/* A directory's entries, sorted, one a line: size, time of change (UTC), name. Takes `dir_fd`. */
enum store_result store_list(int dir_fd, struct buf *out) MUST_CHECK;

enum store_result store_upload_begin(struct store *store, struct store_upload *upload) MUST_CHECK;
enum store_result store_upload_write(const struct store_upload *upload, const char *bytes,
                                     size_t len) MUST_CHECK;
/* Make it durable and visible; parents are made. Ends the upload, whatever the result. `replaced`
 * says whether an object of that name was there. */
enum store_result store_upload_commit(const struct store *store, struct store_upload *upload,
                                      const struct store_name *name, bool create_only,
                                      bool *replaced) MUST_CHECK;
/* Drop what was written; no-op where no upload is under way. */
void store_upload_abort(const struct store *store, struct store_upload *upload);

#endif
