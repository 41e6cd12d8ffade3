/* SPDX-License-Identifier: MIT */
#include "core/bulkhead.h"

uint64_t hf__bulkhead_word(uint32_t limit) { return hf__bulkhead_resize(0, limit); }

enum hf__join hf__bulkhead_join(uint64_t word, uint32_t max_waiting, uint64_t *out) {
    if (hf__bulkhead_take(word, out)) return HF__JOIN_TAKEN;
    if (hf__bulkhead_waiting(word) >= max_waiting) return HF__JOIN_FULL;
    *out = word + HF__BULKHEAD_WAITING;
    return HF__JOIN_WAITS;
}

uint64_t hf__bulkhead_leave(uint64_t word) {
    assert(hf__bulkhead_waiting(word) > 0);
    return word - HF__BULKHEAD_WAITING;
}

uint64_t hf__bulkhead_resize(uint64_t word, uint32_t limit) {
    assert(limit <= HF__BULKHEAD_MAX);
    uint64_t rest = word & ((UINT64_C(1) << 2 * HF__BULKHEAD_BITS) - 1);
    return rest | (uint64_t)limit << 2 * HF__BULKHEAD_BITS;
}
