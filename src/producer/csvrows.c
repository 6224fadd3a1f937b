#include "producer/csvrows.h"

#include "base/buf.h"
#include "base/mem.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK_BYTES (64 * 1024) /* handed to libcsv at a time */

struct splitter {
    struct csv_parser parser;
    struct buf row; /* the bytes of the fields so far */
    size_t ends[CSVROWS_MAX_COLUMNS];
    size_t count;
    uint64_t row_number;
    const char *name;
    csvrows_row *on_row;
    void *arg;
    struct err *err;
    int rc; /* the first failure; the rest of the text is then ignored */
};

static void too_long(struct splitter *s)
{
    s->rc = err_set(s->err, ERR_TOO_LARGE, "%s: row %llu is longer than %d bytes (an open quote?)",
                    s->name, (unsigned long long)s->row_number + 1, CSVROWS_MAX_ROW_BYTES);
}

static void on_field(void *bytes, size_t len, void *arg)
{
    struct splitter *s = arg;
    if (s->rc != 0)
        return;
    if (s->count < CSVROWS_MAX_COLUMNS) {
        if (buf_append(&s->row, bytes, len) != 0)
            too_long(s);
        s->ends[s->count] = s->row.len;
    }
    s->count++;
}

static void on_row_end(int end_char, void *arg)
{
    UNUSED(end_char);
    struct splitter *s = arg;
    if (s->rc != 0)
        return;
    struct slice fields[CSVROWS_MAX_COLUMNS];
    const size_t kept = s->count < CSVROWS_MAX_COLUMNS ? s->count : CSVROWS_MAX_COLUMNS;
    for (size_t i = 0; i < kept; i++) {
        const size_t start = i > 0 ? s->ends[i - 1] : 0;
        const size_t len = s->ends[i] - start;
        fields[i] = (struct slice){len > 0 ? s->row.data + start : "", len};
    }
    s->row_number++;
    s->rc = s->on_row(s->arg, fields, s->count, s->row_number, s->err);
    if (s->rc != 0)
        err_prefix(s->err, "%s:%llu", s->name, (unsigned long long)s->row_number);
    s->count = 0;
    buf_clear(&s->row);
}

static void splitter_init(struct splitter *s, const char *name, csvrows_row *on_row, void *arg,
                          struct err *err)
{
    *s = (struct splitter){.name = name, .on_row = on_row, .arg = arg, .err = err};
    buf_init(&s->row, CSVROWS_MAX_ROW_BYTES);
    ASSERT(csv_init(&s->parser, 0) == 0);
}

static void splitter_feed(struct splitter *s, const char *bytes, size_t len)
{
    if (s->rc != 0)
        return;
    const size_t done = csv_parse(&s->parser, bytes, len, on_field, on_row_end, s);
    if (s->rc == 0 && done != len)
        s->rc = err_set(s->err, ERR_PARSE, "%s: %s", s->name, csv_strerror(csv_error(&s->parser)));
    /* libcsv's own buffer grows with an open quote: bound it at the next chunk. */
    if (s->rc == 0 && csv_get_buffer_size(&s->parser) > CSVROWS_MAX_ROW_BYTES + CHUNK_BYTES)
        too_long(s);
}

static int splitter_finish(struct splitter *s)
{
    if (s->rc == 0)
        csv_fini(&s->parser, on_field, on_row_end, s);
    csv_free(&s->parser);
    buf_deinit(&s->row);
    return s->rc;
}

static int open_error(const char *path, struct err *err)
{
    const int reason = errno;
    const int code = reason == ENOENT || reason == ENOTDIR ? ERR_NOT_FOUND
                     : reason == EACCES                    ? ERR_PERMISSION
                                                           : ERR_IO;
    return err_set(err, code, "%s: %s", path, strerror(reason));
}

/* After the last gzread(): was it the end? */
static int read_error(gzFile file, const char *path, struct err *err)
{
    int code;
    gzerror(file, &code);
    if (code == Z_OK || code == Z_STREAM_END)
        return 0;
    if (code == Z_ERRNO)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    return err_set(err, ERR_PARSE, "%s: %s", path,
                   code == Z_BUF_ERROR ? "gzip is cut off before its end" : "gzip is damaged");
}

int csvrows_read_file(const char *path, csvrows_row *on_row, void *arg, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return open_error(path, err);
    gzFile file = gzdopen(fd, "rb");
    ASSERT(file != NULL);
    char *chunk = mem_alloc(CHUNK_BYTES);
    struct splitter s;
    splitter_init(&s, path, on_row, arg, err);
    int n;
    while (s.rc == 0 && (n = gzread(file, chunk, CHUNK_BYTES)) > 0)
        splitter_feed(&s, chunk, (size_t)n);
    if (s.rc == 0)
        s.rc = read_error(file, path, err);
    const int rc = splitter_finish(&s);
    gzclose(file);
    mem_free(chunk);
    return rc;
}

int csvrows_read_text(const char *name, struct slice text, csvrows_row *on_row, void *arg,
                      struct err *err)
{
    struct splitter s;
    splitter_init(&s, name, on_row, arg, err);
    for (size_t at = 0; at < text.len; at += CHUNK_BYTES)
        splitter_feed(&s, text.ptr + at, text.len - at < CHUNK_BYTES ? text.len - at : CHUNK_BYTES);
    return splitter_finish(&s);
}
