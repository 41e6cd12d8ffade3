/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BULKHEAD_LEASES_H
#define HF_POLICY_BULKHEAD_LEASES_H

/* The slots of a bulkhead in memory that processes share: leases (core/bulkhead_lease.h) with owners, and no
 * line. docs/design/sharing.md has the argument. */

#include "core/bulkhead_lease.h"
#include "engine/policy.h"

#include <holdfast/region.h>

/* Flat; zero is an empty bulkhead of the configured size. */
struct hf__lease_state {
    _Alignas(64) _Atomic uint64_t limit; /* 0: as configured, else one more than the limit */
    _Atomic uint64_t rejected;
    _Atomic uint64_t spare[6];
    _Atomic uint64_t slot[];
};
_Static_assert(offsetof(struct hf__lease_state, slot) == 64, "slots begin a line of their own");

struct hf__leases {
    struct hf__lease_state *state;
    hf_region *region;
    uint32_t capacity; /* slots in `state` */
    int64_t lease_ns;
};

/* What a call holds. */
struct hf__lease_ticket {
    uint64_t word; /* as it was taken */
    uint32_t slot;
    uint32_t reserved;
};

size_t hf__leases_bytes(uint32_t capacity);

/* Takes a slot; false when none is free, counted. Asks for owners of leases that have ended when it must. */
bool hf__leases_take(struct hf__leases *leases, struct hf__lease_ticket *out_ticket, hf_time now);

/* Gives it back. A ticket whose slot is not its own any more (a child has a copy of what its parent held)
 * changes nothing. */
void hf__leases_put(struct hf__leases *leases, const struct hf__lease_ticket *ticket);

uint32_t hf__leases_limit(const struct hf__leases *leases);
void hf__leases_resize(struct hf__leases *leases, uint32_t limit);
uint32_t hf__leases_taken(const struct hf__leases *leases);
uint64_t hf__leases_rejected(const struct hf__leases *leases);

/* Is this slot taken, and by whom? */
bool hf__leases_held(const struct hf__leases *leases, uint32_t slot, uint32_t *out_owner);

#endif
