#include "producer/audit.h"

#include "producer/json.h"

#include <errno.h>

#define LINE_MAX_BYTES (8u * 1024 * 1024) /* a 1 MiB value with every byte escaped, and its key */

int audit_open(struct audit *a, const char *path, struct err *err)
{
    *a = (struct audit){.path = path};
    buf_init(&a->line, LINE_MAX_BYTES);
    if (path == NULL)
        return 0;
    a->file = fopen(path, "we");
    if (a->file == NULL)
        return err_set(err,
                       errno == EACCES   ? ERR_PERMISSION
                       : errno == ENOENT ? ERR_NOT_FOUND
                                         : ERR_IO,
                       "--record %s: %s", path, strerror(errno));
    return 0;
}

static int append_bytes(struct buf *line, const char *name, struct slice bytes)
{
    const bool text = json_is_utf8(bytes);
    int rc = buf_printf(line, ",\"%s%s\":", name, text ? "" : "_base64");
    if (rc != 0)
        return rc;
    if (text)
        return json_append_string(line, bytes);
    rc = buf_append_byte(line, '"');
    if (rc == 0)
        rc = json_append_base64(line, bytes);
    return rc != 0 ? rc : buf_append_byte(line, '"');
}

void audit_write(struct audit *a, int32_t partition, int64_t offset, struct slice key,
                 const struct slice *value, int64_t timestamp_ms)
{
    if (a->file == NULL)
        return;
    buf_clear(&a->line);
    int rc =
        buf_printf(&a->line, "{\"partition\":%d,\"offset\":%lld", partition, (long long)offset);
    if (rc == 0)
        rc = append_bytes(&a->line, "key", key);
    if (rc == 0)
        rc = value != NULL ? append_bytes(&a->line, "value", *value)
                           : buf_append_str(&a->line, ",\"value\":null");
    if (rc == 0)
        rc = buf_printf(&a->line, ",\"timestamp_ms\":%lld}\n", (long long)timestamp_ms);
    ASSERT(rc == 0); /* a message is at most MESSAGE_MAX_BYTES */
    fwrite(a->line.data, 1, a->line.len, a->file);
}

int audit_close(struct audit *a, struct err *err)
{
    buf_deinit(&a->line);
    if (a->file == NULL)
        return 0;
    const int failed = ferror(a->file);
    const int unflushed = fclose(a->file);
    a->file = NULL;
    if (failed || unflushed != 0)
        return err_set(err, ERR_IO, "--record %s: %s", a->path,
                       unflushed != 0 ? strerror(errno) : "not everything could be written");
    return 0;
}
