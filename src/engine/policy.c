/* SPDX-License-Identifier: MIT */
#include "engine/policy.h"

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

int hf__nothing_on_success(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)policy, (void)frame, (void)x;
    return HF__PASS;
}
