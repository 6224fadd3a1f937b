/* The disturbance keeps its promises, for many seeds. */
#include "base/mem.h"
#include "producer/disturb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 2000

struct sent {
    enum message_kind kind;
    int64_t event_ms;
    char key[64];
    uint64_t value_len;
    char value[256];
    bool tombstone;
};

struct log {
    struct sent *list;
    size_t count;
    struct timefmt timestamp;
    size_t stop_at; /* fail here */
};

static int on_message(void *arg, const struct message *m, struct err *err)
{
    struct log *log = arg;
    if (log->count == log->stop_at)
        return err_set(err, ERR_CANCELED, "enough");
    assert_true(log->count < 8 * ROWS);
    struct sent *s = &log->list[log->count++];
    *s = (struct sent){.kind = m->kind, .value_len = m->value.len, .tombstone = m->tombstone};
    memcpy(s->key, m->key.ptr, m->key.len);
    assert_true(m->value.len < sizeof s->value);
    memcpy(s->value, m->value.ptr, m->value.len);
    if (m->kind != MESSAGE_MALFORMED)
        assert_true(timefmt_parse(&log->timestamp, (struct slice){m->csv.ptr + m->csv.len - 19, 19},
                                  &s->event_ms));
    return 0;
}

static void log_init(struct log *log)
{
    struct err err;
    *log = (struct log){.stop_at = SIZE_MAX};
    log->list = mem_calloc(8 * ROWS, sizeof log->list[0]);
    assert_int_equal(timefmt_compile(&log->timestamp, "%Y-%m-%d %H:%M:%S", false, &err), 0);
}

static int feed_rows(struct disturb *d, struct err *err)
{
    struct row_formats formats;
    row_formats_init(&formats);
    int rc = 0;
    for (int i = 0; rc == 0 && i < ROWS; i++) {
        struct row_times times;
        char id[24];
        snprintf(id, sizeof id, "row-%d", i);
        struct row row;
        for (size_t c = 0; c < ROW_COLUMNS; c++)
            row.field[c] = SLICE_LITERAL("x");
        row.field[ROW_ID] = slice_of(id);
        /* Some rows share a second, some are far apart. */
        row_set_event(&row, &formats, &times, 1721682000000 + (i / 3) * 1000 + (i / 500) * 90000);
        rc = disturb_row(d, &row, err);
    }
    return rc != 0 ? rc : disturb_finish(d, err);
}

static void run(struct log *log, const struct disturb_config *config)
{
    struct disturb d;
    struct err err;
    log_init(log);
    disturb_init(&d, config, on_message, log);
    assert_int_equal(feed_rows(&d, &err), 0);
    assert_int_equal(d.held, 0);
    assert_int_equal(d.held_bytes, 0);
    disturb_deinit(&d);
}

static void count_kinds(const struct log *log, size_t kinds[MESSAGE_KINDS])
{
    for (size_t i = 0; i < MESSAGE_KINDS; i++)
        kinds[i] = 0;
    for (size_t i = 0; i < log->count; i++)
        kinds[log->list[i].kind]++;
}

static void test_off_changes_nothing(void **state)
{
    (void)state;
    struct log log;
    run(&log, &(struct disturb_config){.seeded = true});
    assert_int_equal(log.count, ROWS);
    for (int i = 0; i < ROWS; i++) {
        char id[24];
        snprintf(id, sizeof id, "row-%d", i);
        assert_string_equal(log.list[i].key, id);
    }
    mem_free(log.list);
}

/* Every row once; none more than the bound behind the newest row or copy before it. */
static void check_order(const struct log *log, int64_t disorder_ms, bool *disordered)
{
    static unsigned char seen[ROWS];
    int64_t newest = INT64_MIN;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < log->count; i++) {
        const struct sent *s = &log->list[i];
        if (s->kind != MESSAGE_ROW && s->kind != MESSAGE_DUPLICATE)
            continue;
        assert_memory_equal(s->key, "row-", 4);
        const unsigned long n = strtoul(s->key + 4, NULL, 10);
        assert_true(n < ROWS);
        assert_int_equal(seen[n] > 0, s->kind == MESSAGE_DUPLICATE); /* a copy comes after */
        seen[n]++;
        if (newest != INT64_MIN && newest - s->event_ms > disorder_ms)
            fail_msg("row %lu is %lld ms behind", n, (long long)(newest - s->event_ms));
        *disordered |= s->event_ms < newest;
        newest = s->event_ms > newest ? s->event_ms : newest;
    }
    for (int i = 0; i < ROWS; i++)
        assert_in_range(seen[i], 1, 2);
}

static void check_copies(const struct log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct sent *copy = &log->list[i];
        if (copy->kind != MESSAGE_DUPLICATE)
            continue;
        size_t j = i;
        while (j > 0 && (log->list[j - 1].kind != MESSAGE_ROW ||
                         strcmp(log->list[j - 1].key, copy->key) != 0))
            j--;
        assert_true(j > 0);
        assert_int_equal(log->list[j - 1].value_len, copy->value_len);
        assert_memory_equal(log->list[j - 1].value, copy->value, copy->value_len);
    }
}

static void test_promises(void **state)
{
    (void)state;
    static const int64_t bounds[] = {0, 2500, 7000, 60000, 3600000};
    for (uint64_t seed = 0; seed < 20; seed++) {
        const int64_t bound = bounds[seed % ARRAY_LEN(bounds)];
        const struct disturb_config config = {.disorder_ms = bound,
                                              .duplicates = 0.1,
                                              .malformed = 0.05,
                                              .late = 0.02,
                                              .late_by_ms = TIMEFMT_MS_PER_DAY,
                                              .seeded = true,
                                              .seed = seed};
        struct log log;
        size_t kinds[MESSAGE_KINDS];
        bool disordered = false;
        run(&log, &config);
        count_kinds(&log, kinds);
        assert_int_equal(kinds[MESSAGE_ROW], ROWS);
        assert_in_range(kinds[MESSAGE_DUPLICATE], ROWS / 20, ROWS / 5);
        assert_in_range(kinds[MESSAGE_MALFORMED], ROWS / 40, ROWS / 10);
        assert_in_range(kinds[MESSAGE_LATE], ROWS / 100, ROWS / 25);
        check_order(&log, bound, &disordered);
        assert_int_equal(disordered, bound > 0);
        check_copies(&log);
        mem_free(log.list);
    }
}

static void test_same_seed_same_messages(void **state)
{
    (void)state;
    const struct disturb_config config = {.disorder_ms = 30000,
                                          .duplicates = 0.1,
                                          .malformed = 0.1,
                                          .late = 0.1,
                                          .late_by_ms = TIMEFMT_MS_PER_DAY,
                                          .seeded = true,
                                          .seed = 3};
    struct log a, b;
    run(&a, &config);
    run(&b, &config);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.list, b.list, a.count * sizeof a.list[0]);
    mem_free(a.list);
    mem_free(b.list);
}

static void test_all_faults_in_turn(void **state)
{
    (void)state;
    struct log log;
    size_t tombstones = 0, empty = 0, kinds[MESSAGE_KINDS];
    run(&log, &(struct disturb_config){.malformed = 1, .seeded = true});
    count_kinds(&log, kinds);
    assert_int_equal(kinds[MESSAGE_MALFORMED], ROWS);
    for (size_t i = 0; i < log.count; i++) {
        tombstones += log.list[i].tombstone;
        empty += log.list[i].value_len == 0 && !log.list[i].tombstone;
    }
    assert_int_equal(tombstones, ROWS / MESSAGE_FAULTS);
    assert_int_equal(empty, ROWS / MESSAGE_FAULTS);
    mem_free(log.list);
}

static void test_a_failed_send_stops(void **state)
{
    (void)state;
    struct disturb d;
    struct err err;
    struct log log;
    log_init(&log);
    log.stop_at = 100;
    disturb_init(&d, &(struct disturb_config){.disorder_ms = 60000, .seeded = true}, on_message,
                 &log);
    assert_int_equal(feed_rows(&d, &err), ERR_CANCELED);
    assert_true(d.held > 0);
    disturb_deinit(&d); /* frees what is held: the leak checker looks */
    mem_free(log.list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_changes_nothing),     cmocka_unit_test(test_promises),
        cmocka_unit_test(test_same_seed_same_messages), cmocka_unit_test(test_all_faults_in_turn),
        cmocka_unit_test(test_a_failed_send_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
