/* SPDX-License-Identifier: MIT */
#include "support/stepper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stepper_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    abort();
}

void stepper_begin(struct stepper *s, hf_pipeline *pipeline, const hf_call_options *options, hf_time now) {
    memset(s, 0xa5, sizeof *s);
    s->now = now;
    STEPPER_MUST(hf_call_begin(&s->call, pipeline, options, now) == 0);
}

int stepper_step(struct stepper *s) {
    int kind = hf_call_step(&s->call, &s->step, s->now);
    STEPPER_MUST(kind == s->step.kind);
    if (kind == HF_STEP_WAIT) {
        STEPPER_MUST(s->step.at > s->now);
        hf_call before = s->call;
        hf_step again;
        STEPPER_MUST(hf_call_step(&s->call, &again, s->now) == HF_STEP_WAIT);
        STEPPER_MUST(again.at == s->step.at);
        STEPPER_MUST(memcmp(&before, &s->call, sizeof before) == 0);
    }
    return kind;
}

int stepper_next(struct stepper *s) {
    for (;;) {
        int kind = stepper_step(s);
        if (kind != HF_STEP_WAIT || s->step.at == HF_NEVER) return kind;
        s->now = s->step.at;
    }
}

void stepper_finish(struct stepper *s, hf_outcome outcome, int64_t takes, bool cooperative) {
    uint32_t attempt = s->step.attempt;
    hf_time over_at = takes > HF_NEVER - s->now ? HF_NEVER : s->now + takes;
    while (s->now < over_at) {
        int kind = stepper_step(s);
        if (kind == HF_STEP_CANCEL) {
            STEPPER_MUST(s->step.attempt == attempt);
            if (cooperative) break;
            continue;
        }
        STEPPER_MUST(kind == HF_STEP_WAIT);
        s->now = s->step.at < over_at ? s->step.at : over_at;
    }
    STEPPER_MUST(hf_call_report(&s->call, attempt, outcome, s->now) == 0);
    STEPPER_MUST(hf_call_report(&s->call, attempt, outcome, s->now) == HF_E_STATE); /* never twice */
}

int stepper_end(struct stepper *s, hf_result *result) {
    int status = hf_call_end(&s->call, result);
    STEPPER_MUST(hf_call_end(&s->call, NULL) == HF_E_STATE);
    return status;
}

int stepper_play(struct stepper *s, hf_pipeline *pipeline, const hf_call_options *options, hf_time now,
                 const hf_outcome *outcomes, const int64_t *takes, size_t count, void *arg, hf_result *result) {
    stepper_begin(s, pipeline, options, now);
    for (;;) {
        int kind = stepper_next(s);
        if (kind == HF_STEP_DONE) return stepper_end(s, result);
        if (kind == HF_STEP_RUN) {
            hf_result failed;
            hf_call_result(&s->call, &failed);
            hf_outcome outcome = hf_fallback_run(s->step.fallback, arg, &failed);
            STEPPER_MUST(hf_call_report(&s->call, s->step.attempt, outcome, s->now) == 0);
            continue;
        }
        STEPPER_MUST(kind == HF_STEP_START && count > 0);
        size_t at = s->step.number < count ? s->step.number - 1 : count - 1;
        stepper_finish(s, outcomes[at], takes == NULL ? 0 : takes[at], true);
    }
}
