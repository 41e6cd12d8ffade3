/* SPDX-License-Identifier: MIT */
/* The calls of a row: each driven step by step in the row's virtual time. */
#include "support/vector_value.h"
#include "support/vector_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hf_time later(hf_time at, int64_t ns) { return ns > HF_NEVER - at ? HF_NEVER : at + ns; }

/* ---- one call ---- */

void vector_call_begins(struct vector_world *w) {
    w->began_at = w->now;
    w->deadline_at = HF_NEVER;
    w->cancels = 0;
    w->waits[0] = '\0';
}

static void wake(void *arg) { ((struct vector_world *)arg)->wakes++; }

static void begin(struct vector_world *w, struct stepper *s) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = w->seed++;
    options.priority = w->priority;
    options.wake = wake;
    options.wake_arg = w;
    options.deadline_at = later(w->now, w->call_deadline);
    stepper_begin(s, w->pipeline, &options, w->now);
    vector_call_begins(w);
}

static void finish(struct vector_world *w, struct stepper *s) {
    (void)stepper_end(s, &w->result);
    w->has_result = true;
    w->now = w->ended_at = s->now;
}

/* Reports, and proves that a second report is refused. An outcome of an unknown kind is told so. */
static bool report(struct vector_world *w, struct stepper *s, uint32_t attempt, hf_outcome outcome) {
    int wanted = outcome.kind > HF_NEUTRAL ? HF_E_INVALID : HF_OK;
    int rc = hf_call_report(&s->call, attempt, outcome, s->now);
    if (rc != wanted) {
        return vector_fault(w, "expected the report to be %s, found %s", hf_errname(wanted), hf_errname(rc));
    }
    if (hf_call_report(&s->call, attempt, outcome, s->now) != HF_E_STATE) {
        return vector_fault(w, "expected a second report to be HF_E_STATE, and it was taken");
    }
    return true;
}

/* Runs the attempt that was just started. An attempt that is told to stop stops at once with a failure,
 * unless it is stubborn. */
static bool run_attempt(struct vector_world *w, struct stepper *s, const struct vector_attempt *a) {
    uint32_t number = s->step.attempt;
    hf_time over_at = later(s->now, a->takes), cancel_at = later(s->now, a->cancel_after);
    for (;;) {
        if (s->now >= cancel_at) {
            hf_call_cancel(&s->call);
            cancel_at = HF_NEVER;
        } else if (s->now >= over_at) {
            return report(w, s, number, a->outcome);
        }
        int kind = stepper_step(s);
        if (kind == HF_STEP_CANCEL) {
            w->cancels++;
            if (!a->stubborn) return report(w, s, number, hf_failure(a->outcome.code));
            continue;
        }
        if (kind != HF_STEP_WAIT) return vector_fault(w, "expected to wait for the attempt, found step %d", kind);
        hf_time next = s->step.at < over_at ? s->step.at : over_at;
        s->now = next < cancel_at ? next : cancel_at;
    }
}

static bool run_fallback(struct vector_world *w, struct stepper *s) {
    hf_result failed;
    hf_call_result(&s->call, &failed);
    return report(w, s, s->step.attempt, hf_fallback_run(s->step.fallback, w, &failed));
}

/* Waits as the call asks, or until the caller cancels. */
static bool wait_for_it(struct vector_world *w, struct stepper *s, const struct vector_attempt *next) {
    char text[48];
    if (s->step.at == HF_NEVER) return vector_fault(w, "the call waits for ever");
    hf_time until = s->step.at;
    if (next != NULL && next->kind == 'W' && later(s->now, next->takes) < until) {
        until = later(s->now, next->takes);
        hf_call_cancel(&s->call);
    }
    vector_append(w->waits, vector_show_duration(until - s->now, text, sizeof text));
    s->now = until;
    return true;
}

static bool play_attempt(struct vector_world *w, struct stepper *s, struct vector_plan *plan) {
    const struct vector_attempt *attempt = vector_plan_next(plan);
    w->deadline_at = s->step.deadline_at;
    if (attempt == NULL) return vector_fault(w, "expected no further attempt, and one was ordered");
    if (attempt->kind == 'W') return vector_fault(w, "expected a wait, and an attempt was ordered");
    vector_plan_take(plan);
    return run_attempt(w, s, attempt);
}

static bool play_on(struct vector_world *w, struct stepper *s, struct vector_plan *plan) {
    for (;;) {
        switch ((hf_step_kind)stepper_step(s)) {
        case HF_STEP_START:
            if (!play_attempt(w, s, plan)) return false;
            break;
        case HF_STEP_RUN:
            if (!run_fallback(w, s)) return false;
            break;
        case HF_STEP_WAIT:
            if (!wait_for_it(w, s, vector_plan_next(plan))) return false;
            if (vector_plan_next(plan) != NULL && vector_plan_next(plan)->kind == 'W') vector_plan_take(plan);
            break;
        case HF_STEP_CANCEL: return vector_fault(w, "found an order to cancel what does not run");
        case HF_STEP_DONE:
            return !vector_plan_unfinished(plan) || vector_fault(w, "expected a further attempt, and the call is over");
        }
    }
}

bool vector_play(struct vector_world *w, const char *list) {
    struct vector_plan plan;
    if (!vector_plan_parse(w, list, &plan)) return false;
    struct stepper s;
    begin(w, &s);
    const struct vector_attempt *first = vector_plan_next(&plan);
    if (first != NULL && first->kind == 'W') { /* cancelled before it begins */
        hf_call_cancel(&s.call);
        vector_plan_take(&plan);
    }
    bool fine = play_on(w, &s, &plan);
    if (fine) finish(w, &s);
    else (void)hf_call_end(&s.call, NULL);
    return fine;
}

bool vector_expect_rejection(struct vector_world *w, const char *what) {
    char reason[32];
    size_t length = strcspn(what, "@");
    if (length >= sizeof reason) return vector_fault(w, "no such reason");
    memcpy(reason, what, length);
    reason[length] = '\0';
    struct stepper s;
    begin(w, &s);
    int kind = stepper_next(&s);
    if (kind != HF_STEP_DONE) {
        (void)hf_call_end(&s.call, NULL);
        return vector_fault(w, "expected the call to be turned back, and it was admitted");
    }
    finish(w, &s);
    return vector_expect(w, "status", '=', "rejected") && vector_expect(w, "reason", '=', reason) &&
           vector_expect(w, "attempts", '=', "0") &&
           (what[length] == '\0' || vector_expect(w, "result_retry_at", '=', what + length + 1));
}

/* ---- calls left running ---- */

static bool group_start(struct vector_world *w, struct stepper *s, hf_step_kind wanted) {
    begin(w, s);
    int kind = stepper_step(s);
    if (kind == (int)wanted) {
        w->deadline_at = s->step.deadline_at;
        return true;
    }
    hf_result result;
    (void)hf_call_end(&s->call, &result);
    return vector_fault(w, "expected step %d, found step %d: %s", (int)wanted, kind,
                        hf_reason_text(hf_result_reason(&result)));
}

bool vector_group_start(struct vector_world *w, char name, hf_step_kind wanted, uint32_t count) {
    struct vector_group *group = &w->groups[name - 'a'];
    if (group->count > 0) return vector_fault(w, "syntax: %c runs already", name);
    free(group->calls);
    group->calls = calloc(count, sizeof *group->calls);
    if (group->calls == NULL) return vector_fault(w, "no memory");
    for (; group->count < count; group->count++) {
        if (!group_start(w, &group->calls[group->count], wanted)) return false;
    }
    return true;
}

/* After a report: goes on until the call is over, starts again, or waits. */
static bool group_settle(struct vector_world *w, struct stepper *s, const char *text, bool *out_over) {
    struct vector_attempt attempt;
    if (!vector_attempt_parse(w, text, &attempt)) return false;
    if (!report(w, s, s->step.attempt, attempt.outcome)) return false;
    int kind = stepper_step(s);
    while (kind == HF_STEP_RUN) {
        if (!run_fallback(w, s)) return false;
        kind = stepper_step(s);
    }
    *out_over = kind == HF_STEP_DONE;
    if (*out_over) finish(w, s);
    return true;
}

static bool expect_step(struct vector_world *w, struct stepper *s, hf_step_kind wanted) {
    uint32_t attempt = s->step.attempt;
    int kind = stepper_step(s);
    w->checks++;
    if (kind != (int)wanted) return vector_fault(w, "expected step %d, found step %d", (int)wanted, kind);
    if (kind == HF_STEP_WAIT || kind == HF_STEP_CANCEL) s->step.attempt = attempt;
    if (kind == HF_STEP_CANCEL) w->cancels++;
    return true;
}

static bool expect_end(struct vector_world *w, struct stepper *s, const char *text, bool wanted) {
    struct vector_attempt attempt;
    if (!vector_attempt_parse(w, text, &attempt)) return false;
    hf_call before = s->call;
    w->checks++;
    bool found = hf_call_would_end(&s->call, s->step.attempt, attempt.outcome, s->now);
    if (memcmp(&before, &s->call, sizeof before) != 0) return vector_fault(w, "hf_call_would_end changed the call");
    if (found == wanted) return true;
    return vector_fault(w, "expected that it would%s end the call, found that it would%s", wanted ? "" : " not",
                        found ? "" : " not");
}

static bool group_one(struct vector_world *w, struct stepper *s, const char *verb, bool *out_over) {
    s->now = w->now;
    *out_over = false;
    if (strcmp(verb, "cancel") == 0) {
        hf_call_cancel(&s->call);
        return true;
    }
    if (strcmp(verb, "end") == 0) {
        finish(w, s);
        *out_over = true;
        return true;
    }
    if (strcmp(verb, "done") == 0) {
        if (!expect_step(w, s, HF_STEP_DONE)) return false;
        finish(w, s);
        *out_over = true;
        return true;
    }
    if (strcmp(verb, "stop") == 0) return expect_step(w, s, HF_STEP_CANCEL);
    if (strcmp(verb, "wait") == 0) return expect_step(w, s, HF_STEP_WAIT);
    if (strcmp(verb, "start") == 0) return expect_step(w, s, HF_STEP_START);
    if (strncmp(verb, "ends:", 5) == 0) return expect_end(w, s, verb + 5, true);
    if (strncmp(verb, "keeps:", 6) == 0) return expect_end(w, s, verb + 6, false);
    return group_settle(w, s, verb, out_over);
}

bool vector_group_do(struct vector_world *w, char name, const char *verb) {
    struct vector_group *group = &w->groups[name - 'a'];
    if (group->count == 0) return vector_fault(w, "syntax: no call %c runs", name);
    uint32_t over = 0, count = group->count;
    for (uint32_t i = 0; i < count; i++) {
        bool is_over;
        if (!group_one(w, &group->calls[i], verb, &is_over)) return false;
        over += is_over;
    }
    if (over == count) group->count = 0;
    else if (over > 0) return vector_fault(w, "%u of %u calls are over, expected all or none", over, count);
    return true;
}
