#include "producer/disturb.h"

#include "base/mem.h"

/* A message on hold, in one allocation. */
struct held {
    int64_t due_ms; /* emitted when the rows' event time has come here */
    uint64_t sequence;
    struct message message; /* its slices point into bytes[] */
    size_t size;
    char bytes[];
};

void disturb_init(struct disturb *d, const struct disturb_config *config, disturb_emit *emit,
                  void *arg)
{
    *d = (struct disturb){.config = *config, .emit = emit, .arg = arg};
    if (config->seeded)
        rng_init(&d->rng, config->seed, 1);
    else
        rng_init_random(&d->rng);
    row_formats_init(&d->formats);
    message_writer_init(&d->writer, config->format, config->key_by);
}

void disturb_deinit(struct disturb *d)
{
    for (size_t i = 0; i < d->held; i++)
        mem_free(d->heap[i]);
    mem_free(d->heap);
    d->heap = NULL;
    d->held = 0;
    message_writer_deinit(&d->writer);
}

/* -- the heap -------------------------------------------------------------------------------- */

static bool is_before(const struct held *a, const struct held *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->sequence < b->sequence;
}

static void heap_push(struct disturb *d, struct held *h)
{
    if (d->held == d->capacity) {
        d->capacity = d->capacity > 0 ? d->capacity * 2 : 64;
        d->heap = mem_realloc(d->heap, d->capacity * sizeof(struct held *));
    }
    size_t at = d->held++;
    for (; at > 0 && is_before(h, d->heap[(at - 1) / 2]); at = (at - 1) / 2)
        d->heap[at] = d->heap[(at - 1) / 2];
    d->heap[at] = h;
    d->held_bytes += h->size;
}

static struct held *heap_pop(struct disturb *d)
{
    struct held *first = d->heap[0];
    struct held *last = d->heap[--d->held];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= d->held)
            break;
        if (child + 1 < d->held && is_before(d->heap[child + 1], d->heap[child]))
            child++;
        if (!is_before(d->heap[child], last))
            break;
        d->heap[at] = d->heap[child];
        at = child;
    }
    d->heap[at] = last;
    d->held_bytes -= first->size;
    return first;
}

/* -- holding and emitting -------------------------------------------------------------------- */

static struct slice copy_into(char **end, struct slice text)
{
    if (text.len > 0)
        memcpy(*end, text.ptr, text.len);
    const struct slice copy = {*end, text.len};
    *end += text.len;
    return copy;
}

static void hold(struct disturb *d, const struct message *m, int64_t due_ms)
{
    const size_t size = sizeof(struct held) + m->key.len + m->value.len + m->csv.len;
    struct held *h = mem_alloc(size);
    *h = (struct held){.due_ms = due_ms, .sequence = d->sequence++, .message = *m, .size = size};
    char *end = h->bytes;
    h->message.key = copy_into(&end, m->key);
    h->message.value = copy_into(&end, m->value);
    h->message.csv = copy_into(&end, m->csv);
    heap_push(d, h);
}

static int emit_first(struct disturb *d, struct err *err)
{
    struct held *h = heap_pop(d);
    const int rc = d->emit(d->arg, &h->message, err);
    mem_free(h);
    return rc;
}

/* Later rows are due at now_ms or after, so whatever is due by now may go. */
static int emit_due(struct disturb *d, int64_t now_ms, struct err *err)
{
    int rc = 0;
    while (rc == 0 && d->held > 0 &&
           (d->heap[0]->due_ms <= now_ms || d->held_bytes > DISTURB_MAX_HELD_BYTES))
        rc = emit_first(d, err);
    return rc;
}

int disturb_finish(struct disturb *d, struct err *err)
{
    int rc = 0;
    while (rc == 0 && d->held > 0)
        rc = emit_first(d, err);
    return rc;
}

static int send(struct disturb *d, const struct message *m, int64_t due_ms, struct err *err)
{
    if (d->config.disorder_ms == 0)
        return d->emit(d->arg, m, err);
    hold(d, m, due_ms);
    return 0;
}

/* -- the disturbances ------------------------------------------------------------------------ */

static int too_large(const struct row *row, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "the row of %.*s does not fit into a message of %d bytes",
                   (int)row->field[ROW_TIMESTAMP].len, row->field[ROW_TIMESTAMP].ptr,
                   MESSAGE_MAX_BYTES);
}

static int64_t random_up_to(struct disturb *d, int64_t max_ms)
{
    return max_ms > 0 ? (int64_t)rng_below(&d->rng, (uint64_t)max_ms + 1) : 0;
}

static int send_row(struct disturb *d, const struct row *row, struct err *err)
{
    struct message m;
    if (message_write(&d->writer, row, MESSAGE_ROW, &m) != 0)
        return too_large(row, err);
    const int64_t shift = random_up_to(d, d->config.disorder_ms);
    int rc = send(d, &m, row->event_ms + shift, err);
    if (rc == 0 && rng_chance(&d->rng, d->config.duplicates)) {
        const int64_t more = random_up_to(d, d->config.disorder_ms - shift);
        m.kind = MESSAGE_DUPLICATE;
        rc = send(d, &m, row->event_ms + shift + more, err);
    }
    return rc;
}

static int send_malformed(struct disturb *d, const struct row *row, struct err *err)
{
    char id[UUID_TEXT_BYTES];
    struct row copy = *row;
    struct message m;
    rng_uuid4(&d->rng, id);
    copy.field[ROW_ID] = slice_of(id);
    const enum message_fault fault = d->next_fault;
    d->next_fault = (d->next_fault + 1) % MESSAGE_FAULTS;
    if (message_write_malformed(&d->writer, &copy, fault, &m) != 0)
        return too_large(row, err);
    return send(d, &m, row->event_ms, err);
}

static int send_late(struct disturb *d, const struct row *row, struct err *err)
{
    char id[UUID_TEXT_BYTES];
    struct row copy = *row;
    struct row_times times;
    struct message m;
    rng_uuid4(&d->rng, id);
    copy.field[ROW_ID] = slice_of(id);
    row_set_event(&copy, &d->formats, &times, row->event_ms - d->config.late_by_ms);
    if (message_write(&d->writer, &copy, MESSAGE_LATE, &m) != 0)
        return too_large(row, err);
    return send(d, &m, row->event_ms, err);
}

int disturb_row(struct disturb *d, const struct row *row, struct err *err)
{
    int rc = emit_due(d, row->event_ms, err);
    if (rc == 0)
        rc = send_row(d, row, err);
    if (rc == 0 && rng_chance(&d->rng, d->config.malformed))
        rc = send_malformed(d, row, err);
    if (rc == 0 && rng_chance(&d->rng, d->config.late))
        rc = send_late(d, row, err);
    return rc;
}
