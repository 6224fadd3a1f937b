#include "producer/feed_replay.h"

#include <inttypes.h>

int feed_replay_init(struct feed_replay *f, const char *const *paths, size_t count,
                     int64_t max_step, struct err *err)
{
    *f = (struct feed_replay){0};
    readings_init(&f->readings);
    for (size_t i = 0; i < count; i++) {
        const int rc = readings_add_file(&f->readings, paths[i], err);
        if (rc != 0)
            return rc;
    }
    readings_difference(&f->readings, max_step);
    return 0;
}

void feed_replay_deinit(struct feed_replay *f)
{
    readings_deinit(&f->readings);
}

enum feed_result feed_replay_next(void *self, int64_t now_ms, struct row *row, int64_t *wait_ms)
{
    UNUSED(now_ms);
    struct feed_replay *f = self;
    *wait_ms = 0;
    if (f->next == f->readings.count)
        return FEED_END;
    readings_row(&f->readings, f->next++, &f->text, row);
    return FEED_ROW;
}

int feed_replay_summary(const struct readings_stats *s, struct buf *out)
{
    return buf_printf(out,
                      "readings=%" PRIu64 " rows=%" PRIu64 " baselines=%" PRIu64
                      " same_time=%" PRIu64 " dropped=%" PRIu64 " malformed=%" PRIu64
                      " gaps=%" PRIu64 " recovered=%" PRIu64 " countdowns=%" PRIu64
                      " resets=%" PRIu64 " jumps=%" PRIu64 " backward=%" PRIu64,
                      s->readings, s->rows, s->baselines, s->same_time, s->dropped, s->malformed,
                      s->gaps, s->recovered, s->verdicts[COUNTER_DOWN], s->verdicts[COUNTER_RESET],
                      s->verdicts[COUNTER_JUMP], s->verdicts[COUNTER_BACKWARD]);
}
