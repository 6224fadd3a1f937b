#include "producer/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define EVERY_NS INT64_C(1000000000)
#define ERASE_LINE "\r\033[K"

void progress_init(struct progress *p, bool wanted)
{
    *p = (struct progress){.shown = wanted && isatty(STDERR_FILENO)};
}

void progress_tick(struct progress *p, int64_t now_ns, uint64_t sent, uint64_t acknowledged,
                   uint64_t failed)
{
    if (!p->shown || now_ns < p->next_ns)
        return;
    const double seconds = (double)(now_ns - p->last_ns) / 1e9;
    if (p->last_ns > 0 && seconds > 0)
        fprintf(stderr,
                ERASE_LINE "%.0f/s  sent %" PRIu64 "  acknowledged %" PRIu64 "  failed %" PRIu64,
                (double)(sent - p->last_sent) / seconds, sent, acknowledged, failed);
    p->last_ns = now_ns;
    p->last_sent = sent;
    p->next_ns = now_ns + EVERY_NS;
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs(ERASE_LINE, stderr);
    p->shown = false;
}
