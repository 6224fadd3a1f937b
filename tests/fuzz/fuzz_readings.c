/* Input: what claims to be a weekly file or a polled answer. Passages stay within bounds and the
 * counts add up; an answer that comes twice has nothing new. */
#include "fuzz.h"
#include "producer/pollset.h"
#include "producer/readings.h"

#define MAX_STEP 10000

static void check_readings(struct slice text)
{
    struct readings r;
    struct err err;
    readings_init(&r);
    if (readings_add_text(&r, "input", text, &err) == 0) {
        readings_difference(&r, MAX_STEP);
        const struct readings_stats *s = &r.stats;
        ASSERT(s->readings == s->rows + s->baselines + s->same_time + s->dropped);
        ASSERT(s->rows == r.count && s->gaps <= s->rows && s->recovered <= s->rows);
        for (size_t i = 0; i < r.count; i++) {
            struct readings_text words;
            struct row row;
            readings_row(&r, i, &words, &row);
            ASSERT(r.list[i].entries >= 0 && r.list[i].entries <= MAX_STEP);
            ASSERT(r.list[i].exits >= 0 && r.list[i].exits <= MAX_STEP);
            ASSERT(i == 0 || r.list[i - 1].event_ms <= r.list[i].event_ms);
            ASSERT(row.field[ROW_ID].len == UUID_TEXT_BYTES - 1);
        }
    }
    readings_deinit(&r);
}

static void check_answers(struct slice text)
{
    struct pollset p;
    struct err err;
    struct row row;
    pollset_init(&p, MAX_STEP);
    if (pollset_take(&p, text, &err) == 0) {
        while (pollset_next(&p, &row))
            ASSERT(row.field[ROW_ID].ptr != NULL);
        if (pollset_take(&p, text, &err) == 0)
            ASSERT(!pollset_next(&p, &row));
    }
    pollset_deinit(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = {(const char *)data, size};
    check_readings(text);
    check_answers(text);
    return 0;
}
