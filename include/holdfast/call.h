/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_CALL_H
#define HOLDFAST_CALL_H

/* The engine: one protected call as a state machine that says what to do next. It reads no clock,
 * never waits, starts no thread and allocates nothing. `hf_run` and the curl door are loops around it;
 * write your own loop when your program has an event loop.
 *
 *     hf_call call;
 *     hf_step step;
 *     hf_call_options options;
 *     hf_call_options_init(&options);
 *     options.seed = hf_seed_fresh();                     // or all calls back off in step
 *     hf_call_begin(&call, pipeline, &options, now());
 *     for (bool done = false; !done;) {
 *         switch (hf_call_step(&call, &step, now())) {
 *         case HF_STEP_START: // when it is over: hf_call_report(&call, step.attempt, outcome, now())
 *             start(step.attempt, step.deadline_at);
 *             break;
 *         case HF_STEP_RUN: // another way to an answer
 *             hf_call_result(&call, &failed);
 *             hf_call_report(&call, step.attempt, hf_fallback_run(step.fallback, arg, &failed), now());
 *             break;
 *         case HF_STEP_CANCEL: // report it all the same when it has stopped
 *             stop(step.attempt);
 *             break;
 *         case HF_STEP_WAIT: // or until a report, a cancel or a wake
 *             sleep_until(step.at);
 *             break;
 *         case HF_STEP_DONE:
 *             hf_call_end(&call, &result);
 *             done = true;
 *         }
 *     }
 *
 * Step until it says WAIT or DONE: the answers before are orders, given once. Asking again at the same
 * `now` after WAIT changes nothing. One thread owns a call; only hf_call_cancel may come from others.
 * A pipeline with a hedge runs up to two attempts at once, if the options say that the driver can: START comes
 * while another attempt runs, and the one that loses gets a CANCEL (docs/design/hedging.md).
 * Every START must be reported exactly once, also after CANCEL: a slot is free only when the work has
 * ended.
 */

#include <holdfast/fallback.h>
#include <holdfast/pipeline.h>
#include <holdfast/result.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Caller-owned memory of one call; opaque. It must not move between begin and end. */
typedef struct hf_call {
    uint64_t opaque[128];
} hf_call;

typedef enum hf_step_kind {
    HF_STEP_START = 1,  /* start attempt `attempt` now */
    HF_STEP_RUN = 2,    /* run `fallback` now and report its outcome as attempt `attempt` */
    HF_STEP_CANCEL = 3, /* stop attempt `attempt`; report it when it has stopped */
    HF_STEP_WAIT = 4,   /* nothing to do before `at` */
    HF_STEP_DONE = 5    /* the call is over: hf_call_end */
} hf_step_kind;

typedef struct hf_step {
    int32_t kind;     /* hf_step_kind */
    uint32_t attempt; /* START, RUN, CANCEL: which; counts every START and RUN from 1 */
    uint32_t number;  /* START: number of the attempt among attempts, 1 = the first */
    uint32_t reserved;
    hf_time deadline_at;         /* START: nearest deadline around it, HF_NEVER for none */
    hf_time at;                  /* WAIT: until when; HF_NEVER: until a report, cancel or wake */
    const hf_fallback *fallback; /* RUN: for hf_fallback_run */
} hf_step;

#define HF_CALL_OVERLAP 0x1u /* this driver can run two attempts of the call at once */
#define HF_CALL_ONCE 0x2u    /* never run two at once: the work must not be done twice (not idempotent) */

typedef struct hf_call_options {
    uint32_t struct_size; /* set by hf_call_options_init */
    uint32_t priority;    /* hf_priority. Default 3, HF_PRIORITY_NORMAL. 0 to 7. */
    hf_time deadline_at;  /* the caller's own deadline. Default HF_NEVER. */
    uint64_t seed;        /* everything random in the call follows from it. Default 0. Give each call its own
                             (hf_seed_fresh): calls with one seed back off in step, and a throttle, a recovering
                             breaker or a fault drill lets all of them through or none. */
    void (*wake)(void *); /* called from any thread when a parked call should be stepped again; no
                             lock is held, and it must not call back into the call. Hold no
                             lock that it takes while you step a call. Without it no
                             policy makes the call wait in a queue. Default NULL. */
    void *wake_arg;       /* Default NULL. */
    const void *tag;      /* names the call to hf_bulkhead_line; never followed. Default NULL. */
    const char *key;      /* whom the call is made for, where limits are kept for each user, address or host; must
                             outlive the call. Default NULL: the same as "". */
    uint32_t weight;      /* permits of a rate limit that it takes. Default 1. 0 to 131071. */
    uint32_t flags;       /* HF_CALL_OVERLAP, HF_CALL_ONCE. Default 0: pipelines with a hedge are refused. */
} hf_call_options;

/* hf_call_options_init fills `options` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_call_options_init(hf_call_options *options);

/* hf_seed_fresh returns a seed for one call, other in every call, thread and process, also after fork: what hf_run
 * gives a call that brings none. After hf_test_install (testing.h) they follow from its seed.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_seed_fresh(void);

/* hf_call_begin prepares `call` for one execution of `pipeline`, which must outlive it. `options` NULL
 * means defaults.
 *
 * Errors:   HF_E_INVALID (NULL, or options of an unknown size, a priority above 7, a weight above 131071,
 *           unknown flags),
 *           HF_E_UNSUPPORTED (the pipeline has a hedge and the flags lack HF_CALL_OVERLAP).
 * Time:     `now` in ns, monotonic, the clock of all later calls; an earlier one counts as the last.
 * Threads:  the calling thread becomes the owner; never blocks; calls no user code.
 * Memory:   allocates nothing.
 */
HF_API int hf_call_begin(hf_call *call, hf_pipeline *pipeline, const hf_call_options *options, hf_time now);

/* hf_call_step says what to do next and fills `out_step`; it returns the kind.
 *
 * Threads:  owner only; never blocks; state-change callbacks of policies may run, with no lock held.
 */
HF_API int hf_call_step(hf_call *call, hf_step *out_step, hf_time now);

/* hf_call_report says what a START or RUN came to. A success is delivered even when its deadline has
 * passed or it was told to stop.
 *
 * Errors:   HF_E_STATE when `attempt` is not running (never started, or reported already): nothing
 *           changes. HF_E_INVALID for an unknown kind: counts as HF_FAILURE, final.
 * Threads:  owner only; never blocks.
 */
HF_API int hf_call_report(hf_call *call, uint32_t attempt, hf_outcome outcome, hf_time now);

/* hf_call_refuse says that the driver had no room for the attempt that a START ordered: nothing was started, and it
 * is as if a policy inside all others had turned the call back (HF_REASON_POOL_FULL). Also for an attempt that is
 * told to stop while it still waits for its turn.
 *
 * Errors:   HF_E_STATE when `attempt` is not running.
 * Threads:  owner only; never blocks.
 */
HF_API int hf_call_refuse(hf_call *call, uint32_t attempt, hf_time now);

/* hf_call_would_end asks whether reporting `outcome` for the running `attempt` would end the call with
 * this very outcome: false when a retry would run again, a fallback would take its place, or another
 * attempt may still bring a better one. Changes nothing; a shared budget or another thread may still decide otherwise by the time of the report, and so may
 * two retries of one pipeline that share a budget to which they charge resends.
 *
 * Threads:  owner only; never blocks.
 */
HF_API bool hf_call_would_end(hf_call *call, uint32_t attempt, hf_outcome outcome, hf_time now);

/* hf_call_commit says that the caller has begun to receive the result of the running `attempt`: no hedge
 * starts any more, and another attempt that runs at the same time has lost: step the call, and it is told to
 * stop. Report the attempt with HF_COMMITTED in its outcome. A driver that hands results on only when the call
 * is DONE needs it not.
 *
 * Errors:   HF_E_STATE when `attempt` is not running, or has lost already.
 * Threads:  owner only; never blocks.
 */
HF_API int hf_call_commit(hf_call *call, uint32_t attempt);

/* hf_call_cancel asks the call to end: the running attempt is told to stop and settled as neutral, no
 * retry and no fallback follows. Step the call afterwards. May be repeated.
 *
 * Threads:  any thread between begin and end; never blocks.
 */
HF_API void hf_call_cancel(hf_call *call);

/* hf_call_result writes the result so far; final once the step was DONE.
 * Threads:  owner only; never blocks. */
HF_API void hf_call_result(const hf_call *call, hf_result *out_result);

/* hf_call_end gives everything back and writes the result (`out_result` may be NULL). Before DONE it
 * settles what is open as neutral and the status is HF_E_CANCELLED. After it no wake runs or will run.
 *
 * Returns the status, see hf_result_status.
 * Errors:   HF_E_STATE when the call was not begun, or has ended already.
 * Threads:  owner only; never blocks.
 */
HF_API int hf_call_end(hf_call *call, hf_result *out_result);

#ifdef __cplusplus
}
#endif
#endif
