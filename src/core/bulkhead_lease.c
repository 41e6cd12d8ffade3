/* SPDX-License-Identifier: MIT */
#include "core/bulkhead_lease.h"

#include "base/num.h"

#define OWNER_MASK ((UINT64_C(1) << HF__LEASE_OWNER_BITS) - 1)
#define MS_MAX ((INT64_C(1) << (64 - HF__LEASE_OWNER_BITS)) - 1)

uint64_t hf__lease_make(hf_time now, int64_t lease_ns, uint32_t owner) {
    /* Rounded up and at least 1, so that a lease is never shorter than promised, and never the free word. */
    int64_t until = hf__max(1, hf__min(hf__ns_to_ms_up(hf__add(now, lease_ns)), MS_MAX));
    return (uint64_t)until << HF__LEASE_OWNER_BITS | (owner & OWNER_MASK);
}

uint32_t hf__lease_owner(uint64_t word) { return (uint32_t)(word & OWNER_MASK); }

hf_time hf__lease_until(uint64_t word) {
    int64_t until = (int64_t)(word >> HF__LEASE_OWNER_BITS);
    return until == MS_MAX ? HF_NEVER : hf__ms_to_ns(until);
}

#define SKEW HF_SECOND /* by how much the now of one who asks may be older than that of one who took */

bool hf__lease_ended(uint64_t word, int64_t lease_ns, hf_time now) {
    hf_time until = hf__lease_until(word);
    return word != 0 && (now >= until || until > hf__add(now, hf__add(lease_ns, SKEW)));
}

uint32_t hf__lease_count(const uint64_t *words, uint32_t count) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < count; i++) taken += words[i] != 0;
    return taken;
}
