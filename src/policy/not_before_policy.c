/* SPDX-License-Identifier: MIT */
#include <holdfast/not_before.h>

#include "base/num.h"
#include "base/rng.h"
#include "core/backoff.h" /* HF__DAY_MS */
#include "core/not_before.h"
#include "policy/config_check.h"

#include <stdlib.h>

/* `until` is moved by compare-exchange, relaxed: it is all there is to know, and publishes nothing else. */
struct hf_not_before {
    hf_policy base;
    _Atomic uint64_t until;
    int64_t cap_ns;
    int64_t max_wait_ns;
};

/* The frame of a call that waits. */
struct state {
    hf_time begun;    /* 0: it does not wait */
    hf_time start_at; /* when it shall go on, jitter included ... */
    hf_time until;    /* ... if this is still the instant */
};
_Static_assert(sizeof(struct state) <= sizeof(((struct hf_frame *)0)->word), "fits a frame");

static hf_not_before *inside(hf_policy *policy) { return (hf_not_before *)(void *)policy; }

static int not_before_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_not_before *n = inside(policy);
    struct state *state = (struct state *)(void *)frame->word;
    uint64_t word = atomic_load_explicit(&n->until, memory_order_relaxed);
    if (word == 0) return HF__PASS;
    if (x->now == HF__NO_TIME) return HF__NEED_NOW;
    hf_time until = hf__not_before_at(word, x->now);
    if (until == 0 && x->now >= state->start_at) return HF__PASS;
    if (state->begun == 0) state->begun = x->now;
    if (until != 0 && until != state->until) {
        state->until = until;
        state->start_at = hf__not_before_start(until, state->begun, hf__rng_next(x->rng));
    }
    if (hf__left(state->until, state->begun) > n->max_wait_ns || state->start_at >= x->deadline) {
        x->reason = HF_REASON_NOT_BEFORE;
        x->at = hf__max(until, x->now);
        return HF__TURN;
    }
    x->at = state->start_at;
    return HF__PARK;
}

static int not_before_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame;
    hf_not_before *n = inside(policy);
    bool hint = x->outcome.kind == HF_FAILURE || x->outcome.kind == HF_THROTTLED;
    if (x->rejected || !hint || x->outcome.retry_after_ns <= 0) return HF__PASS;
    uint64_t seen = atomic_load_explicit(&n->until, memory_order_relaxed);
    uint64_t next;
    do {
        next = hf__not_before_push(seen, x->outcome.retry_after_ns, n->cap_ns, x->now);
    } while (next != seen && !atomic_compare_exchange_weak_explicit(&n->until, &seen, next, memory_order_relaxed,
                                                                    memory_order_relaxed));
    return HF__PASS;
}

static void not_before_destroy(hf_policy *policy) { free(policy); }

static void not_before_tell(const hf_policy *policy, struct hf__facts *facts) {
    facts->line_ns = ((const hf_not_before *)(const void *)policy)->max_wait_ns;
}

static const struct hf__policy_ops not_before_ops = {.kind = "not_before",
                                                     .admit = not_before_admit,
                                                     .settle = not_before_settle,
                                                     .settle_ok = hf__nothing_on_success,
                                                     .tell = not_before_tell,
                                                     .destroy = not_before_destroy};

void hf_not_before_config_init(hf_not_before_config *config) {
    *config = (hf_not_before_config){.struct_size = (uint32_t)sizeof *config, .cap_ms = 300000, .max_wait_ms = 0};
}

int hf_not_before_new(hf_not_before **out_not_before, const char *name, const hf_not_before_config *config,
                      hf_error *error) {
    hf_not_before_config chosen;
    hf_not_before_config_init(&chosen);
    void *made = NULL;
    if (out_not_before != NULL) *out_not_before = NULL;
    int rc = hf__policy_new(out_not_before == NULL ? NULL : &made, sizeof(hf_not_before), &not_before_ops, name, error);
    if (rc == 0) rc = hf__config_copy("not_before", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = hf__check_range("not_before", name, "cap_ms", chosen.cap_ms, 0, HF__DAY_MS, 0, NULL, error);
    if (rc == 0) {
        rc = hf__check_range("not_before", name, "max_wait_ms", chosen.max_wait_ms, 0, HF__DAY_MS, 0, NULL, error);
    }
    if (rc < 0 || made == NULL) {
        free(made);
        return rc;
    }
    *out_not_before = made;
    hf_not_before *n = *out_not_before;
    n->base.traits = HF__ADMITS_TIMELESS | HF__SETTLES_TIMELESS;
    n->cap_ns = hf__ms_to_ns(chosen.cap_ms);
    n->max_wait_ns = hf__ms_to_ns(chosen.max_wait_ms);
    return 0;
}

void hf_not_before_free(hf_not_before *not_before) { hf__policy_unref(not_before == NULL ? NULL : &not_before->base); }

hf_policy *hf_not_before_policy(hf_not_before *not_before) { return not_before == NULL ? NULL : &not_before->base; }

hf_time hf_not_before_at(const hf_not_before *not_before, hf_time now) {
    return hf__not_before_at(atomic_load_explicit(&not_before->until, memory_order_relaxed), now);
}
