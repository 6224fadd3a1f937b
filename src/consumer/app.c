#include "consumer/app.h"

#include "base/log.h"
#include "base/mem.h"
#include "consumer/pipelines.h"
#include "consumer/report.h"
#include "io/clock.h"
#include "io/kafka_source.h"
#include "io/lake.h"
#include "io/signals.h"
#include "io/uploader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE_PAUSE_MS 500 /* between two probes of a lake that does not answer */
#define LEAVE_MS 3000      /* to leave the group; Kafka notices anyway, a session timeout later */
#define CLOSE_MS 5000      /* from CLOSING to the end, whatever hangs */

enum app_state { APP_STARTING, APP_RUNNING, APP_DRAINING, APP_CLOSING };

struct app_partition {
    int32_t partition;
    bool stopped;
    int64_t committing; /* floor of the commit under way */
};

struct app {
    const struct setup *setup;
    uv_loop_t loop;
    uv_timer_t wake;    /* the pipeline's WAKE_AT */
    uv_timer_t connect; /* STARTING, and standing by with --once, must end by then */
    uv_timer_t probe;   /* pause between probes */
    uv_timer_t limit;   /* of DRAINING, then of CLOSING */
    struct signals signals;

    struct lake *lake;
    struct uploader *uploader;
    struct kafka_source *source;
    struct pipelines *pipelines;

    enum app_state state;
    bool lake_answered, kafka_answered; /* STARTING waits for both */
    bool probing;                       /* a probe is under way; the lake cannot be closed */
    bool stepping;                      /* inside app_step() */
    bool held;                          /* may_read() said no: ask again after the next step */
    bool conflict;                      /* an object will never be stored: DRAINED cannot come */
    int64_t wake_at_ms;
    char probe_detail[LAKE_DETAIL_BYTES];
    struct app_partition *partitions; /* of the assignment */
    size_t partition_count;
    struct uploader_stats uploads; /* as they were when the uploader went */
    int exit_code;
};

static void app_step(struct app *app, const struct pipeline_event *event);
static void app_close(struct app *app);
static void on_connect_limit(uv_timer_t *timer);

static void set_state(struct app *app, enum app_state state)
{
    /* Allowed moves: forward, and never out of CLOSING. */
    ASSERT(state > app->state);
    app->state = state;
}

/* ---- ending ---- */

static void fail(struct app *app, int code, const char *reason)
{
    if (app->state == APP_CLOSING)
        return;
    LOG_ERROR("failed", LOG_STR("reason", reason), LOG_INT("exit_code", err_exit_code(code)));
    app->exit_code = err_exit_code(code);
    app_close(app);
}

static void on_drain_limit(uv_timer_t *timer)
{
    struct app *app = timer->data;
    struct pipeline_totals totals;
    struct uploader_stats uploads;
    pipelines_totals(app->pipelines, &totals);
    uploader_stats(app->uploader, &uploads);
    LOG_ERROR("drain_timed_out", LOG_INT("uploads", uploads.queued + uploads.in_flight),
              LOG_INT("commits", totals.commits_outstanding),
              LOG_STR("last_failure", uploads.last_failure),
              LOG_STR("reason", "not all was stored and committed in --drain-timeout; nothing is "
                                "lost, the next start does it again"));
    if (app->exit_code == 0)
        app->exit_code = err_exit_code(ERR_TIMEOUT);
    app_close(app);
}

/* Stop reading, finish what is closed, then end with `exit_code`. */
static void begin_drain(struct app *app, int exit_code)
{
    if (app->exit_code == 0)
        app->exit_code = exit_code;
    if (app->state >= APP_DRAINING)
        return;
    set_state(app, APP_DRAINING);
    LOG_INFO("draining", LOG_INT("limit_ms", app->setup->options.drain_timeout_ms));
    uv_timer_start(&app->limit, on_drain_limit, (uint64_t)app->setup->options.drain_timeout_ms, 0);
    app_step(app, &(struct pipeline_event){.kind = EVENT_DRAIN});
}

static void on_drain_signal(void *arg, int signum)
{
    struct app *app = arg;
    LOG_INFO("asked_to_stop", LOG_STR("signal", signum == SIGTERM ? "SIGTERM" : "SIGINT"));
    begin_drain(app, 0);
}

static void on_leave_signal(void *arg, int signum)
{
    UNUSED(arg);
    LOG_WARN("stopped_at_once", LOG_STR("reason", "a second signal; the next start rebuilds"));
    _exit(128 + signum);
}

/* Something does not let go of its handles: the state is in Kafka, so just go. */
static void on_close_limit(uv_timer_t *timer)
{
    const struct app *app = timer->data;
    LOG_WARN("closing_timed_out", LOG_INT("exit_code", app->exit_code));
    _exit(app->exit_code);
}

static void on_lake_closed(void *arg)
{
    struct app *app = arg;
    app->lake = NULL;
    uv_timer_t *const timers[] = {&app->wake, &app->connect, &app->probe, &app->limit};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        uv_close((uv_handle_t *)timers[i], NULL);
    signals_close(&app->signals);
}

static void close_lake(struct app *app)
{
    if (app->uploader == NULL && !app->probing)
        lake_close(app->lake, on_lake_closed, app);
}

static void on_uploader_closed(void *arg)
{
    struct app *app = arg;
    app->uploader = NULL;
    close_lake(app);
}

static void on_source_stopped(void *arg)
{
    struct app *app = arg;
    app->source = NULL;
    uploader_stats(app->uploader, &app->uploads);
    uploader_close(app->uploader, on_uploader_closed, app);
}

static void app_close(struct app *app)
{
    set_state(app, APP_CLOSING);
    report_totals(app->setup->options.topic, app->pipelines);
    uv_timer_stop(&app->wake);
    uv_timer_stop(&app->connect);
    uv_timer_stop(&app->probe);
    uv_timer_start(&app->limit, on_close_limit, CLOSE_MS, 0);
    if (app->source != NULL)
        kafka_source_stop(app->source, LEAVE_MS, on_source_stopped, app);
    else
        on_source_stopped(app);
}

/* ---- the pipeline's actions ---- */

static struct app_partition *find_partition(struct app *app, int32_t partition)
{
    for (size_t i = 0; i < app->partition_count; i++) {
        if (app->partitions[i].partition == partition)
            return &app->partitions[i];
    }
    return NULL;
}

static void commit(struct app *app, const struct pipeline_action *action)
{
    struct app_partition *p = find_partition(app, action->commit.partition);
    ASSERT(p != NULL);
    p->committing = action->commit.offset;
    kafka_source_commit(app->source, p->partition, action->commit.offset, action->commit.metadata);
}

/* The exit code that the stop asks for, or 0 while the others go on. */
static int stop_partition(struct app *app, const struct pipeline_action *action)
{
    struct app_partition *p = find_partition(app, action->stop.partition);
    ASSERT(p != NULL);
    LOG_ERROR("partition_stopped", LOG_STR("topic", app->setup->options.topic),
              LOG_INT("partition", p->partition), LOG_STR("reason", action->stop.reason));
    p->stopped = true;
    kafka_source_stop_partition(app->source, p->partition);
    bool all = true;
    for (size_t i = 0; i < app->partition_count; i++)
        all = all && app->partitions[i].stopped;
    return all || app->setup->options.once ? err_exit_code(action->stop.code) : 0;
}

static void on_wake(uv_timer_t *timer)
{
    struct app *app = timer->data;
    app_step(app, &(struct pipeline_event){.kind = EVENT_TICK});
}

static void wake_at(struct app *app, int64_t at_ms)
{
    const int64_t wait_ms = at_ms - clock_now_ms();
    uv_update_time(&app->loop); /* the loop's own time may be old: the timer would be early */
    uv_timer_start(&app->wake, on_wake, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

struct consequences { /* of one step */
    struct kafka_source_start_offset *reads;
    size_t read_count;
    bool drained;
    int exit_code; /* not 0: a stop that ends the process */
};

static void carry_out(struct app *app, const struct pipeline_action *action, struct consequences *c)
{
    switch (action->kind) {
    case ACTION_READ:
        ASSERT(c->read_count < app->partition_count);
        if (c->reads == NULL)
            c->reads = mem_calloc(app->partition_count, sizeof(*c->reads));
        c->reads[c->read_count++] =
            (struct kafka_source_start_offset){action->read.partition, action->read.offset};
        break;
    case ACTION_STORE:
        uploader_submit(app->uploader, action->store.object);
        break;
    case ACTION_COMMIT:
        commit(app, action);
        break;
    case ACTION_STOP_PARTITION: {
        const int code = stop_partition(app, action);
        if (code != 0)
            c->exit_code = code;
        break;
    }
    case ACTION_WAKE_AT:
        wake_at(app, action->wake.at_ms);
        break;
    case ACTION_DRAINED:
        c->drained = true;
        break;
    }
}

static bool is_quiet(struct app *app)
{
    struct uploader_stats uploads;
    struct pipeline_totals totals;
    uploader_stats(app->uploader, &uploads);
    pipelines_totals(app->pipelines, &totals);
    return uploads.queued + uploads.in_flight == 0 && totals.commits_outstanding == 0;
}

/* Above the budget only what may shrink is waited for; without that the pipeline stops by itself,
 * with a reason. */
static bool is_memory_short(const struct app *app)
{
    struct uploader_stats uploads;
    struct pipeline_totals totals;
    uploader_stats(app->uploader, &uploads);
    if (uploads.queued + uploads.in_flight == 0)
        return false;
    if (uploads.memory_bytes > app->setup->backlog_bytes)
        return true;
    pipelines_totals(app->pipelines, &totals);
    return totals.memory_bytes + uploads.memory_bytes > app->setup->state_budget_bytes;
}

/* The one place where events go in and actions are carried out. */
static void app_step(struct app *app, const struct pipeline_event *event)
{
    if (app->state == APP_CLOSING)
        return;
    ASSERT(!app->stepping);
    app->stepping = true;
    struct pipeline_event timed = *event;
    struct pipeline_action action;
    struct consequences c = {0};
    timed.now_ms = clock_now_ms();
    timed.reading_held = is_memory_short(app);
    pipelines_step(app->pipelines, &timed);
    while (pipelines_next_action(app->pipelines, &action))
        carry_out(app, &action, &c);
    if (c.read_count > 0) {
        LOG_INFO("reading", LOG_STR("topic", app->setup->options.topic),
                 LOG_INT("partitions", c.read_count));
        kafka_source_read(app->source, c.reads, c.read_count);
    }
    mem_free(c.reads);
    if (app->held) {
        app->held = false;
        kafka_source_kick(app->source);
    }
    app->stepping = false;

    if (c.exit_code != 0)
        begin_drain(app, c.exit_code);
    if (app->state == APP_CLOSING)
        return;
    if (c.drained || (app->state == APP_DRAINING && app->conflict && is_quiet(app)))
        app_close(app);
}

/* ---- Kafka ---- */

static void started(struct app *app)
{
    if (app->state != APP_STARTING || !app->lake_answered || !app->kafka_answered)
        return;
    set_state(app, APP_RUNNING);
    uv_timer_stop(&app->connect);
}

static void forget_assignment(struct app *app)
{
    mem_free(app->partitions);
    app->partitions = NULL;
    app->partition_count = 0;
    app->held = false;
    app->conflict = false;
}

static void on_assigned(void *arg, const struct pipeline_partition *partitions, size_t count)
{
    struct app *app = arg;
    if (app->state == APP_CLOSING)
        return;
    forget_assignment(app);
    app->partitions = mem_calloc(count, sizeof(*app->partitions));
    app->partition_count = count;
    for (size_t i = 0; i < count; i++)
        app->partitions[i].partition = partitions[i].partition;
    report_assigned(app->setup->options.topic, partitions, count);
    app->kafka_answered = true;
    started(app);
    app_step(app,
             &(struct pipeline_event){.kind = EVENT_ASSIGNED, .assigned = {partitions, count}});
}

static void on_revoked(void *arg)
{
    struct app *app = arg;
    if (app->state == APP_CLOSING)
        return;
    LOG_WARN("revoked", LOG_STR("topic", app->setup->options.topic));
    report_totals(app->setup->options.topic, app->pipelines);
    uploader_cancel_all(app->uploader);
    forget_assignment(app);
    app_step(app, &(struct pipeline_event){.kind = EVENT_REVOKED});
}

static bool on_may_read(void *arg, int32_t partition)
{
    struct app *app = arg;
    const bool may = app->state != APP_CLOSING && pipelines_may_read(app->pipelines, partition) &&
                     !is_memory_short(app);
    app->held = app->held || !may;
    return may;
}

static void on_records(void *arg, int32_t partition, const struct record *records, size_t count)
{
    app_step(arg, &(struct pipeline_event){.kind = EVENT_RECORDS,
                                           .records = {partition, records, count}});
}

static void on_end_of_log(void *arg, int32_t partition, int64_t offset)
{
    app_step(arg,
             &(struct pipeline_event){.kind = EVENT_END_OF_LOG, .end_of_log = {partition, offset}});
}

static void on_read_error(void *arg, int32_t partition, const char *reason)
{
    app_step(arg,
             &(struct pipeline_event){.kind = EVENT_READ_ERROR, .read_error = {partition, reason}});
}

static void on_committed(void *arg, int32_t partition, enum pipeline_commit_result result)
{
    struct app *app = arg;
    const struct app_partition *p = find_partition(app, partition);
    static const char *const names[] = {[PIPELINE_COMMIT_OK] = "ok",
                                        [PIPELINE_COMMIT_REFUSED] = "refused",
                                        [PIPELINE_COMMIT_UNKNOWN] = "unknown"};
    if (p != NULL)
        LOG_DEBUG("committed", LOG_INT("partition", partition), LOG_INT("floor", p->committing),
                  LOG_STR("result", names[result]));
    app_step(app,
             &(struct pipeline_event){.kind = EVENT_COMMITTED, .committed = {partition, result}});
}

static void on_first_record(void *arg, int32_t partition, int64_t low, struct buf *out)
{
    const struct app *app = arg;
    pipelines_first_record(&app->setup->pipeline, partition, low, out);
}

static void on_standby(void *arg)
{
    struct app *app = arg;
    const struct options *o = &app->setup->options;
    LOG_INFO("standby", LOG_STR("topic", o->topic), LOG_STR("group", o->group));
    app->kafka_answered = true;
    started(app);
    if (o->once) /* for a scheduler: a run that cannot have its turn soon says so and ends */
        uv_timer_start(&app->connect, on_connect_limit, (uint64_t)o->connect_timeout_ms, 0);
}

static void on_source_failed(void *arg, const struct err *err)
{
    fail(arg, err->code, err->text);
}

/* ---- the lake ---- */

static void on_stored(void *arg, uint64_t object_id)
{
    app_step(arg, &(struct pipeline_event){.kind = EVENT_STORED, .stored = {object_id, NULL}});
}

static void on_conflict(void *arg, uint64_t object_id, const char *detail)
{
    struct app *app = arg;
    app->conflict = true;
    app_step(app,
             &(struct pipeline_event){.kind = EVENT_STORE_FAILED, .stored = {object_id, detail}});
}

static void start_probe(struct app *app);

static void on_probe_pause(uv_timer_t *timer)
{
    start_probe(timer->data);
}

static void lake_fails(struct app *app, int code, const char *detail)
{
    char reason[ERR_TEXT_BYTES];
    snprintf(reason, sizeof(reason), "the lake %s: %s", lake_display(app->lake), detail);
    fail(app, code, reason);
}

static void on_probed(void *arg, const struct lake_answer *answer)
{
    struct app *app = arg;
    app->probing = false;
    if (app->state == APP_CLOSING) {
        close_lake(app);
        return;
    }
    switch (answer->result) {
    case LAKE_OK:
        app->lake_answered = true;
        started(app);
        break;
    case LAKE_DENIED:
        lake_fails(app, ERR_PERMISSION, answer->detail);
        break;
    case LAKE_BROKEN:
    case LAKE_CONFLICT:
        lake_fails(app, ERR_CONFIG, answer->detail);
        break;
    case LAKE_TRANSIENT:
    case LAKE_CANCELED:
        snprintf(app->probe_detail, sizeof(app->probe_detail), "%s", answer->detail);
        uv_timer_start(&app->probe, on_probe_pause, PROBE_PAUSE_MS, 0);
        break;
    }
}

static void start_probe(struct app *app)
{
    app->probing = true;
    lake_probe(app->lake, on_probed, app);
}

/* ---- start ---- */

static void on_connect_limit(uv_timer_t *timer)
{
    struct app *app = timer->data;
    if (!app->lake_answered) /* Kafka's own limit is the source's */
        lake_fails(app, ERR_UNREACHABLE,
                   app->probe_detail[0] != '\0' ? app->probe_detail : "no answer");
    else if (app->state == APP_RUNNING && app->partition_count == 0)
        fail(app, ERR_TIMEOUT,
             "another member of the group has the topic: nothing was read; run "
             "--once when it has ended");
}

static int start_source(struct app *app, rd_kafka_conf_t *conf, struct err *err)
{
    const struct options *o = &app->setup->options;
    const struct kafka_source_config config = {
        .topic = o->topic,
        .conf = conf,
        .group = o->group,
        .client_id = o->client,
        .queue_budget_bytes = app->setup->queue_budget_bytes,
        .partition_scope = o->partition_scope,
        .connect_timeout_ms = o->connect_timeout_ms,
    };
    const struct kafka_source_callbacks callbacks = {
        .assigned = on_assigned,
        .revoked = on_revoked,
        .may_read = on_may_read,
        .records = on_records,
        .end_of_log = on_end_of_log,
        .read_error = on_read_error,
        .committed = on_committed,
        .standby = on_standby,
        .first_record = on_first_record,
        .failed = on_source_failed,
        .arg = app,
    };
    return kafka_source_new(&app->loop, &config, &callbacks, &app->source, err);
}

static void init_handles(struct app *app)
{
    uv_timer_t *const timers[] = {&app->wake, &app->connect, &app->probe, &app->limit};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        uv_timer_init(&app->loop, timers[i]);
        timers[i]->data = app;
    }
    signals_start(&app->signals, &app->loop, on_drain_signal, on_leave_signal, app);
}

/* Kafka and the lake are tried at the same time: the slower one decides, not the sum. */
static void start(struct app *app, rd_kafka_conf_t *conf)
{
    const struct uploader_callbacks callbacks = {on_stored, on_conflict, app};
    uint64_t seed = 0;
    struct err err;
    uv_random(NULL, NULL, &seed, sizeof(seed), 0, NULL); /* failing, 0 is as good: it is jitter */
    init_handles(app);
    app->pipelines = pipelines_new(&app->setup->pipeline);
    app->uploader = uploader_new(&app->loop, app->lake, app->setup->schema, UPLOADER_MAX_IN_FLIGHT,
                                 seed, &callbacks);
    report_started(app->setup, lake_display(app->lake));
    if (start_source(app, conf, &err) != 0) {
        fail(app, err.code, err.text);
        return;
    }
    uv_timer_start(&app->connect, on_connect_limit,
                   (uint64_t)app->setup->options.connect_timeout_ms, 0);
    start_probe(app);
    kafka_source_start(app->source);
}

int app_run(struct setup *setup)
{
    struct app *app = mem_calloc(1, sizeof(*app));
    struct err err;
    app->setup = setup;
    int rc = uv_loop_init(&app->loop);
    ASSERT(rc == 0);
    rc = lake_new(&app->loop, setup->options.lake, &app->lake, &err);
    if (rc != 0) {
        LOG_ERROR("failed", LOG_STR("reason", err.text));
        app->exit_code = err_exit_code(rc);
    } else {
        rd_kafka_conf_t *conf = setup->conf;
        setup->conf = NULL;
        start(app, conf);
    }
    rc = uv_run(&app->loop, UV_RUN_DEFAULT);
    ASSERT(rc == 0);
    rc = uv_loop_close(&app->loop);
    ASSERT(rc == 0);
    if (app->pipelines != NULL) {
        struct pipeline_totals totals;
        pipelines_totals(app->pipelines, &totals);
        report_stopped(app->exit_code, &totals, &app->uploads);
    }
    const int exit_code = app->exit_code;
    pipelines_free(app->pipelines);
    forget_assignment(app);
    mem_free(app);
    return exit_code;
}
