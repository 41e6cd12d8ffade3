/* SPDX-License-Identifier: MIT */
#include <holdfast/breaker_ticket.h>

#include "policy/breaker_inside.h"

/* The breaker's own admit and settle without an engine around them: the ticket is the frame that a call would have.
 * Its `at`, which the engine has no use for here, says whether it is open. */
_Static_assert(sizeof(hf_breaker_ticket) == sizeof(struct hf_frame), "a ticket is a frame");

#define OPEN HF_NEVER /* to be settled */
#define VOID 0        /* settled, or never to be */

static struct hf_frame *frame_of(hf_breaker_ticket *ticket) { return (struct hf_frame *)(void *)ticket; }

/* Jitter needs no better: it is drawn when the breaker opens. */
static uint64_t seed_of(const hf_breaker_ticket *ticket, hf_time now) { return (uint64_t)now ^ (uintptr_t)ticket; }

static struct hf_x question(hf_time now, hf_outcome outcome, uint32_t attempts, uint64_t *rng) {
    return (struct hf_x){
        .now = now,
        .deadline = HF_NEVER,
        .at = HF_NEVER,
        .outcome = outcome,
        .attempts = attempts,
        .retry_at = HF_NEVER,
        .rng = rng,
    };
}

static hf_reason turned_back(hf_reason reason, hf_time at, hf_time *out_retry_at) {
    if (out_retry_at != NULL) *out_retry_at = at;
    return reason;
}

hf_reason hf_breaker_admit(hf_breaker *breaker, hf_breaker_ticket *out_ticket, hf_time *out_retry_at, hf_time now) {
    struct hf_frame *frame = frame_of(out_ticket);
    frame->at = VOID;
    uint32_t mode = hf__policy_mode(&breaker->base);
    if (mode == HF_SWITCH_FORCED_OPEN) return turned_back(HF_REASON_FORCED_OPEN, HF_NEVER, out_retry_at);
    if (mode == HF_SWITCH_DISABLED) return HF_REASON_NONE;
    uint64_t rng = seed_of(out_ticket, now);
    struct hf_x x = question(now, hf_neutral(0), 0, &rng);
    if (breaker->base.ops->admit(&breaker->base, frame, &x) == HF__PASS) {
        frame->at = OPEN;
        return HF_REASON_NONE;
    }
    if (mode == HF_SWITCH_METRICS_ONLY) return HF_REASON_NONE;
    return turned_back((hf_reason)x.reason, x.at, out_retry_at);
}

static bool is_plain(const hf_outcome *outcome) {
    return outcome->kind == HF_SUCCESS && outcome->flags == 0 && outcome->retry_after_ns == 0;
}

void hf_breaker_settle(hf_breaker *breaker, hf_breaker_ticket *ticket, hf_outcome outcome, hf_time now) {
    struct hf_frame *frame = frame_of(ticket);
    if (frame->at != OPEN) return;
    frame->at = VOID;
    uint64_t rng = seed_of(ticket, now);
    struct hf_x x = question(now, outcome, 1, &rng);
    if (is_plain(&outcome)) {
        (void)breaker->base.ops->settle_ok(&breaker->base, frame, &x);
        return;
    }
    if (outcome.kind < HF_SUCCESS || outcome.kind > HF_NEUTRAL) x.outcome.kind = HF_FAILURE;
    if (outcome.retry_after_ns < 0) x.outcome.retry_after_ns = 0;
    (void)breaker->base.ops->settle(&breaker->base, frame, &x);
}
