#include "producer/clock.h"

#include "base/base.h"
#include "base/timefmt.h"

#include <time.h>

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_local_ms(void)
{
    struct timespec now;
    struct tm local;
    ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    ASSERT(localtime_r(&now.tv_sec, &local) != NULL);
    return timefmt_to_ms(&(struct timefmt_civil){
        .year = local.tm_year + 1900,
        .month = local.tm_mon + 1,
        .day = local.tm_mday,
        .hour = local.tm_hour,
        .minute = local.tm_min,
        .second = local.tm_sec > 59 ? 59 : local.tm_sec,
        .ms = (int)(now.tv_nsec / 1000000),
    });
}
