/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_RATELIMIT_WORDS_H
#define HF_POLICY_RATELIMIT_WORDS_H

/* A rate limit in words that any number of threads, or processes, move by compare-exchange. Flat: no pointers,
 * zero-filled but for the rules is a limit with full buckets.
 *
 * One tier lives in tier[0] alone, as plain nanoseconds. Several follow `head` (core/ratelimit.h). Loads acquire and
 * exchanges release, so that a tier read after the head is at least as new as the head. */

#include "core/ratelimit.h"

#include <stdatomic.h>

struct hf__rate_words {
    _Atomic uint64_t rules[HF_RATE_TIERS_MAX];
    _Atomic uint64_t tier[HF_RATE_TIERS_MAX];
    _Atomic uint64_t head;
    uint32_t count; /* tiers; constant */
    uint32_t reserved;
};
_Static_assert(sizeof(struct hf__rate_words) == 80, "the layout in shared memory");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "words are moved by compare-exchange");

/* How many tiers there are. What stands in memory that processes share is never trusted as a bound. */
static inline uint32_t hf__rate_words_count(const struct hf__rate_words *words) {
    return words->count < HF_RATE_TIERS_MAX ? words->count : HF_RATE_TIERS_MAX;
}

/* As hf__rate_take; refused for good, with HF_NEVER, if it is more than a burst. `out_taken` is for hf__rate_words_refund; `*out_first` whether nobody had taken before. */
bool hf__rate_words_take(struct hf__rate_words *words, int64_t now, uint32_t weight, int64_t wait_until,
                         int64_t *out_taken, int64_t *out_at, bool *out_first);
bool hf__rate_words_refund(struct hf__rate_words *words, int64_t now, uint32_t weight, const int64_t *taken);

/* Moves tat of tier `i` forward by `ns`, counted from `now` if it lies in the past. */
void hf__rate_words_delay(struct hf__rate_words *words, uint32_t i, int64_t ns, int64_t now);

/* hf__rate_drain on the first tier. */
void hf__rate_words_drain(struct hf__rate_words *words, int64_t until, int64_t now);

void hf__rate_words_set(struct hf__rate_words *words, uint32_t i, uint64_t rules, int64_t now);
int64_t hf__rate_words_available(const struct hf__rate_words *words, int64_t now);
int64_t hf__rate_words_available_in(const struct hf__rate_words *words, uint32_t i, int64_t now);

#endif
