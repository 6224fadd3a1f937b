#include "consumer/app.h"

#include "base/base.h"
#include "io/lake.h"

static void on_checked_lake_closed(void *arg)
{
    UNUSED(arg);
}

int app_check_lake(const char *url, struct err *err)
{
    uv_loop_t loop;
    struct lake *lake;
    int rc = uv_loop_init(&loop);
    ASSERT(rc == 0);
    const int result = lake_new(&loop, url, &lake, err);
    if (result == 0)
        lake_close(lake, on_checked_lake_closed, NULL);
    rc = uv_run(&loop, UV_RUN_DEFAULT);
    ASSERT(rc == 0);
    rc = uv_loop_close(&loop);
    ASSERT(rc == 0);
    return result;
}
