/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_RUN_H
#define HOLDFAST_RUN_H

/* hf_run: the blocking driver. It protects a function of yours: calls it, waits between attempts,
 * and returns when the pipeline says so. The calling thread does everything; nothing runs behind it.
 *
 *     static hf_outcome charge_card(void *arg, const hf_attempt *attempt) {
 *         struct order *order = arg;
 *         int rc = bank_charge(order, hf_attempt_remaining_ns(attempt) / 1000000);
 *         return rc == 0 ? hf_success() : hf_failure(rc);
 *     }
 *
 *     hf_result result;
 *     int rc = hf_run(payments, charge_card, &order, NULL, &result);
 *
 * A function cannot be stopped from outside: hand its deadline on to whatever it waits for. Waits
 * between attempts, and in the line of a bulkhead, end at once when the cancel token is raised.
 */

#include <holdfast/cancel.h>
#include <holdfast/clock.h>
#include <holdfast/pipeline.h>
#include <holdfast/result.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an operation may know about the attempt it makes. Made by the library; fields may be
 * appended. */
typedef struct hf_attempt {
    uint32_t struct_size;
    uint32_t number; /* 1 = the first */
    hf_time started_at;
    hf_time deadline_at;     /* nearest deadline around the attempt; HF_NEVER for none */
    const hf_cancel *cancel; /* the caller's token, or NULL */
    const hf_clock *clock;   /* what hf_clock_now reads these instants on */
} hf_attempt;

/* The operation: results travel through `arg`, the outcome says what it came to. */
typedef hf_outcome hf_operation(void *arg, const hf_attempt *attempt);

#define HF_SEED_AUTO UINT64_MAX /* a fresh seed for each call, different in every process */

typedef struct hf_run_options {
    uint32_t struct_size;  /* set by hf_run_options_init */
    uint32_t priority;     /* hf_priority. Default 3, HF_PRIORITY_NORMAL. 0 to 7. */
    hf_time deadline_at;   /* the caller's deadline, on `clock`. Default HF_NEVER. */
    int64_t timeout_ns;    /* the same from the start of the call; the nearer counts. Default HF_NEVER. */
    hf_cancel *cancel;     /* ends the call when raised. Default NULL. */
    const hf_clock *clock; /* Default NULL: the default clock of the process. */
    uint64_t seed;         /* replays a run exactly. Default HF_SEED_AUTO. */
    const void *tag;       /* names the call to hf_bulkhead_line; never followed. Default NULL. */
    const char *key;       /* whom the call is made for, where limits are kept for each user, address or host; must
                              outlive the call. Default NULL: the same as "". */
    uint32_t weight;       /* permits of a rate limit that it takes. Default 1. 0 to 131071. */
    uint32_t reserved;     /* 0 */
} hf_run_options;

/* hf_run_options_init fills `options` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_run_options_init(hf_run_options *options);

/* hf_run calls `operation` with `arg` under `pipeline`. `options` may be NULL (defaults), `out_result`
 * may be NULL.
 *
 * Returns 0 when a value was delivered, by the operation or by a fallback; else HF_E_FAILED,
 * HF_E_REJECTED, HF_E_TIMEOUT or HF_E_CANCELLED; HF_E_INVALID for bad arguments and HF_E_UNSUPPORTED for a
 * pipeline with a hedge (one thread cannot make two attempts at once: use an hf_pool), and then nothing ran and
 * `*out_result` says so.
 * Time:     a healthy call reads the clock only if somebody needs the time: a policy (timeout, breaker with a
 *           slow rule), a deadline, or the caller, who gets durations in `out_result`.
 * Blocks:   as long as the operation does and the pipeline waits; never past the deadline except for
 *           an operation that ignores it.
 * Threads:  any thread; calls the operation and fallbacks on the calling thread, with no lock held.
 *           They may call hf_run again.
 * Memory:   allocates nothing.
 */
HF_API int hf_run(hf_pipeline *pipeline, hf_operation *operation, void *arg, const hf_run_options *options,
                  hf_result *out_result);

/* hf_attempt_remaining_ns returns the time left until the attempt's deadline, now: 0 when it has
 * passed, HF_NEVER when there is none.
 * Threads: any thread; never blocks; reads the clock. */
HF_API int64_t hf_attempt_remaining_ns(const hf_attempt *attempt);

/* hf_attempt_cancelled tells whether the caller has raised the cancel token.
 * Threads: any thread; never blocks. */
HF_API bool hf_attempt_cancelled(const hf_attempt *attempt);

#ifdef __cplusplus
}
#endif
#endif
