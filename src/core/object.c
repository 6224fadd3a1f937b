#include "core/object.h"

#include "base/mem.h"
#include "base/timefmt.h"

#include <inttypes.h>

void object_free(struct object *o)
{
    if (o == NULL)
        return;
    mem_free(o->name);
    groups_free(o->groups);
    buf_deinit(&o->lines);
    mem_free(o);
}

size_t object_memory_bytes(const struct object *o)
{
    const size_t groups = o->groups ? groups_memory_bytes(o->groups) : 0;
    return sizeof(*o) + OBJECT_NAME_MAX_BYTES + groups + o->lines.cap;
}

/* Callers keep their prefixes short (the options check them), so a name that does not fit is a
 * bug of ours. */
static char *take_name(struct buf *name, int rc)
{
    ASSERT(rc == 0);
    ASSERT(buf_append_byte(name, '\0') == 0);
    return buf_take(name);
}

char *object_batch_name(const char *prefix, int64_t start_ms, int64_t end_ms, int64_t slide_ms,
                        int32_t partition)
{
    ASSERT(slide_ms > 0 && start_ms % slide_ms == 0);
    struct timefmt_civil end;
    timefmt_from_ms(end_ms, &end);
    struct buf name;
    buf_init(&name, OBJECT_NAME_MAX_BYTES + 1);
    int rc = buf_printf(&name, "%s/batch_%" PRId64 "_%04d%02d%02d_%02d%02d%02d", prefix,
                        start_ms / slide_ms, end.year, end.month, end.day, end.hour, end.minute,
                        end.second);
    if (rc == 0 && partition >= 0)
        rc = buf_printf(&name, "_p%" PRId32, partition);
    if (rc == 0)
        rc = buf_append_str(&name, ".csv.gz");
    return take_name(&name, rc);
}

char *object_side_name(const char *side_prefix, const char *topic, int32_t partition,
                       int64_t first_offset)
{
    struct buf name;
    buf_init(&name, OBJECT_NAME_MAX_BYTES + 1);
    const int rc = buf_printf(&name, "%s/%s-%" PRId32 "-%" PRId64 ".jsonl.gz", side_prefix, topic,
                              partition, first_offset);
    return take_name(&name, rc);
}

char *object_raw_name(const char *raw_prefix, const char *topic, int32_t partition,
                      int64_t first_offset, int64_t timestamp_ms)
{
    const bool dated = timestamp_ms >= TIMEFMT_FIRST_MS && timestamp_ms < TIMEFMT_END_MS;
    struct timefmt_civil day;
    struct buf name;
    timefmt_from_ms(dated ? timestamp_ms : 0, &day);
    buf_init(&name, OBJECT_NAME_MAX_BYTES + 1);
    const int rc =
        buf_printf(&name, "%s/%s/%04d/%02d/%02d/%" PRId32 "-%" PRId64 ".jsonl.gz", raw_prefix,
                   topic, day.year, day.month, day.day, partition, first_offset);
    return take_name(&name, rc);
}
