/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_PROBE_H
#define HF_CORE_BREAKER_PROBE_H

/* The probe slots of a half-open breaker: leases, in words that are moved one at a time.
 *
 *     slot    lease_ms 42 | gen 15 | status 2 | owner 5
 *
 * The result of a probe stays in its slot; the counts come from looking at all, so that no counter can
 * drift. A slot belongs to the present round if its generation matches and its lease ends after the round
 * began; the second tells a slot from before the generation wrapped around. `owner` is kept for the number
 * of a process, 0 within one. */

#include "core/breaker.h"

enum hf__probe_status { HF__PROBE_FREE = 0, HF__PROBE_FLYING = 1, HF__PROBE_OK = 2, HF__PROBE_BAD = 3 };

uint64_t hf__probe_pack(int64_t lease_ms, uint32_t generation, enum hf__probe_status status);
enum hf__probe_status hf__probe_status_of(uint64_t slot);

/* What to do with the slots to start a probe at `now` under the half-open word `control`. */
enum hf__claim {
    HF__CLAIM_SLOT,   /* move slots[index] to `next`: the probe may fly */
    HF__CLAIM_EXPIRE, /* move slots[index] to `next`: its lease has ended; then decide, and ask again */
    HF__CLAIM_FULL    /* all fly: ask again at retry_at */
};
struct hf__claim_answer {
    enum hf__claim verdict;
    uint32_t index;
    uint64_t next;
    hf_time retry_at;
};
struct hf__claim_answer hf__probe_claim(const uint64_t *slots, uint64_t control, const struct hf__open_rules *rules,
                                        hf_time now);

/* Has the lease ended at `now`? */
bool hf__probe_expired(uint64_t slot, hf_time now);

/* The slot after its probe came to `status` (FREE gives it back without a result). */
uint64_t hf__probe_settle(uint64_t slot, enum hf__probe_status status);

/* Counts the slots of the control word's own generation. */
struct hf__tally hf__probe_tally(const uint64_t *slots, uint32_t count, uint64_t control);

#endif
