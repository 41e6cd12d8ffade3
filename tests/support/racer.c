/* SPDX-License-Identifier: MIT */
#include "support/racer.h"

#include <string.h>

static const struct racer_attempt *entry(const struct racer_attempt *script, uint32_t count, uint32_t number) {
    return &script[number <= count ? number - 1 : count - 1];
}

static hf_time later(hf_time now, int64_t ns) { return ns == HF_NEVER ? HF_NEVER : now + ns; }

static uint32_t in_flight(const struct racer *r) {
    uint32_t running = 0;
    for (uint32_t n = 1; n <= r->started; n++) running += r->attempt[n].serial != 0;
    return running;
}

static void start(struct racer *r, int64_t takes) {
    uint32_t n = ++r->started;
    STEPPER_MUST(n <= RACER_MAX && r->s.step.number == n);
    r->attempt[n].serial = r->s.step.attempt;
    r->attempt[n].started_at = r->s.now;
    r->attempt[n].deadline_at = r->s.step.deadline_at;
    r->attempt[n].ended_at = later(r->s.now, takes);
    if (in_flight(r) > r->most) r->most = in_flight(r);
}

static void finish(struct racer *r, uint32_t n, hf_outcome outcome) {
    r->attempt[n].ended_at = r->s.now;
    STEPPER_MUST(hf_call_report(&r->s.call, r->attempt[n].serial, outcome, r->s.now) == 0);
    STEPPER_MUST(hf_call_report(&r->s.call, r->attempt[n].serial, outcome, r->s.now) == HF_E_STATE);
    r->attempt[n].serial = 0;
}

static void stop(struct racer *r, const struct racer_attempt *script, uint32_t count) {
    uint32_t n = 1;
    while (n <= r->started && r->attempt[n].serial != r->s.step.attempt) n++;
    STEPPER_MUST(n <= r->started && !r->attempt[n].stopped);
    r->attempt[n].stopped = true;
    if (!entry(script, count, n)->deaf) finish(r, n, hf_failure(125));
}

/* Ends what ends first, if that is before anything else happens; else lets time pass. */
static void wait(struct racer *r, hf_time *cancel_at, const struct racer_attempt *script, uint32_t count) {
    hf_time at = r->s.step.at;
    uint32_t first = 0;
    for (uint32_t n = 1; n <= r->started; n++) {
        if (r->attempt[n].serial == 0 || r->attempt[n].ended_at > at) continue;
        at = r->attempt[n].ended_at;
        first = n;
    }
    if (*cancel_at <= at) {
        r->s.now = *cancel_at > r->s.now ? *cancel_at : r->s.now;
        *cancel_at = HF_NEVER;
        hf_call_cancel(&r->s.call);
        return;
    }
    STEPPER_MUST(at != HF_NEVER); /* nothing would ever happen */
    r->s.now = at;
    if (first != 0) finish(r, first, entry(script, count, first)->outcome);
}

int racer_play(struct racer *r, hf_pipeline *pipeline, const hf_call_options *options, hf_time now, hf_time cancel_at,
               const struct racer_attempt *script, uint32_t count) {
    memset(r, 0, sizeof *r);
    hf_call_options chosen;
    hf_call_options_init(&chosen);
    if (options != NULL) chosen = *options;
    chosen.flags |= HF_CALL_OVERLAP;
    stepper_begin(&r->s, pipeline, &chosen, now);
    for (;;) {
        switch ((hf_step_kind)stepper_step(&r->s)) {
        case HF_STEP_START: start(r, entry(script, count, r->s.step.number)->takes); break;
        case HF_STEP_CANCEL: stop(r, script, count); break;
        case HF_STEP_WAIT: wait(r, &cancel_at, script, count); break;
        case HF_STEP_RUN: {
            hf_result failed;
            hf_call_result(&r->s.call, &failed);
            hf_outcome outcome = hf_fallback_run(r->s.step.fallback, NULL, &failed);
            STEPPER_MUST(hf_call_report(&r->s.call, r->s.step.attempt, outcome, r->s.now) == 0);
            break;
        }
        case HF_STEP_DONE: STEPPER_MUST(in_flight(r) == 0); return stepper_end(&r->s, &r->result);
        }
    }
}
