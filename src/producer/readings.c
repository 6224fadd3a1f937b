#include "producer/readings.h"

#include "base/err.h"
#include "base/mem.h"
#include "producer/csvrows.h"
#include "producer/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <xxhash.h>

#define NOT_THERE SIZE_MAX
#define MAX_COUNTER_DIGITS 12 /* real counters have at most 10 */

void readings_init(struct readings *r)
{
    *r = (struct readings){0};
    intern_init(&r->turnstiles);
    intern_init(&r->places);
    intern_init(&r->descs);
    struct err err;
    ASSERT(timefmt_compile(&r->slash_date, "%m/%d/%Y", true, &err) == 0);
    ASSERT(timefmt_compile(&r->dash_date, "%m-%d-%y", true, &err) == 0);
    ASSERT(timefmt_compile(&r->time, "%H:%M:%S", true, &err) == 0);
    row_formats_init(&r->formats);
}

void readings_deinit(struct readings *r)
{
    intern_deinit(&r->turnstiles);
    intern_deinit(&r->places);
    intern_deinit(&r->descs);
    mem_free(r->list);
    *r = (struct readings){0};
}

/* -- reading the files ---------------------------------------------------------------------- */

struct loading {
    struct readings *readings;
    bool has_header;
    size_t columns;           /* of the header */
    size_t at[ROW_EXITS + 1]; /* by enum row_column */
    struct buf scratch;
};

static bool is_name(struct slice field, const char *name)
{
    return field.len == strlen(name) && strncasecmp(field.ptr, name, field.len) == 0;
}

static int column_of(struct slice name)
{
    static const char *const names[] = {"CA",   "UNIT", "SCP",  "STATION", "LINENAME", "DIVISION",
                                        "DATE", "TIME", "DESC", "ENTRIES", "EXITS"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_name(name, names[i]))
            return (int)i;
    return is_name(name, "C/A") || is_name(name, "A/C") || is_name(name, "AC") ? ROW_CA : -1;
}

/* Does this row name all columns? Then it is a header (files may be joined, so: anywhere). */
static bool take_header(struct loading *l, const struct slice *fields, size_t count)
{
    size_t at[ROW_EXITS + 1];
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        at[i] = NOT_THERE;
    for (size_t i = 0; i < count && i < CSVROWS_MAX_COLUMNS; i++) {
        const int column = column_of(fields[i]);
        if (column >= 0)
            at[column] = i;
    }
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        if (at[i] == NOT_THERE)
            return false;
    memcpy(l->at, at, sizeof at);
    l->columns = count;
    l->has_header = true;
    return true;
}

static bool parse_counter(struct slice text, int64_t *value)
{
    if (text.len == 0 || text.len > MAX_COUNTER_DIGITS)
        return false;
    int64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        n = n * 10 + (text.ptr[i] - '0');
    }
    *value = n;
    return true;
}

static bool parse_reading(const struct readings *r, const struct loading *l,
                          const struct slice *fields, struct reading *reading)
{
    const struct slice date = fields[l->at[ROW_DATE]];
    int64_t day_ms, time_ms;
    if (!timefmt_parse(&r->slash_date, date, &day_ms) &&
        !timefmt_parse(&r->dash_date, date, &day_ms))
        return false;
    if (!timefmt_parse(&r->time, fields[l->at[ROW_TIME]], &time_ms))
        return false;
    reading->event_ms = day_ms + time_ms;
    return parse_counter(fields[l->at[ROW_ENTRIES]], &reading->entries) &&
           parse_counter(fields[l->at[ROW_EXITS]], &reading->exits);
}

static int intern_three(struct intern *t, const struct slice *fields, const size_t *at,
                        struct buf *scratch, uint32_t *number)
{
    const struct slice three[] = {fields[at[0]], fields[at[1]], fields[at[2]]};
    const int rc = fields_join(scratch, three, 3);
    return rc != 0 ? rc : intern_add(t, buf_slice(scratch), number);
}

static int on_row(void *arg, const struct slice *fields, size_t count, uint64_t row_number,
                  struct err *err)
{
    UNUSED(row_number);
    struct loading *l = arg;
    struct readings *r = l->readings;
    if (take_header(l, fields, count))
        return 0;
    if (!l->has_header)
        return err_set(err, ERR_PARSE,
                       "no header that names CA (or C/A), UNIT, SCP, STATION, LINENAME, DIVISION, "
                       "DATE, TIME, DESC, ENTRIES, EXITS");
    struct reading reading = {.order = (uint32_t)r->count};
    if (count != l->columns || count > CSVROWS_MAX_COLUMNS ||
        !parse_reading(r, l, fields, &reading)) {
        r->stats.malformed++;
        return 0;
    }
    if (r->count == READINGS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %u readings: replay fewer files at a time",
                       READINGS_MAX);
    if (intern_three(&r->turnstiles, fields, &l->at[ROW_CA], &l->scratch, &reading.turnstile) !=
            0 ||
        intern_three(&r->places, fields, &l->at[ROW_STATION], &l->scratch, &reading.place) != 0 ||
        intern_add(&r->descs, fields[l->at[ROW_DESC]], &reading.desc) != 0)
        return err_set(err, ERR_TOO_LARGE, "too many different turnstiles");
    if (r->count == r->capacity) {
        r->capacity = r->capacity > 0 ? r->capacity * 2 : 1024;
        r->list = mem_realloc(r->list, r->capacity * sizeof r->list[0]);
    }
    r->list[r->count++] = reading;
    r->stats.readings++;
    return 0;
}

static void begin(struct loading *l, struct readings *r)
{
    *l = (struct loading){.readings = r};
    buf_init(&l->scratch, CSVROWS_MAX_ROW_BYTES + 3 * sizeof(uint32_t));
}

static int finish(struct loading *l, const char *name, int rc, struct err *err)
{
    buf_deinit(&l->scratch);
    if (rc == 0 && !l->has_header)
        return err_set(err, ERR_PARSE, "%s: empty, not even a header", name);
    return rc;
}

int readings_add_file(struct readings *r, const char *path, struct err *err)
{
    struct loading l;
    begin(&l, r);
    return finish(&l, path, csvrows_read_file(path, on_row, &l, err), err);
}

int readings_add_text(struct readings *r, const char *name, struct slice text, struct err *err)
{
    struct loading l;
    begin(&l, r);
    return finish(&l, name, csvrows_read_text(name, text, on_row, &l, err), err);
}

/* -- taking the differences ----------------------------------------------------------------- */

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_turnstile(const void *a_, const void *b_)
{
    const struct reading *a = a_, *b = b_;
    if (a->turnstile != b->turnstile)
        return compare_u32(a->turnstile, b->turnstile);
    if (a->event_ms != b->event_ms)
        return a->event_ms < b->event_ms ? -1 : 1;
    return compare_u32(a->order, b->order);
}

static int by_event(const void *a_, const void *b_)
{
    const struct reading *a = a_, *b = b_;
    if (a->event_ms != b->event_ms)
        return a->event_ms < b->event_ms ? -1 : 1;
    return compare_u32(a->turnstile, b->turnstile);
}

static bool is_desc(const struct readings *r, const struct reading *reading, const char *name)
{
    return slice_equal(intern_text(&r->descs, reading->desc), slice_of(name));
}

/* Of several readings of one time keep one. `list` is one turnstile's, sorted; the new count. */
static size_t drop_same_time(struct readings *r, struct reading *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || list[kept - 1].event_ms != list[i].event_ms) {
            list[kept++] = list[i];
            continue;
        }
        r->stats.same_time++;
        if (!is_desc(r, &list[kept - 1], "REGULAR") && is_desc(r, &list[i], "REGULAR"))
            list[kept - 1] = list[i];
    }
    return kept;
}

static bool is_comparable(const struct reading *before, const struct reading *now)
{
    return now->event_ms - before->event_ms <= READINGS_STALE_MS;
}

/* Which way the two counters run. */
struct trends {
    struct counter_trend entries, exits;
};

static struct trends find_trends(const struct reading *list, size_t count, int64_t max_step)
{
    struct trends t = {0};
    for (size_t i = 1; i < count; i++) {
        counter_trend_add(&t.entries, list[i - 1].entries, list[i].entries, max_step);
        counter_trend_add(&t.exits, list[i - 1].exits, list[i].exits, max_step);
    }
    return t;
}

/* `row` is the reading `now`; its counters become passages. False: it yields no row. */
static bool difference_two(struct readings *r, const struct trends *trends,
                           const struct reading *before, const struct reading *now,
                           int64_t max_step, struct reading *row)
{
    const enum counter_verdict entries =
        counter_step(counter_trend_is_down(&trends->entries), before->entries, now->entries,
                     max_step, &row->entries);
    const enum counter_verdict exits = counter_step(
        counter_trend_is_down(&trends->exits), before->exits, now->exits, max_step, &row->exits);
    r->stats.verdicts[entries]++;
    r->stats.verdicts[exits]++;
    if (!counter_verdict_has_delta(entries) || !counter_verdict_has_delta(exits)) {
        r->stats.dropped++;
        return false;
    }
    r->stats.gaps += now->event_ms - before->event_ms > READINGS_GAP_MS;
    r->stats.recovered += is_desc(r, now, "RECOVR AUD");
    return true;
}

/* A run is what is comparable of one turnstile: its first reading is the baseline. */
static size_t run_length(const struct reading *list, size_t count)
{
    size_t n = 1;
    while (n < count && is_comparable(&list[n - 1], &list[n]))
        n++;
    return n;
}

/* Readings of one run become rows at the head of `out` (which may be `list`); returns their
 * number. Each run has its own trends: between weeks far apart a machine may be another. */
static size_t difference_run(struct readings *r, const struct reading *list, size_t count,
                             struct reading *out, int64_t max_step)
{
    const struct trends trends = find_trends(list, count, max_step);
    struct reading before = list[0]; /* copies: `out` overwrites the list */
    size_t rows = 0;
    r->stats.baselines++;
    for (size_t i = 1; i < count; i++) {
        const struct reading now = list[i];
        struct reading row = now;
        if (difference_two(r, &trends, &before, &now, max_step, &row))
            out[rows++] = row;
        before = now;
    }
    return rows;
}

void readings_difference(struct readings *r, int64_t max_step)
{
    size_t rows = 0;
    if (r->count > 0)
        qsort(r->list, r->count, sizeof r->list[0], by_turnstile);
    for (size_t start = 0; start < r->count;) {
        size_t end = start;
        while (end < r->count && r->list[end].turnstile == r->list[start].turnstile)
            end++;
        const size_t kept = drop_same_time(r, &r->list[start], end - start);
        for (size_t at = start, n; at < start + kept; at += n) {
            n = run_length(&r->list[at], start + kept - at);
            rows += difference_run(r, &r->list[at], n, &r->list[rows], max_step);
        }
        start = end;
    }
    r->count = rows;
    r->stats.rows = rows;
    if (rows > 0)
        qsort(r->list, rows, sizeof r->list[0], by_event);
}

/* -- rows ------------------------------------------------------------------------------------ */

/* Same turnstile, same time: same id, in every run. Version 8: ours to define. */
static void make_id(struct slice turnstile, int64_t event_ms, char out[UUID_TEXT_BYTES])
{
    const XXH128_hash_t hash =
        XXH3_128bits_withSeed(turnstile.ptr, turnstile.len, (XXH64_hash_t)event_ms);
    uuid_format(hash.high64, hash.low64, 8, out);
}

static struct slice format_count(char out[24], int64_t value)
{
    return (struct slice){out, (size_t)snprintf(out, 24, "%lld", (long long)value)};
}

void readings_row(const struct readings *r, size_t i, struct readings_text *text, struct row *row)
{
    ASSERT(i < r->count);
    const struct reading *reading = &r->list[i];
    const struct slice turnstile = intern_text(&r->turnstiles, reading->turnstile);
    fields_split(turnstile, &row->field[ROW_CA], 3);
    fields_split(intern_text(&r->places, reading->place), &row->field[ROW_STATION], 3);
    row_set_event(row, &r->formats, &text->times, reading->event_ms);
    row->field[ROW_DESC] = intern_text(&r->descs, reading->desc);
    row->field[ROW_ENTRIES] = format_count(text->entries, reading->entries);
    row->field[ROW_EXITS] = format_count(text->exits, reading->exits);
    make_id(turnstile, reading->event_ms, text->id);
    row->field[ROW_ID] = (struct slice){text->id, UUID_TEXT_BYTES - 1};
}
