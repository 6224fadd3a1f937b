/* What of an HTTP answer is new. */
#include "producer/pollset.h"
#include "producer/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#define ROW_OF(id, second)                                                \
    "A001,R001,02-00-00,S,L,D,07-22-24,21:10:0" second ",REGULAR,5,6," id \
    ",2024-07-22 21:10:0" second "\n"
#define HEADER "CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS"
#define GATE "A002,R051,02-00-00,59 ST,NQR456W,BMT,"

static void take(struct pollset *p, const char *body)
{
    struct err err;
    if (pollset_take(p, slice_of(body), &err) != 0)
        fail_msg("%s", err.text);
}

/* Ids (or, for weekly rows, "ENTRIES/EXITS") of what is new, in order. */
static void assert_new(struct pollset *p, enum row_column column, const char *want)
{
    char got[500] = "";
    struct row row;
    while (pollset_next(p, &row)) {
        const size_t len = strlen(got);
        snprintf(got + len, sizeof got - len, "%.*s ", (int)row.field[column].len,
                 row.field[column].ptr);
    }
    assert_string_equal(got, want);
}

static void test_messages(void **state)
{
    (void)state;
    struct pollset p;
    pollset_init(&p, COUNTERS_DEFAULT_MAX_STEP);
    take(&p, ROW_OF("a", "1") ROW_OF("b", "2"));
    assert_new(&p, ROW_ID, "a b ");
    take(&p, ROW_OF("a", "1") ROW_OF("b", "2"));
    assert_new(&p, ROW_ID, "");
    take(&p, ROW_OF("c", "3") ROW_OF("b", "2") ROW_OF("c", "3"));
    assert_new(&p, ROW_ID, "c ");
    take(&p, "");
    assert_new(&p, ROW_ID, "");
    take(&p, ROW_OF("c", "3")); /* only the answer before counts */
    assert_new(&p, ROW_ID, "c ");
    take(&p, "too,few\n" ROW_OF("d", "4"));
    assert_new(&p, ROW_ID, "d ");
    assert_int_equal(p.skipped, 1);
    pollset_deinit(&p);
}

static void test_header_maps_columns(void **state)
{
    (void)state;
    struct pollset p;
    struct row row;
    pollset_init(&p, COUNTERS_DEFAULT_MAX_STEP);
    take(&p, "ID,TIMESTAMP,C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"
             "x,2024-07-22 21:10:01,A001,R001,02-00-00,S,L,D,07-22-24,21:10:01,REGULAR,5,6\n");
    assert_true(pollset_next(&p, &row));
    assert_true(slice_equal(row.field[ROW_ID], slice_of("x")));
    assert_true(slice_equal(row.field[ROW_CA], slice_of("A001")));
    assert_true(slice_equal(row.field[ROW_EXITS], slice_of("6")));
    assert_int_equal(row.event_ms, INT64_C(1721682601000));
    assert_false(pollset_next(&p, &row));
    pollset_deinit(&p);
}

static void test_weekly(void **state)
{
    (void)state;
    struct pollset p;
    pollset_init(&p, COUNTERS_DEFAULT_MAX_STEP);
    take(&p, HEADER "\n" GATE "12/30/2023,00:00:00,REGULAR,1,5\n" GATE
                    "12/30/2023,04:00:00,REGULAR,3,9\n");
    assert_new(&p, ROW_ENTRIES, "2 ");
    take(&p, HEADER "\n" GATE "12/30/2023,08:00:00,REGULAR,7,9\n"); /* only the newest */
    assert_new(&p, ROW_ENTRIES, "4 ");
    take(&p, HEADER "\n" GATE "12/30/2023,08:00:00,REGULAR,7,9\n" GATE
                    "12/30/2023,12:00:00,REGULAR,8,9\n");
    assert_new(&p, ROW_ENTRIES, "1 ");
    pollset_deinit(&p);
}

/* An answer that cannot be read leaves everything as it was. */
static void test_bad_answer(void **state)
{
    (void)state;
    struct pollset p;
    struct err err;
    pollset_init(&p, COUNTERS_DEFAULT_MAX_STEP);
    take(&p, ROW_OF("a", "1"));
    assert_new(&p, ROW_ID, "a ");
    assert_int_not_equal(pollset_take(&p, slice_of("UNIT,SCP\n1,2\n"), &err), 0);
    assert_new(&p, ROW_ID, "");
    take(&p, ROW_OF("a", "1") ROW_OF("b", "2"));
    assert_new(&p, ROW_ID, "b ");
    pollset_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_header_maps_columns),
        cmocka_unit_test(test_weekly),
        cmocka_unit_test(test_bad_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
