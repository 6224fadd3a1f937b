#include "core/raw.h"

#include "base/mem.h"
#include "core/encode.h"

void raw_init(struct raw *r, int64_t durable_offset)
{
    *r = (struct raw){.durable_offset = durable_offset};
    buf_init(&r->lines, OBJECT_MAX_BYTES);
}

void raw_deinit(struct raw *r)
{
    buf_deinit(&r->lines);
    pending_deinit(&r->pending);
    r->rows = 0;
}

void raw_add(struct raw *r, const char *topic, int32_t partition, const struct record *record,
             const struct origin *origin, int64_t chunk_records)
{
    ASSERT(record->offset >= r->durable_offset && chunk_records > 0);
    const int rc = encode_raw_line(&r->lines, topic, partition, record);
    ASSERT(rc == 0); /* RAW_MAX_BYTES and one message lie far below OBJECT_MAX_BYTES */
    if (r->rows++ == 0) {
        const int64_t start = record->offset - record->offset % chunk_records;
        r->origin = *origin;
        r->timestamp_ms = record->timestamp_ms;
        r->end_offset = start <= INT64_MAX - chunk_records ? start + chunk_records : INT64_MAX;
    }
}

bool raw_is_complete(const struct raw *r, int64_t position)
{
    return r->rows > 0 && (position >= r->end_offset || r->lines.len >= RAW_MAX_BYTES);
}

struct object *raw_cut(struct raw *r, const char *prefix, const char *topic, int32_t partition)
{
    if (r->rows == 0)
        return NULL;
    struct object *o = mem_calloc(1, sizeof(*o));
    o->kind = OBJECT_RAW;
    o->name = object_raw_name(prefix, topic, partition, r->origin.offset, r->timestamp_ms);
    o->lines = r->lines;
    o->rows = r->rows;
    o->partition = partition;
    buf_init(&r->lines, OBJECT_MAX_BYTES); /* the bytes are the object's now */
    r->rows = 0;
    return o;
}

bool raw_first(const struct raw *r, struct origin *first)
{
    if (pending_first(&r->pending, first)) /* what is open lies above them */
        return true;
    if (r->rows > 0)
        *first = r->origin;
    return r->rows > 0;
}
