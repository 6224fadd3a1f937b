/* app.h -- the daemon: wires the pipeline to Kafka and the lake on one loop.
 *
 * Callbacks of the shell become events; app.c carries out the pipeline's actions in
 * one place. It decides nothing about data.
 *
 *    STARTING ──> RUNNING ──> DRAINING ──> CLOSING ──> (app_run returns)
 *        └───────────┴────────────┴── a failure ─┘
 *
 * STARTING ends when the lake has answered and Kafka has given its first
 * assignment (or made this process a standby); only until then does an unreachable
 * Kafka or lake end the process. DRAINING finishes uploads and commits; CLOSING
 * leaves the group and closes handles, within a bound. */
#ifndef TURNSTILE_CONSUMER_APP_H
#define TURNSTILE_CONSUMER_APP_H

#include "base/err.h"
#include "consumer/setup.h"

/* Until asked to stop, done with --once, or failed. Returns the process's exit code; what went
 * wrong was logged. Takes setup->conf. */
int app_run(struct setup *setup) MUST_CHECK;

/* Is the lake's URL one that we know? Touches no network. 0, or an error with its one line. */
int app_check_lake(const char *url, struct err *err) MUST_CHECK;

#endif
