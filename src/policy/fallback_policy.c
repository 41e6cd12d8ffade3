/* SPDX-License-Identifier: MIT */
#include <holdfast/fallback.h>

#include "policy/config_check.h"

#include <stdlib.h>

struct hf_fallback {
    hf_policy base;
    hf_fallback_function *function;
};

/* Stands in for what the dependency or a policy withheld; not for the caller's own faults, nor for a
 * result of which the caller has a part already. */
static bool stands_in(const struct hf_x *x) {
    if (!x->may_run || (x->outcome.flags & HF_COMMITTED) || x->outcome.kind == HF_SUCCESS) return false;
    if (x->reason == HF_REASON_CANCELLED) return false;
    if (x->rejected || x->reason == HF_REASON_TIMEOUT || x->reason == HF_REASON_DEADLINE) return true;
    return x->outcome.kind != HF_NEUTRAL;
}

static int fallback_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame;
    if (!stands_in(x)) return HF__PASS;
    x->run = ((hf_fallback *)(void *)policy)->function;
    return HF__RUN;
}

static bool fallback_keeps(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x) {
    (void)policy, (void)frame;
    return stands_in(x);
}

static void fallback_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops fallback_ops = {
    .kind = "fallback",
    .settle = fallback_settle,
    .settle_ok = hf__nothing_on_success,
    .keeps = fallback_keeps,
    .destroy = fallback_destroy,
};

int hf_fallback_new(hf_fallback **out_fallback, const char *name, hf_fallback_function *function, hf_error *error) {
    void *made = NULL;
    if (out_fallback != NULL) *out_fallback = NULL;
    int rc = hf__policy_new(out_fallback == NULL ? NULL : &made, sizeof(hf_fallback), &fallback_ops, name, error);
    if (made == NULL) return rc;
    if (function == NULL) {
        free(made);
        return hf__error_set(error, HF_E_INVALID, "fallback \"%s\": function is NULL", name);
    }
    *out_fallback = made;
    (*out_fallback)->function = function;
    return 0;
}

void hf_fallback_free(hf_fallback *fallback) { hf__policy_unref(fallback == NULL ? NULL : &fallback->base); }

hf_policy *hf_fallback_policy(hf_fallback *fallback) { return fallback == NULL ? NULL : &fallback->base; }
