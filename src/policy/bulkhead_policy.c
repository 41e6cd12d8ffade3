/* SPDX-License-Identifier: MIT */
#include <holdfast/bulkhead.h>

#include "core/bulkhead.h"
#include "policy/config_check.h"

#include <stdlib.h>

/* `taken` is moved by compare-exchange, relaxed: it counts, and publishes nothing. `limit` is a hint read
 * with each take, so that between a resize and the next take nothing needs to agree. */
struct hf_bulkhead {
    hf_policy base;
    _Atomic uint32_t limit;
    _Atomic uint64_t taken;
    _Atomic uint64_t rejected;
};

#define MAX_SLOTS 1000000

static hf_bulkhead *bulkhead_of(hf_policy *policy) { return (hf_bulkhead *)(void *)policy; }

static int bulkhead_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame;
    hf_bulkhead *b = bulkhead_of(policy);
    uint32_t limit = atomic_load_explicit(&b->limit, memory_order_relaxed);
    uint64_t seen = atomic_load_explicit(&b->taken, memory_order_relaxed);
    uint64_t next;
    do {
        if (!hf__bulkhead_take(seen, limit, &next)) {
            atomic_fetch_add_explicit(&b->rejected, 1, memory_order_relaxed);
            x->reason = HF_REASON_FULL;
            return HF__TURN; /* when a slot comes back is not known */
        }
    } while (
        !atomic_compare_exchange_weak_explicit(&b->taken, &seen, next, memory_order_relaxed, memory_order_relaxed));
    return HF__PASS;
}

static int bulkhead_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame, (void)x;
    _Atomic uint64_t *taken = &bulkhead_of(policy)->taken;
    uint64_t seen = atomic_load_explicit(taken, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(taken, &seen, hf__bulkhead_put(seen), memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
    return HF__PASS;
}

static void bulkhead_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops bulkhead_ops = {
    .kind = "bulkhead", .admit = bulkhead_admit, .settle = bulkhead_settle, .destroy = bulkhead_destroy};

void hf_bulkhead_config_init(hf_bulkhead_config *config) {
    *config = (hf_bulkhead_config){.struct_size = (uint32_t)sizeof *config, .max_concurrent = 64};
}

int hf_bulkhead_new(hf_bulkhead **out_bulkhead, const char *name, const hf_bulkhead_config *config, hf_error *error) {
    hf_bulkhead_config chosen;
    hf_bulkhead_config_init(&chosen);
    void *made = NULL;
    if (out_bulkhead != NULL) *out_bulkhead = NULL;
    int rc = hf__policy_new(out_bulkhead == NULL ? NULL : &made, sizeof(hf_bulkhead), &bulkhead_ops, name, error);
    if (rc == 0) rc = hf__config_copy("bulkhead", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) {
        rc = hf__check_range("bulkhead", name, "max_concurrent", chosen.max_concurrent, 0, MAX_SLOTS, 0, NULL, error);
    }
    if (rc < 0 || made == NULL) {
        free(made);
        return rc;
    }
    *out_bulkhead = made;
    atomic_init(&(*out_bulkhead)->limit, chosen.max_concurrent);
    return 0;
}

void hf_bulkhead_free(hf_bulkhead *bulkhead) { hf__policy_unref(bulkhead == NULL ? NULL : &bulkhead->base); }

hf_policy *hf_bulkhead_policy(hf_bulkhead *bulkhead) { return bulkhead == NULL ? NULL : &bulkhead->base; }

int hf_bulkhead_resize(hf_bulkhead *bulkhead, uint32_t max_concurrent) {
    if (max_concurrent > MAX_SLOTS) return HF_E_INVALID;
    atomic_store_explicit(&bulkhead->limit, max_concurrent, memory_order_relaxed);
    return 0;
}

uint32_t hf_bulkhead_in_flight(const hf_bulkhead *bulkhead) {
    return (uint32_t)atomic_load_explicit(&bulkhead->taken, memory_order_relaxed);
}

uint64_t hf_bulkhead_rejected(const hf_bulkhead *bulkhead) {
    return atomic_load_explicit(&bulkhead->rejected, memory_order_relaxed);
}
