/* SPDX-License-Identifier: MIT */
#include "core/bulkhead.h"

#include <assert.h>

bool hf__bulkhead_take(uint64_t taken, uint32_t limit, uint64_t *out) {
    if (taken >= limit) return false;
    *out = taken + 1;
    return true;
}

uint64_t hf__bulkhead_put(uint64_t taken) {
    assert(taken > 0);
    return taken - 1;
}
