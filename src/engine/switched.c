/* SPDX-License-Identifier: MIT */
#include "engine/call_state.h"

/* Policies that are switched, and policies that answer in place of an attempt: what is rare on a call's way, kept out
 * of branch.c. */

int hf__switched_admit(hf_policy *policy, uint32_t mode, struct hf_frame *frame, struct hf_x *x, bool parked,
                       bool *out_passed_by) {
    *out_passed_by = false;
    if (mode == HF_SWITCH_METRICS_ONLY) {
        int verdict = policy->ops->admit == NULL ? HF__PASS : policy->ops->admit(policy, frame, x);
        if (verdict == HF__PASS) return HF__PASS;
        parked = verdict == HF__PARK; /* whatever it would have done has been counted */
    }
    if (parked && policy->ops->leave != NULL) policy->ops->leave(policy, frame, x);
    x->at = HF_NEVER;
    if (mode == HF_SWITCH_FORCED_OPEN) {
        x->reason = HF_REASON_FORCED_OPEN;
        return HF__TURN;
    }
    *out_passed_by = true;
    return HF__PASS;
}

void hf__branch_answered(struct hf__call *c, struct hf__branch *b, const struct hf_x *x) {
    hf__branch_started(c, b, c->now);
    hf__branch_report(c, b, x->outcome);
    if (b->reason == HF_REASON_NONE) hf__branch_reason(b, x->reason, b->level);
}

void hf__branch_cut_stand_in(struct hf__call *c, struct hf__branch *b) {
    uint8_t cut_level = b->cut_level;
    hf__branch_started(c, b, (hf_time)hf__branch_frame(c, b, b->level)->word[0]);
    b->cut_level = cut_level;
    b->stop_told = true;
    hf__branch_report(c, b, hf_failure(0));
}
