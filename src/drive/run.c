/* SPDX-License-Identifier: MIT */
#include <holdfast/run.h>

#include "base/num.h"
#include "drive/cancel.h"
#include "drive/clock.h"
#include "drive/run_options.h"
#include "engine/result.h"
#include "engine/trunk.h"
#include "os/shard.h"
#include "os/waiter.h"

#include <holdfast/call.h>

/* The blocking driver: a loop around the engine on the calling thread. The waiter takes what it needs from
 * the system with the first real wait only, so a call that needs none costs no system call. */
struct runner {
    hf_call call;
    hf_operation *operation;
    void *arg;
    hf_run_options options; /* clock and seed resolved */
    struct hf__waiter waiter;
};

static hf_time now_of(const struct runner *runner) { return runner->options.clock->now(runner->options.clock); }

static hf_outcome run_attempt(struct runner *runner, const hf_step *step, hf_time now) {
    hf_attempt attempt = {
        .struct_size = (uint32_t)sizeof attempt,
        .number = step->number,
        .started_at = now,
        .deadline_at = step->deadline_at,
        .cancel = runner->options.cancel,
        .clock = runner->options.clock,
    };
    return runner->operation(runner->arg, &attempt);
}

static hf_outcome run_fallback(struct runner *runner, const hf_step *step) {
    hf_result failed;
    hf_call_result(&runner->call, &failed);
    return hf_fallback_run(step->fallback, runner->arg, &failed);
}

/* Waits until `at`, a wake, or until the token is raised; may return early, the engine is asked again anyway. */
static void wait_until(struct runner *runner, hf_time at) {
    const hf_clock *clock = runner->options.clock;
    if (clock->wait != NULL && at != HF_NEVER) {
        if (!hf__waiter_take(&runner->waiter)) clock->wait(clock, at);
        return;
    }
    struct hf__cancel_watch watch = {.wake = hf__waiter_wake, .arg = &runner->waiter};
    hf__cancel_watch_add(runner->options.cancel, &watch);
    hf__waiter_wait(&runner->waiter, at);
    hf__cancel_watch_remove(runner->options.cancel, &watch);
}

static void drive(struct runner *runner) {
    for (;;) {
        if (hf_cancel_raised(runner->options.cancel)) hf_call_cancel(&runner->call);
        hf_step step;
        hf_time now = now_of(runner);
        switch ((hf_step_kind)hf_call_step(&runner->call, &step, now)) {
        case HF_STEP_START: {
            hf_outcome outcome = run_attempt(runner, &step, now);
            if (hf_cancel_raised(runner->options.cancel)) hf_call_cancel(&runner->call);
            (void)hf_call_report(&runner->call, step.attempt, outcome, now_of(runner));
            break;
        }
        case HF_STEP_RUN:
            (void)hf_call_report(&runner->call, step.attempt, run_fallback(runner, &step), now_of(runner));
            break;
        case HF_STEP_WAIT: wait_until(runner, step.at); break;
        case HF_STEP_CANCEL: break; /* nothing runs while this thread is here */
        case HF_STEP_DONE: return;
        }
    }
}

/* ---- the healthy call ---- */

#define LEFT 1 /* no status: the general path goes on */

/* The coarse clock lags by one tick. A deadline that is further away than this by it has not passed. */
#define COARSE_LAG (50 * HF_MILLISECOND)

/* Has `deadline` certainly not passed? Seldom needs the clock itself. */
static bool surely_in_time(const struct runner *runner, hf_time deadline) {
    if (deadline == HF_NEVER) return true;
    const hf_clock *clock = runner->options.clock;
    return clock->coarse != NULL && clock->coarse(clock) < deadline - COARSE_LAG;
}

static bool go_down(struct runner *runner, struct hf__trunk *trunk) {
    int answer = hf__trunk_down(trunk);
    while (answer == HF__TRUNK_NEED_NOW) {
        trunk->x.now = now_of(runner);
        answer = hf__trunk_down(trunk);
    }
    return answer == HF__TRUNK_GOES;
}

static void go_up(struct runner *runner, struct hf__trunk *trunk) {
    while (hf__trunk_up(trunk) == HF__TRUNK_NEED_NOW) trunk->x.now = now_of(runner);
}

/* Runs a call as far as it is healthy. `timed`: the caller wants to know how long it took. Returns 0 when it
 * is over, or LEFT. */
static int run_trunk(struct runner *runner, struct hf__trunk *trunk, bool timed, hf_result *out_result) {
    if (!go_down(runner, trunk)) return LEFT;
    hf_time started_at = trunk->x.now;
    hf_step step = {.number = 1, .deadline_at = trunk->x.deadline};
    hf_outcome outcome = run_attempt(runner, &step, started_at == HF__NO_TIME ? HF_NEVER : started_at);
    hf_time now = HF__NO_TIME;
    bool plain = hf__trunk_plain(trunk, &outcome) && !hf_cancel_raised(runner->options.cancel);
    if (!plain || timed || trunk->pipeline->up_needs_now || !surely_in_time(runner, trunk->x.deadline)) {
        now = now_of(runner);
        plain = plain && now < trunk->x.deadline;
    }
    if (!plain) {
        hf__trunk_leave(trunk, started_at == HF__NO_TIME ? now : started_at);
        if (hf_cancel_raised(runner->options.cancel)) hf_call_cancel(&runner->call);
        (void)hf_call_report(&runner->call, 1, outcome, now);
        return LEFT;
    }
    hf__trunk_turn(trunk, outcome, now);
    go_up(runner, trunk);
    hf__count_ok(trunk->pipeline->shards, hf__thread_number());
    if (out_result != NULL) hf__result_of_success(out_result, outcome, hf__left(now, started_at));
    return 0;
}

/* ---- the call ---- */

static int refuse(int code, hf_result *out_result) {
    if (out_result != NULL) hf__result_init(out_result, code);
    return code;
}

int hf_run(hf_pipeline *pipeline, hf_operation *operation, void *arg, const hf_run_options *options,
           hf_result *out_result) {
    struct runner runner;
    struct hf__trunk trunk;
    runner.operation = operation;
    runner.arg = arg;
    hf__waiter_init(&runner.waiter);
    if (pipeline == NULL || operation == NULL || !hf__run_options_resolve(&runner.options, options)) {
        return refuse(HF_E_INVALID, out_result);
    }
    if (pipeline->needs & HF_NEEDS_OVERLAP) return refuse(HF_E_UNSUPPORTED, out_result);
    const hf_run_options *o = &runner.options;
    hf_time now = HF__NO_TIME;
    bool timed = out_result != NULL, limited = o->timeout_ns != HF_NEVER || o->deadline_at != HF_NEVER;
    if (timed || limited || pipeline->down_needs_now) now = now_of(&runner);
    hf_call_options call_options = hf__run_options_to_call(o, now);
    call_options.wake = hf__waiter_wake;
    call_options.wake_arg = &runner.waiter;
    if (hf_cancel_raised(o->cancel) || call_options.deadline_at <= now) {
        (void)hf_call_begin(&runner.call, pipeline, &call_options, now);
    } else {
        hf__trunk_begin(&trunk, &runner.call, pipeline, &call_options, now);
        if (run_trunk(&runner, &trunk, timed, out_result) == 0) return 0;
    }
    drive(&runner);
    int status = hf_call_end(&runner.call, out_result); /* after it nobody wakes */
    hf__waiter_fini(&runner.waiter);
    return status;
}

int64_t hf_attempt_remaining_ns(const hf_attempt *attempt) {
    if (attempt->deadline_at == HF_NEVER) return HF_NEVER;
    return hf__left(attempt->deadline_at, hf_clock_now(attempt->clock));
}

bool hf_attempt_cancelled(const hf_attempt *attempt) { return hf_cancel_raised(attempt->cancel); }
