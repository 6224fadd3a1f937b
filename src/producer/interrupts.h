/* interrupts.h -- SIGINT and SIGTERM as something to ask for, not something that interrupts.
 *
 * Open before any thread exists: threads inherit the blocked mask. */
#ifndef TURNSTILE_PRODUCER_INTERRUPTS_H
#define TURNSTILE_PRODUCER_INTERRUPTS_H

#include "base/err.h"

struct interrupts {
    int fd;
    unsigned count; /* received so far */
};

int interrupts_open(struct interrupts *s, struct err *err) MUST_CHECK;
unsigned interrupts_poll(struct interrupts *s); /* looks, never blocks; returns the count */
void interrupts_close(struct interrupts *s);

#endif
