/* run.h -- one run of the producer: feed, pace, disturbance, sender, totals. */
#ifndef TURNSTILE_PRODUCER_RUN_H
#define TURNSTILE_PRODUCER_RUN_H

#include "producer/options.h"

/* 0: every message acknowledged, or stopped by a signal. Else a code with its reason. */
int run(const struct options *options, struct err *err) MUST_CHECK;

#endif
