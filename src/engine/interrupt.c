/* SPDX-License-Identifier: MIT */
#include "engine/call_state.h"

#include <assert.h>

/* What ends a branch before it has come to its end by itself: the caller's cancel and deadline, timeouts, a race that
 * is lost. */

/* Begins the way out with nothing running: no attempt was made in this pass, so the outcome is the last
 * one there was, or says nothing. */
static void rise_without_attempt(struct hf__call *c, struct hf__branch *b, int32_t reason, uint8_t level) {
    b->outcome = c->reported > 0 && reason != HF_REASON_CANCELLED && !b->lost ? c->last : hf_neutral(0);
    b->rejected = true;
    hf__branch_reason(b, reason, level);
    b->phase = HF__RISE;
}

void hf__branch_turn_back(struct hf__call *c, struct hf__branch *b) {
    if (b->lost) rise_without_attempt(c, b, HF_REASON_NONE, HF__NO_LEVEL);
    else if (c->ended) rise_without_attempt(c, b, c->ended, HF__NO_LEVEL);
    else if (b->cut_level != HF__NO_LEVEL) rise_without_attempt(c, b, b->cut_reason, b->cut_level);
    else rise_without_attempt(c, b, HF_REASON_POOL_FULL, HF__NO_LEVEL);
    b->retry_at = HF_NEVER;
}

/* What runs is told to stop and must be reported first; otherwise the way out begins at once. */
static void stop(struct hf__call *c, struct hf__branch *b, uint8_t level, int32_t reason) {
    if (b->phase == HF__RUNNING) {
        b->stop_ordered = true;
        return;
    }
    if (b->phase == HF__PARKED) {
        hf_policy *policy = c->pipeline->policies[b->level];
        struct hf_x x = hf__branch_x(c, b, b->level);
        if (policy->ops->leave != NULL) policy->ops->leave(policy, hf__branch_frame(c, b, b->level), &x);
        if ((policy->traits & HF__STANDS_IN) && !b->lost) {
            hf__branch_cut_stand_in(c, b);
            return;
        }
    }
    rise_without_attempt(c, b, reason, level);
}

void hf__branch_interrupt(struct hf__call *c, struct hf__branch *b, uint8_t level, int32_t reason) {
    if (hf__branch_is_over(b)) return;
    if (level != HF__NO_LEVEL) {
        b->cut_level = level;
        b->cut_reason = (int16_t)reason;
    }
    stop(c, b, level, reason);
}

static void interrupt_all(struct hf__call *c, uint8_t level, int32_t reason) {
    if (level == HF__NO_LEVEL) c->ended = (int16_t)reason;
    for (uint32_t i = 0; i < c->branches; i++) hf__branch_interrupt(c, &c->branch[i], level, reason);
}

void hf__branch_lose(struct hf__call *c, struct hf__branch *b) {
    b->lost = true;
    if (!hf__branch_is_over(b)) stop(c, b, HF__NO_LEVEL, HF_REASON_NONE);
}

static bool all_over(const struct hf__call *c) {
    return hf__branch_is_over(&c->branch[0]) && (!hf__call_is_forked(c) || hf__branch_is_over(&c->branch[1]));
}

/* A cancel ends the call unless its deadline has already: then it only stops a fallback, or keeps it from
 * starting (hf__branch_x). */
void hf__call_take_cancel(struct hf__call *c) {
    if (!hf__call_cancel_requested(c) || c->ended == HF_REASON_CANCELLED || all_over(c)) return;
    bool in_fallback = c->branch[0].in_fallback || (hf__call_is_forked(c) && c->branch[1].in_fallback);
    if (c->ended && !in_fallback) return;
    interrupt_all(c, HF__NO_LEVEL, HF_REASON_CANCELLED);
}

/* Asks `due` of one level, whose instant has come; true when that has ended something. */
static bool ask_due(struct hf__call *c, struct hf__branch *b, uint32_t level, bool may_fork) {
    struct hf_frame *frame = hf__branch_frame(c, b, level);
    struct hf_x x = hf__branch_x(c, b, level);
    x.may_fork = x.may_fork && may_fork;
    hf_policy *policy = c->pipeline->policies[level];
    assert(policy->ops->due != NULL);
    bool normal = hf__policy_mode(policy) == HF_SWITCH_NORMAL;
    int verdict = normal ? policy->ops->due(policy, frame, &x) : HF__PASS;
    frame->at = x.at;
    c->flags |= x.flags;
    if (verdict == HF__FORK) {
        assert(x.may_fork);
        hf__call_fork(c, level);
        return false;
    }
    if (verdict != HF__TURN) return false;
    if (hf__call_is_forked(c) && level > c->fork_level) hf__branch_interrupt(c, b, (uint8_t)level, x.reason);
    else interrupt_all(c, (uint8_t)level, x.reason);
    return true;
}

void hf__call_take_due(struct hf__call *c, bool may_fork) {
    const hf_pipeline *p = c->pipeline;
    if (c->ended || all_over(c)) return;
    if (c->deadline_at <= c->now) {
        interrupt_all(c, HF__NO_LEVEL, HF_REASON_DEADLINE);
        return;
    }
    for (uint32_t i = 0; i < c->branches; i++) {
        struct hf__branch *b = &c->branch[i];
        if (hf__branch_is_over(b)) continue;
        uint32_t levels = hf__branch_live_levels(b);
        for (uint32_t k = 0; k < p->timed_count && p->timed[k] < levels; k++) {
            uint32_t level = p->timed[k];
            if (hf__branch_frame(c, b, level)->at <= c->now && ask_due(c, b, level, may_fork)) break;
        }
    }
}
