/* SPDX-License-Identifier: MIT */
#include "engine/call_state.h"

#include "base/num.h"
#include "engine/result.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* The engine; docs/design/engine.md tells the whole. In short:
 *
 *   phase    leaves to                  when
 *   ADMIT    ADMIT one level deeper     the policy passes
 *            RUNNING (START)            all have passed
 *            RISE                       the policy turns the call back, or it is interrupted
 *            PARKED                     the policy parks it
 *   PARKED   as ADMIT                   any step: the policy is asked again
 *   RUNNING  RISE                       it is reported; an interruption only orders CANCEL
 *   RISE     RISE one level further out the policy passes the outcome on
 *            HELD                       the policy wants another run
 *            RUNNING (RUN)              the policy names a fallback
 *            DONE                       all are settled
 *   HELD     ADMIT                      resume_at has come
 *            RISE                       it is interrupted
 */

static struct hf__call *inside(hf_call *call) { return (struct hf__call *)(void *)call; }

/* The nearest instant at which one of the outermost `levels` policies, or the caller, ends what is
 * inside them. */
static hf_time nearest_due(const struct hf__call *c, uint32_t levels) {
    if (c->ended) return HF_NEVER;
    hf_time at = c->deadline_at;
    for (uint32_t i = 0; i < levels; i++) at = hf__min(at, c->frame[i].at);
    return at;
}

/* Levels whose timeouts still matter: not those inside one that has passed. */
static uint32_t live_levels(const struct hf__call *c) { return c->level < c->cut_level ? c->level : c->cut_level; }

static bool cancel_requested(const struct hf__call *c) {
    return atomic_load_explicit(&c->cancel_requested, memory_order_acquire) != 0;
}

static struct hf_x make_x(struct hf__call *c, uint32_t level) {
    struct hf_x x = {
        .now = c->now,
        .deadline = nearest_due(c, level),
        .at = HF_NEVER,
        .outcome = c->outcome,
        .reason = c->reason,
        .retry_at = c->retry_at,
        .attempts = c->attempts,
        .rejected = c->rejected,
        .may_rerun = !c->ended && (c->cut_level == HF__NO_LEVEL || level <= c->cut_level),
        .may_run = c->ended != HF_REASON_CANCELLED && !cancel_requested(c) &&
                   (c->cut_level == HF__NO_LEVEL || level <= c->cut_level),
        .rng = &c->rng,
        .priority = c->caller.priority,
        .caller = &c->caller,
    };
    return x;
}

static void give_reason(struct hf__call *c, int32_t reason, uint32_t level) {
    c->reason = reason;
    c->reason_level = level;
}

/* Begins the way out with nothing running: no attempt was made in this pass, so the outcome is the last
 * one there was, or says nothing. */
static void rise_without_attempt(struct hf__call *c, int32_t reason, uint32_t level) {
    c->outcome = c->reported > 0 && reason != HF_REASON_CANCELLED ? c->last : hf_neutral(0);
    c->rejected = true;
    give_reason(c, reason, level);
    c->phase = HF__RISE;
}

/* Something ends everything inside `level` (HF__NO_LEVEL: the whole call). What runs is told to stop and
 * must be reported first; otherwise the way out begins at once. */
static void interrupt(struct hf__call *c, uint32_t level, int32_t reason) {
    if (level == HF__NO_LEVEL) {
        c->ended = reason;
    } else {
        c->cut_level = level;
        c->cut_reason = reason;
    }
    if (c->phase == HF__RUNNING) {
        c->stop_ordered = true;
        return;
    }
    if (c->phase == HF__PARKED) {
        hf_policy *policy = c->pipeline->policies[c->level];
        struct hf_x x = make_x(c, c->level);
        if (policy->ops->leave != NULL) policy->ops->leave(policy, &c->frame[c->level], &x);
    }
    rise_without_attempt(c, reason, level);
}

/* A cancel ends the call unless its deadline has already: then it only stops a fallback, or keeps it from
 * starting (make_x). */
static void take_cancel(struct hf__call *c) {
    if (!cancel_requested(c)) return;
    if (c->ended == HF_REASON_CANCELLED || c->phase == HF__RISE || c->phase == HF__DONE) return;
    if (c->ended && !c->in_fallback) return;
    interrupt(c, HF__NO_LEVEL, HF_REASON_CANCELLED);
}

/* Interrupts for the outermost instant that has come: it is the one that reports. */
static void take_due(struct hf__call *c) {
    if (c->ended || c->phase == HF__RISE || c->phase == HF__DONE) return;
    if (c->deadline_at <= c->now) {
        interrupt(c, HF__NO_LEVEL, HF_REASON_DEADLINE);
        return;
    }
    for (uint32_t i = 0; i < live_levels(c); i++) {
        if (c->frame[i].at > c->now) continue;
        struct hf_x x = make_x(c, i);
        hf_policy *policy = c->pipeline->policies[i];
        assert(policy->ops->due != NULL);
        int verdict = policy->ops->due(policy, &c->frame[i], &x);
        c->frame[i].at = x.at;
        if (verdict != HF__TURN) continue;
        interrupt(c, i, x.reason);
        return;
    }
}

static int wait_until(hf_step *step, hf_time at) {
    step->at = at;
    return HF_STEP_WAIT;
}

/* What runs next is under way: an attempt, or a fallback. */
static void run(struct hf__call *c, bool fallback) {
    c->phase = HF__RUNNING;
    c->in_fallback = fallback;
    c->stop_ordered = c->stop_told = false;
    c->cut_level = HF__NO_LEVEL;
    c->serial++;
}

void hf__call_started(struct hf__call *c, hf_time at) {
    run(c, false);
    c->attempts++;
    c->record[c->attempts % HF_RESULT_ATTEMPTS_MAX].number = 0; /* not reported yet */
    c->started_at = at;
    c->rejected = false;
}

static int order_start(struct hf__call *c, hf_step *step) {
    hf__call_started(c, c->now);
    step->attempt = c->serial;
    step->number = c->attempts;
    step->deadline_at = nearest_due(c, c->level);
    return HF_STEP_START;
}

static int order_run(struct hf__call *c, hf_step *step, const hf_fallback *fallback) {
    run(c, true);
    step->attempt = c->serial;
    step->fallback = fallback;
    step->deadline_at = nearest_due(c, c->level);
    return HF_STEP_RUN;
}

void hf__call_admitted(struct hf__call *c, int verdict, const struct hf_x *x) {
    c->flags |= x->flags;
    if (verdict == HF__PARK) {
        c->phase = HF__PARKED;
        return;
    }
    if (verdict == HF__PASS) {
        c->phase = HF__ADMIT;
        c->frame[c->level++].at = x->at;
        return;
    }
    assert(verdict == HF__TURN);
    c->outcome = hf_neutral(0);
    c->rejected = true;
    c->retry_at = x->at;
    give_reason(c, x->reason, c->level);
    c->phase = HF__RISE;
}

/* Asks the next policy inward. */
static int admit(struct hf__call *c, hf_step *step) {
    if (c->level == c->pipeline->count) return order_start(c, step);
    hf_policy *policy = c->pipeline->policies[c->level];
    struct hf_frame *frame = &c->frame[c->level];
    if (c->phase != HF__PARKED) hf__frame_clear(frame);
    struct hf_x x = make_x(c, c->level);
    int verdict = policy->ops->admit == NULL ? HF__PASS : policy->ops->admit(policy, frame, &x);
    hf__call_admitted(c, verdict, &x);
    return verdict == HF__PARK ? wait_until(step, hf__min(x.at, nearest_due(c, live_levels(c)))) : 0;
}

/* Settles the innermost open policy. */
static int rise(struct hf__call *c, hf_step *step) {
    if (c->level == 0) {
        c->phase = HF__DONE;
        return 0;
    }
    uint32_t level = c->level - 1;
    hf_policy *policy = c->pipeline->policies[level];
    struct hf_frame *frame = &c->frame[level];
    frame->at = HF_NEVER;
    struct hf_x x = make_x(c, level);
    int verdict = policy->ops->settle == NULL ? HF__PASS : policy->ops->settle(policy, frame, &x);
    c->outcome = x.outcome;
    c->flags |= x.flags;
    c->retry_at = x.retry_at;
    if (x.reason != c->reason) give_reason(c, x.reason, level);
    switch (verdict) {
    case HF__RERUN:
        assert(x.may_rerun && x.at < x.deadline); /* never waits past the deadline */
        c->resume_at = x.at;
        c->phase = HF__HELD;
        return 0;
    case HF__RUN:
        assert(x.may_run && x.run != NULL);
        c->level = level;
        return order_run(c, step, x.run);
    default:
        assert(verdict == HF__PASS);
        c->level = level;
        return 0;
    }
}

/* Waits for resume_at, then begins a fresh pass inside the policy that asked for it. */
static int hold(struct hf__call *c, hf_step *step) {
    if (c->now < c->resume_at) return wait_until(step, hf__min(c->resume_at, nearest_due(c, live_levels(c))));
    c->cut_level = HF__NO_LEVEL;
    c->rejected = true; /* until an attempt starts */
    c->retry_at = HF_NEVER;
    c->flags &= ~HF_RESULT_LATE;
    give_reason(c, HF_REASON_NONE, HF__NO_LEVEL);
    c->phase = HF__ADMIT;
    return 0;
}

static int watch(struct hf__call *c, hf_step *step) {
    if (c->stop_ordered && !c->stop_told) {
        c->stop_told = true;
        step->attempt = c->serial;
        return HF_STEP_CANCEL;
    }
    return wait_until(step, nearest_due(c, live_levels(c)));
}

int hf_call_step(hf_call *call, hf_step *out_step, hf_time now) {
    struct hf__call *c = inside(call);
    assert(c->magic == HF__CALL_MAGIC);
    memset(out_step, 0, sizeof *out_step);
    out_step->at = out_step->deadline_at = HF_NEVER;
    c->now = hf__max(c->now, now);
    int kind = 0;
    while (kind == 0) {
        take_cancel(c);
        take_due(c);
        switch ((enum hf__phase)c->phase) {
        case HF__ADMIT:
        case HF__PARKED: kind = admit(c, out_step); break;
        case HF__RUNNING: kind = watch(c, out_step); break;
        case HF__RISE: kind = rise(c, out_step); break;
        case HF__HELD: kind = hold(c, out_step); break;
        case HF__DONE: kind = HF_STEP_DONE; break;
        }
    }
    return out_step->kind = kind;
}

/* What an interruption makes of an outcome that is no success. What it cut off counts against the
 * dependency, whatever the operation says about itself after it was told to stop; the caller's cancel
 * says nothing about it. An operation that ended by itself and calls it neutral is believed. */
static hf_outcome cut_off(struct hf__call *c, hf_outcome outcome) {
    if (c->ended == HF_REASON_CANCELLED) {
        outcome.kind = HF_NEUTRAL;
        outcome.flags &= ~HF_RETRYABLE;
        give_reason(c, HF_REASON_CANCELLED, HF__NO_LEVEL);
        return outcome;
    }
    if (!c->ended && c->cut_level == HF__NO_LEVEL) return outcome;
    if (outcome.kind != HF_NEUTRAL || c->stop_told) outcome.kind = HF_FAILURE;
    if (c->ended) give_reason(c, c->ended, HF__NO_LEVEL);
    else give_reason(c, c->cut_reason, c->cut_level);
    return outcome;
}

static void keep_record(struct hf__call *c, hf_outcome outcome) {
    hf_attempt_record *record = &c->record[c->attempts % HF_RESULT_ATTEMPTS_MAX];
    record->number = c->attempts;
    record->kind = outcome.kind;
    record->code = outcome.code;
    record->duration_us = hf__record_us(hf__left(c->now, c->started_at));
    c->reported++;
    c->last = outcome;
}

static void report_attempt(struct hf__call *c, hf_outcome outcome) {
    take_cancel(c);
    take_due(c);
    bool out_of_time = c->ended == HF_REASON_DEADLINE || c->cut_level != HF__NO_LEVEL;
    if (outcome.kind != HF_SUCCESS) {
        outcome = cut_off(c, outcome);
    } else if (out_of_time) {
        outcome.flags |= HF_SLOW;
        c->flags |= HF_RESULT_LATE;
    }
    keep_record(c, outcome);
    c->outcome = outcome;
    c->retry_at = outcome.retry_after_ns > 0 ? hf__add(c->now, outcome.retry_after_ns) : HF_NEVER;
}

/* A fallback that fails leaves everything as it was, but for a cancel that came while it ran. */
static void report_fallback(struct hf__call *c, hf_outcome outcome) {
    c->in_fallback = false;
    if (outcome.kind != HF_SUCCESS) {
        if (c->ended == HF_REASON_CANCELLED) give_reason(c, HF_REASON_CANCELLED, HF__NO_LEVEL);
        return;
    }
    outcome.flags &= ~HF_RETRYABLE;
    c->outcome = outcome;
    c->rejected = false;
    c->flags |= HF_RESULT_FALLBACK;
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
    struct hf__call *c = inside(call);
    if (c->magic != HF__CALL_MAGIC || c->phase != HF__RUNNING || attempt != c->serial) return HF_E_STATE;
    int rc = make_valid(&outcome);
    c->now = hf__max(c->now, now);
    if (c->in_fallback) report_fallback(c, outcome);
    else report_attempt(c, outcome);
    c->phase = HF__RISE;
    return rc;
}

bool hf_call_would_end(hf_call *call, hf_outcome outcome, hf_time now) {
    struct hf__call peek;
    memcpy(&peek.phase, &inside(call)->phase, sizeof peek - offsetof(struct hf__call, phase));
    atomic_init(&peek.cancel_requested, atomic_load_explicit(&inside(call)->cancel_requested, memory_order_acquire));
    if (peek.magic != HF__CALL_MAGIC || peek.phase != HF__RUNNING || peek.in_fallback) return true;
    peek.now = hf__max(peek.now, now);
    (void)make_valid(&outcome);
    /* Only the copy is changed: `due` of a policy reads its frame and nothing else. */
    report_attempt(&peek, outcome);
    for (uint32_t level = peek.level; level-- > 0;) {
        hf_policy *policy = peek.pipeline->policies[level];
        peek.frame[level].at = HF_NEVER;
        struct hf_x x = make_x(&peek, level);
        if (policy->ops->keeps != NULL && policy->ops->keeps(policy, &peek.frame[level], &x)) return false;
    }
    return true;
}

void hf_call_cancel(hf_call *call) { atomic_store_explicit(&inside(call)->cancel_requested, 1, memory_order_release); }

/* Settles what is open as neutral, as if the caller had cancelled; an outcome already reported stands. */
static void abandon(struct hf__call *c) {
    hf_call *call = (hf_call *)(void *)c;
    hf_step step;
    if (c->phase == HF__RISE) c->ended = HF_REASON_CANCELLED;
    else interrupt(c, HF__NO_LEVEL, HF_REASON_CANCELLED);
    if (c->phase == HF__RUNNING) (void)hf_call_report(call, c->serial, hf_neutral(0), c->now);
    int kind = hf_call_step(call, &step, c->now);
    assert(kind == HF_STEP_DONE);
    (void)kind;
}

int hf_call_end(hf_call *call, hf_result *out_result) {
    struct hf__call *c = inside(call);
    if (c->magic != HF__CALL_MAGIC) return HF_E_STATE;
    if (c->phase != HF__DONE) abandon(c);
    int status = hf__call_status(c);
    if (out_result != NULL) hf_call_result(call, out_result);
    c->magic = 0;
    return status;
}

void hf_call_options_init(hf_call_options *options) {
    memset(options, 0, sizeof *options);
    options->struct_size = (uint32_t)sizeof *options;
    options->priority = HF_PRIORITY_NORMAL;
    options->deadline_at = HF_NEVER;
    options->weight = 1;
}

void hf__call_open(struct hf__call *c, hf_pipeline *pipeline, const hf_call_options *options, hf_time now) {
    atomic_init(&c->cancel_requested, 0);
    c->magic = HF__CALL_MAGIC;
    c->pipeline = pipeline;
    c->now = now;
    c->deadline_at = options->deadline_at;
    c->resume_at = c->started_at = c->retry_at = HF_NEVER;
    c->level = 0;
    c->cut_level = HF__NO_LEVEL;
    c->cut_reason = c->ended = HF_REASON_NONE;
    give_reason(c, HF_REASON_NONE, HF__NO_LEVEL);
    c->flags = c->serial = c->attempts = c->reported = 0;
    c->rejected = true; /* until an attempt starts */
    c->in_fallback = c->stop_ordered = c->stop_told = false;
    c->outcome = c->last = hf_neutral(0);
    c->phase = HF__ADMIT;
}

int hf_call_begin(hf_call *call, hf_pipeline *pipeline, const hf_call_options *options, hf_time now) {
    hf_call_options chosen;
    hf_call_options_init(&chosen);
    if (call == NULL || pipeline == NULL) return HF_E_INVALID;
    if (options != NULL) {
        if (options->struct_size == 0 || options->struct_size > sizeof chosen) return HF_E_INVALID;
        memcpy(&chosen, options, options->struct_size);
    }
    if (chosen.priority >= HF_PRIORITIES || chosen.weight > HF_WEIGHT_MAX) return HF_E_INVALID;
    hf__call_claim(inside(call), &chosen);
    hf__call_open(inside(call), pipeline, &chosen, now);
    return 0;
}
