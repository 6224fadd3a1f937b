#include "producer/row.h"

void row_formats_init(struct row_formats *formats)
{
    struct err err;
    ASSERT(timefmt_compile(&formats->date, "%m-%d-%y", false, &err) == 0);
    ASSERT(timefmt_compile(&formats->time, "%H:%M:%S", false, &err) == 0);
    ASSERT(timefmt_compile(&formats->timestamp, "%Y-%m-%d %H:%M:%S", false, &err) == 0);
}

void row_set_event(struct row *row, const struct row_formats *formats, struct row_times *times,
                   int64_t event_ms)
{
    row->event_ms = event_ms;
    row->field[ROW_DATE] =
        (struct slice){times->date, timefmt_format(&formats->date, event_ms, times->date)};
    row->field[ROW_TIME] =
        (struct slice){times->time, timefmt_format(&formats->time, event_ms, times->time)};
    row->field[ROW_TIMESTAMP] = (struct slice){
        times->timestamp, timefmt_format(&formats->timestamp, event_ms, times->timestamp)};
}

static bool needs_quotes(struct slice field)
{
    for (size_t i = 0; i < field.len; i++) {
        const char c = field.ptr[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r')
            return true;
    }
    return false;
}

static int append_quoted(struct buf *out, struct slice field)
{
    int rc = buf_append_byte(out, '"');
    for (size_t i = 0; rc == 0 && i < field.len; i++) {
        if (field.ptr[i] == '"')
            rc = buf_append_byte(out, '"');
        if (rc == 0)
            rc = buf_append_byte(out, field.ptr[i]);
    }
    return rc != 0 ? rc : buf_append_byte(out, '"');
}

int row_append_csv(struct buf *out, const struct slice *fields, size_t count, size_t raw)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (i > 0)
            rc = buf_append_byte(out, ',');
        if (rc != 0)
            break;
        if (i != raw && needs_quotes(fields[i]))
            rc = append_quoted(out, fields[i]);
        else
            rc = buf_append(out, fields[i].ptr, fields[i].len);
    }
    return rc;
}
