#include "producer/message.h"

#include "producer/json.h"

void message_writer_init(struct message_writer *w, enum message_format format,
                         enum message_key key_by)
{
    *w = (struct message_writer){.format = format, .key_by = key_by};
    buf_init(&w->key, MESSAGE_MAX_BYTES);
    buf_init(&w->value, MESSAGE_MAX_BYTES);
    buf_init(&w->csv, MESSAGE_MAX_BYTES);
}

void message_writer_deinit(struct message_writer *w)
{
    buf_deinit(&w->key);
    buf_deinit(&w->value);
    buf_deinit(&w->csv);
}

static int write_key(struct message_writer *w, const struct row *row)
{
    buf_clear(&w->key);
    if (w->key_by == MESSAGE_KEY_TURNSTILE)
        return row_append_csv(&w->key, &row->field[ROW_CA], 3, ROW_NOT_RAW);
    return buf_append(&w->key, row->field[ROW_ID].ptr, row->field[ROW_ID].len);
}

static int write_value(struct message_writer *w, const struct slice *fields, size_t count,
                       size_t raw)
{
    buf_clear(&w->csv);
    buf_clear(&w->value);
    int rc = row_append_csv(&w->csv, fields, count, raw);
    if (rc != 0)
        return rc;
    return w->format == MESSAGE_JSON ? json_append_string(&w->value, buf_slice(&w->csv))
                                     : buf_append(&w->value, w->csv.data, w->csv.len);
}

static void describe(const struct message_writer *w, enum message_kind kind,
                     struct message *message)
{
    *message = (struct message){.kind = kind,
                                .key = buf_slice(&w->key),
                                .value = buf_slice(&w->value),
                                .csv = buf_slice(&w->csv)};
}

int message_write(struct message_writer *w, const struct row *row, enum message_kind kind,
                  struct message *message)
{
    int rc = write_key(w, row);
    if (rc == 0)
        rc = write_value(w, row->field, ROW_COLUMNS, ROW_NOT_RAW);
    describe(w, kind, message);
    return rc;
}

/* A JSON string with an escape that JSON does not have, whatever the format. */
static int break_escape(struct message_writer *w)
{
    buf_clear(&w->value);
    int rc = json_append_string(&w->value, buf_slice(&w->csv));
    if (rc == 0) {
        w->value.len--; /* the closing quote */
        rc = buf_append_str(&w->value, "\\q\"");
    }
    return rc;
}

int message_write_malformed(struct message_writer *w, const struct row *row,
                            enum message_fault fault, struct message *message)
{
    struct slice fields[ROW_COLUMNS + 1];
    memcpy(fields, row->field, sizeof row->field);
    size_t count = ROW_COLUMNS, raw = ROW_NOT_RAW;
    switch (fault) {
    case FAULT_COLUMN_MISSING: /* the row ends before TIMESTAMP */
        count = ROW_TIMESTAMP;
        break;
    case FAULT_COLUMN_EXTRA:
        fields[count++] = SLICE_LITERAL("extra");
        break;
    case FAULT_LETTERS:
        fields[ROW_ENTRIES] = SLICE_LITERAL("12a");
        break;
    case FAULT_OVERFLOW:
        fields[ROW_ENTRIES] = SLICE_LITERAL("2147483648");
        break;
    case FAULT_TIMESTAMP:
        fields[ROW_TIMESTAMP] = SLICE_LITERAL("2024-02-30 25:61:00");
        break;
    case FAULT_DATE:
        fields[ROW_DATE] = SLICE_LITERAL("13-45-24");
        break;
    case FAULT_QUOTE: /* opened, never closed */
        fields[ROW_STATION] = SLICE_LITERAL("\"Broken");
        raw = ROW_STATION;
        break;
    case FAULT_UTF8: /* a lead byte without its continuation */
        fields[ROW_STATION] = SLICE_LITERAL("Caf\xc3(");
        break;
    case FAULT_NUL:
        fields[ROW_STATION] = SLICE_LITERAL("Nul\0");
        break;
    case FAULT_JSON_ESCAPE:
    case FAULT_EMPTY:
    case FAULT_TOMBSTONE:
    case MESSAGE_FAULTS:
        break;
    }
    int rc = write_key(w, row);
    if (rc == 0)
        rc = write_value(w, fields, count, raw);
    if (rc == 0 && fault == FAULT_JSON_ESCAPE)
        rc = break_escape(w);
    describe(w, MESSAGE_MALFORMED, message);
    message->tombstone = fault == FAULT_TOMBSTONE;
    if (fault == FAULT_EMPTY || fault == FAULT_TOMBSTONE)
        message->value = SLICE_LITERAL("");
    return rc;
}
