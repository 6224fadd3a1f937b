#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

void base_assert_failed(const char *condition, const char *file, int line, const char *function)
{
    fprintf(stderr, "bug: %s:%d: %s: assertion failed: %s\n", file, line, function, condition);
    abort();
}
