/* SPDX-License-Identifier: MIT */
#include "core/breaker_probe.h"

#include "base/num.h"

#define GEN_SHIFT HF__CONTROL_GENERATION_SHIFT /* the same place in a slot */
#define GEN_MASK HF__CONTROL_GENERATION_MASK
#define MS_SHIFT 22
#define STATUS_SHIFT 5
#define STATUS_MASK 0x3u

uint64_t hf__probe_pack(int64_t lease_ms, uint32_t generation, enum hf__probe_status status) {
    return (uint64_t)lease_ms << MS_SHIFT | (uint64_t)(generation & GEN_MASK) << GEN_SHIFT |
           (uint64_t)status << STATUS_SHIFT;
}

enum hf__probe_status hf__probe_status_of(uint64_t slot) {
    return (enum hf__probe_status)((slot >> STATUS_SHIFT) & STATUS_MASK);
}

bool hf__probe_expired(uint64_t slot, hf_time now) { return now >= hf__word_time((int64_t)(slot >> MS_SHIFT)); }

uint64_t hf__probe_settle(uint64_t slot, enum hf__probe_status status) {
    return (slot & ~((uint64_t)STATUS_MASK << STATUS_SHIFT)) | (uint64_t)status << STATUS_SHIFT;
}

static bool of_this_round(uint64_t slot, struct hf__control control) {
    return ((slot >> GEN_SHIFT) & GEN_MASK) == control.generation && (int64_t)(slot >> MS_SHIFT) >= control.ms;
}

struct hf__claim_answer hf__probe_claim(const uint64_t *slots, uint64_t control, const struct hf__open_rules *rules,
                                        hf_time now) {
    struct hf__control c = hf__control_unpack(control);
    struct hf__claim_answer answer = {.verdict = HF__CLAIM_FULL, .retry_at = HF_NEVER};
    hf_time from = hf__max(now, hf__word_time(c.ms)); /* a clock that is behind: of this round all the same */
    for (uint32_t i = 0; i < rules->probes; i++) {
        enum hf__probe_status status = hf__probe_status_of(slots[i]);
        bool ours = of_this_round(slots[i], c);
        if (status == HF__PROBE_FLYING &&
            !hf__probe_expired(slots[i], now)) { /* of an older round too: at most N fly */
            answer.retry_at = hf__min(answer.retry_at, hf__word_time((int64_t)(slots[i] >> MS_SHIFT)));
            continue;
        }
        if (status == HF__PROBE_FLYING && ours) {
            answer.verdict = HF__CLAIM_EXPIRE;
            answer.index = i;
            answer.next = hf__probe_settle(slots[i], HF__PROBE_BAD);
            return answer;
        }
        if (status != HF__PROBE_FREE && ours) continue; /* has its result */
        if (answer.verdict == HF__CLAIM_SLOT) continue; /* go on looking for ended leases */
        answer.verdict = HF__CLAIM_SLOT;
        answer.index = i;
        answer.next =
            hf__probe_pack(hf__word_ms_up(hf__add(from, rules->probe_lease_ns)), c.generation, HF__PROBE_FLYING);
    }
    return answer;
}

struct hf__tally hf__probe_tally(const uint64_t *slots, uint32_t count, uint64_t control) {
    struct hf__control c = hf__control_unpack(control);
    struct hf__tally tally = {0, 0, 0};
    if (c.state != HF_BREAKER_HALF_OPEN) return tally;
    for (uint32_t i = 0; i < count; i++) {
        if (!of_this_round(slots[i], c)) continue;
        switch (hf__probe_status_of(slots[i])) {
        case HF__PROBE_FREE: break;
        case HF__PROBE_FLYING: tally.flying++; break;
        case HF__PROBE_OK: tally.ok++; break;
        case HF__PROBE_BAD: tally.bad++; break;
        }
    }
    return tally;
}
