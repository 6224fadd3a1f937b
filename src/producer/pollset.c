#include "producer/pollset.h"

#include "base/mem.h"
#include "producer/csvrows.h"
#include "producer/fields.h"
#include "producer/readings.h"

#include <strings.h>

void pollset_init(struct pollset *p, int64_t max_step)
{
    struct err err;
    *p = (struct pollset){.max_step = max_step};
    intern_init(&p->current);
    buf_init(&p->last_readings, POLLSET_MAX_BODY_BYTES);
    ASSERT(timefmt_compile(&p->timestamp, "%Y-%m-%d %H:%M:%S", false, &err) == 0);
}

void pollset_deinit(struct pollset *p)
{
    intern_deinit(&p->current);
    buf_deinit(&p->last_readings);
    mem_free(p->fresh);
    *p = (struct pollset){0};
}

struct taking {
    struct pollset *set;
    struct intern seen; /* of this answer */
    size_t at[ROW_COLUMNS];
    size_t columns;
    bool first, weekly; /* nothing read yet; a header without ID and TIMESTAMP */
    struct buf scratch;
};

/* Row into `seen`; new in this answer and in the one before: into the list. */
static int add_row(struct taking *t, const struct slice *fields, struct err *err)
{
    struct pollset *p = t->set;
    const uint32_t before = t->seen.count;
    uint32_t number;
    if (fields_join(&t->scratch, fields, ROW_COLUMNS) != 0 ||
        intern_add(&t->seen, buf_slice(&t->scratch), &number) != 0)
        return err_set(err, ERR_TOO_LARGE, "more rows than fit into memory");
    if (number < before || intern_has(&p->current, buf_slice(&t->scratch)))
        return 0;
    if (p->fresh_count == p->fresh_capacity) {
        p->fresh_capacity = p->fresh_capacity > 0 ? p->fresh_capacity * 2 : 64;
        p->fresh = mem_realloc(p->fresh, p->fresh_capacity * sizeof p->fresh[0]);
    }
    p->fresh[p->fresh_count++] = number;
    return 0;
}

static int find_name(const struct slice *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count && i < CSVROWS_MAX_COLUMNS; i++)
        if (fields[i].len == strlen(name) && strncasecmp(fields[i].ptr, name, fields[i].len) == 0)
            return (int)i;
    return -1;
}

/* A header names UNIT and SCP. True: it was one, and says where the columns are. */
static bool read_header(struct taking *t, const struct slice *fields, size_t count)
{
    static const char *const names[ROW_COLUMNS] = {
        "CA",   "UNIT", "SCP",     "STATION", "LINENAME", "DIVISION", "DATE",
        "TIME", "DESC", "ENTRIES", "EXITS",   "ID",       "TIMESTAMP"};
    static const char *const aliases[] = {"C/A", "A/C", "AC"};
    if (find_name(fields, count, "UNIT") < 0 || find_name(fields, count, "SCP") < 0)
        return false;
    t->columns = count;
    for (size_t i = 0; i < ROW_COLUMNS; i++) {
        int at = find_name(fields, count, names[i]);
        for (size_t a = 0; i == ROW_CA && at < 0 && a < ARRAY_LEN(aliases); a++)
            at = find_name(fields, count, aliases[a]);
        if (at < 0)
            t->weekly = true; /* readings.c says so if even that lacks columns */
        else
            t->at[i] = (size_t)at;
    }
    return true;
}

static int on_row(void *arg, const struct slice *fields, size_t count, uint64_t row_number,
                  struct err *err)
{
    UNUSED(row_number);
    struct taking *t = arg;
    const bool first = t->first;
    t->first = false;
    if (t->weekly || (first && read_header(t, fields, count)))
        return 0;
    if (count != t->columns || count > CSVROWS_MAX_COLUMNS) {
        t->set->skipped++;
        return 0;
    }
    struct slice ordered[ROW_COLUMNS];
    for (size_t i = 0; i < ROW_COLUMNS; i++)
        ordered[i] = fields[t->at[i]];
    return add_row(t, ordered, err);
}

/* Differences over the answer before and this one together. */
static int take_weekly(struct taking *t, struct slice body, struct err *err)
{
    struct pollset *p = t->set;
    struct readings readings;
    struct readings_text text;
    struct row row;
    int rc = 0;
    readings_init(&readings);
    if (p->last_readings.len > 0)
        rc = readings_add_text(&readings, "answer before", buf_slice(&p->last_readings), err);
    if (rc == 0)
        rc = readings_add_text(&readings, "answer", body, err);
    if (rc == 0) {
        p->skipped += readings.stats.malformed;
        readings_difference(&readings, p->max_step);
    }
    for (size_t i = 0; rc == 0 && i < readings.count; i++) {
        readings_row(&readings, i, &text, &row);
        rc = add_row(t, row.field, err);
    }
    readings_deinit(&readings);
    if (rc != 0)
        return rc;
    buf_clear(&p->last_readings);
    ASSERT(body.len <= POLLSET_MAX_BODY_BYTES);
    return buf_append(&p->last_readings, body.ptr, body.len);
}

int pollset_take(struct pollset *p, struct slice body, struct err *err)
{
    struct taking t = {.set = p, .first = true, .columns = ROW_COLUMNS};
    for (size_t i = 0; i < ROW_COLUMNS; i++)
        t.at[i] = i;
    intern_init(&t.seen);
    buf_init(&t.scratch, 2 * CSVROWS_MAX_ROW_BYTES);
    p->fresh_count = p->next = 0;
    int rc =
        body.len > POLLSET_MAX_BODY_BYTES
            ? err_set(err, ERR_TOO_LARGE, "answer larger than %zu bytes", POLLSET_MAX_BODY_BYTES)
            : csvrows_read_text("answer", body, on_row, &t, err);
    if (rc == 0 && t.weekly)
        rc = take_weekly(&t, body, err);
    if (rc == 0) {
        intern_deinit(&p->current);
        p->current = t.seen;
    } else {
        p->fresh_count = 0;
        intern_deinit(&t.seen);
    }
    buf_deinit(&t.scratch);
    return rc;
}

bool pollset_next(struct pollset *p, struct row *row)
{
    if (p->next == p->fresh_count)
        return false;
    fields_split(intern_text(&p->current, p->fresh[p->next++]), row->field, ROW_COLUMNS);
    int64_t event_ms;
    if (timefmt_parse(&p->timestamp, row->field[ROW_TIMESTAMP], &event_ms))
        p->last_event_ms = event_ms;
    row->event_ms = p->last_event_ms;
    return true;
}
