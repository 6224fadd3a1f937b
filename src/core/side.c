#include "core/side.h"

#include "base/mem.h"
#include "core/encode.h"

void side_init(struct side *s, int64_t durable_offset)
{
    *s = (struct side){.durable_offset = durable_offset};
    buf_init(&s->lines, OBJECT_MAX_BYTES);
}

void side_deinit(struct side *s)
{
    buf_deinit(&s->lines);
    pending_deinit(&s->pending);
    *s = (struct side){.durable_offset = s->durable_offset};
}

void side_add(struct side *s, const char *topic, int32_t partition, const struct origin *origin,
              uint32_t row, enum reject_reason reason, struct slice value)
{
    if (origin->offset < s->durable_offset)
        return;
    if (s->rows++ == 0)
        s->origin = *origin;
    const int rc =
        encode_side_line(&s->lines, topic, partition, origin->offset, row, reason, value);
    ASSERT(rc == 0); /* SIDE_MAX_BYTES and one message lie far below OBJECT_MAX_BYTES */
}

bool side_is_full(const struct side *s)
{
    return s->rows >= SIDE_MAX_ROWS || s->lines.len >= SIDE_MAX_BYTES;
}

struct object *side_cut(struct side *s, const char *prefix, const char *topic, int32_t partition)
{
    if (s->rows == 0)
        return NULL;
    struct object *o = mem_calloc(1, sizeof(*o));
    o->kind = OBJECT_SIDE;
    o->name = object_side_name(prefix, topic, partition, s->origin.offset);
    o->lines = s->lines;
    o->rows = s->rows;
    o->partition = partition;
    buf_init(&s->lines, OBJECT_MAX_BYTES); /* the bytes are the object's now */
    s->rows = 0;
    return o;
}

bool side_first(const struct side *s, struct origin *first)
{
    if (pending_first(&s->pending, first)) /* what is open lies above them */
        return true;
    if (s->rows > 0)
        *first = s->origin;
    return s->rows > 0;
}
