/* SPDX-License-Identifier: MIT */
#include <holdfast/throttle.h>

#include "base/num.h"
#include "base/rng.h"
#include "core/throttle.h"
#include "policy/config_check.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Words are moved one by one, relaxed: they count, and publish nothing. A reader may see a request without its class or
 * the other way round; the share is a matter of hundreds of calls. */
struct hf_throttle {
    hf_policy base;
    struct hf__throttle_rules rules;
    _Atomic uint64_t total[HF__THROTTLE_BUCKETS];
    _Atomic uint64_t class[HF_PRIORITIES][HF__THROTTLE_BUCKETS];
    _Atomic uint64_t rejected;
};

static hf_throttle *throttle_of(hf_policy *policy) { return (hf_throttle *)(void *)policy; }

static void add(_Atomic uint64_t *words, uint64_t epoch, int32_t requests, int32_t accepts) {
    _Atomic uint64_t *word = &words[epoch % HF__THROTTLE_BUCKETS];
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(word, &seen, hf__throttle_add(seen, epoch, requests, accepts),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static struct hf__throttle_counts sum(const _Atomic uint64_t *words, uint64_t epoch) {
    uint64_t seen[HF__THROTTLE_BUCKETS];
    for (int i = 0; i < HF__THROTTLE_BUCKETS; i++) seen[i] = atomic_load_explicit(&words[i], memory_order_relaxed);
    return hf__throttle_sum(seen, epoch);
}

/* Must this one be turned back? Draws a random number only when some must. */
static bool turned_back(hf_throttle *throttle, uint64_t epoch, const struct hf_x *x) {
    uint32_t excess = hf__throttle_excess(&throttle->rules, sum(throttle->total, epoch));
    if (excess == 0) return false;
    uint64_t requests[HF_PRIORITIES];
    for (uint32_t i = 0; i < HF_PRIORITIES; i++) requests[i] = sum(throttle->class[i], epoch).requests;
    uint32_t share = hf__throttle_share(&throttle->rules, excess, requests, x->priority);
    return share > 0 && hf__rng_between(hf__rng_next(x->rng), 0, HF_PPM - 1) < share;
}

/* The frame of a call. */
enum { ATTEMPTS_BEFORE };

static int throttle_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_throttle *throttle = throttle_of(policy);
    uint64_t epoch = hf__throttle_epoch(&throttle->rules, x->now);
    bool back = turned_back(throttle, epoch, x); /* by those before it, not by itself */
    add(throttle->total, epoch, 1, 0);
    add(throttle->class[x->priority], epoch, 1, 0);
    frame->word[ATTEMPTS_BEFORE] = x->attempts;
    if (!back) return HF__PASS;
    atomic_fetch_add_explicit(&throttle->rejected, 1, memory_order_relaxed);
    x->reason = HF_REASON_THROTTLED_BY_CLIENT;
    return HF__TURN; /* at random: no instant is sure */
}

static int throttle_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_throttle *throttle = throttle_of(policy);
    uint64_t epoch = hf__throttle_epoch(&throttle->rules, x->now);
    if (x->attempts == frame->word[ATTEMPTS_BEFORE] || x->outcome.kind == HF_NEUTRAL) {
        /* It never came to the dependency, or said nothing about it: so it was never asked for. */
        add(throttle->total, epoch, -1, 0);
        add(throttle->class[x->priority], epoch, -1, 0);
    } else if (x->outcome.kind == HF_SUCCESS) {
        add(throttle->total, epoch, 0, 1);
    }
    return HF__PASS;
}

static void throttle_tell(const hf_policy *policy, struct hf__facts *facts) {
    facts->roles = HF__ROLE_JUDGES;
    facts->window_ns = ((const hf_throttle *)(const void *)policy)->rules.bucket_ns * HF__THROTTLE_BUCKETS;
}

static void throttle_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops throttle_ops = {.kind = "throttle",
                                                   .admit = throttle_admit,
                                                   .settle = throttle_settle,
                                                   .settle_ok = throttle_settle,
                                                   .tell = throttle_tell,
                                                   .destroy = throttle_destroy};

void hf_throttle_config_init(hf_throttle_config *config) {
    *config = (hf_throttle_config){
        .struct_size = (uint32_t)sizeof *config,
        .multiplier_ppm = 2000000,
        .max_reject_ppm = 950000,
        .padding = 20,
        .window_ms = 10000,
    };
}

static int check(const char *name, const hf_throttle_config *c, hf_error *error) {
    const struct hf__range ranges[] = {
        {"multiplier_ppm", c->multiplier_ppm, HF_PPM, INT64_C(100) * HF_PPM, 0, NULL},
        {"max_reject_ppm", c->max_reject_ppm, 0, 990000, 0, NULL},
        {"padding", c->padding, 0, 100000, 0, NULL},
        {"window_ms", c->window_ms, 100, 3600000, 0, NULL},
    };
    return HF__CHECK_RANGES("throttle", name, ranges, error);
}

int hf_throttle_new(hf_throttle **out_throttle, const char *name, const hf_throttle_config *config, hf_error *error) {
    hf_throttle_config chosen;
    hf_throttle_config_init(&chosen);
    void *made = NULL;
    if (out_throttle != NULL) *out_throttle = NULL;
    int rc = hf__policy_new(out_throttle == NULL ? NULL : &made, sizeof(hf_throttle), &throttle_ops, name, error);
    if (rc == 0) rc = hf__config_copy("throttle", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    if (rc < 0) {
        free(made);
        return rc;
    }
    *out_throttle = made;
    (*out_throttle)->rules = (struct hf__throttle_rules){
        .bucket_ns = hf__ms_to_ns(chosen.window_ms) / HF__THROTTLE_BUCKETS,
        .multiplier_ppm = chosen.multiplier_ppm,
        .max_reject_ppm = chosen.max_reject_ppm,
        .padding = chosen.padding,
    };
    return 0;
}

void hf_throttle_free(hf_throttle *throttle) { hf__policy_unref(throttle == NULL ? NULL : &throttle->base); }

hf_policy *hf_throttle_policy(hf_throttle *throttle) { return throttle == NULL ? NULL : &throttle->base; }

int hf_throttle_snapshot(const hf_throttle *throttle, hf_throttle_info *out_info, hf_time now) {
    hf_throttle_info info = {.struct_size = out_info->struct_size};
    if (info.struct_size < sizeof info.struct_size || info.struct_size > sizeof info) return HF_E_INVALID;
    struct hf__throttle_counts counts = sum(throttle->total, hf__throttle_epoch(&throttle->rules, now));
    info.requests = counts.requests;
    info.accepts = counts.accepts;
    info.excess_ppm = hf__throttle_excess(&throttle->rules, counts);
    info.rejected = atomic_load_explicit(&throttle->rejected, memory_order_relaxed);
    memcpy(out_info, &info, info.struct_size);
    return 0;
}
