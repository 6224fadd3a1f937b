#include "producer/run.h"

#include "base/log.h"
#include "producer/clock.h"
#include "producer/disturb.h"
#include "producer/feed_dummy.h"
#include "producer/feed_poll.h"
#include "producer/feed_replay.h"
#include "producer/progress.h"
#include "producer/sender.h"
#include "producer/interrupts.h"

#include <inttypes.h>
#include <stdio.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define WAIT_MS 100            /* how late a signal may be seen */
#define LOOK_EVERY_ROWS 256    /* at full speed look for signals and the clock this often */
#define SLEEP_FROM_NS 1000000  /* shorter waits are not worth a system call: rows go in bursts */
#define MAX_BEHIND_NS NS_PER_S /* after a stall make up for at most this much */
#define SLOW_RATE 1.0          /* up to here a line per message, as the first producer printed */

/* Live state; what was asked for is in `options`, what happened in `sent`. */
struct run {
    const struct options *options;
    struct interrupts interrupts;
    struct properties properties;
    struct audit audit;
    struct sender *sender;
    struct disturb disturb;
    struct progress progress;
    struct feed feed;
    struct feed_dummy dummy;
    struct feed_replay replay;
    struct feed_poll *poll;
    bool talkative;    /* a line per message */
    unsigned patience; /* this many signals stop a wait: 1, at the end 2 */
    int64_t due_ns;    /* when the next row may go */
    int64_t first_ns;  /* --speed: when the first row went, */
    int64_t first_ms;  /* and its event time */
    uint64_t sent[MESSAGE_KINDS];
};

static bool is_stopped(void *arg)
{
    struct run *r = arg;
    return interrupts_poll(&r->interrupts) >= r->patience;
}

static uint64_t sent_in_all(const struct run *r)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < MESSAGE_KINDS; i++)
        sum += r->sent[i];
    return sum;
}

static void tick(struct run *r)
{
    struct sender_stats stats;
    sender_stats(r->sender, &stats);
    progress_tick(&r->progress, clock_monotonic_ns(), sent_in_all(r), stats.acknowledged,
                  stats.failed);
}

/* -- sending --------------------------------------------------------------------------------- */

/* Wait for this message's answer, and say so, as the first producer did. */
static void tell(struct run *r, const struct message *message, uint64_t acknowledged_before)
{
    struct sender_stats stats;
    sender_flush(r->sender);
    sender_stats(r->sender, &stats);
    if (stats.acknowledged > acknowledged_before)
        printf("Sent message: %.*s\n", (int)message->csv.len, message->csv.ptr);
    fflush(stdout);
}

static int on_message(void *arg, const struct message *message, struct err *err)
{
    struct run *r = arg;
    struct sender_stats before = {0};
    if (r->talkative)
        sender_stats(r->sender, &before);
    const int rc = sender_send(r->sender, message, err);
    if (rc != 0)
        return rc;
    r->sent[message->kind]++;
    if (r->talkative)
        tell(r, message, before.acknowledged);
    return 0;
}

/* Until `due_ns`, serving answers. False: stopped. */
static bool wait_until(struct run *r, int64_t due_ns)
{
    for (;;) {
        const int64_t left_ns = due_ns - clock_monotonic_ns();
        if (left_ns < SLEEP_FROM_NS)
            return true;
        const int64_t left_ms = left_ns / NS_PER_MS;
        sender_poll(r->sender, left_ms < WAIT_MS ? (int)left_ms : WAIT_MS);
        tick(r);
        if (is_stopped(r))
            return false;
    }
}

/* The rate's next slot. False: stopped. */
static bool pace_by_rate(struct run *r)
{
    if (r->options->rate <= 0)
        return true;
    const int64_t now_ns = clock_monotonic_ns();
    if (r->due_ns < now_ns - MAX_BEHIND_NS)
        r->due_ns = now_ns;
    if (!wait_until(r, r->due_ns))
        return false;
    r->due_ns += (int64_t)((double)NS_PER_S / r->options->rate);
    return true;
}

/* --speed: the row's place on the shortened time line. False: stopped. */
static bool pace_by_event(struct run *r, const struct row *row)
{
    if (r->options->speed <= 0)
        return true;
    if (r->first_ns == 0) {
        r->first_ns = clock_monotonic_ns();
        r->first_ms = row->event_ms;
    }
    const double after_ns =
        (double)(row->event_ms - r->first_ms) * (double)NS_PER_MS / r->options->speed;
    return wait_until(r, r->first_ns + (int64_t)after_ns);
}

static bool look_around(struct run *r, uint64_t rows)
{
    if (rows % LOOK_EVERY_ROWS != 0)
        return true;
    tick(r);
    return !is_stopped(r);
}

/* Rows until the feed ends, the count is full, or a signal. */
static int pump(struct run *r, struct err *err)
{
    for (uint64_t rows = 0; r->options->count == 0 || rows < r->options->count;) {
        struct row row;
        int64_t wait_ms;
        if (!look_around(r, rows) || !pace_by_rate(r))
            break;
        const enum feed_result result =
            r->feed.next(r->feed.self, clock_local_ms(), &row, &wait_ms);
        if (result == FEED_END)
            break;
        if (result == FEED_AGAIN) {
            if (!wait_until(r, clock_monotonic_ns() + wait_ms * NS_PER_MS) || is_stopped(r))
                break;
            continue;
        }
        if (!pace_by_event(r, &row))
            break;
        const int rc = disturb_row(&r->disturb, &row, err);
        if (rc != 0)
            return rc;
        rows++;
    }
    return 0;
}

/* -- starting -------------------------------------------------------------------------------- */

static int load_properties(struct run *r, struct err *err)
{
    const struct options *o = r->options;
    int rc = 0;
    char brokers[1024];
    properties_init(&r->properties);
    if (o->config != NULL)
        rc = properties_load(&r->properties, o->config, err);
    if (rc == 0 && o->brokers != NULL) {
        if (snprintf(brokers, sizeof brokers, "bootstrap.servers=%s", o->brokers) >=
            (int)sizeof brokers)
            return err_set(err, ERR_USAGE, "--brokers: too long");
        rc = properties_add(&r->properties, "--brokers", brokers, err);
    }
    for (size_t i = 0; rc == 0 && i < o->properties.count; i++)
        rc = properties_add(&r->properties, "-X", o->properties.items[i], err);
    if (rc == 0 && properties_get(&r->properties, "bootstrap.servers") == NULL &&
        properties_get(&r->properties, "metadata.broker.list") == NULL)
        return err_set(err, ERR_CONFIG, "%s does not name bootstrap.servers; or use --brokers",
                       o->config != NULL ? o->config : "-X");
    return rc;
}

static int start_feed(struct run *r, struct err *err)
{
    const struct options *o = r->options;
    const struct feed_poll_config poll = {.url = o->poll,
                                          .every_ms = o->every_ms,
                                          .max_step = (int64_t)o->max_step,
                                          .stopped = is_stopped,
                                          .stopped_arg = r};
    switch (o->feed) {
    case OPTIONS_REPLAY:
        r->feed = (struct feed){feed_replay_next, &r->replay};
        return feed_replay_init(&r->replay, o->replay.items, o->replay.count, (int64_t)o->max_step,
                                err);
    case OPTIONS_POLL: {
        const int rc = feed_poll_new(&poll, &r->poll, err);
        r->feed = (struct feed){feed_poll_next, r->poll};
        return rc;
    }
    case OPTIONS_DUMMY:
        break;
    }
    const struct feed_dummy_config dummy = {
        .seeded = o->has_seed,
        .seed = o->seed,
        .turnstiles = (uint32_t)o->turnstiles,
        .simulated = o->start != NULL || o->has_step,
        .start_ms = o->start != NULL ? o->start_ms : clock_local_ms(),
        .step_ms = o->step_ms,
    };
    feed_dummy_init(&r->dummy, &dummy);
    r->feed = (struct feed){feed_dummy_next, &r->dummy};
    return 0;
}

static void start_disturbance(struct run *r)
{
    const struct options *o = r->options;
    const struct disturb_config config = {.disorder_ms = o->disorder_ms,
                                          .duplicates = o->duplicates,
                                          .malformed = o->malformed,
                                          .late = o->late,
                                          .late_by_ms = o->late_by_ms,
                                          .seeded = o->has_seed,
                                          .seed = o->seed,
                                          .format = o->message_format,
                                          .key_by = o->key_by};
    disturb_init(&r->disturb, &config, on_message, r);
}

static int start_sender(struct run *r, struct err *err)
{
    const struct sender_config config = {.properties = &r->properties,
                                         .topic = r->options->topic,
                                         .print = r->talkative,
                                         .audit = &r->audit,
                                         .stopped = is_stopped,
                                         .stopped_arg = r};
    const int rc = sender_new(&config, &r->sender, err);
    return rc != 0 ? rc : sender_connect(r->sender, r->options->connect_timeout_ms, err);
}

static int start(struct run *r, struct err *err)
{
    int rc = load_properties(r, err);
    if (rc == 0)
        rc = audit_open(&r->audit, r->options->record, err);
    if (rc == 0)
        rc = start_feed(r, err);
    start_disturbance(r);
    if (rc == 0)
        rc = start_sender(r, err);
    return rc;
}

/* -- the end --------------------------------------------------------------------------------- */

static void print_totals(struct run *r, const struct sender_stats *stats)
{
    struct buf line;
    buf_init(&line, 4096);
    if (r->options->feed == OPTIONS_REPLAY &&
        feed_replay_summary(&r->replay.readings.stats, &line) == 0)
        printf("replayed files=%zu %.*s\n", r->options->replay.count, (int)line.len, line.data);
    buf_deinit(&line);
    if (r->options->feed == OPTIONS_POLL) {
        struct feed_poll_stats poll;
        feed_poll_stats(r->poll, &poll);
        printf("polled requests=%" PRIu64 " unchanged=%" PRIu64 " failed=%" PRIu64
               " skipped=%" PRIu64 "\n",
               poll.requests, poll.unchanged, poll.failed, poll.skipped);
    }
    printf("produced rows=%" PRIu64 " duplicates=%" PRIu64 " malformed=%" PRIu64 " late=%" PRIu64
           " acknowledged=%" PRIu64 " failed=%" PRIu64 "\n",
           r->sent[MESSAGE_ROW], r->sent[MESSAGE_DUPLICATE], r->sent[MESSAGE_MALFORMED],
           r->sent[MESSAGE_LATE], stats->acknowledged, stats->failed);
    fflush(stdout);
}

/* Send what is held back, wait for the answers; a second signal ends the wait. */
static int finish(struct run *r, int rc, struct err *err)
{
    struct sender_stats stats;
    r->patience = 2;
    if (rc == 0)
        rc = disturb_finish(&r->disturb, err);
    sender_flush(r->sender);
    progress_end(&r->progress);
    sender_stats(r->sender, &stats);
    stats.failed = sent_in_all(r) - stats.acknowledged; /* no answer counts as failed */
    print_totals(r, &stats);
    if (rc == 0 || rc == ERR_CANCELED) {
        rc = 0;
        if (stats.failed > 0)
            rc =
                err_set(err, ERR_FATAL, "%" PRIu64 " messages were not acknowledged", stats.failed);
    }
    return rc;
}

static void release(struct run *r)
{
    progress_end(&r->progress);
    sender_free(r->sender);
    disturb_deinit(&r->disturb);
    if (r->options->feed == OPTIONS_REPLAY)
        feed_replay_deinit(&r->replay);
    feed_poll_free(r->poll);
    properties_deinit(&r->properties);
    interrupts_close(&r->interrupts);
}

int run(const struct options *options, struct err *err)
{
    struct run r = {.options = options, .interrupts = {.fd = -1}, .patience = 1};
    struct err close_err;
    int rc = interrupts_open(&r.interrupts, err);
    if (rc != 0)
        return rc;
    r.talkative = !options->quiet && options->feed == OPTIONS_DUMMY && options->rate > 0 &&
                  options->rate <= SLOW_RATE;
    progress_init(&r.progress, !options->quiet && !r.talkative);
    rc = start(&r, err);
    if (rc == 0) {
        rc = pump(&r, err);
        rc = finish(&r, rc, err);
    }
    if (rc == ERR_CANCELED) /* stopped before anything was sent */
        rc = 0;
    if (audit_close(&r.audit, &close_err) != 0 && rc == 0) {
        *err = close_err;
        rc = err->code;
    }
    release(&r);
    return rc;
}
