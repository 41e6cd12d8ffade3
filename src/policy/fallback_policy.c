/* SPDX-License-Identifier: MIT */
#include <holdfast/fallback.h>

#include "policy/config_check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* `causes` is read relaxed: it is a switch, and publishes nothing. The rest is constant. */
struct hf_fallback {
    hf_policy base;
    hf_fallback_function *function; /* NULL: the value answers */
    _Atomic uint32_t causes;
    size_t size, offset;
    unsigned char value[];
};

#define ALL_CAUSES (HF_FALLBACK_FAILED | HF_FALLBACK_THROTTLED | HF_FALLBACK_REJECTED | HF_FALLBACK_TIMED_OUT)
#define LARGEST_VALUE 65536
#define FARTHEST_OFFSET 1048576

static hf_fallback *fallback_of(hf_policy *policy) { return (hf_fallback *)(void *)policy; }

/* What a fallback would stand in for: what the dependency or a policy withheld; not the caller's own faults, nor
 * a result of which the caller has a part already. */
static uint32_t cause(const struct hf_x *x) {
    if (!x->may_run || (x->outcome.flags & HF_COMMITTED) || x->outcome.kind == HF_SUCCESS) return 0;
    if (x->reason == HF_REASON_CANCELLED) return 0;
    if (x->reason == HF_REASON_TIMEOUT || x->reason == HF_REASON_DEADLINE) return HF_FALLBACK_TIMED_OUT;
    if (x->rejected) return HF_FALLBACK_REJECTED;
    if (x->outcome.kind == HF_THROTTLED) return HF_FALLBACK_THROTTLED;
    return x->outcome.kind == HF_FAILURE ? HF_FALLBACK_FAILED : 0;
}

static bool stands_in(hf_policy *policy, const struct hf_x *x) {
    return (cause(x) & atomic_load_explicit(&fallback_of(policy)->causes, memory_order_relaxed)) != 0;
}

static int fallback_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame;
    if (!stands_in(policy, x)) return HF__PASS;
    x->run = fallback_of(policy);
    return HF__RUN;
}

static bool fallback_keeps(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x) {
    (void)frame;
    return stands_in(policy, x);
}

static void fallback_tell(const hf_policy *policy, struct hf__facts *facts) {
    (void)policy;
    facts->roles = HF__ROLE_ANSWERS;
}

static void fallback_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops fallback_ops = {
    .kind = "fallback",
    .settle = fallback_settle,
    .settle_ok = hf__nothing_on_success,
    .keeps = fallback_keeps,
    .tell = fallback_tell,
    .destroy = fallback_destroy,
};

/* A fallback that has neither function nor value yet, with room for a value of `size` bytes. */
static int make(hf_fallback **out_fallback, const char *name, size_t size, hf_error *error) {
    void *made = NULL;
    if (out_fallback != NULL) *out_fallback = NULL;
    int rc =
        hf__policy_new(out_fallback == NULL ? NULL : &made, sizeof(hf_fallback) + size, &fallback_ops, name, error);
    if (rc < 0) return rc;
    assert(made != NULL);
    *out_fallback = made;
    atomic_init(&(*out_fallback)->causes, ALL_CAUSES);
    return 0;
}

static int refuse(hf_fallback **out_fallback) {
    hf_fallback_free(*out_fallback);
    *out_fallback = NULL;
    return HF_E_INVALID;
}

int hf_fallback_new(hf_fallback **out_fallback, const char *name, hf_fallback_function *function, hf_error *error) {
    int rc = make(out_fallback, name, 0, error);
    if (rc < 0) return rc;
    (*out_fallback)->function = function;
    if (function != NULL) return 0;
    (void)hf__error_set(error, HF_E_INVALID, "fallback \"%s\": function is NULL", name);
    return refuse(out_fallback);
}

int hf_fallback_value_new(hf_fallback **out_fallback, const char *name, const void *value, size_t size, size_t offset,
                          hf_error *error) {
    bool fits = size >= 1 && size <= LARGEST_VALUE && offset <= FARTHEST_OFFSET;
    int rc = make(out_fallback, name, fits ? size : 0, error);
    if (rc < 0) return rc;
    if (value == NULL) {
        (void)hf__error_set(error, HF_E_INVALID, "fallback \"%s\": value is NULL", name);
        return refuse(out_fallback);
    }
    if (!fits) {
        (void)hf__error_set(error, HF_E_INVALID,
                            "fallback \"%s\": size is %zu at offset %zu, expected 1 to %d at offset 0 to %d", name,
                            size, offset, LARGEST_VALUE, FARTHEST_OFFSET);
        return refuse(out_fallback);
    }
    (*out_fallback)->size = size;
    (*out_fallback)->offset = offset;
    memcpy((*out_fallback)->value, value, size);
    return 0;
}

void hf_fallback_free(hf_fallback *fallback) { hf__policy_unref(fallback == NULL ? NULL : &fallback->base); }

hf_policy *hf_fallback_policy(hf_fallback *fallback) { return fallback == NULL ? NULL : &fallback->base; }

int hf_fallback_only(hf_fallback *fallback, uint32_t causes) {
    if (causes == 0 || (causes & ~ALL_CAUSES) != 0) return HF_E_INVALID;
    atomic_store_explicit(&fallback->causes, causes, memory_order_relaxed);
    return 0;
}

hf_outcome hf_fallback_run(const hf_fallback *fallback, void *arg, const hf_result *failed) {
    if (fallback->function != NULL) return fallback->function(arg, failed);
    if (arg == NULL) return hf_failure_final(0);
    memcpy((unsigned char *)arg + fallback->offset, fallback->value, fallback->size);
    return hf_success();
}
