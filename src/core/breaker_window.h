/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_WINDOW_H
#define HF_CORE_BREAKER_WINDOW_H

/* The exact window of a breaker: the results of the last N calls, one slot each, in words that are moved
 * one at a time by compare-exchange.
 *
 *     head    tag 16 | clean 1 | pos 47       how many results were ever recorded under this tag
 *     block   tag 16 | valid 16 | fail 16 | slow 16       16 slots
 *
 * The result of number p stands in slot p mod N, over the one that is N older; nothing is moved and the
 * counts are popcounts, so they cannot drift. The tag is the generation of the breaker (15 bits) in which
 * the results were taken. A reset only moves the head to a newer tag: a block with another tag is empty.
 * Tags only move forward, compared as serial numbers; whatever belongs to an older one is stale.
 *
 * A slot's bits:   valid fail
 *                    1    0    success
 *                    1    1    failure
 *                    0    1    throttled: counts as a failure, but is no link in a run of failures
 *                    0    0    empty
 *
 * `clean` says that the window has no spot (no failure, no slow result) and one more spotless success
 * cannot change any decision: it is then ignored without a write. Who sets it checks the blocks again
 * afterwards; who records a spot writes its bit first and then clears it. With sequentially consistent
 * order one of the two sees the other, so a clean head never hides a spot for good. */

#include <holdfast/types.h>

#define HF__WINDOW_BLOCK 16u /* slots of a block */

enum hf__entry { HF__ENTRY_SUCCESS = 0, HF__ENTRY_FAILURE = 1, HF__ENTRY_THROTTLED = 2 };

struct hf__counts {
    uint32_t total;
    uint32_t failures; /* throttled included */
    uint32_t slow;
    uint32_t consecutive;
};

/* What trips, see hf_breaker_config; HF_BREAKER_OFF for rules that are not used. */
struct hf__window_rules {
    uint32_t size;
    uint32_t min_calls;
    uint32_t failure_rate_ppm;
    uint32_t slow_rate_ppm;
    uint32_t consecutive_failures;
};

/* Is generation `a` newer than `b`? Serial numbers of 15 bits. */
bool hf__generation_newer(uint32_t a, uint32_t b);

uint32_t hf__window_tag(uint64_t head);
bool hf__window_clean(uint64_t head);

/* The head of an empty window of this tag. */
uint64_t hf__window_head(uint32_t tag);

/* Takes the next slot: the new head, without `clean` if the entry is a spot. */
uint64_t hf__window_claim(uint64_t head, bool spot, uint32_t size, uint32_t *out_slot);

/* Writes one entry into its block; false when the block has moved on to a newer tag (stale). */
bool hf__window_put(uint64_t block, uint32_t tag, uint32_t slot, enum hf__entry entry, bool slow, uint64_t *out);

uint64_t hf__window_with_clean(uint64_t head, bool clean);

/* Counts what stands in `blocks` under the head's tag. */
struct hf__counts hf__window_count(uint64_t head, const uint64_t *blocks, uint32_t size);

/* May `clean` be set: would one more spotless success change nothing? */
bool hf__window_spotless(const struct hf__counts *counts, const struct hf__window_rules *rules);

/* Do these counts open the breaker? Rates trip when reached, from min_calls on. */
bool hf__window_trips(const struct hf__counts *counts, const struct hf__window_rules *rules);

#endif
