/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_WINDOW_H
#define HF_CORE_BREAKER_WINDOW_H

/* The exact window of a breaker: the results of the last N calls, one slot each, in words that are moved
 * one at a time by compare-exchange.
 *
 *     head    tag 16 | clean 1 | pos 47       how many results were ever recorded under this tag
 *     block   tag 16 | valid 16 | fail 16 | slow 16       16 slots
 *
 * The ring has C slots, C >= N, a multiple of 16. The result of number p stands in slot p mod C; nothing is
 * moved and the counts are popcounts of the last N slots, so they cannot drift, and N can change while the
 * results stay. The tag is the generation of the breaker (15 bits) in which the results were taken. A reset
 * only moves the head to a newer tag: a block with another tag is empty. Tags only move forward, compared as
 * serial numbers; whatever belongs to an older one is stale.
 *
 * A slot's bits:   valid fail
 *                    1    0    success
 *                    1    1    failure
 *                    0    1    throttled: counts as a failure, but is no link in a run of failures
 *                    0    0    empty
 *
 * `clean` says that the window is full, has no spot (no failure, no slow result), and that one more spotless
 * success cannot change any decision: it is then ignored without a write. Who sets it checks the blocks
 * again afterwards; who records a spot writes its bit first and then clears it. With sequentially consistent
 * order one of the two sees the other, so a clean head never hides a spot for good. */

#include "core/breaker_rules.h"

#define HF__WINDOW_BLOCK 16u /* slots of a block */

/* What part of the ring is looked at. */
struct hf__window_span {
    uint32_t size;     /* N */
    uint32_t capacity; /* C */
    uint64_t floor;    /* a head: under its tag, results before its position do not count. A window that was
                          made larger does not take back what it had forgotten. */
};

uint32_t hf__window_tag(uint64_t head);
bool hf__window_clean(uint64_t head);

/* The head of an empty window of this tag. */
uint64_t hf__window_head(uint32_t tag);

/* Takes the next slot for a spot: the new head, without `clean`. For a success the new head is head + 1. */
uint64_t hf__window_claim_spot(uint64_t head);

/* The slot that was taken with this head. */
uint32_t hf__window_slot(uint64_t head, uint32_t capacity);

/* The slot whose result leaves the window when `slot` is taken. */
uint32_t hf__window_leaving(uint32_t slot, const struct hf__window_span *span);

/* How many of the latest results count. */
uint32_t hf__window_length(uint64_t head, const struct hf__window_span *span);

/* Has every slot of the ring been taken once? Then one that is taken and not written holds an old result, before it is
 * empty. */
bool hf__window_wrapped(uint64_t head, uint32_t capacity);

/* Is there a failure or a slow result in this slot of its block? */
bool hf__window_spot_at(uint64_t block, uint32_t tag, uint32_t slot);

/* Empties a slot that was taken in vain. */
uint64_t hf__window_void(uint64_t block, uint32_t slot);

/* Writes one entry into its block; false when the block has moved on to a newer tag (stale). */
bool hf__window_put(uint64_t block, uint32_t tag, uint32_t slot, enum hf__entry entry, bool slow, uint64_t *out);

uint64_t hf__window_with_clean(uint64_t head, bool clean);

/* Counts what stands in `blocks` (capacity / 16 words) under the head's tag. */
struct hf__counts hf__window_count(uint64_t head, const uint64_t *blocks, const struct hf__window_span *span);

/* May `clean` be set: would one more spotless success change nothing? */
bool hf__window_spotless(const struct hf__counts *counts, const struct hf__window_span *span);

/* The floor for a window that is made larger now, under this head: what it holds at present stays. */
uint64_t hf__window_floor(uint64_t head, const struct hf__window_span *span);

#endif
