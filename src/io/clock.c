#include "io/clock.h"

#include <uv.h>

#define NS_PER_MS UINT64_C(1000000)

int64_t clock_now_ms(void)
{
    return (int64_t)(uv_hrtime() / NS_PER_MS);
}
