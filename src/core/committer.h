/* committer.h -- which commit records are sent, and when.
 *
 * One in flight per partition. A plain record whose answer is lost is simply
 * followed by a newer one. A record that carries a punctuation is sent again, the
 * same bytes, until the answer is definite; till then the partition is not read
 * and nothing else of it is committed. Part of the pipeline. */
#ifndef TURNSTILE_CORE_COMMITTER_H
#define TURNSTILE_CORE_COMMITTER_H

#include "core/partition.h"

#define COMMITTER_PACE_MS                                                          \
    1000 /* between records of a partition: what a crash may re-read, against load \
            on the group coordinator */
#define COMMITTER_GROWTH_BYTES                                                         \
    128 /* left free by a punctuation: the record's other numbers may get longer while \
           the floor keeps every punctuation in it */
#define COMMITTER_RETRY_MS 500 /* after a refused or unknown answer */

/* Send the record if it differs from the last one committed and the pace allows (`hurry`: at once).
 * Returns true while there is still something to say (now or later). */
bool committer_offer(struct partition *p, int64_t now_ms, bool hurry);

/* Send a record that carries `cut`. False: it does not fit, one is in flight, or it is too early to
 * repeat. */
bool committer_punctuate(struct partition *p, const struct commit_cut *cut, int64_t now_ms);

/* A new group's record: low offset, no W, no U. A partition that appeared after windows were
 * emitted starts with a punctuation worth the frontier instead; its older rows are late. */
void committer_first(struct partition *p, int64_t now_ms);

/* The answer. Acts on the punctuation when there was one and it is committed. */
void committer_answered(struct partition *p, enum pipeline_commit_result result, int64_t now_ms);

/* When committer_offer() or a retry next has something to do, or INT64_MAX. */
int64_t committer_next_ms(const struct partition *p);

#endif
