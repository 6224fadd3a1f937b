/* What of pipeline.h looks at the options alone: are they sound, and which content do they mean? */
#include "core/pipeline.h"

#include "core/decode.h"
#include "core/encode.h"
#include "core/raw.h"
#include "core/side.h"
#include "core/window.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <inttypes.h>

/* Of everything in this program that decides content: raise it when the same log would give other
 * objects, and old records are refused instead of misread. */
#define PIPELINE_CONTENT_VERSION 1

/* Windows that hold one row at most, and panes that a partition has open at most, by the options.
 * Far above any sensible use; they keep a typing error from filling the memory. */
#define PIPELINE_MAX_PANES 50000

/* Of every time among the options: ten years, far above any sensible use. It keeps sums of times
 * from overflowing. */
#define PIPELINE_MAX_TIME_MS (3660 * TIMEFMT_MS_PER_DAY)

/* A partition may be punctuated for every window end between W at its floor and W now, each at
 * another offset: as many as lie within duration and delay, one more at each edge, and one to
 * close. */
static int check_punctuations(const struct pipeline_config *c, struct err *err)
{
    const int64_t room = COMMIT_MAX_CUTS - COMMIT_MAX_SIDE_CUTS;
    if (c->idle_timeout_ms == PIPELINE_OFF ||
        (c->duration_ms + c->delay_ms) / c->slide_ms + 3 <= room)
        return 0;
    return err_set(
        err, ERR_USAGE,
        "--duration and --delay hold more than %" PRId64
        " slides, more punctuations than a commit record can keep: use a longer --slide, "
        "or --idle-timeout off",
        room - 3);
}

int pipeline_check_config(const struct pipeline_config *c, struct err *err)
{
    if (c->duration_ms <= 0)
        return err_set(err, ERR_USAGE, "--duration must be more than zero");
    if (c->slide_ms <= 0)
        return err_set(err, ERR_USAGE, "--slide must be more than zero");
    if (c->slide_ms > c->duration_ms)
        return err_set(err, ERR_USAGE,
                       "--slide (%" PRId64 " ms) is longer than --duration (%" PRId64
                       " ms): rows between windows would be lost; make it equal or shorter",
                       c->slide_ms, c->duration_ms);
    if (c->delay_ms < 0)
        return err_set(err, ERR_USAGE, "--delay must not be negative");
    const struct {
        const char *option;
        int64_t ms;
    } times[] = {{"--duration", c->duration_ms},
                 {"--delay", c->delay_ms},
                 {"--idle-timeout", c->idle_timeout_ms},
                 {"--idle-close", c->idle_close_ms},
                 {"--max-future-skew", c->max_future_skew_ms}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        if (times[i].ms > PIPELINE_MAX_TIME_MS)
            return err_set(err, ERR_USAGE, "%s must be at most %" PRId64 " days", times[i].option,
                           PIPELINE_MAX_TIME_MS / TIMEFMT_MS_PER_DAY);
    const struct window_shape shape = window_shape_of(c->duration_ms, c->slide_ms);
    if ((c->duration_ms + c->delay_ms) / shape.pane_ms > PIPELINE_MAX_PANES)
        return err_set(err, ERR_USAGE,
                       "--duration, --slide and --delay make more than %d panes of %" PRId64
                       " ms each: choose a slide that divides the duration, or a longer one",
                       PIPELINE_MAX_PANES, shape.pane_ms);
    if (c->flush && !c->once)
        return err_set(err, ERR_USAGE, "--flush goes with --once");
    if (c->raw && (c->raw_chunk_records < 1 || c->raw_chunk_records > RAW_MAX_CHUNK_RECORDS))
        return err_set(err, ERR_USAGE, "--batch-size must be 1 to %d", RAW_MAX_CHUNK_RECORDS);
    return check_punctuations(c, err);
}

uint64_t pipeline_fingerprint(const struct pipeline_config *c)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    int rc = buf_printf(&text,
                        "content=%d scope=%s topic=%s duration=%" PRId64 " slide=%" PRId64
                        " delay=%" PRId64 " skew=%" PRId64 " schema=%016" PRIx64 "%016" PRIx64
                        " message=%d rows=%d field=%d columns=%d side=%d/%d text=%zu",
                        PIPELINE_CONTENT_VERSION, c->partition_scope ? "partition" : "topic",
                        c->topic, c->duration_ms, c->slide_ms, c->delay_ms, c->max_future_skew_ms,
                        c->schema->fingerprint[0], c->schema->fingerprint[1],
                        DECODE_MAX_MESSAGE_BYTES, DECODE_MAX_ROWS, DECODE_MAX_FIELD_BYTES,
                        SPLIT_MAX_COLUMNS, SIDE_MAX_ROWS, SIDE_MAX_BYTES, ENCODE_TEXT_MAX_BYTES);
    if (rc == 0 &&
        c->raw) /* without it, what decides content is what it was before there was one */
        rc = buf_printf(&text, " raw=%" PRId64 "/%d", c->raw_chunk_records, RAW_MAX_BYTES);
    ASSERT(rc == 0);
    const uint64_t fingerprint = XXH3_64bits(text.data, text.len);
    buf_deinit(&text);
    return fingerprint;
}
