/* SPDX-License-Identifier: MIT */
#include <holdfast/retry.h>

#include "base/num.h"
#include "base/rng.h"
#include "core/backoff.h"
#include "core/retry.h"
#include "policy/backoff_config.h"
#include "policy/budget_policy.h"
#include "policy/config_check.h"

#include <stdlib.h>

/* The retry itself is constant; what a call has done is in its frame, what all have done in the budget. */
struct hf_retry {
    hf_policy base;
    hf_retry_config config;
    hf_budget *budget;
};

/* The frame of a call. */
struct state {
    int64_t memory;    /* of the back-off */
    uint64_t rng;      /* a stream of its own: what others draw meanwhile changes nothing that `keeps` foretold */
    uint32_t made;     /* passes made */
    uint32_t attempts; /* that the call had made when the pass under way began */
    bool paid;         /* the pass under way was paid for from the budget */
};
_Static_assert(sizeof(struct state) <= sizeof(((struct hf_frame *)0)->word), "fits a frame");

static hf_retry *retry_of(hf_policy *policy) { return (hf_retry *)(void *)policy; }

static int retry_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    ((struct state *)(void *)frame->word)->rng = hf__rng_next(x->rng);
    hf__budget_begin(retry_of(policy)->budget);
    return HF__PASS;
}

static struct hf__retry_answer decide(const hf_retry *retry, const struct state *state, const struct hf_x *x,
                                      uint64_t *rng) {
    struct hf__retry_question question = {
        .outcome = x->outcome,
        .rejected = x->rejected,
        .reason = x->reason,
        .retry_at = x->retry_at,
        .made = state->made + 1,
        .memory = state->memory,
        .now = x->now,
        .deadline = x->deadline,
    };
    return hf__retry_decide(&retry->config, &question, rng);
}

/* A retry explains an end only if nothing inside has: a timeout or a rejection keeps its own reason. */
static int give_up(struct hf_x *x, int32_t reason) {
    if (x->reason == HF_REASON_NONE) x->reason = reason;
    return HF__PASS;
}

static int settle_pass(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_retry *retry = retry_of(policy);
    struct state *state = (struct state *)(void *)frame->word;
    /* A pass that was paid for and never reached the dependency costs nothing. */
    if (state->paid) hf__budget_settle(retry->budget, x->attempts != state->attempts);
    state->paid = false;
    if (!x->rejected) hf__budget_charge_for(retry->budget, x->outcome.resends, x->now);
    if (!x->may_rerun) return HF__PASS;
    if (!x->rejected && !(x->outcome.flags & HF_RETRYABLE)) return HF__PASS; /* like settle_ok */
    struct hf__retry_answer answer = decide(retry, state, x, &state->rng);
    if (!answer.again) return give_up(x, answer.reason);
    if (x->outcome.flags & HF_COMMITTED) {
        /* The driver let the result pass, for it saw that the budget was empty, or knew no better. */
        if (hf_budget_available(retry->budget, x->now) > 0) return HF__PASS;
        x->flags |= HF_RESULT_BUDGET_DENIED;
        return give_up(x, HF_REASON_BUDGET);
    }
    /* A rejected pass made no load, but the next may: it is paid for like any other, and given back if it
     * is rejected again. */
    if (!hf__budget_take(retry->budget, x->now)) {
        x->flags |= HF_RESULT_BUDGET_DENIED;
        return give_up(x, HF_REASON_BUDGET);
    }
    state->paid = true;
    state->attempts = x->attempts;
    state->made++;
    state->memory = answer.memory;
    x->at = answer.at;
    return HF__RERUN;
}

static int retry_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    int verdict = settle_pass(policy, frame, x);
    if (verdict == HF__PASS) hf__budget_end(retry_of(policy)->budget);
    return verdict;
}

/* Where the budget counts the calls under way, a plain success at the first attempt is the end of one. */
static int retry_settle_ok(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame, (void)x;
    hf__budget_end(retry_of(policy)->budget);
    return HF__PASS;
}

static bool retry_keeps(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x) {
    hf_retry *retry = retry_of(policy);
    if (!x->may_rerun || (x->outcome.flags & HF_COMMITTED)) return false;
    const struct state *state = (const struct state *)(const void *)frame->word;
    uint64_t rng = state->rng;
    if (!decide(retry, state, x, &rng).again) return false;
    return hf__budget_would_grant(retry->budget, x->rejected ? 0 : x->outcome.resends, state->paid, x->now);
}

/* The waits between the attempts as they are on average, at half of what jitter may do. */
static void retry_tell(const hf_policy *policy, struct hf__facts *facts) {
    const hf_retry_config *config = &((const hf_retry *)(const void *)policy)->config;
    bool unlimited = config->max_attempts == HF_RETRY_UNLIMITED;
    facts->roles = HF__ROLE_REPEATS;
    facts->attempts = unlimited ? HF__UNLIMITED : config->max_attempts;
    int64_t memory = 0;
    for (uint32_t made = 1; made < (unlimited ? 2 : config->max_attempts); made++) {
        int64_t pause_ns = hf_backoff_delay(&config->backoff, made, &memory, UINT64_MAX / 2);
        if (made == 1) facts->first_pause_ns = pause_ns;
        facts->pauses_ns = hf__add(facts->pauses_ns, pause_ns);
    }
}

static void retry_destroy(hf_policy *policy) {
    hf_budget_free(retry_of(policy)->budget);
    free(policy);
}

static const struct hf__policy_ops retry_ops = {
    .kind = "retry",
    .admit = retry_admit,
    .settle = retry_settle,
    .settle_ok = hf__nothing_on_success,
    .keeps = retry_keeps,
    .tell = retry_tell,
    .destroy = retry_destroy,
};

static const struct hf__policy_ops counted_retry_ops = {
    .kind = "retry",
    .admit = retry_admit,
    .settle = retry_settle,
    .settle_ok = retry_settle_ok,
    .keeps = retry_keeps,
    .tell = retry_tell,
    .destroy = retry_destroy,
};

void hf_retry_config_init(hf_retry_config *config) {
    *config = (hf_retry_config){
        .struct_size = (uint32_t)sizeof *config,
        .max_attempts = 3,
        .retry_after_cap_ms = 30000,
        .hint_jitter_ppm = 250000,
        .retry_rejected = 0,
    };
    hf_backoff_config_init(&config->backoff);
}

static int check(const char *name, const hf_retry_config *c, hf_error *error) {
    int rc = hf__check_range("retry", name, "max_attempts", c->max_attempts, 1, 1000, HF_RETRY_UNLIMITED,
                             "HF_RETRY_UNLIMITED", error);
    if (rc == 0) {
        rc = hf__check_range("retry", name, "retry_after_cap_ms", c->retry_after_cap_ms, 0, HF__DAY_MS, 0, NULL, error);
    }
    if (rc == 0) rc = hf__check_range("retry", name, "hint_jitter_ppm", c->hint_jitter_ppm, 0, HF_PPM, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("retry", name, "retry_rejected", c->retry_rejected, 0, 1, 0, NULL, error);
    return rc == 0 ? hf__backoff_config_check(name, &c->backoff, error) : rc;
}

int hf_retry_new(hf_retry **out_retry, const char *name, const hf_retry_config *config, hf_budget *budget,
                 hf_error *error) {
    hf_retry_config chosen;
    hf_retry_config_init(&chosen);
    void *made = NULL;
    if (out_retry != NULL) *out_retry = NULL;
    int rc = hf__policy_new(out_retry == NULL ? NULL : &made, sizeof(hf_retry), &retry_ops, name, error);
    if (rc == 0) rc = hf__config_copy("retry", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    hf_budget *kept = NULL;
    if (rc == 0) rc = hf__budget_for(&kept, name, budget, error);
    if (rc < 0 || made == NULL) {
        free(made);
        return rc;
    }
    *out_retry = made;
    (*out_retry)->base.traits = HF__ADMITS_TIMELESS | HF__SETTLES_TIMELESS;
    (*out_retry)->config = chosen;
    (*out_retry)->budget = kept;
    if (hf__budget_counts_calls((*out_retry)->budget)) (*out_retry)->base.ops = &counted_retry_ops;
    return 0;
}

void hf_retry_free(hf_retry *retry) { hf__policy_unref(retry == NULL ? NULL : &retry->base); }

hf_policy *hf_retry_policy(hf_retry *retry) { return retry == NULL ? NULL : &retry->base; }

hf_budget *hf_retry_budget(hf_retry *retry) { return retry->budget; }
