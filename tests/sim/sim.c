/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"

#include "base/rng.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    abort();
}

/* ---- events: a binary heap ---- */

void sim_init(struct sim *sim, uint64_t seed) {
    memset(sim, 0, sizeof *sim);
    sim->now = HF_SECOND;
    sim->rng = seed;
}

void sim_fini(struct sim *sim) { free(sim->heap); }

static bool before(const struct sim_event *a, const struct sim_event *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_at(struct sim *sim, hf_time at, sim_action *action, void *arg, uint64_t tag) {
    SIM_MUST(at >= sim->now);
    if (sim->count == sim->room) {
        sim->room = sim->room == 0 ? 1024 : sim->room * 2;
        sim->heap = realloc(sim->heap, sim->room * sizeof *sim->heap);
        SIM_MUST(sim->heap != NULL);
    }
    struct sim_event event = {at, sim->made++, action, arg, tag};
    size_t i = sim->count++;
    for (; i > 0 && before(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2) sim->heap[i] = sim->heap[(i - 1) / 2];
    sim->heap[i] = event;
}

static struct sim_event take_first(struct sim *sim) {
    struct sim_event first = sim->heap[0], last = sim->heap[--sim->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= sim->count) break;
        if (child + 1 < sim->count && before(&sim->heap[child + 1], &sim->heap[child])) child++;
        if (!before(&sim->heap[child], &last)) break;
        sim->heap[i] = sim->heap[child];
        i = child;
    }
    sim->heap[i] = last;
    return first;
}

void sim_run(struct sim *sim, hf_time until) {
    while (sim->count > 0 && sim->heap[0].at <= until) {
        struct sim_event event = take_first(sim);
        sim->now = event.at;
        event.action(sim, event.arg, event.tag);
    }
    if (sim->now < until && until != HF_NEVER) sim->now = until;
}

/* ---- random numbers ---- */

double sim_uniform(struct sim *sim) { return (double)(hf__rng_next(&sim->rng) >> 11) / 9007199254740992.0; }

int64_t sim_exponential(struct sim *sim, int64_t mean_ns) {
    return 1 + (int64_t)(-log(1.0 - sim_uniform(sim)) * (double)mean_ns);
}

int64_t sim_normal(struct sim *sim, int64_t mean_ns, int64_t sd_ns) {
    /* Box and Muller, 1958. */
    double radius = sqrt(-2.0 * log(1.0 - sim_uniform(sim))), angle = 2.0 * 3.14159265358979323846 * sim_uniform(sim);
    double value = (double)mean_ns + (double)sd_ns * radius * cos(angle);
    return value < 0 ? 0 : (int64_t)value;
}

/* ---- calls ---- */

static void step_call(struct sim *sim, struct sim_call *call);

static void on_timer(struct sim *sim, void *arg, uint64_t tag) {
    struct sim_call *call = arg;
    if (call->open && tag == call->timers) step_call(sim, call);
}

/* A wake may come from within the step of another call: it is answered at the same instant, but later. */
static void on_wake(void *arg) {
    struct sim_call *call = arg;
    sim_at(call->sim, call->sim->now, on_timer, call, ++call->timers);
}

static void start(struct sim *sim, struct sim_call *call, uint32_t attempt) {
    call->running = ++call->attempts;
    call->attempt = attempt;
    call->experiment->start(sim, call, call->running);
}

static void stop(struct sim *sim, struct sim_call *call) {
    call->running = 0;
    SIM_MUST(hf_call_report(&call->call, call->attempt, hf_failure(ETIMEDOUT), sim->now) == 0);
}

static void step_call(struct sim *sim, struct sim_call *call) {
    for (;;) {
        hf_step step;
        switch ((hf_step_kind)hf_call_step(&call->call, &step, sim->now)) {
        case HF_STEP_START: start(sim, call, step.attempt); break;
        case HF_STEP_CANCEL: stop(sim, call); break;
        case HF_STEP_RUN: SIM_MUST(step.fallback == NULL); break; /* none in simulations */
        case HF_STEP_WAIT:
            call->timers++;
            if (step.at != HF_NEVER) sim_at(sim, step.at, on_timer, call, call->timers);
            return;
        case HF_STEP_DONE: {
            hf_result result;
            (void)hf_call_end(&call->call, &result);
            call->open = false;
            call->running = 0;
            call->experiment->done(sim, call, &result);
            return;
        }
        }
    }
}

void sim_begin(struct sim *sim, struct sim_call *call, hf_pipeline *pipeline, uint32_t priority) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = hf__rng_next(&sim->rng);
    options.priority = priority;
    options.wake = on_wake;
    options.wake_arg = call;
    SIM_MUST(!call->open && hf_call_begin(&call->call, pipeline, &options, sim->now) == 0);
    call->sim = sim;
    call->began_at = sim->now;
    call->open = true;
    step_call(sim, call);
}

void sim_report(struct sim *sim, struct sim_call *call, uint64_t attempt, hf_outcome outcome) {
    if (!call->open || call->running != attempt) return;
    call->running = 0;
    SIM_MUST(hf_call_report(&call->call, call->attempt, outcome, sim->now) == 0);
    step_call(sim, call);
}
