#include "oracle.h"

#include "base/mem.h"
#include "reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- verdicts ---- */

enum verdict_kind { REJECTED, LATE, DUPLICATE, WINDOWED };

struct verdict {
    enum verdict_kind kind;
    int64_t watermark_ms; /* before the row */
};

/* Every row of one partition, judged; rows in log order. */
struct judgement {
    struct verdict (*verdicts)[FEED_MAX_ROWS]; /* by message */
    int64_t closed_ms;                         /* the watermark in the end */
};

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Largest end of a window that holds t. */
static int64_t last_end(const struct feed_config *c, int64_t t)
{
    const int64_t into_slide = (t % c->slide_ms + c->slide_ms) % c->slide_ms;
    return t - into_slide + c->duration_ms;
}

/* Every row that was windowed before, the slow way: by number, then all of that number. */
struct seen {
    const struct feed_row **rows;
    size_t *before; /* index + 1 of the one before with the same number */
    size_t *last;   /* by number */
    size_t count;
};

static bool seen_before(struct seen *s, const struct feed_row *row)
{
    for (size_t i = s->last[row->ident]; i > 0; i = s->before[i - 1]) {
        if (s->rows[i - 1]->station == row->station && s->rows[i - 1]->event_ms == row->event_ms)
            return true;
    }
    s->rows[s->count] = row;
    s->before[s->count] = s->last[row->ident];
    s->last[row->ident] = ++s->count;
    return false;
}

static void seen_init(struct seen *s, const struct feed_log *log)
{
    size_t idents = 1;
    for (size_t m = 0; m < log->visible; m++) {
        for (unsigned r = 0; r < log->messages[m].row_count; r++) {
            if (log->messages[m].rows[r].ident >= idents)
                idents = log->messages[m].rows[r].ident + 1;
        }
    }
    s->count = 0;
    s->rows = mem_calloc(log->visible * FEED_MAX_ROWS + 1, sizeof(*s->rows));
    s->before = mem_calloc(log->visible * FEED_MAX_ROWS + 1, sizeof(*s->before));
    s->last = mem_calloc(idents, sizeof(*s->last));
}

static void seen_deinit(struct seen *s)
{
    mem_free(s->rows);
    mem_free(s->before);
    mem_free(s->last);
}

static enum verdict_kind judge_row(const struct feed_config *config, struct seen *seen,
                                   const struct feed_row *row, int64_t watermark_ms)
{
    if (row->reject)
        return REJECTED;
    if (last_end(config, row->event_ms) <= watermark_ms)
        return LATE;
    return seen_before(seen, row) ? DUPLICATE : WINDOWED;
}

static struct judgement judge(const struct world *w, unsigned partition)
{
    const struct feed_config *config = &w->feed.config;
    const struct feed_log *log = &w->feed.logs[partition];
    const struct world_cuts *cuts = &w->state[partition].cuts;
    struct judgement j = {mem_calloc(log->visible + 1, sizeof(*j.verdicts)), WATERMARK_NONE};
    struct seen seen;
    size_t cut = 0;
    seen_init(&seen, log);
    for (size_t m = 0; m < log->visible; m++) {
        const struct feed_message *message = &log->messages[m];
        for (; cut < cuts->count && cuts->items[cut].offset <= message->offset; cut++)
            j.closed_ms = max_of(j.closed_ms, cuts->items[cut].watermark_ms);
        for (unsigned r = 0; r < message->row_count; r++) {
            const struct feed_row *row = &message->rows[r];
            j.verdicts[m][r] =
                (struct verdict){judge_row(config, &seen, row, j.closed_ms), j.closed_ms};
            if (!row->reject)
                j.closed_ms = max_of(j.closed_ms, row->event_ms - config->delay_ms);
        }
    }
    for (; cut < cuts->count; cut++)
        j.closed_ms = max_of(j.closed_ms, cuts->items[cut].watermark_ms);
    seen_deinit(&seen);
    return j;
}

/* ---- mini-batches ---- */

/* One row in one window; sorted, the rows of a window and group stand together. */
struct share {
    int scope; /* partition, or -1 */
    int64_t end_ms;
    const char *station, *day;
    int64_t entries, exits;
};

struct shares {
    struct share *items;
    size_t count, capacity;
};

static int by_window_and_group(const void *left, const void *right)
{
    const struct share *a = left, *b = right;
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    if (a->end_ms != b->end_ms)
        return a->end_ms < b->end_ms ? -1 : 1;
    const int order = strcmp(a->station, b->station);
    return order ? order : strcmp(a->day, b->day);
}

static void add_share(struct shares *s, const struct share *share)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 256;
        s->items = mem_realloc(s->items, s->capacity * sizeof(*s->items));
    }
    s->items[s->count++] = *share;
}

/* A row counts in those of its windows that are still open, if they are closed in the end. */
static void add_row(const struct feed_config *config, const struct feed_row *row, int64_t above_ms,
                    int64_t closed_ms, int scope, struct shares *shares)
{
    const int64_t last = last_end(config, row->event_ms);
    for (int64_t end = last; end > row->event_ms; end -= config->slide_ms) {
        if (end > above_ms && end <= closed_ms)
            add_share(shares, &(struct share){scope, end, feed_stations[row->station],
                                              feed_days[row->day], row->entries, row->exits});
    }
}

static void add_partition(const struct world *w, unsigned partition, const struct judgement *j,
                          int64_t closed_ms, struct shares *shares)
{
    const struct feed_log *log = &w->feed.logs[partition];
    const int scope = w->feed.config.partition_scope ? (int)partition : -1;
    for (size_t m = 0; m < log->visible; m++) {
        for (unsigned r = 0; r < log->messages[m].row_count; r++) {
            if (j->verdicts[m][r].kind == WINDOWED)
                add_row(&w->feed.config, &log->messages[m].rows[r], j->verdicts[m][r].watermark_ms,
                        closed_ms, scope, shares);
        }
    }
}

static void batch_name(const struct feed_config *c, const struct share *s, char *out, size_t bytes)
{
    char end[32], partition[16] = "";
    feed_format_time(s->end_ms, "YMD_hms", end, sizeof(end));
    if (s->scope >= 0)
        snprintf(partition, sizeof(partition), "_p%d", s->scope);
    snprintf(out, bytes, "lake/batch_%" PRId64 "_%s%s.csv.gz",
             (s->end_ms - c->duration_ms) / c->slide_ms, end, partition);
}

static bool field_is(struct reader *r, const char *want, bool last)
{
    char got[READER_FIELD_BYTES];
    bool ends_line;
    return reader_csv_field(r, got, &ends_line) && strcmp(got, want) == 0 && ends_line == last;
}

static bool number_is(struct reader *r, int64_t want, bool last)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, want);
    return field_is(r, text, last);
}

static bool header_is_right(struct reader *r)
{
    static const char *const names[] = {"",      "STATION", "DAY", "START", "ENTRIES",
                                        "EXITS", "ROWS",    "LOW", "HIGH"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!field_is(r, names[i], i + 1 == ARRAY_LEN(names)))
            return false;
    }
    return true;
}

/* The shares [from, to) are of one window and group: one line. */
static bool line_is_right(struct reader *r, int64_t number, const struct shares *shares,
                          size_t from, size_t to, int64_t start_ms)
{
    const struct share *first = &shares->items[from];
    int64_t entries = 0, exits = 0, low = first->entries, high = first->exits;
    char start[32];
    for (size_t i = from; i < to; i++) {
        entries += shares->items[i].entries;
        exits += shares->items[i].exits;
        low = shares->items[i].entries < low ? shares->items[i].entries : low;
        high = shares->items[i].exits > high ? shares->items[i].exits : high;
    }
    feed_format_time(start_ms, "h:m:s", start, sizeof(start));
    return number_is(r, number, false) && field_is(r, first->station, false) &&
           field_is(r, first->day, false) && field_is(r, start, false) &&
           number_is(r, entries, false) && number_is(r, exits, false) &&
           number_is(r, (int64_t)(to - from), false) && number_is(r, low, false) &&
           number_is(r, high, true);
}

/* What the object holds and what it should: the shares, one a line. */
static void report_window(struct world *w, const char *name, const struct world_object *object,
                          const struct shares *shares, size_t from, size_t to)
{
    char text[WORLD_VIOLATION_BYTES];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = from; i < to && used < sizeof(text); i++) {
        const struct share *s = &shares->items[i];
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, "  %s %s %" PRId64 " %" PRId64 "\n",
                             s->station, s->day, s->entries, s->exits);
    }
    world_violation(w, "%s is wrong:\n%.*sexpected the sums of\n%s", name, (int)object->len,
                    object->content, text);
}

/* The shares [from, to) are of one window. */
static void check_window(struct world *w, const struct shares *shares, size_t from, size_t to,
                         struct oracle_totals *totals)
{
    const struct share *first = &shares->items[from];
    char name[128];
    batch_name(&w->feed.config, first, name, sizeof(name));
    const struct world_object *object = world_find(w, name);
    totals->objects++;
    if (!object) {
        world_violation(w, "%s is missing: %zu rows are lost", name, to - from);
        return;
    }
    struct reader r = {object->content, object->content + object->len};
    bool right = header_is_right(&r);
    int64_t number = 0;
    for (size_t i = from, next; right && i < to; i = next) {
        for (next = i + 1;
             next < to && !by_window_and_group(&shares->items[i], &shares->items[next]);)
            next++;
        right = line_is_right(&r, number++, shares, i, next,
                              first->end_ms - w->feed.config.duration_ms);
    }
    if (!right || r.at != r.end)
        report_window(w, name, object, shares, from, to);
    totals->rows += (uint64_t)number;
}

static void check_batches(struct world *w, struct shares *shares, struct oracle_totals *totals)
{
    size_t windows = 0, batches = 0;
    if (shares->count)
        qsort(shares->items, shares->count, sizeof(*shares->items), by_window_and_group);
    for (size_t i = 0, next; i < shares->count; i = next, windows++) {
        const struct share *first = &shares->items[i];
        for (next = i + 1; next < shares->count && shares->items[next].end_ms == first->end_ms &&
                           shares->items[next].scope == first->scope;)
            next++;
        check_window(w, shares, i, next, totals);
    }
    for (size_t i = 0; i < w->lake.count; i++)
        batches += w->lake.items[i].kind == OBJECT_MINI_BATCH;
    if (batches != windows)
        world_violation(w, "%zu mini-batches, expected %zu", batches, windows);
}

/* ---- side output ---- */

struct side_rows {
    struct reader_side_row *items;
    size_t count, capacity;
};

static void add_side_row(struct side_rows *s, const struct reader_side_row *row)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 64;
        s->items = mem_realloc(s->items, s->capacity * sizeof(*s->items));
    }
    s->items[s->count++] = *row;
}

static void expect_side(const struct world *w, unsigned partition, const struct judgement *j,
                        struct side_rows *want)
{
    const struct feed_log *log = &w->feed.logs[partition];
    for (size_t m = 0; m < log->visible; m++) {
        for (unsigned r = 0; r < log->messages[m].row_count; r++) {
            const struct feed_row *row = &log->messages[m].rows[r];
            const enum verdict_kind kind = j->verdicts[m][r].kind;
            if (kind != REJECTED && kind != LATE)
                continue;
            struct reader_side_row line = {
                .partition = partition, .offset = log->messages[m].offset, .row = r};
            snprintf(line.reason, sizeof(line.reason), "%s",
                     reject_name(kind == LATE ? REJECT_LATE : row->reject));
            line.is_null = row->reject == REJECT_TOMBSTONE;
            line.len = row->text_len;
            ASSERT(line.len <= sizeof(line.value));
            memcpy(line.value, row->text, line.len);
            add_side_row(want, &line);
        }
    }
}

static void read_side_object(struct world *w, const struct world_object *object,
                             struct side_rows *got)
{
    struct reader r = {object->content, object->content + object->len};
    struct reader_side_row row;
    char name[128];
    for (bool first = true; r.at < r.end; first = false) {
        if (!reader_side_line(&r, "ride", &row)) {
            world_violation(w, "%s: cannot be read:\n%.*s", object->name, (int)object->len,
                            object->content);
            return;
        }
        snprintf(name, sizeof(name), "rejected/ride-%u-%" PRId64 ".jsonl.gz", row.partition,
                 row.offset);
        if (first && strcmp(name, object->name) != 0)
            world_violation(w, "%s begins with offset %" PRId64, object->name, row.offset);
        add_side_row(got, &row);
    }
}

static int by_place(const void *left, const void *right)
{
    const struct reader_side_row *a = left, *b = right;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static void check_side(struct world *w, struct side_rows *want)
{
    struct side_rows got = {0};
    for (size_t i = 0; i < w->lake.count; i++) {
        if (w->lake.items[i].kind == OBJECT_SIDE)
            read_side_object(w, &w->lake.items[i], &got);
    }
    if (got.count)
        qsort(got.items, got.count, sizeof(*got.items), by_place);
    size_t i = 0, j = 0;
    while (i < want->count || j < got.count) {
        const struct reader_side_row *a = i < want->count ? &want->items[i] : NULL;
        const struct reader_side_row *b = j < got.count ? &got.items[j] : NULL;
        const int order = !a ? 1 : !b ? -1 : by_place(a, b);
        const struct reader_side_row *at = order <= 0 ? a : b;
        if (order)
            world_violation(w, "side output: p%u@%" PRId64 " row %u (%s) %s", at->partition,
                            at->offset, at->row, at->reason,
                            order < 0 ? "is lost" : "does not belong there, or is there twice");
        else if (strcmp(a->reason, b->reason) != 0 || a->is_null != b->is_null ||
                 a->len != b->len || memcmp(a->value, b->value, a->len) != 0)
            world_violation(w, "side output: p%u@%" PRId64 " row %u: %s %.*s, expected %s %.*s",
                            b->partition, b->offset, b->row, b->reason, (int)b->len, b->value,
                            a->reason, (int)a->len, a->value);
        i += order <= 0;
        j += order >= 0;
    }
    mem_free(got.items);
}

/* ---- the two questions ---- */

void oracle_check_lake(struct world *w, struct oracle_totals *totals)
{
    struct judgement judged[FEED_MAX_PARTITIONS];
    struct shares shares = {0};
    struct side_rows side = {0};
    int64_t all_closed_ms = INT64_MAX;
    for (unsigned p = 0; p < w->partitions; p++) {
        judged[p] = judge(w, p);
        if (judged[p].closed_ms < all_closed_ms)
            all_closed_ms = judged[p].closed_ms;
    }
    for (unsigned p = 0; p < w->partitions; p++) {
        add_partition(w, p, &judged[p],
                      w->feed.config.partition_scope ? judged[p].closed_ms : all_closed_ms,
                      &shares);
        expect_side(w, p, &judged[p], &side);
        mem_free(judged[p].verdicts);
    }
    check_batches(w, &shares, totals);
    check_side(w, &side);
    oracle_check_raw(w, totals);
    totals->side_rows += side.count;
    mem_free(shares.items);
    mem_free(side.items);
}

static void count_row(const struct feed_config *config, const struct feed_row *row,
                      enum verdict_kind kind, int64_t frontier_ms, struct oracle_accounts *a)
{
    a->rows++;
    if (kind == REJECTED)
        a->rejected[row->reject]++;
    else if (kind == LATE)
        a->late++;
    else if (last_end(config, row->event_ms) <= frontier_ms)
        a->suppressed++;
    else if (kind == DUPLICATE)
        a->duplicate++;
    else
        a->windowed++;
}

void oracle_check_accounts(struct world *w, unsigned partition, size_t first, size_t next,
                           int64_t frontier_ms, const struct oracle_accounts *got)
{
    const struct feed_log *log = &w->feed.logs[partition];
    const struct judgement j = judge(w, partition);
    struct oracle_accounts want = {.messages = next - first};
    for (size_t m = first; m < next; m++) {
        for (unsigned r = 0; r < log->messages[m].row_count; r++)
            count_row(&w->feed.config, &log->messages[m].rows[r], j.verdicts[m][r].kind,
                      frontier_ms, &want);
    }
    mem_free(j.verdicts);
    if (memcmp(&want, got, sizeof(want)) != 0)
        world_violation(w,
                        "p%u messages %zu..%zu: counted %" PRIu64 " messages, %" PRIu64
                        " rows, %" PRIu64 " windowed, %" PRIu64 " duplicate, %" PRIu64
                        " late, %" PRIu64 " suppressed; expected %" PRIu64 ", %" PRIu64 ", %" PRIu64
                        ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                        partition, first, next, got->messages, got->rows, got->windowed,
                        got->duplicate, got->late, got->suppressed, want.messages, want.rows,
                        want.windowed, want.duplicate, want.late, want.suppressed);
}
