#include "producer/interrupts.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int interrupts_open(struct interrupts *s, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    *s = (struct interrupts){.fd = -1};
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0)
        return err_set(err, ERR_FATAL, "signals: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN); /* a TLS library may write to a closed socket */
    return 0;
}

unsigned interrupts_poll(struct interrupts *s)
{
    struct signalfd_siginfo info;
    while (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info)
        s->count++;
    return s->count;
}

void interrupts_close(struct interrupts *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
