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

#define HF__BULKHEAD_MAX 1000000 /* of each of the three */

uint64_t hf__bulkhead_word(uint32_t limit);

uint32_t hf__bulkhead_taken(uint64_t word);
uint32_t hf__bulkhead_waiting(uint64_t word);
uint32_t hf__bulkhead_limit(uint64_t word);

/* Takes a slot; false and `*out` unchanged when none may be taken. */
bool hf__bulkhead_take(uint64_t word, uint64_t *out);

enum hf__join { HF__JOIN_FULL, HF__JOIN_TAKEN, HF__JOIN_WAITS };

/* Takes a slot, or else a place in the queue of at most `max_waiting`; FULL leaves `*out` unchanged. */
enum hf__join hf__bulkhead_join(uint64_t word, uint32_t max_waiting, uint64_t *out);

/* Gives a slot back; there must be one taken. */
uint64_t hf__bulkhead_put(uint64_t word);

/* A free slot goes to one who waits; false and `*out` unchanged when there are not both. */
bool hf__bulkhead_grant(uint64_t word, uint64_t *out);

/* One who waits gives up; there must be one. */
uint64_t hf__bulkhead_leave(uint64_t word);

uint64_t hf__bulkhead_resize(uint64_t word, uint32_t limit);

#endif
