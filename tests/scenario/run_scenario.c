/* run_scenario: plays a scenario file to the real core in virtual time and compares what the core
 * does with the file's `expect` lines. README.md has the grammar. */
#include "words.h"

#include "core/pipeline.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STORES 64
#define MAX_TRACE 64

static const char schema_text[] =
    "{\"name\": \"scenario\", \"columns\": [{\"name\": \"ID\", \"type\": \"string\"},"
    " {\"name\": \"GROUP\", \"type\": \"string\"},"
    " {\"name\": \"EVENT\", \"type\": \"timestamp\", \"format\": \"%Y-%m-%d %H:%M:%S\"},"
    " {\"name\": \"ENTRIES\", \"type\": \"int32\"}],"
    " \"event_time\": \"EVENT\", \"key\": [\"ID\", \"EVENT\"], \"group_by\": [\"GROUP\"],"
    " \"output\": [\"GROUP\", {\"sum\": \"ENTRIES\"}]}";

struct kept_record { /* what Kafka holds, or is being told */
    bool there;
    int64_t offset;
    char metadata[COMMIT_MAX_BYTES];
    size_t len;
};

struct partition {
    bool used;
    bool later; /* appears with the next restart */
    int64_t low, high;
    struct kept_record committed, in_flight;
    struct kept_record confirmed;      /* the last of which the process was told */
    struct pipeline_counters counters; /* as of the last event */
};

struct store {
    uint64_t id;
    char label[WORDS_LINE_BYTES]; /* `window=00:00:00`, `side p0@3` or `raw p0@0` */
};

struct scenario {
    struct words_place where;
    struct schema *schema;
    struct pipeline_config config;
    struct pipeline *pipeline;
    struct partition partitions[WORDS_MAX_PARTITIONS];
    struct store stores[MAX_STORES];
    unsigned store_count;
    char trace[MAX_TRACE][WORDS_LINE_BYTES]; /* what the last `at` line led to */
    unsigned trace_count, trace_next;
    bool show_commits, show_reads;
    int64_t now_ms;
    unsigned checked;
};

/* ---- what the core does, as lines ---- */

FORMAT_PRINTF(2, 3) static void trace(struct scenario *s, const char *format, ...)
{
    va_list args;
    if (s->trace_count == MAX_TRACE)
        words_fail(&s->where, "more than %d things happen at once", MAX_TRACE);
    va_start(args, format);
    vsnprintf(s->trace[s->trace_count++], WORDS_LINE_BYTES, format, args);
    va_end(args);
}

static void trace_batch(struct scenario *s, const struct object *o)
{
    char start[TIMEFMT_MAX_TEXT], end[TIMEFMT_MAX_TEXT], totals[WORDS_LINE_BYTES / 2] = "";
    size_t used = 0;
    struct store *store = &s->stores[s->store_count++];
    for (size_t i = 0; i < groups_count(o->groups) && used < sizeof(totals); i++) {
        struct slice key;
        const groups_sum *sums = groups_entry(o->groups, i, &key);
        used += (size_t)snprintf(totals + used, sizeof(totals) - used, "%s%.*s:%lld", i ? "," : "",
                                 (int)key.len, key.ptr, (long long)sums[0]);
    }
    store->id = o->id;
    snprintf(store->label, sizeof(store->label), "window=%s",
             words_clock(o->window_start_ms, start));
    trace(s, "store %s end=%s rows=%" PRIu64 " totals=%s object=%s", store->label,
          words_clock(o->window_end_ms, end), o->rows, totals, o->name);
}

/* `side p0@11 rows=2 offsets=11,14`, `raw p0@11 rows=4 offsets=11,12,13,14` */
static void trace_lines(struct scenario *s, const struct object *o)
{
    char offsets[WORDS_LINE_BYTES / 2] = "";
    size_t used = 0;
    struct store *store = &s->stores[s->store_count++];
    const char *first = strrchr(o->name, '-') + 1;
    const char *what = o->kind == OBJECT_RAW ? "raw" : "side";
    for (size_t at = 0; at + 10 < o->lines.len; at++) {
        if (memcmp(o->lines.data + at, "\"offset\":", 9) == 0)
            used += (size_t)snprintf(offsets + used, sizeof(offsets) - used, "%s%lld",
                                     used ? "," : "", strtoll(o->lines.data + at + 9, NULL, 10));
    }
    store->id = o->id;
    snprintf(store->label, sizeof(store->label), "%s p%d@%lld", what, (int)o->partition,
             strtoll(first, NULL, 10));
    trace(s, "store %s rows=%" PRIu64 " offsets=%s object=%s", store->label, o->rows, offsets,
          o->name);
}

/* The punctuation that this record has and the last confirmed one has not, or NULL. */
static const struct commit_cut *new_cut(const struct partition *p, const struct commit_record *r)
{
    struct commit_record old = {0};
    struct err err;
    const struct slice metadata = {p->confirmed.metadata, p->confirmed.len};
    if (p->confirmed.there && commit_decode(metadata, p->confirmed.offset, &old, &err) != 0)
        return NULL;
    for (unsigned i = 0; i < r->cut_count; i++) {
        bool known = false;
        for (unsigned j = 0; j < old.cut_count; j++)
            known = known || (r->cuts[i].offset == old.cuts[j].offset &&
                              r->cuts[i].watermark_ms == old.cuts[j].watermark_ms);
        if (!known)
            return &r->cuts[i];
    }
    return NULL;
}

/* Returns true when the record is shown, so that the file must answer it. */
static bool trace_commit(struct scenario *s, int32_t id, const struct kept_record *kept)
{
    struct partition *p = &s->partitions[id];
    struct commit_record r;
    struct err err;
    char w[TIMEFMT_MAX_TEXT], u[TIMEFMT_MAX_TEXT], c[TIMEFMT_MAX_TEXT];
    const struct slice metadata = {kept->metadata, kept->len};
    if (commit_decode(metadata, kept->offset, &r, &err) != 0)
        words_fail(&s->where, "p%d: a record that does not decode: %s", (int)id, err.text);
    const struct commit_cut *cut = new_cut(p, &r);
    if (cut)
        trace(s, "punctuation p%d@%" PRId64 " watermark=%s floor=%" PRId64, (int)id, cut->offset,
              words_clock(cut->watermark_ms, c), r.floor);
    else if (s->show_commits)
        trace(s,
              "commit p%d floor=%" PRId64 " watermark=%s frontier=%s side=%" PRId64 " raw=%" PRId64,
              (int)id, r.floor, words_clock(r.watermark_ms, w), words_clock(r.frontier_ms, u),
              r.side_offset, r.raw_offset);
    return cut || s->show_commits;
}

/* ---- events ---- */

static void send_event(struct scenario *s, struct pipeline_event *e);

static void answer(struct scenario *s, int32_t id, enum pipeline_commit_result result, bool lands)
{
    struct partition *p = &s->partitions[id];
    if (lands)
        p->committed = p->in_flight;
    if (result == PIPELINE_COMMIT_OK)
        p->confirmed = p->in_flight;
    p->in_flight.there = false;
    send_event(s, &(struct pipeline_event){.kind = EVENT_COMMITTED,
                                           .committed = {.partition = id, .result = result}});
}

static void keep_commit(struct scenario *s, const struct pipeline_action *a)
{
    struct kept_record *kept = &s->partitions[a->commit.partition].in_flight;
    if (kept->there)
        words_fail(&s->where, "p%d: two records in flight", (int)a->commit.partition);
    ASSERT(a->commit.metadata.len <= sizeof(kept->metadata));
    kept->there = true;
    kept->offset = a->commit.offset;
    kept->len = a->commit.metadata.len;
    memcpy(kept->metadata, a->commit.metadata.ptr, kept->len);
}

/* Returns the partition whose record is to be answered at once, or -1. */
static int32_t take_action(struct scenario *s, const struct pipeline_action *a)
{
    switch (a->kind) {
    case ACTION_READ:
        if (s->show_reads)
            trace(s, "read p%d@%" PRId64, (int)a->read.partition, a->read.offset);
        break;
    case ACTION_STORE:
        if (s->store_count == MAX_STORES)
            words_fail(&s->where, "more than %d objects", MAX_STORES);
        if (a->store.object->kind == OBJECT_MINI_BATCH)
            trace_batch(s, a->store.object);
        else
            trace_lines(s, a->store.object);
        object_free(a->store.object);
        break;
    case ACTION_COMMIT:
        keep_commit(s, a);
        if (!trace_commit(s, a->commit.partition, &s->partitions[a->commit.partition].in_flight))
            return a->commit.partition;
        break;
    case ACTION_STOP_PARTITION:
        trace(s, "stop p%d: %s", (int)a->stop.partition, a->stop.reason);
        break;
    case ACTION_WAKE_AT:
        break;
    case ACTION_DRAINED:
        trace(s, "drained");
        break;
    }
    return -1;
}

/* A record that is not shown is answered as soon as it is sent. */
static void send_event(struct scenario *s, struct pipeline_event *e)
{
    struct pipeline_action a;
    int32_t waiting[WORDS_MAX_PARTITIONS];
    unsigned count = 0;
    e->now_ms = s->now_ms;
    pipeline_step(s->pipeline, e);
    while (pipeline_next_action(s->pipeline, &a)) {
        const int32_t id = take_action(s, &a);
        if (id >= 0)
            waiting[count++] = id;
    }
    for (unsigned i = 0; i < count; i++)
        answer(s, waiting[i], PIPELINE_COMMIT_OK, true);
}

static void assign(struct scenario *s)
{
    struct pipeline_partition list[WORDS_MAX_PARTITIONS];
    size_t count = 0;
    for (unsigned i = 0; i < WORDS_MAX_PARTITIONS; i++) {
        struct partition *p = &s->partitions[i];
        if (!p->used || p->later)
            continue;
        list[count++] = (struct pipeline_partition){
            .partition = (int32_t)i,
            .low = p->low,
            .high = p->high,
            .committed = p->committed.there ? p->committed.offset : RECORD_NO_OFFSET,
            .metadata = {p->committed.metadata, p->committed.there ? p->committed.len : 0}};
        memset(&p->counters, 0, sizeof(p->counters));
    }
    send_event(s, &(struct pipeline_event){.kind = EVENT_ASSIGNED,
                                           .assigned = {.partitions = list, .count = count}});
}

static void start(struct scenario *s)
{
    struct err err = {0};
    if (pipeline_check_config(&s->config, &err) != 0)
        words_fail(&s->where, "%s", err.text);
    s->pipeline = pipeline_new(&s->config);
    assign(s);
}

/* The process is gone; what it had in flight is lost, or has landed. */
static void restart(struct scenario *s, bool landed)
{
    pipeline_free(s->pipeline);
    s->store_count = 0;
    for (unsigned i = 0; i < WORDS_MAX_PARTITIONS; i++) {
        struct partition *p = &s->partitions[i];
        if (landed && p->in_flight.there)
            p->committed = p->in_flight;
        p->in_flight.there = false;
        p->confirmed = p->committed;
        p->later = false;
    }
    start(s);
}

static void trace_verdicts(struct scenario *s, unsigned id, int64_t offset)
{
    for (size_t i = 0; i < pipeline_partition_count(s->pipeline); i++) {
        struct pipeline_view view;
        struct pipeline_counters now, *before = &s->partitions[id].counters;
        pipeline_view(s->pipeline, i, &view, &now);
        if (view.partition != (int32_t)id)
            continue;
        if (now.late != before->late)
            trace(s, "late p%u@%" PRId64, id, offset);
        if (now.duplicate != before->duplicate)
            trace(s, "duplicate p%u@%" PRId64, id, offset);
        if (now.suppressed != before->suppressed)
            trace(s, "suppressed p%u@%" PRId64, id, offset);
        for (unsigned r = 0; r < REJECT_COUNT; r++) {
            if (now.rejected[r] != before->rejected[r])
                trace(s, "rejected p%u@%" PRId64 " reason=%s", id, offset,
                      reject_name((enum reject_reason)r));
        }
        *before = now;
    }
}

/* `row p0@10 event=00:00:01 group=a entries=3 id=x` or `raw p0@10 value=...` */
static void hand_in(struct scenario *s, const struct words *w)
{
    int64_t offset;
    char text[WORDS_LINE_BYTES], id_text[32];
    const unsigned id = words_partition(&s->where, w->word[3], &offset);
    struct partition *p = &s->partitions[id];
    const char *raw = words_value(w, "value"), *event = words_value(w, "event");
    const char *group = words_value(w, "group"), *entries = words_value(w, "entries");
    const char *ident = words_value(w, "id");
    if (offset < 0 || (!raw && !event))
        words_fail(&s->where, "a row needs its place p0@12 and event=HH:MM:SS, or value=TEXT");
    snprintf(id_text, sizeof(id_text), "%s", w->word[3]);
    if (raw)
        snprintf(text, sizeof(text), "%s", raw);
    else
        snprintf(text, sizeof(text), "%s,%s,2024-07-22 %s,%s", ident ? ident : id_text,
                 group ? group : "a", event, entries ? entries : "1");
    if (p->high <= offset)
        p->high = offset + 1;
    if (!pipeline_may_read(s->pipeline, (int32_t)id)) {
        trace(s, "held p%u", id);
        return;
    }
    const struct record record = {
        .offset = offset, .timestamp_ms = RECORD_NO_TIMESTAMP, .value = {text, strlen(text)}};
    struct pipeline_event e = {
        .kind = EVENT_RECORDS,
        .records = {.partition = (int32_t)id, .records = &record, .count = 1}};
    const unsigned from = s->trace_count;
    send_event(s, &e);
    const unsigned middle = s->trace_count;
    trace_verdicts(s, id, offset);
    /* The verdict reads better before what follows from it. */
    for (unsigned i = middle; i < s->trace_count; i++) {
        char line[WORDS_LINE_BYTES];
        memcpy(line, s->trace[i], WORDS_LINE_BYTES);
        memmove(s->trace[from + i - middle + 1], s->trace[from + i - middle],
                (middle - from) * sizeof(s->trace[0]));
        memcpy(s->trace[from + i - middle], line, WORDS_LINE_BYTES);
    }
}

static void end_of_log(struct scenario *s, const struct words *w)
{
    int64_t offset;
    const unsigned id = words_partition(&s->where, w->word[3], &offset);
    if (offset >= 0)
        s->partitions[id].high = offset;
    send_event(s, &(struct pipeline_event){
                      .kind = EVENT_END_OF_LOG,
                      .end_of_log = {.partition = (int32_t)id, .offset = s->partitions[id].high}});
}

/* `stored window=00:00:00`, `stored side p0@11`, `stored raw p0@0` */
static void stored(struct scenario *s, const struct words *w)
{
    char label[WORDS_LINE_BYTES];
    if (w->count > 4)
        snprintf(label, sizeof(label), "%s %s", w->word[3], w->word[4]);
    else
        snprintf(label, sizeof(label), "%s", w->count > 3 ? w->word[3] : "");
    for (unsigned i = 0; i < s->store_count; i++) {
        if (strcmp(s->stores[i].label, label) != 0)
            continue;
        const uint64_t id = s->stores[i].id;
        s->stores[i] = s->stores[--s->store_count];
        send_event(s, &(struct pipeline_event){.kind = EVENT_STORED, .stored = {.object_id = id}});
        return;
    }
    words_fail(&s->where, "no store \"%s\" is under way", label);
}

/* `committed p0 [ok|refused|unknown|unknown-landed]` */
static void committed(struct scenario *s, const struct words *w)
{
    int64_t offset;
    const unsigned id = words_partition(&s->where, w->word[3], &offset);
    const char *how = w->count > 4 ? w->word[4] : "ok";
    if (!s->partitions[id].in_flight.there)
        words_fail(&s->where, "no record of p%u is under way", id);
    if (strcmp(how, "ok") == 0)
        answer(s, (int32_t)id, PIPELINE_COMMIT_OK, true);
    else if (strcmp(how, "refused") == 0)
        answer(s, (int32_t)id, PIPELINE_COMMIT_REFUSED, false);
    else if (strcmp(how, "unknown") == 0)
        answer(s, (int32_t)id, PIPELINE_COMMIT_UNKNOWN, false);
    else if (strcmp(how, "unknown-landed") == 0)
        answer(s, (int32_t)id, PIPELINE_COMMIT_UNKNOWN, true);
    else
        words_fail(&s->where, "\"%s\": write ok, refused, unknown or unknown-landed", how);
}

/* ---- the file ---- */

static bool is_key(const char *word, const char *key)
{
    const size_t len = strlen(key);
    return strncmp(word, key, len) == 0 && word[len] == '=';
}

static void configure(struct scenario *s, const struct words *w)
{
    const struct {
        const char *key;
        int64_t *ms;
    } times[] = {
        {"duration", &s->config.duration_ms},     {"slide", &s->config.slide_ms},
        {"delay", &s->config.delay_ms},           {"idle-timeout", &s->config.idle_timeout_ms},
        {"idle-close", &s->config.idle_close_ms}, {"hold", &s->config.punctuation_hold_ms}};
    for (unsigned i = 1; i < w->count; i++) {
        size_t t = 0;
        while (t < ARRAY_LEN(times) && !is_key(w->word[i], times[t].key))
            t++;
        if (t < ARRAY_LEN(times))
            *times[t].ms = words_duration(&s->where, strchr(w->word[i], '=') + 1);
        else if (strcmp(w->word[i], "once") == 0)
            s->config.once = true;
        else if (strcmp(w->word[i], "flush") == 0)
            s->config.flush = true;
        else if (is_key(w->word[i], "raw"))
            s->config.raw_chunk_records = words_number(&s->where, w->word[i] + 4, "");
        else if (strcmp(w->word[i], "scope=partition") == 0)
            s->config.partition_scope = true;
        else if (strcmp(w->word[i], "show=commits") == 0)
            s->show_commits = true;
        else
            words_fail(&s->where, "unknown setting \"%s\"", w->word[i]);
    }
    if (!words_value(w, "slide") && words_value(w, "duration"))
        s->config.slide_ms = s->config.duration_ms;
    s->config.raw = s->config.raw_chunk_records != 0;
}

/* `p0 10..14 [later]`, from the given word on */
static void declare_log(struct scenario *s, const struct words *w, unsigned first)
{
    int64_t offset;
    if (w->count < first + 2 || !strstr(w->word[first + 1], ".."))
        words_fail(&s->where, "write: log p0 FIRST..END");
    struct partition *p = &s->partitions[words_partition(&s->where, w->word[first], &offset)];
    p->used = true;
    p->later = words_has(w, "later");
    p->low = words_number(&s->where, w->word[first + 1], ".");
    p->high = words_number(&s->where, strstr(w->word[first + 1], "..") + 2, "");
}

static void none_left(const struct scenario *s)
{
    if (s->trace_next < s->trace_count)
        words_fail(&s->where, "before this line, not expected: %s", s->trace[s->trace_next]);
}

static void at(struct scenario *s, const struct words *w)
{
    none_left(s);
    s->trace_count = s->trace_next = 0;
    if (w->count < 3)
        words_fail(&s->where, "write: at TIME WHAT");
    s->now_ms = words_duration(&s->where, w->word[1]);
    const char *what = w->word[2];
    s->show_reads =
        strcmp(what, "start") == 0 || strcmp(what, "restart") == 0 || strcmp(what, "assign") == 0;
    if (strcmp(what, "start") == 0 && !s->pipeline) {
        start(s);
        return;
    }
    if (!s->pipeline)
        start(s);
    if (strcmp(what, "restart") == 0)
        restart(s, words_has(w, "landed"));
    else if (strcmp(what, "row") == 0 && w->count > 3)
        hand_in(s, w);
    else if (strcmp(what, "end") == 0 && w->count > 3)
        end_of_log(s, w);
    else if (strcmp(what, "stored") == 0)
        stored(s, w);
    else if (strcmp(what, "committed") == 0 && w->count > 3)
        committed(s, w);
    else if (strcmp(what, "tick") == 0)
        send_event(s, &(struct pipeline_event){.kind = EVENT_TICK});
    else if (strcmp(what, "log") == 0)
        declare_log(s, w, 3);
    else if (strcmp(what, "revoke") == 0)
        send_event(s, &(struct pipeline_event){.kind = EVENT_REVOKED});
    else if (strcmp(what, "assign") == 0)
        assign(s);
    else if (strcmp(what, "drain") == 0)
        send_event(s, &(struct pipeline_event){.kind = EVENT_DRAIN});
    else
        words_fail(&s->where, "unknown event \"%s\"", what);
}

/* Every word of the line after `expect` is in what happened, and the first is first. */
static void expect(struct scenario *s, const struct words *w)
{
    struct words got;
    if (w->count < 2)
        words_fail(&s->where, "write: expect WHAT");
    if (strcmp(w->word[1], "nothing") == 0) {
        none_left(s);
        return;
    }
    if (s->trace_next == s->trace_count)
        words_fail(&s->where, "expected \"%s\", but nothing more happens", w->word[1]);
    const char *line = s->trace[s->trace_next++];
    words_split(&s->where, line, &got);
    for (unsigned i = 1; i < w->count; i++) {
        if (!words_has(&got, w->word[i]) || (i == 1 && strcmp(got.word[0], w->word[1]) != 0))
            words_fail(&s->where, "expected \"%s\", got: %s", w->word[i], line);
    }
    s->checked++;
}

/* Logs that are not declared begin at the first offset that is named. */
static void find_partitions(struct scenario *s, FILE *file)
{
    char line[WORDS_LINE_BYTES];
    struct words w;
    for (s->where.line = 1; fgets(line, sizeof(line), file); s->where.line++) {
        words_split(&s->where, line, &w);
        if (w.count > 1 && strcmp(w.word[0], "log") == 0)
            declare_log(s, &w, 1);
        if (w.count < 4 || strcmp(w.word[0], "at") != 0 || w.word[3][0] != 'p')
            continue;
        int64_t offset;
        struct partition *p = &s->partitions[words_partition(&s->where, w.word[3], &offset)];
        if (!p->used && offset >= 0) {
            p->used = true;
            p->low = p->high = offset;
        }
    }
    rewind(file);
}

static void play(struct scenario *s, FILE *file)
{
    char line[WORDS_LINE_BYTES];
    struct words w;
    for (s->where.line = 1; fgets(line, sizeof(line), file); s->where.line++) {
        words_split(&s->where, line, &w);
        if (w.count == 0 || strcmp(w.word[0], "log") == 0)
            continue;
        if (strcmp(w.word[0], "config") == 0)
            configure(s, &w);
        else if (strcmp(w.word[0], "at") == 0)
            at(s, &w);
        else if (strcmp(w.word[0], "expect") == 0)
            expect(s, &w);
        else
            words_fail(&s->where, "unknown line \"%s\"", w.word[0]);
    }
    none_left(s);
}

int main(int argc, char **argv)
{
    struct scenario *s = mem_calloc(1, sizeof(*s));
    struct err err = {0};
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!file) {
        fprintf(stderr, "usage: run_scenario FILE\n");
        return 2;
    }
    s->where.path = argv[1];
    ASSERT(schema_parse(slice_of(schema_text), &s->schema, &err) == 0);
    s->config = (struct pipeline_config){.schema = s->schema,
                                         .topic = "ride",
                                         .prefix = "lake",
                                         .side_prefix = "rejected",
                                         .raw_prefix = "raw",
                                         .duration_ms = 60000,
                                         .slide_ms = 60000,
                                         .idle_timeout_ms = PIPELINE_OFF,
                                         .idle_close_ms = PIPELINE_OFF,
                                         .max_future_skew_ms = PIPELINE_OFF};
    find_partitions(s, file);
    play(s, file);
    if (s->checked == 0)
        words_fail(&s->where, "it expects nothing");
    printf("%s: %u expectations hold\n", s->where.path, s->checked);
    fclose(file);
    pipeline_free(s->pipeline);
    schema_free(s->schema);
    mem_free(s);
    return 0;
}
