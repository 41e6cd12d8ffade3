/* SPDX-License-Identifier: MIT */
#include "engine/call_state.h"

#include "base/num.h"

#include <assert.h>

/* How a branch moves; docs/design/engine.md tells the whole, docs/design/hedging.md why two branches are as they
 * are. In short:
 *
 *   phase    leaves to                  when
 *   ADMIT    ADMIT deeper               the policy passes, and perhaps those inside it
 *            RUNNING (START)            all have passed
 *            RISE                       the policy turns the call back, or it is interrupted
 *            PARKED                     the policy parks it
 *   PARKED   as ADMIT                   any step: the policy is asked again
 *   RUNNING  RISE                       it is reported; an interruption only orders CANCEL
 *   RISE     RISE further out           the policy passes the outcome on; a plain success passes several
 *            HELD                       the policy wants another run
 *            RUNNING (RUN)              the policy names a fallback
 *            AWAITS                     the hedge waits for the other branch
 *            WON                        the hedge takes this outcome, and the other branch has not ended yet
 *            GONE                       it has lost and has come up to the fork
 *            DONE                       all are settled
 *   HELD     ADMIT                      resume_at has come
 *            RISE                       it is interrupted
 *   WON      RISE outside the fork      the other branch is GONE
 *   AWAITS   GONE                       the other branch has come up too
 */

static struct hf__branch *sibling_of(struct hf__call *c, const struct hf__branch *b) {
    return b == &c->branch[0] ? &c->branch[1] : &c->branch[0];
}

struct hf_frame *hf__branch_frame(struct hf__call *c, const struct hf__branch *b, uint32_t level) {
    bool second = b == &c->branch[1] && level > c->fork_level;
    return &c->frame[second ? c->pipeline->count + level - c->fork_level - 1 : level];
}

static hf_time frame_at(const struct hf__call *c, const struct hf__branch *b, uint32_t level) {
    bool second = b == &c->branch[1] && level > c->fork_level;
    return c->frame[second ? c->pipeline->count + level - c->fork_level - 1 : level].at;
}

/* The nearest instant at which one of the outermost `levels` policies, or the caller, ends what is
 * inside them. The instant of a hedge ends nothing. */
static hf_time deadline_of(const struct hf__call *c, const struct hf__branch *b, uint32_t levels) {
    if (c->ended) return HF_NEVER;
    const hf_pipeline *p = c->pipeline;
    hf_time at = c->deadline_at;
    for (uint32_t i = 0; i < p->timed_count && p->timed[i] < levels; i++) {
        if (p->timed[i] != p->hedge_level) at = hf__min(at, frame_at(c, b, p->timed[i]));
    }
    return at;
}

struct hf_x hf__branch_x(struct hf__call *c, struct hf__branch *b, uint32_t level) {
    bool goes_on = !b->lost && (b->cut_level == HF__NO_LEVEL || level <= b->cut_level) &&
                   hf__policy_mode(c->pipeline->policies[level]) == HF_SWITCH_NORMAL;
    struct hf_x x = {
        .now = c->now,
        .deadline = deadline_of(c, b, level),
        .at = HF_NEVER,
        .outcome = b->outcome,
        .reason = b->reason,
        .retry_at = b->retry_at,
        .attempts = b->starts,
        .rejected = b->rejected,
        .may_rerun = goes_on && !c->ended,
        .may_run = goes_on && c->ended != HF_REASON_CANCELLED && !hf__call_cancel_requested(c),
        .may_fork = goes_on && !c->ended && !hf__call_is_forked(c) && !c->committed && !hf__call_cancel_requested(c) &&
                    !(c->options & HF_CALL_ONCE),
        .branch = b->origin,
        .rng = &c->rng,
        .priority = c->caller.priority,
        .caller = &c->caller,
    };
    return x;
}

/* A second branch inside the policy at `level`, as if it had just admitted the call. */
void hf__call_fork(struct hf__call *c, uint32_t level) {
    uint32_t outside = (2u << level) - 1; /* what is switched inside of the fork each branch finds out for itself */
    c->fork_level = (uint8_t)level;
    c->branches = 2;
    c->branch[1] = (struct hf__branch){
        .resume_at = HF_NEVER,
        .retry_at = HF_NEVER,
        .outcome = hf_neutral(0),
        .reason_level = HF__NO_LEVEL,
        .cut_level = HF__NO_LEVEL,
        .level = (uint8_t)(level + 1),
        .phase = HF__ADMIT,
        .origin = 1,
        .passed_by = (uint16_t)(c->branch[0].passed_by & outside),
        .rejected = true,
    };
}

/* ---- down ---- */

/* What runs next is under way: an attempt, or a fallback. */
static void run(struct hf__call *c, struct hf__branch *b, bool fallback) {
    b->phase = HF__RUNNING;
    b->in_fallback = fallback;
    b->stop_ordered = b->stop_told = false;
    b->cut_level = HF__NO_LEVEL;
    b->serial = ++c->serial;
}

void hf__branch_started(struct hf__call *c, struct hf__branch *b, hf_time at) {
    run(c, b, false);
    b->number = ++c->attempts;
    b->starts++;
    b->started_at = at;
    b->rejected = false;
    c->records.kind[b->number % HF_RESULT_ATTEMPTS_MAX] = HF__NOT_REPORTED;
}

static int order_start(struct hf__call *c, struct hf__branch *b, hf_step *step) {
    hf__branch_started(c, b, c->now);
    step->attempt = b->serial;
    step->number = b->number;
    step->deadline_at = deadline_of(c, b, b->level);
    return HF_STEP_START;
}

static int order_run(struct hf__call *c, struct hf__branch *b, hf_step *step, const hf_fallback *fallback) {
    run(c, b, true);
    step->attempt = b->serial;
    step->fallback = fallback;
    step->deadline_at = deadline_of(c, b, b->level);
    return HF_STEP_RUN;
}

void hf__branch_admitted(struct hf__call *c, struct hf__branch *b, int verdict, const struct hf_x *x) {
    c->flags |= x->flags;
    if (verdict == HF__PARK) {
        b->phase = HF__PARKED;
        b->resume_at = x->at;
        return;
    }
    if (verdict == HF__PASS) {
        b->phase = HF__ADMIT;
        hf__branch_frame(c, b, b->level)->at = x->at;
        b->level++;
        return;
    }
    if (verdict == HF__ANSWER) {
        hf__branch_answered(c, b, x);
        return;
    }
    assert(verdict == HF__TURN);
    b->outcome = hf_neutral(0);
    b->rejected = true;
    b->retry_at = x->at;
    hf__branch_reason(b, x->reason, b->level);
    b->phase = HF__RISE;
}

/* What hf_call_step looks at between two moves has not happened, so the next policy can be asked at once. Two branches
 * move in turns. */
static bool goes_on_inward(const struct hf__call *c, const struct hf__branch *b, const struct hf_x *x) {
    return c->branches == 1 && b->level < c->pipeline->count && x->at > c->now && !hf__call_cancel_requested(c) &&
           hf__policy_mode(c->pipeline->policies[b->level]) == HF_SWITCH_NORMAL;
}

/* Asks the policies further inward as long as they pass, which in a healthy call all do. `x` is as it was for the one
 * before. */
static void admit_others(struct hf__call *c, struct hf__branch *b, struct hf_x *x) {
    int verdict = HF__PASS;
    while (verdict == HF__PASS && goes_on_inward(c, b, x)) {
        hf_policy *policy = c->pipeline->policies[b->level];
        struct hf_frame *frame = hf__branch_frame(c, b, b->level);
        if (x->at != HF_NEVER) x->deadline = deadline_of(c, b, b->level); /* of the one before */
        x->at = HF_NEVER;
        hf__frame_clear(frame);
        if (policy->ops->admit != NULL) verdict = policy->ops->admit(policy, frame, x);
        hf__branch_admitted(c, b, verdict, x);
    }
}

/* Asks the next policy inward. */
static int admit(struct hf__call *c, struct hf__branch *b, hf_step *step, bool *moved) {
    if (b->level == c->pipeline->count) return order_start(c, b, step);
    hf_policy *policy = c->pipeline->policies[b->level];
    struct hf_frame *frame = hf__branch_frame(c, b, b->level);
    bool again = b->phase == HF__PARKED;
    if (!again) hf__frame_clear(frame);
    struct hf_x x = hf__branch_x(c, b, b->level);
    uint32_t mode = hf__policy_mode(policy);
    bool passed_by = false;
    int verdict = mode != HF_SWITCH_NORMAL     ? hf__switched_admit(policy, mode, frame, &x, again, &passed_by)
                  : policy->ops->admit == NULL ? HF__PASS
                                               : policy->ops->admit(policy, frame, &x);
    if (passed_by) b->passed_by |= (uint16_t)(1u << b->level);
    hf__branch_admitted(c, b, verdict, &x);
    if (verdict == HF__PASS && mode == HF_SWITCH_NORMAL) admit_others(c, b, &x);
    *moved |= !(again && verdict == HF__PARK);
    return 0;
}

/* ---- up ---- */

/* Both branches have come to the fork: what is `b` now goes on alone, outside. */
static void join(struct hf__call *c, struct hf__branch *b, uint8_t level) {
    uint32_t starts = c->branch[0].starts + c->branch[1].starts;
    c->branch[0] = *b;
    c->branch[0].starts = starts;
    c->branch[0].level = level;
    c->branch[0].phase = HF__RISE;
    c->branches = 1;
}

static int settle_policy(struct hf__call *c, struct hf__branch *b, uint32_t level, struct hf_x *x) {
    hf_policy *policy = c->pipeline->policies[level];
    struct hf_frame *frame = hf__branch_frame(c, b, level);
    frame->at = HF_NEVER;
    if ((policy->traits & HF__HOLDS) && c->keeper != NULL) {
        bool inside_hedge = level > c->pipeline->hedge_level;
        if (c->keeper->keep(c->keeper, policy, frame, level, inside_hedge, b->origin)) return HF__PASS;
    }
    int verdict = policy->ops->settle == NULL ? HF__PASS : policy->ops->settle(policy, frame, x);
    b->outcome = x->outcome;
    c->flags |= x->flags;
    b->retry_at = x->retry_at;
    if (x->reason != b->reason) hf__branch_reason(b, x->reason, (uint8_t)level);
    return verdict;
}

/* A branch has come up to the fork and the other one is there: the hedge is asked. */
static void arrive(struct hf__call *c, struct hf__branch *b) {
    struct hf__branch *other = sibling_of(c, b);
    uint8_t level = c->fork_level;
    if (b->lost) {
        b->phase = HF__GONE;
        return;
    }
    if (other->phase == HF__AWAITS) {
        /* Both have failed, or this one has won. What an attempt came to says more than a rejection. */
        bool take_other = b->rejected && !other->rejected;
        join(c, take_other ? other : b, (uint8_t)(level + 1));
        return;
    }
    struct hf_x x = hf__branch_x(c, b, level);
    x.siblings = !other->lost;
    int verdict = settle_policy(c, b, level, &x);
    if (verdict == HF__HOLD) {
        assert(x.siblings);
        b->phase = HF__AWAITS;
        return;
    }
    assert(verdict == HF__PASS);
    if (!other->lost) hf__branch_lose(c, other);
    b->phase = HF__WON;
}

/* A success at the first attempt, in time, of which nothing more is to be said: what settle_ok is for. Not so when the
 * first pass was turned back and a retry has paid for this one. */
static bool is_plain(const struct hf__call *c, const struct hf__branch *b) {
    return hf__outcome_is_plain(&b->outcome) && c->branches == 1 && c->serial == 1 && c->attempts == 1 &&
           b->reason == HF_REASON_NONE && b->passed_by == 0 && !c->ended && b->cut_level == HF__NO_LEVEL &&
           !b->rejected && !b->repeats && c->keeper == NULL;
}

/* Settles all that have the short form, up to the first that has not. */
static void rise_plainly(struct hf__call *c, struct hf__branch *b) {
    struct hf_x x = hf__branch_x(c, b, b->level - 1u);
    for (; b->level > 0; b->level--) {
        hf_policy *policy = c->pipeline->policies[b->level - 1];
        const struct hf__policy_ops *ops = policy->ops;
        if (ops->settle != NULL && ops->settle_ok == NULL) break;
        struct hf_frame *frame = hf__branch_frame(c, b, b->level - 1u);
        frame->at = HF_NEVER;
        if (ops->settle == NULL || ops->settle_ok == hf__nothing_on_success) continue;
        int verdict = ops->settle_ok(policy, frame, &x);
        assert(verdict == HF__PASS);
        (void)verdict;
    }
    c->flags |= x.flags;
}

/* Settles the innermost open policy. */
static int rise(struct hf__call *c, struct hf__branch *b, hf_step *step) {
    if (b->level > 0 && is_plain(c, b)) rise_plainly(c, b);
    if (b->level == 0) {
        b->phase = HF__DONE;
        return 0;
    }
    uint32_t level = b->level - 1u;
    if (hf__call_is_forked(c) && level == c->fork_level) {
        arrive(c, b);
        return 0;
    }
    uint16_t bit = (uint16_t)(1u << level);
    if (b->passed_by & bit) {
        b->passed_by &= (uint16_t)~bit;
        b->level = (uint8_t)level;
        return 0;
    }
    struct hf_x x = hf__branch_x(c, b, level);
    switch (settle_policy(c, b, level, &x)) {
    case HF__RERUN:
        assert(x.may_rerun && x.at < x.deadline); /* never waits past the deadline */
        b->resume_at = x.at;
        b->phase = HF__HELD;
        return 0;
    case HF__RUN:
        assert(x.may_run && x.run != NULL);
        b->level = (uint8_t)level;
        return order_run(c, b, step, x.run);
    case HF__FORK:
        assert(x.may_fork);
        b->phase = HF__AWAITS;
        hf__call_fork(c, level);
        return 0;
    default: b->level = (uint8_t)level; return 0;
    }
}

/* Begins a fresh pass inside the policy that asked for it, once its time has come. */
static void resume(struct hf__call *c, struct hf__branch *b, bool *moved) {
    if (c->now < b->resume_at) return;
    b->cut_level = HF__NO_LEVEL;
    b->rejected = true; /* until an attempt starts */
    b->repeats = true;
    b->retry_at = HF_NEVER;
    if (c->branches == 1) b->origin = 0; /* what a fork began is over */
    c->flags &= ~HF_RESULT_LATE;
    hf__branch_reason(b, HF_REASON_NONE, HF__NO_LEVEL);
    b->phase = HF__ADMIT;
    *moved = true;
}

static int watch(struct hf__branch *b, hf_step *step) {
    if (!b->stop_ordered || b->stop_told) return 0;
    b->stop_told = true;
    step->attempt = b->serial;
    return HF_STEP_CANCEL;
}

int hf__branch_move(struct hf__call *c, struct hf__branch *b, hf_step *step, bool *moved) {
    switch ((enum hf__phase)b->phase) {
    case HF__ADMIT:
    case HF__PARKED: return admit(c, b, step, moved);
    case HF__RUNNING: return watch(b, step);
    case HF__RISE: *moved = true; return rise(c, b, step);
    case HF__HELD: resume(c, b, moved); return 0;
    case HF__WON:
        if (sibling_of(c, b)->phase == HF__GONE) {
            join(c, b, c->fork_level);
            *moved = true;
        }
        return 0;
    case HF__AWAITS:
    case HF__GONE:
    case HF__DONE: return 0;
    }
    return 0;
}

hf_time hf__call_wait_until(const struct hf__call *c) {
    hf_time at = HF_NEVER;
    for (uint32_t i = 0; i < c->branches; i++) {
        const struct hf__branch *b = &c->branch[i];
        if (hf__branch_is_over(b)) continue;
        uint32_t levels = hf__branch_live_levels(b), hedge = c->pipeline->hedge_level;
        at = hf__min(at, deadline_of(c, b, levels));
        if (hedge < levels && !c->ended) at = hf__min(at, frame_at(c, b, hedge));
        if (b->phase != HF__RUNNING) at = hf__min(at, b->resume_at);
    }
    return at;
}

struct hf__branch *hf__call_running(struct hf__call *c, uint32_t serial) {
    for (uint32_t i = 0; i < c->branches; i++) {
        if (c->branch[i].phase == HF__RUNNING && c->branch[i].serial == serial) return &c->branch[i];
    }
    return NULL;
}
