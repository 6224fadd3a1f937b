/* punctuate.h -- when a silent partition gets a punctuation, and what it is worth.
 *
 * The clock only decides when. The value is the lowest W of the partitions that
 * are not silent, rounded down to a window end; or, when all have been silent for
 * --idle-close, the largest end of a window that holds rows. With --once a
 * partition at its recorded end is silent at once; when all are, the highest W of
 * any counts, so that the result does not depend on who was read last; --flush
 * closes every window that holds rows. A punctuation also cuts the open side
 * object; where there is nothing else to say it does only that (WATERMARK_NONE).
 * Part of the pipeline. */
#ifndef TURNSTILE_CORE_PUNCTUATE_H
#define TURNSTILE_CORE_PUNCTUATE_H

#include "core/partition.h"

/* Decide for all partitions and send what is to be committed. Returns the next time at which the
 * answer may change by the clock alone, or INT64_MAX. *settled: with once, all is read and nothing
 * is left to punctuate. */
int64_t punctuate(struct stage *stage, struct partition *partitions, size_t count,
                  int64_t assigned_ms, int64_t now_ms, bool *settled);

/* Is a partition at its end, and only not silent long enough for a punctuation that would raise its
 * W? Then windows wait for the clock. */
bool punctuate_awaits_silence(const struct stage *stage, const struct partition *partitions,
                              size_t count);

#endif
