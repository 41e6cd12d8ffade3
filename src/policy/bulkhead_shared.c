/* SPDX-License-Identifier: MIT */
/* A bulkhead in a region: leases, and no line. */
#include "base/num.h"
#include "policy/bulkhead_inside.h"
#include "shm/region.h"

#include <holdfast/region_view.h>

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

#define BULKHEAD_RULES 2

int hf__bulkhead_house(hf_bulkhead *bulkhead, const hf_bulkhead_config *config, hf_error *error) {
    if (config->region == NULL) return 0;
    const struct hf__region_rule rules[BULKHEAD_RULES] = {{"max_concurrent", config->max_concurrent},
                                                          {"slot_lease_ms", (uint64_t)config->slot_lease_ms}};
    struct hf__region_want want = {.kind = HF_REGION_BULKHEAD,
                                   .name = bulkhead->base.name,
                                   .rules = rules,
                                   .rule_count = BULKHEAD_RULES,
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

/* ---- seen from outside ---- */

int hf_region_view_bulkhead(hf_region_view *view, uint32_t index, hf_region_bulkhead *out) {
    if (out == NULL || out->struct_size < sizeof *out) return HF_E_INVALID;
    struct hf__region_seen seen;
    int rc = hf__region_view_find(view, index, HF_REGION_BULKHEAD, &seen);
    if (rc < 0) return rc;
    if (seen.rule_count != BULKHEAD_RULES || seen.rules[0] > HF_BULKHEAD_SHARED_MAX) return HF_E_STATE;
    struct hf__leases leases = {.state = seen.state, .capacity = (uint32_t)seen.rules[0]};
    if (hf__leases_bytes(leases.capacity) != seen.bytes) return HF_E_STATE;
    *out = (hf_region_bulkhead){.struct_size = out->struct_size,
                                .max_concurrent = hf__leases_limit(&leases),
                                .rejected = hf__leases_rejected(&leases),
                                .slot_lease_ms = (int64_t)seen.rules[1]};
    for (uint32_t slot = 0; slot < leases.capacity; slot++) {
        uint32_t owner;
        if (!hf__leases_held(&leases, slot, &owner)) continue;
        out->in_flight++;
        if (owner == 0) out->unowned++;
        else if (hf__region_view_alive(view, owner)) out->of_living++;
        else out->of_dead++;
    }
    return 0;
}
