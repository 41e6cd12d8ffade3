/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BULKHEAD_H
#define HF_CORE_BULKHEAD_H

/* The bulkhead as pure functions over one word, `limit 20 | waiting 20 | taken 20`: the number of slots, how
 * many calls wait for one, and how many slots are taken. All three in one word make each decision a single
 * compare-exchange, and leave no moment in which two of them disagree:
 *
 *   take     nobody waits, taken < limit       taken + 1           who comes later does not overtake
 *   join     somebody waits or all are taken   waiting + 1         while waiting < max_waiting
 *   put                                        taken - 1
 *   grant    somebody waits, taken < limit     taken + 1, waiting - 1
 *   leave                                      waiting - 1
 *   resize                                     limit               taken may be above it for a while
 *
 * Whoever brings about "somebody waits and taken < limit" (only put and resize can) grants until it no longer
 * holds. So a free slot is never forgotten while somebody waits for it. */

#include <holdfast/types.h>

#include <assert.h>

#define HF__BULKHEAD_MAX 1000000 /* of each of the three */

#define HF__BULKHEAD_BITS 20
#define HF__BULKHEAD_MASK ((UINT64_C(1) << HF__BULKHEAD_BITS) - 1)
#define HF__BULKHEAD_WAITING (UINT64_C(1) << HF__BULKHEAD_BITS) /* one; one that is taken is 1 */
_Static_assert(HF__BULKHEAD_MAX <= HF__BULKHEAD_MASK, "each of the three has room");

/* Inline is what every call goes through that need not wait. */

static inline uint32_t hf__bulkhead_taken(uint64_t word) { return (uint32_t)(word & HF__BULKHEAD_MASK); }

static inline uint32_t hf__bulkhead_waiting(uint64_t word) {
    return (uint32_t)(word >> HF__BULKHEAD_BITS & HF__BULKHEAD_MASK);
}

static inline uint32_t hf__bulkhead_limit(uint64_t word) {
    return (uint32_t)(word >> 2 * HF__BULKHEAD_BITS & HF__BULKHEAD_MASK);
}

/* Takes a slot; false and `*out` unchanged when none may be taken. */
static inline bool hf__bulkhead_take(uint64_t word, uint64_t *out) {
    if (hf__bulkhead_waiting(word) > 0 || hf__bulkhead_taken(word) >= hf__bulkhead_limit(word)) return false;
    *out = word + 1;
    return true;
}

/* Gives a slot back; there must be one taken. */
static inline uint64_t hf__bulkhead_put(uint64_t word) {
    assert(hf__bulkhead_taken(word) > 0);
    return word - 1;
}

/* A free slot goes to one who waits; false and `*out` unchanged when there are not both. */
static inline bool hf__bulkhead_grant(uint64_t word, uint64_t *out) {
    if (hf__bulkhead_waiting(word) == 0 || hf__bulkhead_taken(word) >= hf__bulkhead_limit(word)) return false;
    *out = word - HF__BULKHEAD_WAITING + 1;
    return true;
}

uint64_t hf__bulkhead_word(uint32_t limit);

enum hf__join { HF__JOIN_FULL, HF__JOIN_TAKEN, HF__JOIN_WAITS };

/* Takes a slot, or else a place in the queue of at most `max_waiting`; FULL leaves `*out` unchanged. */
enum hf__join hf__bulkhead_join(uint64_t word, uint32_t max_waiting, uint64_t *out);

/* One who waits gives up; there must be one. */
uint64_t hf__bulkhead_leave(uint64_t word);

uint64_t hf__bulkhead_resize(uint64_t word, uint32_t limit);

#endif
