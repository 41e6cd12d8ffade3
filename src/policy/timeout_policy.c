/* SPDX-License-Identifier: MIT */
#include <holdfast/timeout.h>

#include "base/num.h"
#include "core/backoff.h"
#include "policy/config_check.h"

#include <stdlib.h>

struct hf_timeout {
    hf_policy base;
    int64_t after_ns;
};

static int timeout_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame;
    x->at = hf__add(x->now, ((hf_timeout *)(void *)policy)->after_ns);
    return HF__PASS;
}

static int timeout_due(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)policy, (void)frame;
    x->reason = HF_REASON_TIMEOUT;
    return HF__TURN;
}

static void timeout_tell(const hf_policy *policy, struct hf__facts *facts) {
    facts->ends_after_ns = ((const hf_timeout *)(const void *)policy)->after_ns;
}

static void timeout_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops timeout_ops = {
    .kind = "timeout", .admit = timeout_admit, .due = timeout_due, .tell = timeout_tell, .destroy = timeout_destroy};

void hf_timeout_config_init(hf_timeout_config *config) {
    *config = (hf_timeout_config){.struct_size = (uint32_t)sizeof *config, .timeout_ms = 10000};
}

int hf_timeout_new(hf_timeout **out_timeout, const char *name, const hf_timeout_config *config, hf_error *error) {
    hf_timeout_config chosen;
    hf_timeout_config_init(&chosen);
    void *made = NULL;
    if (out_timeout != NULL) *out_timeout = NULL;
    int rc = hf__policy_new(out_timeout == NULL ? NULL : &made, sizeof(hf_timeout), &timeout_ops, name, error);
    if (rc == 0) rc = hf__config_copy("timeout", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) {
        rc = hf__check_range("timeout", name, "timeout_ms", chosen.timeout_ms, 1, HF__DAY_MS, HF_NEVER, "HF_NEVER",
                             error);
    }
    if (rc < 0 || made == NULL) {
        free(made);
        return rc;
    }
    *out_timeout = made;
    (*out_timeout)->after_ns = hf__ms_to_ns(chosen.timeout_ms);
    return 0;
}

void hf_timeout_free(hf_timeout *timeout) { hf__policy_unref(timeout == NULL ? NULL : &timeout->base); }

hf_policy *hf_timeout_policy(hf_timeout *timeout) { return timeout == NULL ? NULL : &timeout->base; }
