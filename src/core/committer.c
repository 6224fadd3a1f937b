#include "core/committer.h"

static void send(struct partition *p, int64_t now_ms)
{
    p->commit.in_flight = true;
    p->commit.pace_ms = now_ms + COMMITTER_PACE_MS;
    outbox_commit(&p->stage->outbox, p->id, p->commit.floor, buf_slice(&p->commit.text));
}

/* Make `r` the record under way. False: it is longer than max_bytes; nothing has changed. */
static bool prepare(struct partition *p, const struct commit_record *r, size_t max_bytes)
{
    struct buf text;
    buf_init(&text, max_bytes);
    const bool fits = commit_encode(r, &text) == 0;
    if (fits) {
        buf_deinit(&p->commit.text);
        p->commit.text = text;
        p->commit.floor = r->floor;
    } else {
        buf_deinit(&text);
    }
    return fits;
}

bool committer_offer(struct partition *p, int64_t now_ms, bool hurry)
{
    struct partition_commit *c = &p->commit;
    if (p->stopped || p->awaits_others)
        return false;
    if (c->in_flight)
        return true;
    if (now_ms < c->retry_ms)
        return true;
    if (c->punctuates || p->needs_first_record) {
        send(p, now_ms);
        return true;
    }
    if (!hurry && now_ms < c->pace_ms)
        return true;
    struct commit_record r;
    partition_settle(p);
    partition_record(p, &r);
    const bool fits = prepare(p, &r, COMMIT_MAX_BYTES);
    ASSERT(fits); /* punctuations leave room, and only leave the record */
    if (c->floor == c->done_floor && slice_equal(buf_slice(&c->text), buf_slice(&c->done_text)))
        return false;
    send(p, now_ms);
    return true;
}

bool committer_punctuate(struct partition *p, const struct commit_cut *cut, int64_t now_ms)
{
    struct partition_commit *c = &p->commit;
    struct commit_record r;
    if (c->in_flight || c->punctuates || now_ms < c->retry_ms)
        return false;
    partition_settle(p);
    partition_record(p, &r);
    struct commit_cut *last = r.cut_count > 0 ? &r.cuts[r.cut_count - 1] : NULL;
    if (last != NULL && last->offset == cut->offset) {
        if (cut->watermark_ms > last->watermark_ms)
            last->watermark_ms = cut->watermark_ms;
    } else if (r.cut_count < COMMIT_MAX_CUTS) {
        r.cuts[r.cut_count++] = *cut;
    } else {
        return false;
    }
    if (!prepare(p, &r, COMMIT_MAX_BYTES - COMMITTER_GROWTH_BYTES))
        return false;
    c->punctuates = true;
    c->unsure = false;
    c->cut = *cut;
    send(p, now_ms);
    return true;
}

void committer_first(struct partition *p, int64_t now_ms)
{
    struct commit_record r;
    partition_record(p, &r);
    if (p->stage->merge.emitted_ms != INT64_MIN) { /* appeared later: what was emitted stays so */
        p->commit.punctuates = true;
        p->commit.cut = (struct commit_cut){p->position, p->stage->merge.emitted_ms};
        r.cuts[r.cut_count++] = p->commit.cut;
    }
    const bool fits = prepare(p, &r, COMMIT_MAX_BYTES);
    ASSERT(fits);
    send(p, now_ms);
}

/* The record is in Kafka: drop the punctuations that lie below its floor. */
static void committed(struct partition *p)
{
    struct partition_commit *c = &p->commit;
    buf_clear(&c->done_text);
    const int rc = buf_append(&c->done_text, c->text.data, c->text.len);
    ASSERT(rc == 0);
    c->done_floor = c->floor;
    p->needs_first_record = false;
    if (c->punctuates) {
        c->punctuates = false;
        partition_punctuate(p, &c->cut);
    }
    size_t gone = 0;
    while (gone < p->next_cut && p->cuts[gone].offset < c->floor)
        gone++;
    if (gone > 0) {
        memmove(p->cuts, p->cuts + gone, (p->cut_count - gone) * sizeof(*p->cuts));
        p->cut_count -= gone;
        p->next_cut -= gone;
    }
}

void committer_answered(struct partition *p, enum pipeline_commit_result result, int64_t now_ms)
{
    struct partition_commit *c = &p->commit;
    if (!c->in_flight)
        return; /* of an earlier assignment */
    c->in_flight = false;
    switch (result) {
    case PIPELINE_COMMIT_OK:
        committed(p);
        break;
    case PIPELINE_COMMIT_REFUSED:
        /* Not done, and if no earlier try is in doubt a punctuation may be decided anew; a first
         * record is sent again. */
        c->punctuates = c->punctuates && (c->unsure || p->needs_first_record);
        c->retry_ms = now_ms + COMMITTER_RETRY_MS;
        break;
    case PIPELINE_COMMIT_UNKNOWN:
        c->unsure = true;
        c->retry_ms = now_ms + COMMITTER_RETRY_MS;
        break;
    }
}

int64_t committer_next_ms(const struct partition *p)
{
    const struct partition_commit *c = &p->commit;
    if (p->stopped || c->in_flight)
        return INT64_MAX;
    if (c->punctuates || p->needs_first_record || c->retry_ms > c->pace_ms)
        return c->retry_ms;
    return c->pace_ms;
}
