/* SPDX-License-Identifier: MIT */
#include <holdfast/fault.h>

#include "base/num.h"
#include "base/rng.h"
#include "core/backoff.h" /* HF__DAY_MS */
#include "core/fault.h"
#include "policy/config_check.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 127

/* The shares are one word, read once for each attempt; the rest is constant. */
struct hf_fault {
    hf_policy base;
    _Atomic uint64_t shares;
    _Atomic uint64_t stream; /* with a seed: where the fates come from */
    _Atomic uint64_t injected;
    int64_t latency_ns;
    hf_outcome error;
    bool seeded, keyed;
    char key[KEY_MAX + 1];
};

/* The frame of a call; the first word is what HF__STANDS_IN asks for. */
enum { BEGAN_AT, FATE };

static hf_fault *fault_of(hf_policy *policy) { return (hf_fault *)(void *)policy; }

/* The stream of SplitMix64, moved on by one step. */
static uint64_t next_of(hf_fault *fault) {
    uint64_t state = atomic_fetch_add_explicit(&fault->stream, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);
    return hf__rng_next(&state);
}

static enum hf__fate draw(hf_fault *fault, uint64_t shares, struct hf_x *x) {
    enum hf__fate fate = hf__fault_fate(shares, fault->seeded ? next_of(fault) : hf__rng_next(x->rng));
    if (fate != HF__SPARED) atomic_fetch_add_explicit(&fault->injected, 1, memory_order_relaxed);
    return fate;
}

static int fault_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_fault *fault = fault_of(policy);
    if (frame->word[FATE] == HF__SPARED) {
        uint64_t shares = atomic_load_explicit(&fault->shares, memory_order_relaxed);
        if (shares == 0 || (fault->keyed && strcmp(x->caller->key, fault->key) != 0)) return HF__PASS;
        if (x->now == HF__NO_TIME) return HF__NEED_NOW; /* before anything is drawn */
        enum hf__fate fate = draw(fault, shares, x);
        if (fate == HF__SPARED) return HF__PASS;
        frame->word[FATE] = fate;
        frame->word[BEGAN_AT] = (uint64_t)x->now;
    }
    switch ((enum hf__fate)frame->word[FATE]) {
    case HF__ERROR:
        x->outcome = fault->error;
        x->reason = HF_REASON_INJECTED;
        return HF__ANSWER;
    case HF__LATE: x->at = hf__add((hf_time)frame->word[BEGAN_AT], fault->latency_ns); break;
    case HF__HANGS: x->at = HF_NEVER; break;
    case HF__SPARED: break;
    }
    if (x->at > x->now) return HF__PARK;
    x->at = HF_NEVER;
    return HF__PASS;
}

static void fault_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops fault_ops = {.kind = "fault", .admit = fault_admit, .destroy = fault_destroy};

void hf_fault_config_init(hf_fault_config *config) {
    *config = (hf_fault_config){.struct_size = (uint32_t)sizeof *config, .latency_ms = 1000, .error_kind = HF_FAILURE};
}

static int check(const char *name, const hf_fault_config *c, hf_error *error) {
    const struct hf__range ranges[] = {
        {"error_ppm", c->error_ppm, 0, HF_PPM, 0, NULL},
        {"latency_ppm", c->latency_ppm, 0, (int64_t)HF_PPM - c->error_ppm, 0, NULL},
        {"hang_ppm", c->hang_ppm, 0, (int64_t)HF_PPM - c->error_ppm - c->latency_ppm, 0, NULL},
        {"latency_ms", c->latency_ms, 1, HF__DAY_MS, 0, NULL},
        {"error_kind", c->error_kind, HF_FAILURE, HF_NEUTRAL, 0, NULL},
    };
    int rc = HF__CHECK_RANGES("fault", name, ranges, error);
    if (rc == 0 && c->key != NULL && strlen(c->key) > KEY_MAX) {
        rc = hf__error_set(error, HF_E_INVALID, "fault \"%s\": key has %zu characters, expected at most %d", name,
                           strlen(c->key), KEY_MAX);
    }
    return rc;
}

static void fill(hf_fault *fault, const hf_fault_config *c) {
    atomic_init(&fault->shares, hf__fault_shares(c->error_ppm, c->latency_ppm, c->hang_ppm));
    atomic_init(&fault->stream, c->seed);
    fault->latency_ns = hf__ms_to_ns(c->latency_ms);
    fault->error = hf_failure(c->error_code);
    fault->error.kind = c->error_kind;
    if (c->error_kind == HF_NEUTRAL) fault->error.flags = 0;
    fault->seeded = c->seed != 0;
    fault->keyed = c->key != NULL;
    if (c->key != NULL) memcpy(fault->key, c->key, strlen(c->key)); /* the rest is zero */
    fault->base.traits = HF__STANDS_IN | HF__ADMITS_TIMELESS;
}

int hf_fault_new(hf_fault **out_fault, const char *name, const hf_fault_config *config, hf_error *error) {
    hf_fault_config chosen;
    hf_fault_config_init(&chosen);
    void *made = NULL;
    if (out_fault != NULL) *out_fault = NULL;
    int rc = hf__policy_new(out_fault == NULL ? NULL : &made, sizeof(hf_fault), &fault_ops, name, error);
    if (rc == 0) rc = hf__config_copy("fault", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    if (rc < 0) {
        free(made);
        return rc;
    }
    fill(made, &chosen);
    *out_fault = made;
    return 0;
}

void hf_fault_free(hf_fault *fault) { hf__policy_unref(fault == NULL ? NULL : &fault->base); }

hf_policy *hf_fault_policy(hf_fault *fault) { return fault == NULL ? NULL : &fault->base; }

int hf_fault_set(hf_fault *fault, uint32_t error_ppm, uint32_t latency_ppm, uint32_t hang_ppm) {
    if ((uint64_t)error_ppm + latency_ppm + hang_ppm > HF_PPM) return HF_E_INVALID;
    atomic_store_explicit(&fault->shares, hf__fault_shares(error_ppm, latency_ppm, hang_ppm), memory_order_relaxed);
    return 0;
}

uint64_t hf_fault_injected(const hf_fault *fault) {
    return atomic_load_explicit(&fault->injected, memory_order_relaxed);
}
