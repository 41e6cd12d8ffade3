/* SPDX-License-Identifier: MIT */
#include "engine/policy.h"

#include <assert.h>

hf_policy *hf__policy_ref(hf_policy *policy) {
    /* Relaxed: whoever takes a reference holds one already, so the policy is visible to it. */
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

void hf__policy_unref(hf_policy *policy) {
    if (policy == NULL) return;
    /* Acquire and release: the thread that destroys it sees what every other did with it. */
    if (atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1) return;
    struct hf__switch_group *group = policy->group;
    policy->ops->destroy(policy);
    hf__switch_group_unref(group);
}

void hf__switch_group_unref(struct hf__switch_group *group) {
    if (group == NULL) return;
    if (atomic_fetch_sub_explicit(&group->references, 1, memory_order_acq_rel) == 1) group->destroy(group);
}

void hf__settle_kept(hf_policy *policy, struct hf_frame *frame, hf_outcome outcome, int32_t reason, hf_time now) {
    static const struct hf__caller nobody = {.key = "", .weight = 1};
    uint64_t rng = (uint64_t)now;
    struct hf_x x = {
        .now = now,
        .deadline = HF_NEVER,
        .at = HF_NEVER,
        .outcome = outcome,
        .reason = reason,
        .retry_at = HF_NEVER,
        .attempts = UINT32_MAX, /* there was one */
        .rng = &rng,
        .caller = &nobody,
    };
    int verdict = policy->ops->settle(policy, frame, &x);
    assert(verdict == HF__PASS);
    (void)verdict;
}

int hf__nothing_on_success(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)policy, (void)frame, (void)x;
    return HF__PASS;
}
