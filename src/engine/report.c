/* SPDX-License-Identifier: MIT */
#include "engine/call_state.h"

#include "base/num.h"
#include "engine/result.h"

#include <stddef.h>
#include <string.h>

/* What an interruption makes of an outcome that is no success. What it cut off counts against the
 * dependency, whatever the operation says about itself after it was told to stop; the caller's cancel, and a
 * race lost, say nothing about it. An operation that ended by itself and calls it neutral is believed. */
static hf_outcome cut_off(struct hf__call *c, struct hf__branch *b, hf_outcome outcome) {
    if (c->ended == HF_REASON_CANCELLED || b->lost) {
        outcome.kind = HF_NEUTRAL;
        outcome.flags &= ~HF_RETRYABLE;
        if (!b->lost) hf__branch_reason(b, HF_REASON_CANCELLED, HF__NO_LEVEL);
        return outcome;
    }
    if (!c->ended && b->cut_level == HF__NO_LEVEL) return outcome;
    if (outcome.kind != HF_NEUTRAL || b->stop_told) outcome.kind = HF_FAILURE;
    if (c->ended) hf__branch_reason(b, c->ended, HF__NO_LEVEL);
    else hf__branch_reason(b, b->cut_reason, b->cut_level);
    return outcome;
}

static void keep_record(struct hf__call *c, const struct hf__branch *b, hf_outcome outcome) {
    uint32_t place = b->number % HF_RESULT_ATTEMPTS_MAX;
    c->records.kind[place] = (uint8_t)outcome.kind;
    c->records.code[place] = outcome.code;
    c->records.duration_us[place] = hf__record_us(hf__left(c->now, b->started_at));
    if (b->lost) return;
    c->reported++;
    c->last = outcome;
}

static void report_attempt(struct hf__call *c, struct hf__branch *b, hf_outcome outcome) {
    hf__call_take_cancel(c);
    hf__call_take_due(c, false);
    bool out_of_time = c->ended == HF_REASON_DEADLINE || b->cut_level != HF__NO_LEVEL;
    if (outcome.kind != HF_SUCCESS) {
        outcome = cut_off(c, b, outcome);
    } else if (out_of_time && !b->lost) {
        outcome.flags |= HF_SLOW;
        c->flags |= HF_RESULT_LATE;
    }
    keep_record(c, b, outcome);
    b->outcome = outcome;
    b->retry_at = outcome.retry_after_ns > 0 ? hf__add(c->now, outcome.retry_after_ns) : HF_NEVER;
}

/* A fallback that fails leaves everything as it was, but for a cancel that came while it ran. */
static void report_fallback(struct hf__call *c, struct hf__branch *b, hf_outcome outcome) {
    b->in_fallback = false;
    if (outcome.kind != HF_SUCCESS) {
        if (c->ended == HF_REASON_CANCELLED) hf__branch_reason(b, HF_REASON_CANCELLED, HF__NO_LEVEL);
        return;
    }
    outcome.flags &= ~HF_RETRYABLE;
    b->outcome = outcome;
    b->rejected = false;
    c->flags |= HF_RESULT_FALLBACK;
}

void hf__branch_report(struct hf__call *c, struct hf__branch *b, hf_outcome outcome) {
    if (b->in_fallback) report_fallback(c, b, outcome);
    else report_attempt(c, b, outcome);
    b->phase = HF__RISE;
}

/* Makes sense of what a driver hands in. An outcome of an unknown kind counts as a failure that is not to be
 * repeated; what was sent and delivered stays true. */
static int make_valid(hf_outcome *outcome) {
    outcome->retry_after_ns = hf__max(outcome->retry_after_ns, 0);
    if (outcome->kind >= HF_SUCCESS && outcome->kind <= HF_NEUTRAL) return 0;
    outcome->kind = HF_FAILURE;
    outcome->flags &= ~HF_RETRYABLE;
    return HF_E_INVALID;
}

int hf_call_report(hf_call *call, uint32_t attempt, hf_outcome outcome, hf_time now) {
    struct hf__call *c = (struct hf__call *)(void *)call;
    struct hf__branch *b = c->magic == HF__CALL_MAGIC ? hf__call_running(c, attempt) : NULL;
    if (b == NULL) return HF_E_STATE;
    int rc = make_valid(&outcome);
    c->now = hf__max(c->now, now);
    hf__branch_report(c, b, outcome);
    return rc;
}

int hf_call_refuse(hf_call *call, uint32_t attempt, hf_time now) {
    struct hf__call *c = (struct hf__call *)(void *)call;
    struct hf__branch *b = c->magic == HF__CALL_MAGIC ? hf__call_running(c, attempt) : NULL;
    if (b == NULL || b->in_fallback) return HF_E_STATE;
    c->now = hf__max(c->now, now);
    hf__call_take_cancel(c);
    hf__call_take_due(c, false);
    if (b->number == c->attempts) c->attempts--;
    b->starts--;
    hf__branch_turn_back(c, b);
    return 0;
}

/* Would the policy at `level` keep the outcome of the branch from the caller? The hedge knows of the other
 * branch while that is under way. */
static bool keeps(struct hf__call *c, struct hf__branch *b, uint32_t level) {
    hf_policy *policy = c->pipeline->policies[level];
    struct hf_frame *frame = hf__branch_frame(c, b, level);
    frame->at = HF_NEVER;
    struct hf_x x = hf__branch_x(c, b, level);
    if (c->branches == 2 && level == c->fork_level) {
        const struct hf__branch *other = b == &c->branch[0] ? &c->branch[1] : &c->branch[0];
        x.siblings = !other->lost && other->phase != HF__AWAITS;
    }
    return policy->ops->keeps != NULL && policy->ops->keeps(policy, frame, &x);
}

/* All of a call but the frames in which it is parked: what is in a queue belongs to the queue, and other threads may
 * be moving it. */
static void copy(struct hf__call *to, const struct hf__call *c) {
    const struct hf_frame *parked[2] = {NULL, NULL};
    memcpy(&to->magic, &c->magic, offsetof(struct hf__call, frame) - offsetof(struct hf__call, magic));
    atomic_init(&to->cancel_requested, atomic_load_explicit(&c->cancel_requested, memory_order_acquire));
    if (to->magic != HF__CALL_MAGIC) return;
    for (uint32_t i = 0; i < to->branches; i++) {
        struct hf__branch *b = &to->branch[i];
        if (b->phase == HF__PARKED) parked[i] = hf__branch_frame(to, b, b->level);
    }
    for (uint32_t i = 0; i < HF__FRAMES; i++) {
        if (&to->frame[i] != parked[0] && &to->frame[i] != parked[1]) to->frame[i] = c->frame[i];
    }
}

bool hf_call_would_end(hf_call *call, uint32_t attempt, hf_outcome outcome, hf_time now) {
    const struct hf__call *c = (const struct hf__call *)(const void *)call;
    struct hf__call peek;
    copy(&peek, c);
    struct hf__branch *b = peek.magic == HF__CALL_MAGIC ? hf__call_running(&peek, attempt) : NULL;
    if (b == NULL || b->in_fallback) return true;
    if (b->lost) return false;
    peek.now = hf__max(peek.now, now);
    (void)make_valid(&outcome);
    /* Only the copy is changed: `due` of a policy reads its frame and nothing else, and a place in a queue is not
     * given back. */
    for (uint32_t i = 0; i < peek.branches; i++) {
        if (peek.branch[i].phase == HF__PARKED) peek.branch[i].phase = HF__HELD;
    }
    hf__branch_report(&peek, b, outcome);
    for (uint32_t level = b->level; level-- > 0;) {
        if (keeps(&peek, b, level)) return false;
    }
    return true;
}
