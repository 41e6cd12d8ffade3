/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BULKHEAD_LEASE_H
#define HF_CORE_BULKHEAD_LEASE_H

/* The bulkhead in memory shared by processes: a count has no owner, so each of its N slots is a word of its
 * own, a lease.
 *
 *     until_ms 42 | owner 22        0: free
 *
 * `until_ms` is the absolute millisecond from which on somebody who finds the bulkhead full asks whether the
 * owner still lives; `owner` is the process slot and its serial (shm/region.h), 0 for nobody. A slot is free
 * again when its work has ended, or when its lease has ended and its owner is dead. The lease of an owner
 * that lives (it may be stopped, or just slow) is extended by whoever looked, not taken away.
 *
 * Each change is one compare-exchange against the exact word that was read or is in the ticket: a ticket
 * whose slot has another life by then is late and changes nothing. */

#include <holdfast/types.h>

#define HF__LEASE_OWNER_BITS 22

/* The word of a lease that `owner` takes at `now`. Never 0. */
uint64_t hf__lease_make(hf_time now, int64_t lease_ns, uint32_t owner);

uint32_t hf__lease_owner(uint64_t word);

/* Is it time to ask whether the owner lives? Not for a free slot. A lease that ends later than any taken now could (foreign
 * bytes, or a clock that jumped) is not believed, or nothing would ever free the slot. */
bool hf__lease_ended(uint64_t word, int64_t lease_ns, hf_time now);

/* The instant at which it ends. */
hf_time hf__lease_until(uint64_t word);

/* How many of `count` slots are taken. */
uint32_t hf__lease_count(const uint64_t *words, uint32_t count);

#endif
