#include "producer/feed_dummy.h"

#include <stdio.h>

#define PASSAGES_MIN 5
#define PASSAGES_MAX 10
#define GATES_PER_UNIT 10 /* of the distinct turnstiles; each unit has a station of its own */

void feed_dummy_init(struct feed_dummy *f, const struct feed_dummy_config *config)
{
    *f = (struct feed_dummy){.config = *config};
    if (config->seeded)
        rng_init(&f->rng, config->seed, 0);
    else
        rng_init_random(&f->rng);
    row_formats_init(&f->formats);
}

static unsigned one_or_two(struct feed_dummy *f)
{
    return 1 + (unsigned)rng_below(&f->rng, 2);
}

/* Where: the seed's mix, or a gate of its own for each turnstile. */
static void make_place(struct feed_dummy *f)
{
    if (f->config.turnstiles == 0) {
        snprintf(f->ca, sizeof f->ca, "A%03u", one_or_two(f));
        snprintf(f->unit, sizeof f->unit, "R%03u", one_or_two(f));
        snprintf(f->scp, sizeof f->scp, "02-00-00");
        snprintf(f->station, sizeof f->station, "Test-Station%u", one_or_two(f));
        return;
    }
    const unsigned turnstile = (unsigned)(f->rows % f->config.turnstiles);
    const unsigned unit = turnstile / GATES_PER_UNIT + 1;
    snprintf(f->ca, sizeof f->ca, "A%03u", unit);
    snprintf(f->unit, sizeof f->unit, "R%03u", unit);
    snprintf(f->scp, sizeof f->scp, "02-00-%02u", turnstile % GATES_PER_UNIT);
    snprintf(f->station, sizeof f->station, "Test-Station%u", unit);
}

static void make_passages(struct feed_dummy *f, char out[24])
{
    const unsigned passages =
        PASSAGES_MIN + (unsigned)rng_below(&f->rng, PASSAGES_MAX - PASSAGES_MIN + 1);
    snprintf(out, 24, "%u", passages);
}

enum feed_result feed_dummy_next(void *self, int64_t now_ms, struct row *row, int64_t *wait_ms)
{
    struct feed_dummy *f = self;
    *wait_ms = 0;
    make_place(f);
    make_passages(f, f->entries);
    make_passages(f, f->exits);
    rng_uuid4(&f->rng, f->id);
    row->field[ROW_CA] = slice_of(f->ca);
    row->field[ROW_UNIT] = slice_of(f->unit);
    row->field[ROW_SCP] = slice_of(f->scp);
    row->field[ROW_STATION] = slice_of(f->station);
    row->field[ROW_LINENAME] = SLICE_LITERAL("456NQR");
    row->field[ROW_DIVISION] = SLICE_LITERAL("BMT");
    row->field[ROW_DESC] = SLICE_LITERAL("REGULAR");
    row->field[ROW_ENTRIES] = slice_of(f->entries);
    row->field[ROW_EXITS] = slice_of(f->exits);
    row->field[ROW_ID] = slice_of(f->id);
    const int64_t event_ms =
        f->config.simulated ? f->config.start_ms + (int64_t)f->rows * f->config.step_ms : now_ms;
    row_set_event(row, &f->formats, &f->times, event_ms);
    f->rows++;
    return FEED_ROW;
}
