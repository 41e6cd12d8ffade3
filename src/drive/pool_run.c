/* SPDX-License-Identifier: MIT */
#include <holdfast/pool.h>

#include "base/num.h"
#include "drive/clock.h"
#include "drive/pool_threads.h"
#include "drive/run_options.h"
#include "engine/result.h"
#include "os/fork_generation.h"
#include "os/monotonic.h"

#include <assert.h>
#include <string.h>

/* The driver of one call on a pool, on the caller's thread: it steps the engine, hands attempts to threads and
 * collects them. Told to stop one that runs, it goes on without it. */
struct pool_call {
    struct hf__keeper keeper; /* first: the engine hands it back */
    hf_call call;
    hf_pool *pool;
    hf_pipeline *pipeline;
    const hf_pool_work *work;
    hf_run_options options;
    struct hf__waiter waiter;
    struct hf__task *flight[2];              /* started, not reported */
    bool delivered;                          /* the output of a success was copied */
    bool has_abandoned;                      /* ever; `remains` need not be looked at before */
    struct hf__remains *remains;             /* guarded by the pool's lock */
    uint32_t serial;                         /* of the latest attempt */
    uint32_t settled_at[2][HF_MAX_POLICIES]; /* by branch inside a hedge: `serial` when this level was last settled */
};

static hf_time now_of(const struct pool_call *p) { return hf_clock_now(p->options.clock); }

static struct hf__call *inside(struct pool_call *p) { return (struct hf__call *)(void *)&p->call; }

/* ---- what is kept for abandoned tasks ---- */

/* Did the unfinished task run under the admission that is settled now? */
static bool ran_under(const struct hf__task *task, uint32_t since, bool inside_hedge, uint32_t branch) {
    return task->serial > since && (!inside_hedge || task->branch == branch);
}

static void keep_for(struct hf__remains *r, uint32_t place, hf_policy *policy, const struct hf_frame *frame,
                     uint32_t since, bool inside_hedge, uint32_t branch) {
    r->kept[place] = (struct hf__kept){policy, *frame, 0};
    for (uint32_t i = 0; i < r->tasks; i++) {
        if (!ran_under(r->abandoned[i], since, inside_hedge, branch)) continue;
        r->abandoned[i]->kept |= 1u << place;
        r->kept[place].tasks++;
    }
    if (r->kept[place].tasks == 0) r->kept[place].policy = NULL;
}

static bool keep(const struct hf__keeper *keeper, hf_policy *policy, const struct hf_frame *frame, uint32_t level,
                 bool inside_hedge, uint32_t branch) {
    struct pool_call *p = (struct pool_call *)(uintptr_t)keeper; /* const to the engine, not to us */
    uint32_t *settled_at = &p->settled_at[inside_hedge ? branch : 0][level], since = *settled_at;
    *settled_at = p->serial;
    if (!p->has_abandoned) return false;
    bool kept = false;
    hf__pool_lock(p->pool);
    if (p->remains != NULL) {
        uint32_t place = 0;
        while (p->remains->kept[place].policy != NULL) place++; /* there is one: hf__pool_abandon_locked */
        keep_for(p->remains, place, policy, frame, since, inside_hedge, branch);
        kept = p->remains->kept[place].policy != NULL;
    }
    hf__pool_unlock(p->pool);
    return kept;
}

/* ---- attempts ---- */

static struct hf__task **place_of(struct pool_call *p, uint32_t serial) {
    for (int i = 0; i < 2; i++) {
        if (p->flight[i] != NULL && p->flight[i]->serial == serial) return &p->flight[i];
    }
    return NULL;
}

static void start(struct pool_call *p, const hf_step *step, hf_time now) {
    p->serial = step->attempt;
    hf__pool_lock(p->pool);
    struct hf__task *task = hf__pool_take_task_locked(p->pool);
    hf__pool_unlock(p->pool);
    if (task == NULL) {
        (void)hf_call_refuse(&p->call, step->attempt, now);
        return;
    }
    task->operation = p->work->operation;
    task->arg = p->work->arg;
    task->clock = p->options.clock;
    task->serial = step->attempt;
    task->branch = hf__call_running(inside(p), step->attempt)->origin;
    task->output_size = p->work->output_size;
    task->waiter = &p->waiter;
    hf__cancel_reset(task->stop);
    task->attempt = (hf_attempt){
        .struct_size = (uint32_t)sizeof task->attempt,
        .number = step->number,
        .started_at = now,
        .deadline_at = step->deadline_at,
        .cancel = task->stop,
        .clock = p->options.clock,
    };
    p->flight[p->flight[0] != NULL] = task;
    hf__pool_enqueue(p->pool, task);
}

static void report(struct pool_call *p, const struct hf__task *task, enum hf__task_state state) {
    hf_time now = now_of(p);
    if (state == HF__TASK_EXPIRED) {
        (void)hf_call_refuse(&p->call, task->serial, now);
        return;
    }
    if (task->outcome.kind == HF_SUCCESS && !p->delivered && p->work->out_output != NULL) {
        memcpy(p->work->out_output, task->output, task->output_size);
        p->delivered = true;
    }
    (void)hf_call_report(&p->call, task->serial, task->outcome, now);
}

/* Reports what has ended. */
static void collect(struct pool_call *p) {
    for (int i = 0; i < 2; i++) {
        struct hf__task *task = p->flight[i];
        if (task == NULL) continue;
        hf__pool_lock(p->pool);
        enum hf__task_state state = task->state;
        hf__pool_unlock(p->pool);
        if (state != HF__TASK_ENDED && state != HF__TASK_EXPIRED) continue;
        p->flight[i] = NULL;
        report(p, task, state);
        hf__pool_lock(p->pool);
        hf__pool_give_task_locked(p->pool, task);
        hf__pool_unlock(p->pool);
    }
}

/* The engine wants the attempt to stop. In the queue it never starts; running it is told, and abandoned; what has
 * ended is collected as ever. */
static void stop(struct pool_call *p, uint32_t serial) {
    struct hf__task **place = place_of(p, serial);
    assert(place != NULL); /* the engine stops only what was started */
    struct hf__task *task = *place;
    hf_time now = now_of(p);
    hf__pool_lock(p->pool);
    bool running = task->state == HF__TASK_RUNNING;
    bool dropped = hf__pool_drop_locked(p->pool, task);
    if (dropped) {
        hf__pool_give_task_locked(p->pool, task);
        p->pool->locked.info.expired++;
    }
    if (running) hf_cancel_raise(task->stop); /* under the lock, or its record might have another life */
    bool abandoned = running && hf__pool_abandon_locked(p->pool, task, &p->remains, p->pipeline);
    hf__pool_unlock(p->pool);
    if (dropped || abandoned) *place = NULL;
    p->has_abandoned |= abandoned;
    if (dropped) (void)hf_call_refuse(&p->call, serial, now);
    if (abandoned) (void)hf_call_report(&p->call, serial, hf_failure(0), now);
}

static hf_outcome run_fallback(struct pool_call *p, const hf_step *step) {
    hf_result failed;
    hf_call_result(&p->call, &failed);
    return hf_fallback_run(step->fallback, p->work->out_output, &failed);
}

/* ---- the call ---- */

/* Waits until `at`, the end of a task, a wake, or until the token is raised; may return early. A virtual clock stands still
 * while threads work: somebody else may move it. */
static void wait_until(struct pool_call *p, hf_time at) {
    const hf_clock *clock = p->options.clock;
    bool is_virtual = clock->wait != NULL, working = p->flight[0] != NULL || p->flight[1] != NULL;
    if (is_virtual && !working && at != HF_NEVER) {
        if (!hf__waiter_take(&p->waiter)) clock->wait(clock, at);
        return;
    }
    struct hf__cancel_watch watch = {.wake = hf__waiter_wake, .arg = &p->waiter};
    hf__cancel_watch_add(p->options.cancel, &watch);
    hf__waiter_wait(&p->waiter, is_virtual ? hf__monotonic_now() + 2 * HF_MILLISECOND : at);
    hf__cancel_watch_remove(p->options.cancel, &watch);
}

static void drive(struct pool_call *p) {
    for (;;) {
        collect(p);
        if (hf_cancel_raised(p->options.cancel)) hf_call_cancel(&p->call);
        hf_step step;
        hf_time now = now_of(p);
        switch ((hf_step_kind)hf_call_step(&p->call, &step, now)) {
        case HF_STEP_START: start(p, &step, now); break;
        case HF_STEP_RUN: (void)hf_call_report(&p->call, step.attempt, run_fallback(p, &step), now_of(p)); break;
        case HF_STEP_CANCEL: stop(p, step.attempt); break;
        case HF_STEP_WAIT: wait_until(p, step.at); break;
        case HF_STEP_DONE: return;
        }
    }
}

/* The argument is destroyed here, or by the last task that still uses it. */
static void leave(struct pool_call *p) {
    const hf_pool_work *work = p->work;
    bool others = false;
    if (p->has_abandoned) {
        hf__pool_lock(p->pool);
        others = p->remains != NULL;
        if (others) {
            p->remains->arg = work->arg;
            p->remains->destroy = work->destroy;
            p->remains->call = NULL;
        }
        hf__pool_unlock(p->pool);
    }
    if (!others && work->destroy != NULL) work->destroy(work->arg);
}

static int refuse(int code, const hf_pool_work *work, hf_result *out_result) {
    if (out_result != NULL) hf__result_init(out_result, code);
    if (work != NULL && work->struct_size == sizeof *work && work->destroy != NULL) work->destroy(work->arg);
    return code;
}

static bool is_valid(const hf_pool *pool, const hf_pool_work *work) {
    return work != NULL && work->struct_size == sizeof *work && work->operation != NULL && work->once <= 1 &&
           work->output_size <= pool->config.output_bytes;
}

int hf_pool_run(hf_pool *pool, hf_pipeline *pipeline, const hf_pool_work *work, const hf_run_options *options,
                hf_result *out_result) {
    struct pool_call p = {.keeper = {keep}, .pool = pool, .pipeline = pipeline, .work = work};
    if (pool == NULL || pipeline == NULL || !is_valid(pool, work) || !hf__run_options_resolve(&p.options, options)) {
        return refuse(HF_E_INVALID, work, out_result);
    }
    if (pool->fork_generation != hf__fork_generation()) return refuse(HF_E_STATE, work, out_result);
    hf__pool_lock(pool);
    bool stopping = pool->locked.stopping;
    hf__pool_unlock(pool);
    if (stopping) return refuse(HF_E_STATE, work, out_result);
    hf__waiter_init(&p.waiter);
    hf_time now = now_of(&p);
    hf_call_options call_options = hf__run_options_to_call(&p.options, now);
    call_options.wake = hf__waiter_wake;
    call_options.wake_arg = &p.waiter;
    call_options.flags = HF_CALL_OVERLAP | (work->once ? HF_CALL_ONCE : 0);
    (void)hf_call_begin(&p.call, pipeline, &call_options, now); /* fails for bad options only, and these are resolved */
    inside(&p)->keeper = &p.keeper;
    drive(&p);
    int status = hf_call_end(&p.call, out_result);
    hf__waiter_fini(&p.waiter);
    leave(&p);
    return status;
}
