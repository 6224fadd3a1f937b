/* clock.h -- the one place that reads the clock which events carry as `now_ms`.
 *
 * Monotonic, from an arbitrary start; only differences count. Wall time decides
 * nothing in this program and is read by the log alone. */
#ifndef TURNSTILE_IO_CLOCK_H
#define TURNSTILE_IO_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);

#endif
