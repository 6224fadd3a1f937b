#include "base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char *near(const char *word)
{
    static const char *const known[] = {"columns", "event_time", "key", "group_by", "output"};
    return suggest_near(slice_of(word), known, ARRAY_LEN(known));
}

static void finds_what_was_meant(void **state)
{
    UNUSED(state);
    assert_string_equal(near("colums"), "columns");
    assert_string_equal(near("COLUMN"), "columns");
    assert_string_equal(near("event-time"), "event_time");
    assert_string_equal(near("keys"), "key");
    assert_string_equal(near("groupby"), "group_by");
    assert_string_equal(near("outptu"), "output");
}

static void is_silent_when_nothing_is_near(void **state)
{
    UNUSED(state);
    assert_null(near(""));
    assert_null(near("zebra"));
    assert_null(near("kqz"));
    assert_null(near("columnscolumnscolumnscolumnscolumnscolumnscolumnscolumnscolumnscol"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_meant),
        cmocka_unit_test(is_silent_when_nothing_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
