#include "io/signals.h"

#include "base/base.h"

#include <signal.h>

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signals *s = handle->data;
    const bool again = s->asked;
    s->asked = true;
    if (again)
        s->leave(s->arg, signum);
    else
        s->drain(s->arg, signum);
}

static void watch(struct signals *s, uv_loop_t *loop, uv_signal_t *handle, int signum)
{
    int rc = uv_signal_init(loop, handle);
    ASSERT(rc == 0);
    handle->data = s;
    rc = uv_signal_start(handle, on_signal, signum);
    ASSERT(rc == 0);
    uv_unref((uv_handle_t *)handle);
}

void signals_start(struct signals *s, uv_loop_t *loop, void (*drain)(void *arg, int signum),
                   void (*leave)(void *arg, int signum), void *arg)
{
    *s = (struct signals){.drain = drain, .leave = leave, .arg = arg};
    signal(SIGPIPE, SIG_IGN);
    watch(s, loop, &s->term, SIGTERM);
    watch(s, loop, &s->interrupt, SIGINT);
}

void signals_close(struct signals *s)
{
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
}
