/* signals.h -- SIGTERM and SIGINT on the loop: the first asks to drain, the second to go.
 *
 * SIGPIPE is ignored: a connection that is closed is an error code, not a death.
 * Loop thread only. Embedded by its owner; its handles do not keep the loop alive. */
#ifndef TURNSTILE_IO_SIGNALS_H
#define TURNSTILE_IO_SIGNALS_H

#include <stdbool.h>
#include <uv.h>

struct signals {
    uv_signal_t term, interrupt;
    bool asked; /* one has come */
    void (*drain)(void *arg, int signum);
    void (*leave)(void *arg, int signum); /* the second and every later one */
    void *arg;
};

void signals_start(struct signals *s, uv_loop_t *loop, void (*drain)(void *arg, int signum),
                   void (*leave)(void *arg, int signum), void *arg);

/* Closes both handles; s must live until the loop has run them out. */
void signals_close(struct signals *s);

#endif
