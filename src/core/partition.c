#include "core/partition.h"

#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <inttypes.h>
#include <stdio.h>

/* ---- life ---- */

static void keep_cut(struct partition *p, const struct commit_cut *cut)
{
    if (p->cut_count > 0 && p->cuts[p->cut_count - 1].offset == cut->offset) {
        struct commit_cut *last = &p->cuts[p->cut_count - 1];
        if (cut->watermark_ms > last->watermark_ms)
            last->watermark_ms = cut->watermark_ms;
        return;
    }
    if (p->cut_count == p->cut_cap) {
        p->cut_cap = p->cut_cap > 0 ? p->cut_cap * 2 : 4;
        p->cuts = mem_realloc(p->cuts, p->cut_cap * sizeof(*p->cuts));
    }
    p->cuts[p->cut_count++] = *cut;
}

void partition_stop(struct partition *p, int code, const char *format, ...)
{
    char reason[ERR_TEXT_BYTES];
    if (p->stopped)
        return;
    p->stopped = true;
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    outbox_stop(&p->stage->outbox, p->id, code, reason);
}

/* Continue from a record of ours. */
static void resume(struct partition *p, const struct commit_record *r)
{
    p->position = r->floor;
    p->watermark_ms = r->watermark_ms;
    p->side.durable_offset = r->side_offset;
    p->raw.durable_offset = r->raw_offset;
    p->last_offset = r->check_offset;
    p->last_check = r->check;
    p->verify_offset = r->check_offset;
    p->verify_check = r->check;
    for (unsigned i = 0; i < r->cut_count; i++)
        keep_cut(p, &r->cuts[i]);
}

/* The record that Kafka holds, looked at before it is trusted. */
static void resume_checked(struct partition *p, const struct pipeline_partition *from)
{
    const char *topic = p->stage->config->topic;
    struct commit_record r;
    struct err err;

    if (commit_decode(from->metadata, from->committed, &r, &err) != 0)
        partition_stop(p, ERR_CONFIG,
                       "partition %" PRId32 " of %s: %s; use another --group, or delete this one",
                       p->id, topic, err.text);
    else if (r.fingerprint != p->stage->fingerprint)
        partition_stop(p, ERR_CONFIG,
                       "partition %" PRId32 " of %s was committed under other settings (topic, "
                       "duration, slide, delay, schema, scope, skew, raw layer or version): start "
                       "with those, or use a new --group and --prefix",
                       p->id, topic);
    else if (r.floor < from->low)
        partition_stop(p, ERR_CONFIG,
                       "partition %" PRId32 " of %s begins at offset %" PRId64
                       ", but rows from %" PRId64
                       " on are still needed: retention has deleted them",
                       p->id, topic, from->low, r.floor);
    else if (r.floor > from->high)
        partition_stop(p, ERR_CONFIG,
                       "partition %" PRId32 " of %s ends at offset %" PRId64 ", but %" PRId64
                       " is committed: the log was truncated or the topic recreated",
                       p->id, topic, from->high, r.floor);
    else {
        resume(p, &r);
        p->commit.done_floor = from->committed; /* what is there need not be said again */
        const int rc = buf_append(&p->commit.done_text, from->metadata.ptr, from->metadata.len);
        ASSERT(rc == 0);                  /* commit_decode() held it to COMMIT_MAX_BYTES */
        if (p->verify_offset < from->low) /* retention took it, rightly: it lies below the floor */
            p->verify_offset = RECORD_NO_OFFSET;
    }
}

void partition_init(struct partition *p, struct stage *stage, size_t index,
                    const struct pipeline_partition *from, int64_t now_ms)
{
    *p = (struct partition){
        .stage = stage,
        .id = from->partition,
        .index = index,
        .position = from->low,
        .watermark_ms = WATERMARK_NONE,
        .contributed_ms = INT64_MIN,
        .next_end_ms = INT64_MAX,
        .last_offset = RECORD_NO_OFFSET,
        .verify_offset = RECORD_NO_OFFSET,
        .once_end = from->high,
        .active_ms = now_ms,
    };
    p->commit.done_floor = RECORD_NO_OFFSET;
    buf_init(&p->commit.text, COMMIT_MAX_BYTES);
    buf_init(&p->commit.done_text, COMMIT_MAX_BYTES);
    panes_init(&p->panes, stage->config->schema, stage->shape);
    side_init(&p->side, from->low);
    raw_init(&p->raw, from->low);
    if (from->committed == RECORD_NO_OFFSET)
        p->needs_first_record = true;
    else
        resume_checked(p, from);
}

void partition_deinit(struct partition *p)
{
    panes_deinit(&p->panes);
    side_deinit(&p->side);
    raw_deinit(&p->raw);
    buf_deinit(&p->commit.text);
    buf_deinit(&p->commit.done_text);
    mem_free(p->cuts);
}

int64_t partition_read_from(const struct partition *p)
{
    const int64_t v = p->verify_offset;
    return v != RECORD_NO_OFFSET && v < p->position ? v : p->position;
}

/* ---- side output ---- */

static void cut_side(struct partition *p)
{
    const struct pipeline_config *c = p->stage->config;
    const struct origin origin = p->side.origin;
    struct object *object = side_cut(&p->side, c->side_prefix, c->topic, p->id);
    if (object != NULL)
        pending_add(&p->side.pending, outbox_store(&p->stage->outbox, object, p->index), &origin);
}

/* Which multiple of the slide W has passed; before the first row it is none of them. */
static int64_t slide_cell(const struct partition *p)
{
    return p->watermark_ms == WATERMARK_NONE
               ? INT64_MIN
               : timefmt_floor(p->watermark_ms, p->stage->shape.slide_ms);
}

/* ---- raw layer ---- */

static void cut_raw(struct partition *p)
{
    const struct pipeline_config *c = p->stage->config;
    const struct origin origin = p->raw.origin;
    struct object *object = raw_cut(&p->raw, c->raw_prefix, c->topic, p->id);
    if (object != NULL)
        pending_add(&p->raw.pending, outbox_store(&p->stage->outbox, object, p->index), &origin);
}

/* The log is read up to `position`: what of it is complete goes. */
static void pass_raw(struct partition *p, int64_t position)
{
    if (p->raw.rows > 0 && raw_is_complete(&p->raw, position))
        cut_raw(p);
}

/* ---- watermark and contribution ---- */

bool partition_owes(const struct partition *p)
{
    return p->watermark_ms > p->contributed_ms;
}

void partition_contribute_next(struct partition *p)
{
    if (p->next_end_ms <= p->watermark_ms) {
        struct groups *total = NULL;
        panes_contribute(&p->panes, p->next_end_ms, &total);
        if (total != NULL)
            merge_add(&p->stage->merge, p->next_end_ms, total);
        p->contributed_ms = p->next_end_ms;
        panes_close(&p->panes, p->next_end_ms); /* or each step would look at all of them again */
        p->next_end_ms = panes_next_end(&p->panes, p->contributed_ms);
    }
    if (p->next_end_ms > p->watermark_ms && p->watermark_ms > p->contributed_ms)
        p->contributed_ms = p->watermark_ms;
}

void partition_raise(struct partition *p, int64_t watermark_ms)
{
    if (watermark_ms > p->watermark_ms)
        p->watermark_ms = watermark_ms;
    while (partition_owes(p)) /* at once: the next row may belong to a window that is closed now */
        partition_contribute_next(p);
}

void partition_apply_cuts(struct partition *p, int64_t upto_offset)
{
    for (; p->next_cut < p->cut_count && p->cuts[p->next_cut].offset <= upto_offset;
         p->next_cut++) {
        partition_raise(p, p->cuts[p->next_cut].watermark_ms);
        cut_side(p);
        cut_raw(p);
    }
}

void partition_punctuate(struct partition *p, const struct commit_cut *cut)
{
    ASSERT(cut->offset <= p->position && p->next_cut == p->cut_count);
    keep_cut(p, cut);
    if (cut->watermark_ms > p->watermark_ms)
        p->watermark_ms = cut->watermark_ms; /* what it closes is contributed step by step */
    cut_side(p);
    cut_raw(p);
    p->next_cut = p->cut_count;
}

/* ---- reading ---- */

/* Identity of a record, so that a recreated or truncated log is noticed on resume. */
static uint32_t check_of(const struct record *r)
{
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    const uint64_t head[3] = {(uint64_t)r->timestamp_ms, r->key.len, r->value.len};
    XXH3_64bits_update(&state, head, sizeof(head));
    if (r->key.len > 0)
        XXH3_64bits_update(&state, r->key.ptr, r->key.len);
    if (r->value.len > 0)
        XXH3_64bits_update(&state, r->value.ptr, r->value.len);
    return (uint32_t)XXH3_64bits_digest(&state);
}

/* False: the log is not the one that was read before. */
static bool verify(struct partition *p, const struct record *r)
{
    if (p->verify_offset == RECORD_NO_OFFSET || r->offset < p->verify_offset)
        return true;
    const bool same = r->offset == p->verify_offset && check_of(r) == p->verify_check;
    if (!same)
        partition_stop(
            p, ERR_CONFIG,
            "partition %" PRId32 " of %s: the record at offset %" PRId64
            " is not the one that was read before: the topic was recreated, truncated or "
            "compacted; use a new --group and --prefix",
            p->id, p->stage->config->topic, p->verify_offset);
    p->verify_offset = RECORD_NO_OFFSET;
    return same;
}

/* The message whose rows are being judged. */
struct message {
    const struct record *record;
    struct origin origin; /* check filled in on first use */
    bool has_check;
};

static const struct origin *origin_of(struct message *m)
{
    if (!m->has_check) {
        m->origin.check = check_of(m->record);
        m->has_check = true;
    }
    return &m->origin;
}

/* NULL, and the partition stopped, where dedup cannot tell so many panes apart. */
static struct pane *open_pane(struct partition *p, struct message *m, int64_t start_ms)
{
    struct pane *pane = panes_open(&p->panes, start_ms, origin_of(m));
    if (pane == NULL)
        partition_stop(p, ERR_TOO_LARGE,
                       "partition %" PRId32 " of %s: more than %d panes are open; use a longer "
                       "--slide or a shorter --delay",
                       p->id, p->stage->config->topic, DEDUP_MAX_SETS);
    else
        p->next_end_ms = panes_next_end(&p->panes, p->contributed_ms);
    return pane;
}

/* A row that is in an open window and not durable. */
static void add_to_pane(struct partition *p, struct message *m, const struct row *row)
{
    const int64_t start_ms = window_pane(&p->stage->shape, row->event_ms);
    struct pane *pane = panes_find(&p->panes, start_ms);
    if (pane == NULL && (pane = open_pane(p, m, start_ms)) == NULL)
        return;
    if (pane->set != DEDUP_NO_SET && !dedup_add(p->panes.dedup, pane->set, row->key)) {
        p->counters.duplicate++;
        return;
    }
    pane->keys += pane->set != DEDUP_NO_SET;
    groups_add(pane->groups, row->group_hash, row->group, row->measures);
    p->counters.windowed++;
}

/* Rejected, late, suppressed, duplicate, windowed - in this order. */
static void judge(struct partition *p, struct message *m, const struct row *row)
{
    const struct pipeline_config *c = p->stage->config;
    enum reject_reason reject = row->reject;
    if (reject == REJECT_NONE && !window_in_calendar(&p->stage->shape, row->event_ms))
        reject = REJECT_TIMESTAMP;
    p->counters.rows++;
    if (reject != REJECT_NONE) {
        p->counters.rejected[reject]++;
        side_add(&p->side, c->topic, p->id, origin_of(m), row->number, reject,
                 m->record->tombstone ? (struct slice){NULL, 0} : row->text);
        return;
    }
    const int64_t last_end_ms = window_last_end(&p->stage->shape, row->event_ms);
    if (last_end_ms <= p->watermark_ms) {
        p->counters.late++;
        side_add(&p->side, c->topic, p->id, origin_of(m), row->number, REJECT_LATE, row->text);
    } else if (last_end_ms <= p->stage->frontier_ms) {
        p->counters.suppressed++;
    } else {
        add_to_pane(p, m, row);
    }
    partition_raise(p, row->event_ms - c->delay_ms);
}

/* The message as it came, unless it is durable already. */
static void keep_raw(struct partition *p, struct message *m)
{
    const struct pipeline_config *c = p->stage->config;
    const struct record *record = m->record;
    if (record->offset < p->raw.durable_offset)
        return;
    const struct origin *origin = p->raw.rows == 0 ? origin_of(m) : &m->origin;
    raw_add(&p->raw, c->topic, p->id, record, origin, c->raw_chunk_records);
}

static void read_message(struct partition *p, const struct record *record, const struct row *rows,
                         size_t count)
{
    pass_raw(p, record->offset);
    partition_apply_cuts(p, record->offset);
    struct message m = {.record = record, .origin = {record->offset, p->watermark_ms, 0}};
    const int64_t cell = slide_cell(p);
    for (size_t i = 0; i < count && !p->stopped; i++)
        judge(p, &m, &rows[i]);
    if (p->stopped)
        return; /* in the middle of a message: nothing of it may pass the floor */
    if (p->stage->config->raw)
        keep_raw(p, &m);
    p->counters.messages++;
    p->position = record->offset + 1;
    pass_raw(p, p->position);
    if (slide_cell(p) != cell || side_is_full(&p->side))
        cut_side(p);
    partition_apply_cuts(p, p->position);
}

/* How many records come before one that is larger than any object could hold. */
static size_t count_that_fit(const struct record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (records[i].value.len > PARTITION_MAX_MESSAGE_BYTES ||
            records[i].key.len > PARTITION_MAX_MESSAGE_BYTES - records[i].value.len)
            return i;
    return count;
}

static void read_batch(struct partition *p, const struct record *records, size_t count)
{
    const struct row *rows;
    const size_t row_count = decoder_run(p->stage->decoder, records, count, &rows);
    size_t next = 0;
    for (size_t i = 0; i < count && !p->stopped; i++) {
        const size_t first = next;
        while (next < row_count && rows[next].record == i)
            next++;
        read_message(p, &records[i], rows + first, next - first);
    }
    if (p->stopped)
        return;
    p->last_offset = records[count - 1].offset;
    p->last_check = check_of(&records[count - 1]);
}

void partition_read(struct partition *p, const struct record *records, size_t count, int64_t now_ms)
{
    while (count > 0 && records[0].offset < p->position) {
        if (!verify(p, records))
            return;
        records++;
        count--;
    }
    if (p->stage->config->once && count > 0 && records[count - 1].offset >= p->once_end) {
        while (count > 0 && records[count - 1].offset >= p->once_end)
            count--;
        if (count == 0) /* a gap reaches up to the end: nothing more will come below it */
            partition_end_of_log(p, p->once_end);
    }
    const size_t fit = count_that_fit(records, count);
    if (count == 0 || p->stopped || (fit > 0 && !verify(p, records)))
        return;

    p->active_ms = now_ms;
    p->at_end = false;
    if (fit > 0)
        read_batch(p, records, fit);
    if (fit < count)
        partition_stop(p, ERR_TOO_LARGE,
                       "partition %" PRId32 " of %s: the message at offset %" PRId64
                       " is larger than %zu MiB and cannot be kept",
                       p->id, p->stage->config->topic, records[fit].offset,
                       PARTITION_MAX_MESSAGE_BYTES >> 20);
}

void partition_end_of_log(struct partition *p, int64_t offset)
{
    if (p->stage->config->once && offset > p->once_end)
        offset = p->once_end; /* what lies above was left alone, it is not a gap */
    if (offset < p->position) /* old news: more has been read since */
        return;
    p->position = offset; /* what lies between is a gap: transaction markers, aborted records */
    p->at_end = true;
    pass_raw(p, p->position);
    partition_apply_cuts(p, p->position);
}

bool partition_is_done(const struct partition *p)
{
    return p->at_end || p->position >= p->once_end;
}

/* ---- the record ---- */

void partition_settle(struct partition *p)
{
    struct origin first = {.offset = p->position};
    side_first(&p->side, &first);
    if (first.offset > p->side.durable_offset)
        p->side.durable_offset = first.offset;

    struct origin chunk = {.offset = p->position};
    raw_first(&p->raw, &chunk);
    if (chunk.offset > p->raw.durable_offset)
        p->raw.durable_offset = chunk.offset;
}

void partition_record(const struct partition *p, struct commit_record *r)
{
    struct origin floor = {p->position, p->watermark_ms, 0};
    struct origin side, chunk;
    panes_lowest_origin(&p->panes, &floor);
    if (side_first(&p->side, &side) && side.offset < floor.offset)
        floor = side;
    if (raw_first(&p->raw, &chunk) && chunk.offset < floor.offset)
        floor = chunk;
    const bool at_position = floor.offset == p->position;

    r->floor = floor.offset;
    r->watermark_ms = floor.watermark_ms;
    r->frontier_ms = p->stage->frontier_ms;
    r->side_offset = p->side.durable_offset;
    r->raw_offset = p->stage->config->raw ? p->raw.durable_offset : RECORD_NO_OFFSET;
    r->check_offset = at_position ? p->last_offset : floor.offset;
    r->check = at_position ? p->last_check : floor.check;
    if (r->check_offset == RECORD_NO_OFFSET)
        r->check = 0;
    r->fingerprint = p->stage->fingerprint;
    r->cut_count = 0;
    for (size_t i = 0; i < p->cut_count; i++)
        if (p->cuts[i].offset >= r->floor && r->cut_count < COMMIT_MAX_CUTS)
            r->cuts[r->cut_count++] = p->cuts[i];
}

size_t partition_memory_bytes(const struct partition *p)
{
    return sizeof(*p) + panes_memory_bytes(&p->panes) + p->side.lines.cap + p->raw.lines.cap +
           p->cut_cap * sizeof(*p->cuts);
}
