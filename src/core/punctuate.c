#include "core/punctuate.h"

#include "core/committer.h"

#include <inttypes.h>

/* What all partitions together say about this moment. */
struct survey {
    bool all_done;       /* --once: every partition is read to its recorded end */
    bool any_busy;       /* some partition is not silent */
    int64_t lowest_busy; /* its W; INT64_MAX: none is busy; WATERMARK_NONE: one has no W yet */
    int64_t highest;     /* W of any */
    int64_t last_end;    /* of a window that holds rows, or INT64_MIN */
};

static bool silent_since(const struct partition *p, int64_t timeout_ms, int64_t now_ms)
{
    return timeout_ms != PIPELINE_OFF && p->at_end && !p->stopped &&
           now_ms - p->active_ms >= timeout_ms;
}

static bool is_silent(const struct partition *p, const struct pipeline_config *c, int64_t now_ms)
{
    if (p->stopped)
        return false; /* it holds the windows back until a person has looked */
    if (c->once)
        return partition_is_done(p);
    return silent_since(p, c->idle_timeout_ms, now_ms);
}

static struct survey look(const struct stage *stage, const struct partition *partitions,
                          size_t count, int64_t now_ms)
{
    struct survey s = {true, false, INT64_MAX, WATERMARK_NONE, INT64_MIN};
    for (size_t i = 0; i < count; i++) {
        const struct partition *p = &partitions[i];
        const int64_t end = panes_last_end(&p->panes);
        s.all_done = s.all_done && partition_is_done(p) && !p->stopped;
        s.highest = p->watermark_ms > s.highest ? p->watermark_ms : s.highest;
        s.last_end = end > s.last_end ? end : s.last_end;
        if (!is_silent(p, stage->config, now_ms)) {
            s.any_busy = true;
            if (p->watermark_ms < s.lowest_busy)
                s.lowest_busy = p->watermark_ms;
        }
    }
    return s;
}

static int64_t round_down(const struct stage *stage, int64_t watermark_ms)
{
    return watermark_ms == WATERMARK_NONE ? WATERMARK_NONE
                                          : window_end_at_or_before(&stage->shape, watermark_ms);
}

static bool all_silent(const struct stage *stage, const struct partition *partitions, size_t count,
                       int64_t now_ms)
{
    for (size_t i = 0; i < count; i++)
        if (!silent_since(&partitions[i], stage->config->idle_close_ms, now_ms))
            return false;
    return true;
}

/* The watermark that silence is worth to any silent partition now; WATERMARK_NONE: nothing. */
static int64_t worth(const struct stage *stage, const struct partition *partitions, size_t count,
                     const struct survey *s, int64_t now_ms, bool *closing)
{
    const struct pipeline_config *c = stage->config;
    *closing = c->once ? s->all_done : all_silent(stage, partitions, count, now_ms);
    if (c->once && s->all_done) {
        const int64_t reached = round_down(stage, s->highest);
        return c->flush && s->last_end > reached ? s->last_end : reached;
    }
    if (*closing)
        return s->last_end == INT64_MIN ? WATERMARK_NONE : s->last_end;
    return s->any_busy ? round_down(stage, s->lowest_busy) : WATERMARK_NONE;
}

/* The next moment at which silence alone changes something for this partition. */
static int64_t next_change(const struct partition *p, const struct pipeline_config *c,
                           int64_t now_ms)
{
    int64_t next = INT64_MAX;
    const int64_t timeouts[] = {c->idle_timeout_ms, c->idle_close_ms};
    for (size_t i = 0; i < 2; i++)
        if (timeouts[i] != PIPELINE_OFF && p->at_end && !p->stopped && !c->once &&
            p->active_ms + timeouts[i] > now_ms && p->active_ms + timeouts[i] < next)
            next = p->active_ms + timeouts[i];
    return next;
}

/* May another punctuation go into the record that only cuts the side output and the raw layer?
 * Where not, what is open stays open and holds the floor back; a later cut takes it along. */
static bool has_room_for_side_cut(const struct partition *p)
{
    struct commit_record r;
    partition_record(p, &r);
    return r.cut_count < COMMIT_MAX_SIDE_CUTS || r.cuts[r.cut_count - 1].offset == p->position;
}

/* Is something open that a punctuation should cut? A raw chunk does not wait for the others:
 * nothing of theirs is in it. */
static bool wants_cut(const struct partition *p, const struct pipeline_config *c, bool closing,
                      int64_t now_ms)
{
    const bool silent = closing || (!c->once && silent_since(p, c->idle_close_ms, now_ms));
    return (closing && p->side.rows > 0) || (silent && p->raw.rows > 0);
}

/* With --once nothing more will come that could make room. */
static void stop_without_room(struct partition *p)
{
    partition_stop(p, ERR_CONFIG,
                   "partition %" PRId32 " of %s: its commit record has no room for another "
                   "punctuation: too many window ends lie within --duration and --delay; use a "
                   "longer --slide, or run without --once for a while",
                   p->id, p->stage->config->topic);
}

int64_t punctuate(struct stage *stage, struct partition *partitions, size_t count,
                  int64_t assigned_ms, int64_t now_ms, bool *settled)
{
    const struct pipeline_config *c = stage->config;
    const struct survey s = look(stage, partitions, count, now_ms);
    const bool held = !c->once && now_ms - assigned_ms < c->punctuation_hold_ms;
    int64_t next = held ? assigned_ms + c->punctuation_hold_ms : INT64_MAX;
    bool closing;
    const int64_t watermark_ms = worth(stage, partitions, count, &s, now_ms, &closing);

    *settled = c->once && s.all_done;
    for (size_t i = 0; i < count; i++) {
        struct partition *p = &partitions[i];
        const int64_t change = next_change(p, c, now_ms);
        next = change < next ? change : next;
        if (p->commit.punctuates || p->needs_first_record || partition_owes(p)) {
            *settled = false;
            continue;
        }
        const bool quiet = closing || is_silent(p, c, now_ms);
        const bool raises = quiet && watermark_ms > p->watermark_ms;
        const bool cuts = wants_cut(p, c, closing, now_ms) && has_room_for_side_cut(p);
        if (held || p->stopped || !(raises || cuts))
            continue;
        *settled = false;
        const struct commit_cut cut = {p->position, raises ? watermark_ms : WATERMARK_NONE};
        if (committer_punctuate(p, &cut, now_ms) || p->commit.in_flight)
            continue;
        if (p->commit.retry_ms > now_ms)
            next = p->commit.retry_ms < next ? p->commit.retry_ms : next;
        else if (c->once && stage->outbox.store_count == 0)
            stop_without_room(p);
    }
    return next;
}

bool punctuate_awaits_silence(const struct stage *stage, const struct partition *partitions,
                              size_t count)
{
    int64_t lowest = INT64_MAX; /* W of those that are not at their end */
    if (stage->config->once || stage->config->idle_timeout_ms == PIPELINE_OFF)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!partitions[i].at_end && partitions[i].watermark_ms < lowest)
            lowest = partitions[i].watermark_ms;
    const int64_t worth_ms = lowest == INT64_MAX ? WATERMARK_NONE : round_down(stage, lowest);
    for (size_t i = 0; i < count; i++)
        if (partitions[i].at_end && !partitions[i].stopped && partitions[i].watermark_ms < worth_ms)
            return true;
    return false;
}
