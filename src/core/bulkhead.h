/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BULKHEAD_H
#define HF_CORE_BULKHEAD_H

/* The bulkhead as pure functions over one word, the number of slots taken. The limit is a word of its
 * own, so that resizing never waits: a smaller limit takes effect as slots come back. */

#include <holdfast/types.h>

/* Takes a slot; false and `*out` unchanged when none is free. */
bool hf__bulkhead_take(uint64_t taken, uint32_t limit, uint64_t *out);

/* Gives a slot back; there must be one taken. */
uint64_t hf__bulkhead_put(uint64_t taken);

#endif
