/* The raw layer of oracle.h: which message belongs into which object follows from its offset, the
 * chunk size and the punctuations that were ever committed, and from nothing else. */
#include "oracle.h"
#include "reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Does an object end between these two offsets, which follow each other? */
static bool is_cut_between(const struct world *w, unsigned partition, int64_t before, int64_t after)
{
    const struct world_cuts *cuts = &w->state[partition].cuts;
    if (before / w->feed.config.raw_chunk_records != after / w->feed.config.raw_chunk_records)
        return true;
    for (size_t i = 0; i < cuts->count; i++) {
        if (cuts->items[i].offset > before && cuts->items[i].offset <= after)
            return true;
    }
    return false;
}

static bool is_same(bool has, const char *got, size_t got_len, const char *want, size_t want_len)
{
    if (want == NULL)
        return !has;
    return has && got_len == want_len && memcmp(got, want, want_len) == 0;
}

static bool line_is_right(struct reader *r, unsigned partition, const struct feed_message *want)
{
    struct reader_raw_row got;
    if (!reader_raw_line(r, "ride", &got) || got.partition != partition ||
        got.offset != want->offset)
        return false;
    const bool dated = want->timestamp_ms != RECORD_NO_TIMESTAMP;
    return got.has_timestamp == dated && (!dated || got.timestamp_ms == want->timestamp_ms) &&
           is_same(got.has_key, got.key, got.key_len, want->key, want->key_len) &&
           is_same(got.has_value, got.value, got.value_len, want->value, want->len);
}

/* Messages [from, to) of the partition are one object. */
static void check_object(struct world *w, unsigned partition, size_t from, size_t to)
{
    const struct feed_message *messages = w->feed.logs[partition].messages;
    const int64_t timestamp_ms = messages[from].timestamp_ms;
    char day[16], name[64];
    feed_format_time(timestamp_ms == RECORD_NO_TIMESTAMP ? 0 : timestamp_ms, "Y/M/D", day,
                     sizeof(day));
    snprintf(name, sizeof(name), "raw/ride/%s/%u-%" PRId64 ".jsonl.gz", day, partition,
             messages[from].offset);
    const struct world_object *object = world_find(w, name);
    if (!object) {
        world_violation(w, "%s is missing: %zu messages are lost", name, to - from);
        return;
    }
    struct reader r = {object->content, object->content + object->len};
    for (size_t m = from; m < to; m++) {
        if (line_is_right(&r, partition, &messages[m]))
            continue;
        world_violation(w, "%s: p%u@%" PRId64 " is not there, or otherwise:\n%.*s", name, partition,
                        messages[m].offset, (int)object->len, object->content);
        return;
    }
    if (r.at != r.end)
        world_violation(w, "%s holds more than its %zu messages", name, to - from);
}

void oracle_check_raw(struct world *w, struct oracle_totals *totals)
{
    size_t want = 0, got = 0;
    for (unsigned p = 0; p < w->partitions && w->feed.config.raw_chunk_records > 0; p++) {
        const struct feed_log *log = &w->feed.logs[p];
        for (size_t from = 0, to; from < log->visible; from = to, want++) {
            for (to = from + 1;
                 to < log->visible &&
                 !is_cut_between(w, p, log->messages[to - 1].offset, log->messages[to].offset);)
                to++;
            check_object(w, p, from, to);
        }
        totals->raw_messages += log->visible;
    }
    for (size_t i = 0; i < w->lake.count; i++)
        got += w->lake.items[i].kind == OBJECT_RAW;
    if (got != want)
        world_violation(w, "%zu raw objects, expected %zu", got, want);
    totals->raw_objects += want;
}
