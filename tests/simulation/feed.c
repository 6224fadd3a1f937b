#include "feed.h"

#include "base/base.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define VALUE_MAX_BYTES 2048 /* a message of four rows, every byte escaped, needs a third of it */
#define FIELDS 6

const char *const feed_stations[FEED_STATIONS] = {"A", "B", "59 ST", "A,B", "Ab\"c", "Caf\xc3\xa9"};
const char *const feed_days[FEED_DAYS] = {"07/04/2024", "07/22/2024", "12/31/2024"};
/* Several spellings of one day are one group. */
static const char *const day_spellings[FEED_DAYS][2] = {
    {"07-04-24", "7-4-24"}, {"07-22-24", "7-22-24"}, {"12-31-24", "12-31-24"}};
static const char *const column_names[FIELDS] = {"ID",    "STATION", "DAY",
                                                 "STAMP", "ENTRIES", "EXITS"};

/* ---- civil time, by counting ---- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

static void civil_from_ms(int64_t ms, int64_t field[6])
{
    int64_t days = ms / 86400000, rest = ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    int year = 1970, month = 1;
    while (days < 0)
        days += is_leap(--year) ? 366 : 365;
    while (days >= (is_leap(year) ? 366 : 365))
        days -= is_leap(year++) ? 366 : 365;
    while (days >= month_days(year, month))
        days -= month_days(year, month++);
    field[0] = year;
    field[1] = month;
    field[2] = days + 1;
    field[3] = rest / 3600000;
    field[4] = rest / 60000 % 60;
    field[5] = rest / 1000 % 60;
}

void feed_format_time(int64_t ms, const char *format, char *out, size_t out_bytes)
{
    int64_t field[6];
    civil_from_ms(ms, field);
    size_t used = 0;
    for (; *format; format++) {
        const char *place = strchr("YMDhms", *format);
        int n;
        if (place)
            n = snprintf(out + used, out_bytes - used, "%0*lld", *format == 'Y' ? 4 : 2,
                         (long long)field[place - "YMDhms"]);
        else
            n = snprintf(out + used, out_bytes - used, "%c", *format);
        ASSERT(n > 0 && (size_t)n < out_bytes - used);
        used += (size_t)n;
    }
}

/* ---- configuration ---- */

void feed_draw_config(struct feed_config *c, struct rng *rng)
{
    static const unsigned partitions[] = {1, 1, 2, 2, 3, 4, 5};
    static const int64_t slides[] = {10, 20, 30};
    static const int64_t multiples[] = {1, 1, 2, 3};
    static const int64_t delays[] = {0, 5, 20, 40};
    static const int64_t jitters[] = {0, 5, 30, 60};
    static const unsigned rows[] = {20, 60, 150, 300};
    memset(c, 0, sizeof(*c));
    c->partitions = RNG_PICK(rng, partitions);
    c->partition_scope = rng_chance(rng, 15);
    c->slide_ms = RNG_PICK(rng, slides) * SECOND;
    c->duration_ms = c->slide_ms * RNG_PICK(rng, multiples);
    if (rng_chance(rng, 30)) /* not a multiple of the slide: panes are shorter than both */
        c->duration_ms += 5 * SECOND;
    c->delay_ms = RNG_PICK(rng, delays) * SECOND;
    c->jitter_ms = RNG_PICK(rng, jitters) * SECOND;
    c->max_future_skew_ms = rng_chance(rng, 60) ? 3600 * SECOND : -1;
    /* Midnight of a year's end, somewhere in a day, or so early that windows start before 1970. */
    c->start_ms = rng_chance(rng, 5) ? 0 : INT64_C(1735689540) * SECOND;
    if (rng_chance(rng, 50))
        c->start_ms += (int64_t)rng_below(rng, 86400) * SECOND;
    c->rows = RNG_PICK(rng, rows);
    static const int64_t chunks[] = {1, 3, 10, 40, 1000};
    c->raw_chunk_records = rng_chance(rng, 33) ? RNG_PICK(rng, chunks) : 0;
    c->storm = rng_below(rng, 300) == 0;
    if (c->storm) {
        c->rows = 5000;
        c->partitions = c->partitions > 2 ? 2 : c->partitions;
        c->jitter_ms = 0;
    }
}

/* ---- text of a row ---- */

struct text {
    char data[VALUE_MAX_BYTES];
    size_t len;
};

static void add(struct text *t, const char *bytes, size_t len)
{
    ASSERT(t->len + len < sizeof(t->data));
    memcpy(t->data + t->len, bytes, len);
    t->len += len;
}

static void add_string(struct text *t, const char *string)
{
    add(t, string, strlen(string));
}

static void add_csv_field(struct text *t, const char *field)
{
    if (!strpbrk(field, ",\"")) {
        add_string(t, field);
        return;
    }
    add_string(t, "\"");
    for (; *field; field++) {
        add(t, field, 1);
        if (*field == '"')
            add(t, field, 1);
    }
    add_string(t, "\"");
}

struct fields {
    char text[FIELDS][64];
};

static void fill_fields(struct fields *f, const struct feed_row *row, struct rng *rng)
{
    snprintf(f->text[0], sizeof(f->text[0]), "id%u", row->ident);
    snprintf(f->text[1], sizeof(f->text[1]), "%s", feed_stations[row->station]);
    snprintf(f->text[2], sizeof(f->text[2]), "%s", day_spellings[row->day][rng_below(rng, 2)]);
    feed_format_time(row->event_ms, "Y-M-D h:m:s", f->text[3], sizeof(f->text[3]));
    snprintf(f->text[4], sizeof(f->text[4]), "%d", (int)row->entries);
    snprintf(f->text[5], sizeof(f->text[5]), "%d", (int)row->exits);
}

static void spoil_fields(struct fields *f, enum reject_reason reject, struct rng *rng)
{
    static const char *const types[] = {"x7", "", "1.5", "--1"};
    static const char *const times[] = {"2024-13-01 00:00:00", "yesterday", "2024-02-30 10:00:00",
                                        ""};
    static const char *const dates[] = {"02-30-24", "2024-07-22", "today"};
    char *out = NULL;
    const char *text = NULL;
    if (reject == REJECT_TYPE) {
        out = f->text[4 + rng_below(rng, 2)];
        text = RNG_PICK(rng, types);
    } else if (reject == REJECT_RANGE) {
        out = f->text[4 + rng_below(rng, 2)];
        text = "99999999999";
    } else if (reject == REJECT_TIMESTAMP) {
        out = f->text[3];
        text = RNG_PICK(rng, times);
    } else if (reject == REJECT_DATE) {
        out = f->text[2];
        text = RNG_PICK(rng, dates);
    }
    if (out)
        snprintf(out, sizeof(f->text[0]), "%s", text);
}

/* One CSV line without its newline; `order` is the order of the columns. */
static void add_row(struct text *t, const struct feed_row *row, const unsigned order[FIELDS],
                    struct rng *rng)
{
    struct fields f;
    fill_fields(&f, row, rng);
    spoil_fields(&f, row->reject, rng);
    const bool extra = row->reject == REJECT_COLUMNS && rng_chance(rng, 50);
    const unsigned count = row->reject == REJECT_COLUMNS && !extra ? FIELDS - 1 : FIELDS;
    for (unsigned i = 0; i < count; i++) {
        if (i)
            add_string(t, ",");
        if (order[i] == 1 && row->reject == REJECT_UTF8)
            add_string(t, "x\xff\xfe");
        else if (order[i] == 1 && row->reject == REJECT_NUL)
            add(t, "a\0b", 3);
        else if (order[i] == 1 && row->reject == REJECT_QUOTE)
            add_string(t, "a\"b");
        else
            add_csv_field(t, f.text[order[i]]);
    }
    if (extra)
        add_string(t, ",more");
}

static void wrap_json(struct text *t, enum reject_reason reject, struct rng *rng)
{
    const struct text plain = *t;
    t->len = 0;
    add_string(t, "\"");
    if (reject == REJECT_JSON)
        add_string(t, rng_chance(rng, 50) ? "\\q" : "\\ud800x");
    for (size_t i = 0; i < plain.len; i++) {
        const char c = plain.data[i];
        if (c == '"' || c == '\\')
            add_string(t, "\\");
        if (c == '\n')
            add_string(t, "\\n");
        else if (c == '\xc3' && i + 1 < plain.len && plain.data[i + 1] == '\xa9' &&
                 rng_chance(rng, 50))
            i++, add_string(t, "\\u00e9");
        else
            add(t, &c, 1);
    }
    add_string(t, "\"");
}

/* ---- messages ---- */

struct maker {
    const struct feed_config *config;
    struct rng *rng;
    int64_t newest_ms; /* event time of the feed as a whole */
    unsigned next_ident;
};

static struct feed_row draw_row(struct maker *m)
{
    static const int64_t steps[] = {0, 1, 1, 2, 7};
    if (!m->config->storm || rng_below(m->rng, 500) == 0)
        m->newest_ms += RNG_PICK(m->rng, steps) * SECOND;
    const unsigned jitter = (unsigned)(m->config->jitter_ms / SECOND);
    struct feed_row row = {
        .event_ms = m->newest_ms - (int64_t)rng_below(m->rng, jitter + 1) * SECOND,
        .station = rng_below(m->rng, FEED_STATIONS),
        .day = rng_below(m->rng, FEED_DAYS),
        .ident = rng_chance(m->rng, 5) ? rng_below(m->rng, 1 + m->next_ident) : m->next_ident++,
        .entries = (int32_t)rng_below(m->rng, 2000) - 5,
        .exits = rng_chance(m->rng, 2) ? INT32_MAX : (int32_t)rng_below(m->rng, 9),
    };
    if (row.event_ms < 0)
        row.event_ms = 0;
    return row;
}

/* A row that came before, again: a copy; or a near copy, which must not be taken for one. */
static void repeat_row(struct maker *m, const struct feed_log *log, struct feed_row *row)
{
    const struct feed_message *earlier = &log->messages[rng_below(m->rng, (unsigned)log->count)];
    const struct feed_row *model = &earlier->rows[rng_below(m->rng, earlier->row_count)];
    if (model->reject)
        return;
    row->ident = model->ident;
    row->event_ms = model->event_ms;
    row->station = model->station;
    if (rng_chance(m->rng, 20))
        row->station = (row->station + 1) % FEED_STATIONS;
    else if (rng_chance(m->rng, 20))
        row->event_ms += SECOND;
}

static enum reject_reason draw_reject(struct maker *m)
{
    static const enum reject_reason rejects[] = {REJECT_COLUMNS,   REJECT_TYPE,  REJECT_RANGE,
                                                 REJECT_TIMESTAMP, REJECT_DATE,  REJECT_UTF8,
                                                 REJECT_NUL,       REJECT_QUOTE, REJECT_FUTURE};
    const enum reject_reason reject = RNG_PICK(m->rng, rejects);
    if (reject == REJECT_FUTURE && m->config->max_future_skew_ms < 0)
        return REJECT_TYPE;
    return reject;
}

static void set_text(struct feed_row *row, const char *bytes, size_t len)
{
    row->text = mem_dup(bytes, len);
    row->text_len = len;
}

/* The whole message is one rejected row: null, empty, or a JSON string with a wrong escape. */
static void make_broken(struct maker *m, struct feed_message *message)
{
    struct text t = {.len = 0};
    struct feed_row *row = &message->rows[0];
    const unsigned kind = rng_below(m->rng, 3);
    message->row_count = 1;
    *row = draw_row(m);
    row->reject = kind == 0 ? REJECT_TOMBSTONE : kind == 1 ? REJECT_COLUMNS : REJECT_JSON;
    if (row->reject == REJECT_JSON) {
        static const unsigned plain[FIELDS] = {0, 1, 2, 3, 4, 5};
        add_row(&t, row, plain, m->rng);
        wrap_json(&t, REJECT_JSON, m->rng);
    }
    if (row->reject != REJECT_TOMBSTONE) {
        message->value = mem_dup(t.data, t.len);
        message->len = t.len;
    }
    set_text(row, t.data, t.len);
}

static void shuffle_columns(unsigned order[FIELDS], struct rng *rng)
{
    for (unsigned i = FIELDS - 1; i > 0; i--) {
        const unsigned j = rng_below(rng, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static void draw_rows(struct maker *m, const struct feed_log *log, struct feed_message *message)
{
    message->row_count = rng_chance(m->rng, 20) ? 2 + rng_below(m->rng, FEED_MAX_ROWS - 1) : 1;
    for (unsigned i = 0; i < message->row_count; i++) {
        struct feed_row *row = &message->rows[i];
        *row = draw_row(m);
        if (log->count && rng_chance(m->rng, 10))
            repeat_row(m, log, row);
        else if (i && rng_chance(m->rng, 10)) { /* a copy in the same message */
            row->ident = message->rows[0].ident;
            row->station = message->rows[0].station;
            row->event_ms = message->rows[0].event_ms;
        }
        row->reject = rng_chance(m->rng, m->config->storm ? 95 : 4) ? draw_reject(m) : REJECT_NONE;
    }
}

/* Kafka's timestamp: about now; FUTURE rows are future only if there is one. */
static void draw_timestamp(struct maker *m, struct feed_message *message)
{
    bool future = false;
    for (unsigned i = 0; i < message->row_count; i++)
        future = future || message->rows[i].reject == REJECT_FUTURE;
    message->timestamp_ms = m->newest_ms + (int64_t)rng_below(m->rng, 90) * SECOND;
    for (unsigned i = 0; i < message->row_count; i++) {
        struct feed_row *row = &message->rows[i];
        if (row->reject == REJECT_FUTURE)
            row->event_ms = message->timestamp_ms + m->config->max_future_skew_ms +
                            (1 + (int64_t)rng_below(m->rng, 9999)) * SECOND;
    }
    if (!future && rng_chance(m->rng, 10))
        message->timestamp_ms = RECORD_NO_TIMESTAMP;
}

static void make_rows(struct maker *m, const struct feed_log *log, struct feed_message *message)
{
    unsigned order[FIELDS] = {0, 1, 2, 3, 4, 5};
    struct text t = {.len = 0};
    bool binary = false;
    draw_rows(m, log, message);
    draw_timestamp(m, message);
    if (message->row_count > 1 && rng_chance(m->rng, 40)) {
        shuffle_columns(order, m->rng);
        for (unsigned i = 0; i < FIELDS; i++) {
            add_string(&t, i ? "," : "");
            add_string(&t, column_names[order[i]]);
        }
        add_string(&t, "\n");
    }
    for (unsigned i = 0; i < message->row_count; i++) {
        struct feed_row *row = &message->rows[i];
        const size_t begin = t.len;
        binary = binary || row->reject == REJECT_UTF8 || row->reject == REJECT_NUL;
        add_row(&t, row, order, m->rng);
        set_text(row, t.data + begin, t.len - begin);
        if (i + 1 < message->row_count || rng_chance(m->rng, 10))
            add_string(&t, rng_chance(m->rng, 80) ? "\n" : "\n\n");
    }
    if (!binary && rng_chance(m->rng, 30))
        wrap_json(&t, REJECT_NONE, m->rng);
    if (message->row_count == 1) { /* then the side output shows the whole value */
        mem_free(message->rows[0].text);
        set_text(&message->rows[0], t.data, t.len);
    }
    message->value = mem_dup(t.data, t.len);
    message->len = t.len;
}

static struct feed_message *add_message(struct feed_log *log)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? log->capacity * 2 : 64;
        log->messages = mem_realloc(log->messages, log->capacity * sizeof(*log->messages));
    }
    struct feed_message *message = &log->messages[log->count];
    memset(message, 0, sizeof(*message));
    return message;
}

static int64_t draw_gap(struct rng *rng)
{
    return rng_chance(rng, 90) ? 0 : 1 + (int64_t)rng_below(rng, 3);
}

/* Of every kind; what a key is decides nothing but the raw layer. */
static void set_key(struct feed_message *message)
{
    static const struct {
        const char *bytes;
        size_t len;
    } keys[] = {{NULL, 0}, {"id7", 3}, {"", 0}, {"a\"b\n", 4}, {"\xff\x01", 2}, {"a\0b", 3}};
    const size_t i = (size_t)message->offset % ARRAY_LEN(keys);
    message->key = keys[i].bytes;
    message->key_len = keys[i].len;
}

static void make_message(struct maker *m, struct feed_log *log)
{
    struct feed_message *message = add_message(log);
    const int64_t before = log->count ? log->messages[log->count - 1].end_after : log->low;
    message->offset = before + draw_gap(m->rng);
    message->end_after = message->offset + 1 + draw_gap(m->rng);
    set_key(message);
    if (rng_chance(m->rng, 2)) {
        message->timestamp_ms = m->newest_ms;
        make_broken(m, message);
    } else {
        make_rows(m, log, message);
    }
    log->count++;
}

void feed_init(struct feed *f, const struct feed_config *config, struct rng *rng)
{
    memset(f, 0, sizeof(*f));
    f->config = *config;
    struct maker m = {.config = &f->config, .rng = rng, .newest_ms = config->start_ms};
    for (unsigned p = 0; p < config->partitions; p++)
        f->logs[p].low = rng_chance(rng, 70) ? 0 : (int64_t)rng_below(rng, 1000);
    for (unsigned rows = 0; rows < config->rows;) {
        struct feed_log *log = &f->logs[rng_below(rng, config->partitions)];
        make_message(&m, log);
        rows += log->messages[log->count - 1].row_count;
    }
}

void feed_deinit(struct feed *f)
{
    for (unsigned p = 0; p < FEED_MAX_PARTITIONS; p++) {
        struct feed_log *log = &f->logs[p];
        for (size_t i = 0; i < log->count; i++) {
            mem_free(log->messages[i].value);
            for (unsigned r = 0; r < log->messages[i].row_count; r++)
                mem_free(log->messages[i].rows[r].text);
        }
        mem_free(log->messages);
        log->messages = NULL;
    }
}

int64_t feed_log_end(const struct feed_log *log)
{
    return log->visible ? log->messages[log->visible - 1].end_after : log->low;
}

size_t feed_log_find(const struct feed_log *log, int64_t offset)
{
    size_t i = 0;
    while (i < log->visible && log->messages[i].offset < offset)
        i++;
    return i;
}
