/* SPDX-License-Identifier: MIT */
#include <holdfast/hedge.h>

#include "base/num.h"
#include "core/backoff.h"
#include "core/hedge.h"
#include "policy/budget_policy.h"
#include "policy/config_check.h"

#include <stdlib.h>
#include <string.h>

/* Ages are counted in two halves of the window, by turns: the estimate uses both, and the older half is emptied
 * when its turn comes again. Everything is relaxed: the numbers only make an estimate, and an age that is added
 * to a half while another thread empties it is lost without harm. `delay_ns` is worked out anew with every
 * SAMPLES_A_TURN ages, by the thread that adds the last of them. */
struct hf_hedge {
    hf_policy base;
    hf_hedge_config config;
    hf_budget *budget;
    bool own_budget;
    _Atomic int64_t delay_ns;
    _Atomic int64_t half; /* number of the half window under way, from 1; 0: nothing was counted yet */
    _Atomic uint32_t samples[2];
    _Atomic uint64_t hedges;
    _Atomic uint64_t won;
    _Atomic uint64_t denied;
    _Atomic uint32_t done[2][HF__AGE_BUCKETS];
    _Atomic uint32_t cut_off[2][HF__AGE_BUCKETS];
};

#define SAMPLES_A_TURN 16

/* The frame of a call. */
struct state {
    hf_time started_at[2]; /* by branch */
    bool hedged;           /* there is, or was, a second branch */
};
_Static_assert(sizeof(struct state) <= sizeof(((struct hf_frame *)0)->word), "fits a frame");

static hf_hedge *hedge_of(hf_policy *policy) { return (hf_hedge *)(void *)policy; }

static struct state *state_of(struct hf_frame *frame) { return (struct state *)(void *)frame->word; }

static void count(_Atomic uint64_t *counter) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

/* ---- the estimate ---- */

static void sum_halves(const _Atomic uint32_t halves[2][HF__AGE_BUCKETS], uint32_t *out) {
    for (uint32_t i = 0; i < HF__AGE_BUCKETS; i++) {
        out[i] = atomic_load_explicit(&halves[0][i], memory_order_relaxed) +
                 atomic_load_explicit(&halves[1][i], memory_order_relaxed);
    }
}

static uint32_t samples_of(const hf_hedge *h) {
    return atomic_load_explicit(&h->samples[0], memory_order_relaxed) +
           atomic_load_explicit(&h->samples[1], memory_order_relaxed);
}

static void estimate(hf_hedge *h) {
    int64_t delay_ns = HF_NEVER;
    if (samples_of(h) >= h->config.min_samples) {
        uint32_t done[HF__AGE_BUCKETS], cut_off[HF__AGE_BUCKETS];
        sum_halves(h->done, done);
        sum_halves(h->cut_off, cut_off);
        delay_ns = hf__max(hf__age_quantile(done, cut_off, h->config.share_ppm), hf__ms_to_ns(h->config.min_delay_ms));
    }
    atomic_store_explicit(&h->delay_ns, delay_ns, memory_order_relaxed);
}

static void empty_half(hf_hedge *h, int64_t half) {
    for (uint32_t i = 0; i < HF__AGE_BUCKETS; i++) {
        atomic_store_explicit(&h->done[half & 1][i], 0, memory_order_relaxed);
        atomic_store_explicit(&h->cut_off[half & 1][i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&h->samples[half & 1], 0, memory_order_relaxed);
}

/* The half that `now` belongs to; a clock that went back belongs to the present one. */
static int64_t turn_half(hf_hedge *h, hf_time now) {
    int64_t half = now / hf__ms_to_ns(h->config.window_ms / 2) + 1;
    int64_t seen = atomic_load_explicit(&h->half, memory_order_relaxed);
    while (half > seen) {
        if (!atomic_compare_exchange_weak_explicit(&h->half, &seen, half, memory_order_relaxed, memory_order_relaxed)) {
            continue;
        }
        empty_half(h, half);
        if (half > seen + 1) empty_half(h, half - 1);
        return half;
    }
    return seen;
}

static void observe(hf_hedge *h, hf_time now, int64_t age_ns, bool done) {
    if (h->config.delay_ms != HF_NEVER) return;
    int64_t half = turn_half(h, now);
    uint32_t bucket = hf__age_bucket(age_ns);
    atomic_fetch_add_explicit(done ? &h->done[half & 1][bucket] : &h->cut_off[half & 1][bucket], 1,
                              memory_order_relaxed);
    uint32_t samples = atomic_fetch_add_explicit(&h->samples[half & 1], 1, memory_order_relaxed) + 1;
    if (samples % SAMPLES_A_TURN == 0) estimate(h);
}

/* ---- what the engine asks ---- */

static int hedge_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_hedge *h = hedge_of(policy);
    state_of(frame)->started_at[0] = x->now;
    if (h->own_budget) hf__budget_begin(h->budget);
    x->at = hf__add(x->now, atomic_load_explicit(&h->delay_ns, memory_order_relaxed));
    return HF__PASS;
}

static int fork_if_paid(hf_hedge *h, struct state *state, struct hf_x *x) {
    if (!hf__budget_take(h->budget, x->now)) {
        count(&h->denied);
        x->flags |= HF_RESULT_BUDGET_DENIED;
        return HF__PASS;
    }
    count(&h->hedges);
    state->hedged = true;
    state->started_at[1] = x->now;
    return HF__FORK;
}

static int hedge_due(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct state *state = state_of(frame);
    if (!x->may_fork || state->hedged) return HF__PASS;
    return fork_if_paid(hedge_of(policy), state, x);
}

/* Ages of what has ended here: a success has taken so long; what was cut off would have taken longer. */
static void learn(hf_hedge *h, const struct state *state, const struct hf_x *x) {
    int64_t age_ns = hf__left(x->now, state->started_at[x->branch]);
    if (x->outcome.kind == HF_SUCCESS) {
        observe(h, x->now, age_ns, true);
        if (x->siblings) observe(h, x->now, hf__left(x->now, state->started_at[!x->branch]), false);
    } else if (x->reason == HF_REASON_TIMEOUT || x->reason == HF_REASON_DEADLINE) {
        observe(h, x->now, age_ns, false);
    }
}

/* Does a failure of the first attempt start the second at once? Not against a hint. */
static bool hedges_failure(const hf_hedge *h, const struct state *state, const struct hf_x *x) {
    return h->config.at_failure && x->may_fork && !state->hedged && !x->rejected && x->outcome.kind == HF_FAILURE &&
           (x->outcome.flags & HF_RETRYABLE) && !(x->outcome.flags & HF_COMMITTED) && x->outcome.retry_after_ns == 0;
}

static int settle_branch(hf_hedge *h, struct state *state, struct hf_x *x) {
    if (!x->rejected) learn(h, state, x);
    if (x->outcome.kind == HF_SUCCESS) {
        if (x->branch == 1) count(&h->won);
        return HF__PASS;
    }
    if (x->siblings) return HF__HOLD;
    return hedges_failure(h, state, x) ? fork_if_paid(h, state, x) : HF__PASS;
}

static int hedge_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_hedge *h = hedge_of(policy);
    int verdict = settle_branch(h, state_of(frame), x);
    if (verdict != HF__PASS) return verdict;
    /* Also when the second attempt was turned back inside: which branch came up first shall not decide it. */
    if (state_of(frame)->hedged) hf__budget_settle(h->budget, true);
    if (h->own_budget) hf__budget_end(h->budget);
    return HF__PASS;
}

static bool hedge_keeps(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x) {
    const hf_hedge *h = hedge_of(policy);
    if (x->outcome.kind == HF_SUCCESS) return false;
    if (x->siblings) return true;
    return hedges_failure(h, (const struct state *)(const void *)frame->word, x) &&
           hf_budget_available(h->budget, x->now) > 0;
}

static void hedge_destroy(hf_policy *policy) {
    hf_budget_free(hedge_of(policy)->budget);
    free(policy);
}

static void hedge_tell(const hf_policy *policy, struct hf__facts *facts) {
    int64_t delay_ms = ((const hf_hedge *)(const void *)policy)->config.delay_ms;
    facts->roles = HF__ROLE_FORKS;
    facts->fork_after_ns = delay_ms == HF_NEVER ? HF_NEVER : hf__ms_to_ns(delay_ms);
}

static const struct hf__policy_ops hedge_ops = {
    .kind = "hedge",
    .admit = hedge_admit,
    .settle = hedge_settle,
    .settle_ok = hedge_settle, /* there is no sibling then */
    .due = hedge_due,
    .keeps = hedge_keeps,
    .tell = hedge_tell,
    .destroy = hedge_destroy,
};

/* ---- the handle ---- */

void hf_hedge_config_init(hf_hedge_config *config) {
    *config = (hf_hedge_config){
        .struct_size = (uint32_t)sizeof *config,
        .share_ppm = 950000,
        .delay_ms = HF_NEVER,
        .min_delay_ms = 1,
        .window_ms = 60000,
        .min_samples = 100,
        .at_failure = 0,
    };
}

static int check(const char *name, const hf_hedge_config *c, hf_error *error) {
    int rc = hf__check_range("hedge", name, "share_ppm", c->share_ppm, 500000, 999999, 0, NULL, error);
    if (rc == 0) {
        rc = hf__check_range("hedge", name, "delay_ms", c->delay_ms, 0, HF__DAY_MS, HF_NEVER, "HF_NEVER", error);
    }
    if (rc == 0) rc = hf__check_range("hedge", name, "min_delay_ms", c->min_delay_ms, 0, HF__DAY_MS, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("hedge", name, "window_ms", c->window_ms, 1000, HF__DAY_MS, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("hedge", name, "min_samples", c->min_samples, 10, 1000000, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("hedge", name, "at_failure", c->at_failure, 0, 1, 0, NULL, error);
    return rc;
}

int hf_hedge_new(hf_hedge **out_hedge, const char *name, const hf_hedge_config *config, hf_budget *budget,
                 hf_error *error) {
    hf_hedge_config chosen;
    hf_hedge_config_init(&chosen);
    void *made = NULL;
    if (out_hedge != NULL) *out_hedge = NULL;
    int rc = hf__policy_new(out_hedge == NULL ? NULL : &made, sizeof(hf_hedge), &hedge_ops, name, error);
    if (rc == 0) rc = hf__config_copy("hedge", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    hf_budget *kept = NULL;
    if (rc == 0) rc = hf__budget_for(&kept, name, budget, error);
    if (rc < 0 || made == NULL) {
        free(made);
        return rc;
    }
    hf_hedge *h = made;
    h->base.traits = HF__FORKS;
    h->config = chosen;
    h->budget = kept;
    h->own_budget = budget == NULL;
    atomic_init(&h->delay_ns, hf__ms_to_ns(chosen.delay_ms));
    *out_hedge = h;
    return 0;
}

void hf_hedge_free(hf_hedge *hedge) { hf__policy_unref(hedge == NULL ? NULL : &hedge->base); }

hf_policy *hf_hedge_policy(hf_hedge *hedge) { return hedge == NULL ? NULL : &hedge->base; }

hf_budget *hf_hedge_budget(hf_hedge *hedge) { return hedge->budget; }

int hf_hedge_snapshot(const hf_hedge *hedge, hf_hedge_info *out_info) {
    if (out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    out_info->samples = samples_of(hedge);
    out_info->delay_ns = atomic_load_explicit(&hedge->delay_ns, memory_order_relaxed);
    out_info->hedges = atomic_load_explicit(&hedge->hedges, memory_order_relaxed);
    out_info->won = atomic_load_explicit(&hedge->won, memory_order_relaxed);
    out_info->denied = atomic_load_explicit(&hedge->denied, memory_order_relaxed);
    return 0;
}
