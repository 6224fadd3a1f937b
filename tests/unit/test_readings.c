/* Weekly files into rows: cases made by hand, and files that are not right. */
#include "base/err.h"
#include "producer/feed_replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define HEADER "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS"
#define GATE "A002,R051,02-00-00,59 ST,NQR456W,BMT,"

static void assert_slice(struct slice got, const char *want)
{
    if (!slice_equal(got, slice_of(want)))
        fail_msg("got '%.*s', want '%s'", (int)got.len, got.ptr, want);
}

static void load(struct readings *r, const char *text)
{
    struct err err;
    readings_init(r);
    if (readings_add_text(r, "text", slice_of(text), &err) != 0)
        fail_msg("%s", err.text);
    readings_difference(r, COUNTERS_DEFAULT_MAX_STEP);
    const struct readings_stats *s = &r->stats;
    assert_int_equal(s->readings, s->rows + s->baselines + s->same_time + s->dropped);
    assert_int_equal(s->rows, r->count);
}

/* "TIMESTAMP DESC ENTRIES EXITS" of row i. */
static void assert_row(const struct readings *r, size_t i, const char *want)
{
    struct readings_text text;
    struct row row;
    char got[200];
    readings_row(r, i, &text, &row);
    snprintf(got, sizeof got, "%.*s %.*s %.*s %.*s", (int)row.field[ROW_TIMESTAMP].len,
             row.field[ROW_TIMESTAMP].ptr, (int)row.field[ROW_DESC].len, row.field[ROW_DESC].ptr,
             (int)row.field[ROW_ENTRIES].len, row.field[ROW_ENTRIES].ptr,
             (int)row.field[ROW_EXITS].len, row.field[ROW_EXITS].ptr);
    assert_string_equal(got, want);
}

static void test_first_reading_is_the_baseline(void **state)
{
    (void)state;
    struct readings r;
    load(&r, HEADER "\n" GATE "12/30/2023,03:00:00,REGULAR,102019,73801\n" GATE
                    "12/30/2023,07:00:00,REGULAR,102024,73815\n"
                    "A002,R051,02-00-01,59 ST,NQR456W,BMT,12/30/2023,03:00:00,REGULAR,5,5\n");
    assert_int_equal(r.count, 1);
    assert_row(&r, 0, "2023-12-30 07:00:00 REGULAR 5 14");
    assert_int_equal(r.stats.baselines, 2);
    readings_deinit(&r);
}

/* Input sorted by turnstile comes out sorted by time; whole rows, byte for byte. */
static void test_event_order_and_columns(void **state)
{
    (void)state;
    struct readings r;
    struct readings_text text;
    struct row row;
    load(&r, HEADER "\n" GATE "12/30/2023,08:00:00,REGULAR,20,30\n" GATE
                    "12/30/2023,04:00:00,REGULAR,10,10\n" GATE "12/31/2023,00:00:00,REGULAR,21,32\n"
                    "B1,R1,00-00-00,\"A, B\",1,IRT,12/30/2023,03:00:00,REGULAR,5,5\n"
                    "B1,R1,00-00-00,\"A, B\",1,IRT,12/30/2023,09:00:00,REGULAR,8,9\n");
    assert_int_equal(r.count, 3);
    assert_row(&r, 0, "2023-12-30 08:00:00 REGULAR 10 20");
    assert_row(&r, 1, "2023-12-30 09:00:00 REGULAR 3 4");
    assert_row(&r, 2, "2023-12-31 00:00:00 REGULAR 1 2");
    readings_row(&r, 1, &text, &row);
    assert_slice(row.field[ROW_CA], "B1");
    assert_slice(row.field[ROW_UNIT], "R1");
    assert_slice(row.field[ROW_SCP], "00-00-00");
    assert_slice(row.field[ROW_STATION], "A, B");
    assert_slice(row.field[ROW_LINENAME], "1");
    assert_slice(row.field[ROW_DIVISION], "IRT");
    assert_slice(row.field[ROW_DATE], "12-30-23");
    assert_slice(row.field[ROW_TIME], "09:00:00");
    assert_int_equal(row.event_ms, INT64_C(1703926800000));
    readings_deinit(&r);
}

static void test_odd_steps(void **state)
{
    (void)state;
    struct readings r;
    load(&r, HEADER "\n" GATE "12/30/2023,00:00:00,REGULAR,90000,500\n" GATE
                    "12/30/2023,04:00:00,REGULAR,90010,490\n" GATE  /* exits count down */
                    "12/30/2023,08:00:00,REGULAR,7,480\n" GATE      /* entries begun anew */
                    "12/30/2023,12:00:00,REGULAR,500000,470\n" GATE /* jump: no row */
                    "12/30/2023,16:00:00,REGULAR,500001,465\n" GATE
                    "12/30/2023,20:00:00,REGULAR,499000,460\n" GATE /* backward: no row */
                    "12/31/2023,12:00:00,RECOVR AUD,499006,455\n"); /* after a gap */
    assert_int_equal(r.count, 4);
    assert_row(&r, 0, "2023-12-30 04:00:00 REGULAR 10 10");
    assert_row(&r, 1, "2023-12-30 08:00:00 REGULAR 7 10");
    assert_row(&r, 2, "2023-12-30 16:00:00 REGULAR 1 5");
    assert_row(&r, 3, "2023-12-31 12:00:00 RECOVR AUD 6 5");
    assert_int_equal(r.stats.dropped, 2);
    assert_int_equal(r.stats.gaps, 1);
    assert_int_equal(r.stats.recovered, 1);
    assert_int_equal(r.stats.verdicts[COUNTER_DOWN], 6);
    assert_int_equal(r.stats.verdicts[COUNTER_RESET], 1);
    assert_int_equal(r.stats.verdicts[COUNTER_JUMP], 1);
    assert_int_equal(r.stats.verdicts[COUNTER_BACKWARD], 1);
    readings_deinit(&r);
}

/* A week and a second after the last reading nothing is known of the hours before. */
static void test_a_stale_reading_is_a_baseline(void **state)
{
    (void)state;
    struct readings r;
    load(&r,
         HEADER "\n" GATE "12/01/2023,00:00:00,REGULAR,1,1\n" GATE
                "12/08/2023,00:00:00,REGULAR,11,11\n" GATE
                "12/15/2023,00:00:01,REGULAR,21,21\n" GATE "12/15/2023,04:00:01,REGULAR,22,23\n");
    assert_int_equal(r.count, 2);
    assert_row(&r, 0, "2023-12-08 00:00:00 REGULAR 10 10");
    assert_row(&r, 1, "2023-12-15 04:00:01 REGULAR 1 2");
    assert_int_equal(r.stats.baselines, 2);
    assert_int_equal(r.stats.gaps, 1);
    readings_deinit(&r);
}

/* Replaced between two weeks: first it ran up, then it runs down. */
static void test_each_run_has_its_own_way(void **state)
{
    (void)state;
    struct readings r;
    load(&r, HEADER "\n" GATE "06/01/2023,00:00:00,REGULAR,1,1\n" GATE
                    "06/01/2023,04:00:00,REGULAR,3,2\n" GATE
                    "12/01/2023,00:00:00,REGULAR,90000,90000\n" GATE
                    "12/01/2023,04:00:00,REGULAR,89990,89980\n" GATE
                    "12/01/2023,08:00:00,REGULAR,89985,89980\n");
    assert_int_equal(r.count, 3);
    assert_row(&r, 0, "2023-06-01 04:00:00 REGULAR 2 1");
    assert_row(&r, 1, "2023-12-01 04:00:00 REGULAR 10 20");
    assert_row(&r, 2, "2023-12-01 08:00:00 REGULAR 5 0");
    assert_int_equal(r.stats.baselines, 2);
    readings_deinit(&r);
}

static void test_two_readings_of_one_time(void **state)
{
    (void)state;
    struct readings r;
    load(&r, HEADER "\n" GATE "12/30/2023,00:00:00,REGULAR,100,100\n" GATE
                    "12/30/2023,04:00:00,RECOVR AUD,150,150\n" GATE
                    "12/30/2023,04:00:00,REGULAR,110,110\n" GATE
                    "12/30/2023,08:00:00,REGULAR,130,130\n" GATE
                    "12/30/2023,08:00:00,REGULAR,139,139\n");
    assert_int_equal(r.count, 2);
    assert_row(&r, 0, "2023-12-30 04:00:00 REGULAR 10 10");
    assert_row(&r, 1, "2023-12-30 08:00:00 REGULAR 20 20");
    assert_int_equal(r.stats.same_time, 2);
    readings_deinit(&r);
}

static void test_headers(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS                   ",
        "CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS",
        "A/C, unit ,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\r",
        "\"AC\",UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS",
    };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        for (int index = 0; index < 2; index++) {
            struct readings r;
            char text[1000];
            snprintf(text, sizeof text,
                     "%s%s\n%s" GATE "12/30/2023,00:00:00,REGULAR,0000000001,5\n%s" GATE
                     "12/30/2023,04:00:00,REGULAR,2,7               \n",
                     index ? "," : "", headers[i], index ? "0," : "", index ? "1," : "");
            load(&r, text);
            assert_int_equal(r.count, 1);
            assert_row(&r, 0, "2023-12-30 04:00:00 REGULAR 1 2");
            readings_deinit(&r);
        }
}

/* Files joined with their headers, and rows that are no readings. */
static void test_malformed_rows_are_counted(void **state)
{
    (void)state;
    struct readings r;
    load(&r, HEADER
         "\n" GATE "12/30/2023,00:00:00,REGULAR,1,5\n" GATE "12/30/2023,04:00:00,REGULAR,2\n" GATE
         "13/30/2023,04:00:00,REGULAR,2,6\n" GATE "12/30/2023,24:00:00,REGULAR,2,6\n" GATE
         "12/30/2023,04:00:00,REGULAR,-2,6\n" GATE "12/30/2023,04:00:00,REGULAR,,6\n" GATE
         "12/30/2023,04:00:00,REGULAR,9999999999999,6\n\n" HEADER "\n" GATE
         "12/30/2023,08:00:00,REGULAR,2,6\n");
    assert_int_equal(r.stats.malformed, 6);
    assert_int_equal(r.count, 1);
    readings_deinit(&r);
}

static int load_failure(const char *text, char reason[ERR_TEXT_BYTES])
{
    struct readings r;
    struct err err;
    readings_init(&r);
    const int rc = readings_add_text(&r, "week.csv", slice_of(text), &err);
    readings_deinit(&r);
    snprintf(reason, ERR_TEXT_BYTES, "%s", rc != 0 ? err.text : "");
    return rc;
}

static void test_what_is_no_weekly_file(void **state)
{
    (void)state;
    char reason[ERR_TEXT_BYTES];
    assert_int_equal(load_failure("", reason), ERR_PARSE);
    assert_string_equal(reason, "week.csv: empty, not even a header");
    assert_int_equal(load_failure("a,b,c\n1,2,3\n", reason), ERR_PARSE);
    assert_non_null(strstr(reason, "week.csv:1: no header that names CA"));
    char *open_quote = malloc(300000);
    assert_non_null(open_quote);
    snprintf(open_quote, 300000, "%s\n\"", HEADER);
    const size_t len = strlen(open_quote);
    memset(open_quote + len, 'x', 300000 - len - 1);
    open_quote[300000 - 1] = '\0';
    assert_int_equal(load_failure(open_quote, reason), ERR_TOO_LARGE);
    assert_non_null(strstr(reason, "open quote"));
    free(open_quote);
}

/* The same reading has the same id in every run; any other reading another. */
static void test_ids(void **state)
{
    (void)state;
    static const char text[] =
        HEADER "\n" GATE "12/30/2023,00:00:00,REGULAR,1,5\n" GATE
               "12/30/2023,04:00:00,REGULAR,2,6\n" GATE "12/30/2023,08:00:00,REGULAR,2,6\n"
               "A002,R051,02-00-01,59 ST,NQR456W,BMT,12/30/2023,00:00:00,REGULAR,5,5\n"
               "A002,R051,02-00-01,59 ST,NQR456W,BMT,12/30/2023,04:00:00,REGULAR,5,5\n";
    char ids[2][3][UUID_TEXT_BYTES];
    for (int run = 0; run < 2; run++) {
        struct readings r;
        load(&r, text);
        assert_int_equal(r.count, 3);
        for (size_t i = 0; i < 3; i++) {
            struct readings_text t;
            struct row row;
            readings_row(&r, i, &t, &row);
            memcpy(ids[run][i], t.id, sizeof t.id);
        }
        readings_deinit(&r);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(ids[0][i], ids[1][i]);
        assert_int_equal(ids[0][i][14], '8');
        assert_string_not_equal(ids[0][i], ids[0][(i + 1) % 3]);
    }
    /* Pinned: another machine, another version, and still no second copy. */
    assert_string_equal(ids[0][0], "95fa6c9a-72dc-894c-b95b-3fb7d45be484");
}

static void write_member(const char *path, const char *mode, const char *text)
{
    gzFile file = gzopen(path, mode);
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
}

static void test_gzip_files(void **state)
{
    (void)state;
    char path[] = "/tmp/test_readings_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_member(path, "wb", HEADER "\n" GATE "12/30/2023,00:00:00,REGULAR,1,5\n");
    write_member(path, "ab", GATE "12/30/2023,04:00:00,REGULAR,3,8\n"); /* a second member */
    struct feed_replay f;
    struct err err;
    const char *paths[] = {path};
    assert_int_equal(feed_replay_init(&f, paths, 1, COUNTERS_DEFAULT_MAX_STEP, &err), 0);
    assert_int_equal(f.readings.count, 1);
    struct row row;
    int64_t wait_ms;
    assert_int_equal(feed_replay_next(&f, 0, &row, &wait_ms), FEED_ROW);
    assert_slice(row.field[ROW_EXITS], "3");
    assert_int_equal(feed_replay_next(&f, 0, &row, &wait_ms), FEED_END);
    feed_replay_deinit(&f);

    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(truncate(path, file.st_size - 10), 0); /* cut off inside the second member */
    assert_int_equal(feed_replay_init(&f, paths, 1, COUNTERS_DEFAULT_MAX_STEP, &err), ERR_PARSE);
    assert_non_null(strstr(err.text, "cut off"));
    feed_replay_deinit(&f);
    unlink(path);
    assert_int_equal(feed_replay_init(&f, paths, 1, COUNTERS_DEFAULT_MAX_STEP, &err),
                     ERR_NOT_FOUND);
    feed_replay_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_reading_is_the_baseline),
        cmocka_unit_test(test_event_order_and_columns),
        cmocka_unit_test(test_odd_steps),
        cmocka_unit_test(test_a_stale_reading_is_a_baseline),
        cmocka_unit_test(test_each_run_has_its_own_way),
        cmocka_unit_test(test_two_readings_of_one_time),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_malformed_rows_are_counted),
        cmocka_unit_test(test_what_is_no_weekly_file),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_gzip_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
