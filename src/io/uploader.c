/* A job goes QUEUED ─> ENCODING (worker) ─> READY ─> PUTTING ─> WAITING ─> READY ...
 *
 * Jobs from ENCODING on hold encoded bytes, so there are at most `max_in_flight` of them; the rest
 * are QUEUED. The limit of puts at a time is lower while the lake asks for less. One timer serves
 * all waiting jobs: there are few. A canceled job is freed when its worker or its put is done with
 * it; nobody is told. */
#include "io/uploader.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/backoff.h"
#include "core/encode.h"
#include "io/content.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_MAX_MS 600000 /* a server may ask for more; then we come too early */
#define SUCCESSES_PER_STEP 100    /* of the way back to the full limit */
#define RECOVERY_MS 1000          /* a success shows that the lake is back: others wait no longer */
#define GZIP_OVERHEAD_BYTES 1048576 /* incompressible content grows by far less */

enum job_state { JOB_QUEUED, JOB_ENCODING, JOB_READY, JOB_PUTTING, JOB_WAITING };

struct job {
    struct uploader *uploader;
    struct object *object;
    enum job_state state;
    bool canceled;
    bool failing;   /* the last answer was not success; counted in uploader->failing_jobs */
    bool told_when; /* WAITING: the server named the time, or a person has to act */
    size_t memory_bytes;
    uv_work_t work; /* .data = this job */
    struct buf gzip;
    struct lake_object put_object;
    struct encode_report report;
    int encode_rc;
    struct lake_put *put; /* PUTTING */
    unsigned attempts;    /* puts that failed */
    uint64_t started_ms;  /* loop time of its first step */
    uint64_t due_ms;      /* WAITING: loop time of the next put */
    struct job *next;
};

struct uploader {
    uv_loop_t *loop;
    struct lake *lake;
    const struct schema *schema;
    struct uploader_callbacks callbacks;
    unsigned max_in_flight;
    unsigned limit;     /* puts at a time, 1 .. max_in_flight */
    unsigned successes; /* since the limit last rose or fell */
    struct backoff backoff;
    struct job *queue, **queue_tail; /* QUEUED, in the order of submission */
    struct job *active;              /* all others, in any order, canceled ones included */
    unsigned active_count, putting_count;
    unsigned failing_jobs;
    enum lake_result failing_result; /* of the last failure, while failing_jobs > 0 */
    struct uploader_stats stats;
    uv_timer_t timer; /* the earliest due_ms; .data = this uploader */
    bool closing, timer_closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void pump(struct uploader *u);

/* ---- jobs ---- */

static void set_memory(struct job *job, size_t bytes)
{
    struct uploader *u = job->uploader;
    ASSERT(u->stats.memory_bytes >= job->memory_bytes);
    u->stats.memory_bytes -= job->memory_bytes;
    job->memory_bytes = bytes;
    u->stats.memory_bytes += bytes;
}

static void set_failing(struct job *job, bool failing)
{
    struct uploader *u = job->uploader;
    if (failing && !job->failing)
        u->failing_jobs++;
    else if (!failing && job->failing)
        u->failing_jobs--;
    job->failing = failing;
}

static void job_free(struct job *job)
{
    set_memory(job, 0);
    set_failing(job, false);
    object_free(job->object);
    buf_deinit(&job->gzip);
    mem_free(job);
}

static void drop_active(struct job *job)
{
    struct uploader *u = job->uploader;
    struct job **at = &u->active;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    u->active_count--;
    job_free(job);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct uploader *u = handle->data;
    void (*closed)(void *) = u->closed;
    void *arg = u->closed_arg;
    mem_free(u);
    closed(arg);
}

static void close_if_done(struct uploader *u)
{
    if (!u->closing || u->timer_closing || u->active_count > 0)
        return;
    u->timer_closing = true;
    uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}

/* ---- the end of a job ---- */

static void log_stored(const struct job *job, const struct lake_answer *answer)
{
    const uint64_t ms = uv_now(job->uploader->loop) - job->started_ms;
    LOG_INFO("stored", LOG_STR("object", job->object->name), LOG_INT("rows", job->report.rows),
             LOG_INT("bytes", job->gzip.len), LOG_INT("ms", ms),
             LOG_INT("attempts", job->attempts + 1), LOG_INT("existed", answer->existed),
             LOG_INT("unique_collisions", job->report.unique_collisions));
    /* Explained once; a feed that has them has them in most windows. */
    if (job->report.unique_collisions > 0 && job->uploader->stats.unique_collisions == 0)
        LOG_WARN("unique_collisions", LOG_STR("object", job->object->name),
                 LOG_INT("rows", job->report.unique_collisions),
                 LOG_STR("why", "rows that agree in the schema's unique columns are one row to the "
                                "warehouse: it keeps one and drops the rest"));
}

/* After an outage the waits are up to the cap long, and waiting jobs hold all places. */
static void shorten_waits(struct uploader *u)
{
    for (struct job *job = u->active; job != NULL; job = job->next) {
        if (job->state != JOB_WAITING || job->told_when)
            continue;
        const uint64_t due_ms =
            uv_now(u->loop) + (uint64_t)backoff_next_ms(&u->backoff, 0, RECOVERY_MS, RECOVERY_MS);
        if (job->due_ms > due_ms)
            job->due_ms = due_ms;
    }
}

static void note_success(struct uploader *u, struct job *job, const struct lake_answer *answer)
{
    log_stored(job, answer);
    set_failing(job, false);
    if (u->stats.failing && u->failing_jobs == 0)
        LOG_INFO("store_recovered", LOG_STR("lake", lake_display(u->lake)));
    u->stats.failing = u->failing_jobs > 0;
    u->stats.stored++;
    u->stats.existed += answer->existed ? 1 : 0;
    u->stats.bytes_stored += job->gzip.len;
    u->stats.unique_collisions += job->report.unique_collisions;
    shorten_waits(u);
    if (u->limit < u->max_in_flight && ++u->successes >= SUCCESSES_PER_STEP) {
        u->successes = 0;
        u->limit++;
    }
}

/* The job is gone before the caller hears of it, so that the callback may do anything. */
static void end_stored(struct job *job, const struct lake_answer *answer)
{
    struct uploader *u = job->uploader;
    const uint64_t id = job->object->id;
    note_success(u, job, answer);
    drop_active(job);
    u->callbacks.stored(u->callbacks.arg, id);
}

static void end_conflict(struct job *job, const char *detail)
{
    struct uploader *u = job->uploader;
    const uint64_t id = job->object->id;
    LOG_ERROR("store_conflict", LOG_STR("object", job->object->name), LOG_STR("detail", detail));
    u->stats.conflicts++;
    drop_active(job);
    u->callbacks.conflict(u->callbacks.arg, id, detail);
}

/* ---- putting and waiting ---- */

static const char *result_text(enum lake_result result)
{
    switch (result) {
    case LAKE_OK:
        return "ok";
    case LAKE_CONFLICT:
        return "conflict";
    case LAKE_TRANSIENT:
        return "transient";
    case LAKE_DENIED:
        return "denied";
    case LAKE_BROKEN:
        return "refused";
    case LAKE_CANCELED:
        return "canceled";
    }
    return "unknown";
}

/* One line when it begins to fail or fails in another way; none for a repetition. */
static void note_failure(struct uploader *u, struct job *job, const struct lake_answer *answer)
{
    const bool news = u->failing_jobs == 0 || u->failing_result != answer->result;
    set_failing(job, true);
    u->failing_result = answer->result;
    u->stats.failing = true;
    u->stats.retries++;
    snprintf(u->stats.last_failure, sizeof(u->stats.last_failure), "%s", answer->detail);
    if (news)
        LOG_WARN("store_failing", LOG_STR("lake", lake_display(u->lake)),
                 LOG_STR("object", job->object->name), LOG_STR("kind", result_text(answer->result)),
                 LOG_STR("detail", answer->detail),
                 LOG_STR("what", "it is tried again until it succeeds; nothing is lost"));
}

static int64_t retry_delay_ms(struct uploader *u, const struct job *job,
                              const struct lake_answer *answer)
{
    int64_t delay;
    if (answer->result == LAKE_TRANSIENT)
        delay = backoff_next_ms(&u->backoff, job->attempts, UPLOADER_RETRY_BASE_MS,
                                UPLOADER_RETRY_CAP_MS);
    else /* a person has to act; asking more often helps nobody */
        delay = UPLOADER_RETRY_CAP_MS;
    const int64_t asked =
        answer->retry_after_ms < RETRY_AFTER_MAX_MS ? answer->retry_after_ms : RETRY_AFTER_MAX_MS;
    return delay > asked ? delay : asked;
}

static void wait_for_retry(struct uploader *u, struct job *job, const struct lake_answer *answer)
{
    note_failure(u, job, answer);
    if (answer->slow_down) {
        u->limit = u->limit > 1 ? u->limit / 2 : 1;
        u->successes = 0;
    }
    const int64_t delay_ms = retry_delay_ms(u, job, answer);
    job->told_when = answer->result != LAKE_TRANSIENT || answer->retry_after_ms > 0;
    uv_update_time(u->loop);
    job->due_ms = uv_now(u->loop) + (uint64_t)delay_ms;
    job->attempts++;
    job->state = JOB_WAITING;
}

static void on_put(void *arg, const struct lake_answer *answer)
{
    struct job *job = arg;
    struct uploader *u = job->uploader;
    job->put = NULL;
    u->putting_count--;
    if (job->canceled) {
        drop_active(job);
    } else {
        switch (answer->result) {
        case LAKE_OK:
            end_stored(job, answer);
            break;
        case LAKE_CONFLICT:
            end_conflict(job, answer->detail);
            break;
        case LAKE_TRANSIENT:
        case LAKE_DENIED:
        case LAKE_BROKEN:
            wait_for_retry(u, job, answer);
            break;
        case LAKE_CANCELED:
            ASSERT(answer->result != LAKE_CANCELED); /* only canceled jobs get it */
            break;
        }
    }
    pump(u);
}

static void start_put(struct job *job)
{
    struct uploader *u = job->uploader;
    job->state = JOB_PUTTING;
    u->putting_count++;
    job->put = lake_put(u->lake, &job->put_object, on_put, job);
}

/* ---- encoding ---- */

static void encode_on_worker(uv_work_t *work)
{
    struct job *job = work->data;
    struct buf plain;
    buf_init(&plain, OBJECT_MAX_BYTES);
    buf_init(&job->gzip, OBJECT_MAX_BYTES + (size_t)GZIP_OVERHEAD_BYTES);
    job->encode_rc = encode_object(job->uploader->schema, job->object, &plain, &job->report);
    if (job->encode_rc == 0) {
        content_sha256(buf_slice(&plain), job->put_object.sha256);
        job->encode_rc = encode_gzip(buf_slice(&plain), ENCODE_GZIP_LEVEL, &job->gzip);
    }
    buf_deinit(&plain);
}

/* From here on the encoded bytes are all that is needed: what they were made of is freed. */
static void release_source(struct job *job)
{
    groups_free(job->object->groups);
    job->object->groups = NULL;
    buf_deinit(&job->object->lines);
    set_memory(job, object_memory_bytes(job->object) + job->gzip.cap);
}

static void on_encoded(uv_work_t *work, int status)
{
    struct job *job = work->data;
    struct uploader *u = job->uploader;
    if (job->canceled || status == UV_ECANCELED) {
        drop_active(job);
    } else if (job->encode_rc != 0) {
        char detail[LAKE_DETAIL_BYTES];
        snprintf(detail, sizeof(detail), "the object is larger than %u bytes: shorten the window",
                 OBJECT_MAX_BYTES);
        end_conflict(job, detail);
    } else {
        release_source(job);
        job->put_object.name = job->object->name;
        job->put_object.bytes = buf_slice(&job->gzip);
        job->put_object.content_type = "application/gzip";
        job->state = JOB_READY;
    }
    pump(u);
}

static void start_encoding(struct uploader *u)
{
    struct job *job = u->queue;
    u->queue = job->next;
    if (u->queue == NULL)
        u->queue_tail = &u->queue;
    u->stats.queued--;
    job->next = u->active;
    u->active = job;
    u->active_count++;
    job->state = JOB_ENCODING;
    job->started_ms = uv_now(u->loop);
    job->work.data = job;
    ASSERT(uv_queue_work(u->loop, &job->work, encode_on_worker, on_encoded) == 0);
}

/* ---- one place where a turn's consequences are carried out ---- */

static void on_timer(uv_timer_t *timer)
{
    pump(timer->data);
}

static void pump(struct uploader *u)
{
    uint64_t earliest_ms = UINT64_MAX;
    const uint64_t now_ms = uv_now(u->loop);
    for (struct job *job = u->active; job != NULL; job = job->next) {
        if (job->canceled)
            continue;
        if (job->state == JOB_WAITING && job->due_ms <= now_ms)
            job->state = JOB_READY;
        if (job->state == JOB_READY && u->putting_count < u->limit)
            start_put(job);
        if (job->state == JOB_WAITING && job->due_ms < earliest_ms)
            earliest_ms = job->due_ms;
    }
    while (u->queue != NULL && u->active_count < u->limit)
        start_encoding(u);
    if (!u->closing && earliest_ms != UINT64_MAX)
        uv_timer_start(&u->timer, on_timer, earliest_ms - now_ms, 0);
    else if (!u->closing)
        uv_timer_stop(&u->timer);
    close_if_done(u);
}

/* ---- for the caller ---- */

struct uploader *uploader_new(uv_loop_t *loop, struct lake *lake, const struct schema *schema,
                              unsigned max_in_flight, uint64_t seed,
                              const struct uploader_callbacks *callbacks)
{
    ASSERT(max_in_flight > 0);
    struct uploader *u = mem_calloc(1, sizeof(*u));
    u->loop = loop;
    u->lake = lake;
    u->schema = schema;
    u->callbacks = *callbacks;
    u->max_in_flight = max_in_flight;
    u->limit = max_in_flight;
    u->backoff.state = seed;
    u->queue_tail = &u->queue;
    ASSERT(uv_timer_init(loop, &u->timer) == 0);
    u->timer.data = u;
    return u;
}

void uploader_submit(struct uploader *u, struct object *object)
{
    ASSERT(!u->closing);
    struct job *job = mem_calloc(1, sizeof(*job));
    job->uploader = u;
    job->object = object;
    set_memory(job, object_memory_bytes(object));
    *u->queue_tail = job;
    u->queue_tail = &job->next;
    u->stats.queued++;
    pump(u);
}

static void cancel_active(struct job *job)
{
    job->canceled = true;
    if (job->state == JOB_ENCODING)
        uv_cancel((uv_req_t *)&job->work); /* or its result is dropped */
    else if (job->state == JOB_PUTTING)
        lake_cancel(job->put);
    else
        drop_active(job);
}

void uploader_cancel_all(struct uploader *u)
{
    while (u->queue != NULL) {
        struct job *job = u->queue;
        u->queue = job->next;
        job_free(job);
    }
    u->queue_tail = &u->queue;
    u->stats.queued = 0;
    for (struct job *job = u->active, *next; job != NULL; job = next) {
        next = job->next;
        if (!job->canceled)
            cancel_active(job);
    }
    u->stats.failing = false;
    pump(u);
}

void uploader_stats(const struct uploader *u, struct uploader_stats *stats)
{
    *stats = u->stats;
    stats->in_flight = u->active_count;
}

void uploader_close(struct uploader *u, void (*closed)(void *arg), void *arg)
{
    ASSERT(!u->closing);
    u->closing = true;
    u->closed = closed;
    u->closed_arg = arg;
    uploader_cancel_all(u);
}
