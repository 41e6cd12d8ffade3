/* SPDX-License-Identifier: MIT */
/* The calls of a row through hf_run, on a virtual clock: the same rows, the other driver. */
#include "support/vector_value.h"
#include "support/vector_world.h"

#include <holdfast/testing.h>

/* What the operation needs; fallbacks get it too, since both are given the same argument. */
struct bench {
    struct vector_world *w;
    struct vector_plan plan;
    hf_test_clock *clock;
    hf_cancel *cancel;
    hf_time idle_since; /* the last attempt ended, or the call began */
    bool fine;
};

/* Moves the virtual clock to the end of the attempt: when it is over, told to stop, or out of time. */
static bool live_through(struct bench *bench, const struct vector_attempt *a, const hf_attempt *attempt) {
    int64_t left = hf_attempt_remaining_ns(attempt), ns = a->takes;
    bool raises = a->cancel_after <= ns;
    if (!a->stubborn && raises) ns = a->cancel_after;
    bool cut = !a->stubborn && left < ns;
    if (cut) ns = left;
    else if (raises) hf_cancel_raise(bench->cancel);
    hf_test_clock_advance(bench->clock, ns);
    return cut || (raises && !a->stubborn);
}

static hf_outcome operate(void *arg, const hf_attempt *attempt) {
    struct bench *bench = ((struct vector_world *)arg)->bench;
    struct vector_world *w = bench->w;
    const struct vector_attempt *a = vector_plan_next(&bench->plan);
    w->own_token = w->own_token && attempt->cancel == bench->cancel && !hf_attempt_cancelled(attempt);
    if (bench->fine && (a == NULL || a->kind == 'W')) {
        bench->fine = vector_fault(w, "expected no further attempt, and one was made");
    }
    if (!bench->fine || a == NULL) return hf_failure_final(0);
    char text[48];
    if (attempt->started_at > bench->idle_since) {
        vector_append(w->waits, vector_show_duration(attempt->started_at - bench->idle_since, text, sizeof text));
    }
    w->deadline_at = attempt->deadline_at;
    bool stopped = live_through(bench, a, attempt);
    bench->idle_since = hf_clock_now(attempt->clock);
    hf_outcome outcome = stopped ? hf_failure(a->outcome.code) : a->outcome;
    vector_plan_take(&bench->plan);
    return outcome;
}

static bool play(struct vector_world *w, struct bench *bench) {
    hf_run_options options;
    hf_run_options_init(&options);
    options.clock = hf_test_clock_clock(bench->clock);
    options.cancel = bench->cancel;
    options.seed = w->seed++;
    options.priority = w->priority;
    options.timeout_ns = w->call_deadline;
    const struct vector_attempt *first = vector_plan_next(&bench->plan);
    if (first != NULL && first->kind == 'W') { /* cancelled before it begins */
        hf_cancel_raise(bench->cancel);
        vector_plan_take(&bench->plan);
    }
    vector_call_begins(w);
    bench->idle_since = w->now;
    w->own_token = true;
    int rc = hf_run(w->pipeline, operate, w, &options, &w->result);
    if (!bench->fine) return false;
    if (vector_plan_unfinished(&bench->plan)) {
        return vector_fault(w, "expected a further attempt, and the call is over");
    }
    if (rc != hf_result_status(&w->result)) return vector_fault(w, "hf_run and its result disagree");
    w->has_result = true;
    w->now = w->ended_at = hf_clock_now(options.clock);
    return true;
}

bool vector_play_blocking(struct vector_world *w, const char *list) {
    struct bench bench = {.w = w, .fine = true};
    if (!vector_plan_parse(w, list, &bench.plan)) return false;
    w->bench = &bench;
    bool fine = hf_test_clock_new(&bench.clock, w->now, NULL) == 0 && hf_cancel_new(&bench.cancel, NULL) == 0;
    if (!fine) (void)vector_fault(w, "no memory");
    fine = fine && play(w, &bench);
    hf_cancel_free(bench.cancel);
    hf_test_clock_free(bench.clock);
    w->bench = NULL;
    return fine;
}
