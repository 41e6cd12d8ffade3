/* SPDX-License-Identifier: MIT */
#include "core/bulkhead.h"

#include <assert.h>

#define BITS 20
#define MASK ((UINT64_C(1) << BITS) - 1)
#define ONE_TAKEN UINT64_C(1)
#define ONE_WAITING (UINT64_C(1) << BITS)
#define LIMIT_SHIFT (2 * BITS)
_Static_assert(HF__BULKHEAD_MAX <= MASK, "each of the three has room");

uint32_t hf__bulkhead_taken(uint64_t word) { return (uint32_t)(word & MASK); }

uint32_t hf__bulkhead_waiting(uint64_t word) { return (uint32_t)(word >> BITS & MASK); }

uint32_t hf__bulkhead_limit(uint64_t word) { return (uint32_t)(word >> LIMIT_SHIFT & MASK); }

uint64_t hf__bulkhead_word(uint32_t limit) { return hf__bulkhead_resize(0, limit); }

static bool has_room(uint64_t word) { return hf__bulkhead_taken(word) < hf__bulkhead_limit(word); }

bool hf__bulkhead_take(uint64_t word, uint64_t *out) {
    if (hf__bulkhead_waiting(word) > 0 || !has_room(word)) return false;
    *out = word + ONE_TAKEN;
    return true;
}

enum hf__join hf__bulkhead_join(uint64_t word, uint32_t max_waiting, uint64_t *out) {
    if (hf__bulkhead_take(word, out)) return HF__JOIN_TAKEN;
    if (hf__bulkhead_waiting(word) >= max_waiting) return HF__JOIN_FULL;
    *out = word + ONE_WAITING;
    return HF__JOIN_WAITS;
}

uint64_t hf__bulkhead_put(uint64_t word) {
    assert(hf__bulkhead_taken(word) > 0);
    return word - ONE_TAKEN;
}

bool hf__bulkhead_grant(uint64_t word, uint64_t *out) {
    if (hf__bulkhead_waiting(word) == 0 || !has_room(word)) return false;
    *out = word - ONE_WAITING + ONE_TAKEN;
    return true;
}

uint64_t hf__bulkhead_leave(uint64_t word) {
    assert(hf__bulkhead_waiting(word) > 0);
    return word - ONE_WAITING;
}

uint64_t hf__bulkhead_resize(uint64_t word, uint32_t limit) {
    assert(limit <= HF__BULKHEAD_MAX);
    return (word & ((UINT64_C(1) << LIMIT_SHIFT) - 1)) | (uint64_t)limit << LIMIT_SHIFT;
}
