/* progress.h -- one line on a terminal, renewed each second, gone at the end. */
#ifndef TURNSTILE_PRODUCER_PROGRESS_H
#define TURNSTILE_PRODUCER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown; /* is there a terminal, and does anyone want it */
    int64_t next_ns, last_ns;
    uint64_t last_sent;
};

void progress_init(struct progress *p, bool wanted);
void progress_tick(struct progress *p, int64_t now_ns, uint64_t sent, uint64_t acknowledged,
                   uint64_t failed);
void progress_end(struct progress *p);

#endif
