/* SPDX-License-Identifier: MIT */
/* A bulkhead in a region: leases, and no line. */
#include "base/num.h"
#include "policy/bulkhead_inside.h"
#include "shm/region.h"

#include <stdlib.h>

static hf_bulkhead *bulkhead_of(hf_policy *policy) { return (hf_bulkhead *)(void *)policy; }

static struct hf__lease_ticket *ticket_of(struct hf_frame *frame) {
    _Static_assert(sizeof(struct hf__lease_ticket) <= sizeof frame->word, "fits a frame");
    return (struct hf__lease_ticket *)(void *)frame->word;
}

static int shared_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    if (hf__leases_take(&bulkhead_of(policy)->leases, ticket_of(frame), x->now)) return HF__PASS;
    x->reason = HF_REASON_FULL;
    return HF__TURN; /* when a slot comes back is not known */
}

static int shared_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)x;
    hf__leases_put(&bulkhead_of(policy)->leases, ticket_of(frame));
    return HF__PASS;
}

static void shared_tell(const hf_policy *policy, struct hf__facts *facts) {
    (void)policy;
    facts->roles = HF__ROLE_HOLDS;
}

static void shared_destroy(hf_policy *policy) {
    hf_bulkhead *b = bulkhead_of(policy);
    hf__region_unref(b->leases.region);
    HF_MUST(pthread_mutex_destroy(&b->mutex) == 0);
    free(b);
}

static const struct hf__policy_ops shared_ops = {
    .kind = "bulkhead",
    .admit = shared_admit,
    .settle = shared_settle,
    .settle_ok = shared_settle,
    .tell = shared_tell,
    .destroy = shared_destroy,
};

int hf__bulkhead_house(hf_bulkhead *bulkhead, const hf_bulkhead_config *config, hf_error *error) {
    if (config->region == NULL) return 0;
    const struct hf__region_rule rules[] = {{"max_concurrent", config->max_concurrent},
                                            {"slot_lease_ms", (uint64_t)config->slot_lease_ms}};
    struct hf__region_want want = {.kind = HF__REGION_BULKHEAD,
                                   .name = bulkhead->base.name,
                                   .rules = rules,
                                   .rule_count = sizeof rules / sizeof rules[0],
                                   .bytes = hf__leases_bytes(config->max_concurrent)};
    struct hf__leases *leases = &bulkhead->leases;
    void *state;
    int rc = hf__region_house(config->region, &want, NULL, &state, &leases->region, error);
    if (rc < 0 || state == NULL) return rc; /* NULL: stays local, with a count of its own */
    leases->state = state;
    leases->capacity = config->max_concurrent;
    leases->lease_ns = hf__ms_to_ns(config->slot_lease_ms);
    bulkhead->base.ops = &shared_ops;
    bulkhead->base.traits = HF__HOLDS; /* leases are given at an instant */
    return 0;
}
