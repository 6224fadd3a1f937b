/* A message through the whole decoder, three ways: the fast splitter, libcsv alone, and between two
 * other messages. All must give the same rows, and the rows must keep every promise of decode.h. */
#include "base/mem.h"
#include "core/decode.h"
#include "core/utf8.h"
#include "fuzz.h"

#include <stdio.h>

#define GOOD_ROW \
    "A001,R002,02-00-00,S1,456NQR,BMT,07-22-24,21:10:01,REGULAR,9,10,i,2024-07-22 21:10:01"
#define TIMESTAMP_MS INT64_C(1721682601000)

static struct schema *schema;
static struct decoder *fast, *slow, *crowded;

static void set_up(void)
{
    static char text[SCHEMA_FILE_MAX_BYTES];
    FILE *file = fopen(TURNSTILE_SOURCE_DIR "/schemas/mta-turnstile.json", "rb");
    ASSERT(file != NULL);
    const size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    struct err err;
    ASSERT(schema_parse((struct slice){text, len}, &schema, &err) == 0);
    struct decode_options options = {.max_future_skew_ms = 86400000};
    fast = decoder_new(schema, &options);
    crowded = decoder_new(schema, &options);
    options.libcsv_only = true;
    slow = decoder_new(schema, &options);
}

static size_t count_nul(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\0';
    return count;
}

static void check_row(const struct row *row, struct slice value, size_t count)
{
    ASSERT(row->reject < REJECT_LATE);
    if (count == 1)
        ASSERT(row->text.ptr == value.ptr && row->text.len == value.len);
    ASSERT(row->text.len <= value.len);
    if (row->reject == REJECT_UTF8)
        ASSERT(!utf8_valid(value));
    if (row->reject != REJECT_NONE)
        return;
    ASSERT(utf8_valid(row->text) && utf8_valid(row->group));
    ASSERT(count_nul(row->group) == schema->group_count - 1);
    ASSERT(row->event_ms <= TIMESTAMP_MS + 86400000);
    ASSERT(row->measures[0] == (int32_t)row->measures[0]);
}

static void check_same(const struct row *a, const struct row *b)
{
    ASSERT(a->number == b->number && a->reject == b->reject && a->offset == b->offset);
    ASSERT(slice_equal(a->text, b->text));
    if (a->reject != REJECT_NONE)
        return;
    ASSERT(a->event_ms == b->event_ms && a->group_hash == b->group_hash);
    ASSERT(a->key[0] == b->key[0] && a->key[1] == b->key[1]);
    ASSERT(slice_equal(a->group, b->group));
    for (unsigned i = 0; i < schema->measure_count; i++)
        ASSERT(a->measures[i] == b->measures[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (schema == NULL)
        set_up();
    const struct slice value = {size > 0 ? (const char *)data : "", size};
    const struct record good = {.offset = 1, .value = SLICE_LITERAL(GOOD_ROW)};
    const struct record record = {.offset = 7, .timestamp_ms = TIMESTAMP_MS, .value = value};
    const struct record batch[] = {good, record, good};
    const struct row *a, *b, *c;
    const size_t count = decoder_run(fast, &record, 1, &a);
    ASSERT(count >= 1);
    ASSERT(decoder_run(slow, &record, 1, &b) == count);
    ASSERT(decoder_run(crowded, batch, 3, &c) == count + 2);
    ASSERT(c[0].reject == REJECT_FUTURE && c[count + 1].reject == REJECT_FUTURE); /* timestamp 0 */
    for (size_t i = 0; i < count; i++) {
        ASSERT(a[i].number == i);
        check_row(&a[i], value, count);
        check_same(&a[i], &b[i]);
        check_same(&a[i], &c[i + 1]);
    }
    return 0;
}
