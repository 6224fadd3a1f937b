#include "loop.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 5 /* UV_RUN_ONCE may block in a turn that has done its work in a timer */

static void on_tick(uv_timer_t *timer)
{
    unsigned *ticks = timer->data;
    if (++*ticks < LOOP_GUARD_MS / TICK_MS)
        return;
    fprintf(stderr, "the loop did not get there within %d ms\n", LOOP_GUARD_MS);
    abort();
}

void loop_run_until(uv_loop_t *loop, const bool *done)
{
    uv_timer_t guard;
    unsigned ticks = 0;
    uv_update_time(loop);
    ASSERT(uv_timer_init(loop, &guard) == 0);
    guard.data = &ticks;
    ASSERT(uv_timer_start(&guard, on_tick, TICK_MS, TICK_MS) == 0);
    while (!*done)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&guard, NULL);
    uv_run(loop, UV_RUN_NOWAIT); /* one turn ends with the closing of handles */
}

void loop_set_flag(void *arg)
{
    *(bool *)arg = true;
}

void loop_close(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_NOWAIT);
    ASSERT(uv_loop_close(loop) == 0);
}
