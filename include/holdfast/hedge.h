/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_HEDGE_H
#define HOLDFAST_HEDGE_H

/* Hedge: when an attempt takes longer than nearly all do, a second one is started beside it, and the first
 * success wins. It cuts the slowest few per cent of calls, which are slow by bad luck (a pause, a lost
 * packet, a busy replica), at the price of as many extra attempts.
 *
 * Only for work that may be done twice: the attempt that loses is told to stop, but may have had its effect.
 * For a call whose work must not be done twice set HF_CALL_ONCE (call.h), or leave the hedge out.
 * Not for: failures (retry.h), or a dependency that is slow for everybody, which more load makes slower; a
 * breaker inside the hedge and a budget keep that in bounds.
 *
 * The delay is a percentile of the latency that the hedge has seen: no estimate, no hedge. A failed attempt
 * never beats one that is under way; the loser is settled as neutral, and its age still counts in the estimate
 * as "at least so long". A call has two attempts at once at most, and a pipeline one hedge. Drivers that cannot
 * run two attempts at once (hf_run, the curl door) refuse a pipeline with a hedge.
 *
 *     fallback, total timeout, retry, bulkhead, hedge, breaker, attempt timeout
 */

#include <holdfast/budget.h>
#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_hedge hf_hedge;

typedef struct hf_hedge_config {
    uint32_t struct_size; /* set by hf_hedge_config_init */
    uint32_t share_ppm;   /* hedge what takes longer than this share of attempts. Default 950000. 500000 to
                             999999. Not used with a fixed delay. */
    int64_t delay_ms;     /* a fixed delay instead. Default HF_NEVER: by share_ppm. 0 to 86400000, or HF_NEVER. */
    int64_t min_delay_ms; /* never hedge earlier by share_ppm. Default 1. 0 to 86400000. */
    int64_t window_ms;    /* latencies of the last so long are used, at least half of it. Default 60000. 1000 to
                             86400000. */
    uint32_t min_samples; /* attempts needed for an estimate. Default 100. 10 to 1000000. */
    uint32_t at_failure;  /* 1: a failure of the first attempt that may be retried starts the second at once
                             instead of ending the pass. Default 0: that is the retry's business. 0 or 1. */
} hf_hedge_config;

typedef struct hf_hedge_info {
    uint32_t struct_size; /* set by the caller to sizeof(hf_hedge_info) */
    uint32_t samples;     /* attempts in the window */
    int64_t delay_ns;     /* after this long an attempt is hedged now; HF_NEVER: no estimate, no hedge */
    uint64_t hedges;      /* second attempts granted since it was made; what is inside may turn one back */
    uint64_t won;         /* of these, brought the result */
    uint64_t denied;      /* would have been, but the budget was empty */
} hf_hedge_info;

/* hf_hedge_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_hedge_config_init(hf_hedge_config *config);

/* hf_hedge_new makes a hedge. `name` and `config` (NULL: defaults) are copied. Every second attempt takes one
 * token from `budget`; share that of the retries around it, so that both together stay in bounds: a shared budget is
 * fed by the retries that use it, the hedge adds nothing. NULL: a budget of its own with the defaults of
 * budget.h, fed by every call.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   two allocations at most, given back by hf_hedge_free.
 */
HF_API int hf_hedge_new(hf_hedge **out_hedge, const char *name, const hf_hedge_config *config, hf_budget *budget,
                        hf_error *error);

/* hf_hedge_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_hedge_free(hf_hedge *hedge);

/* hf_hedge_policy is the hedge as a member of a pipeline. Owned by the hedge.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_hedge_policy(hf_hedge *hedge);

/* hf_hedge_budget is the budget that the hedge draws on, its own or the shared one. Owned by the hedge.
 * Threads: any thread; never blocks. */
HF_API hf_budget *hf_hedge_budget(hf_hedge *hedge);

/* hf_hedge_snapshot fills `out_info`, whose struct_size the caller has set.
 *
 * Errors:   HF_E_INVALID when struct_size is too small.
 * Threads:  any thread; never blocks.
 */
HF_API int hf_hedge_snapshot(const hf_hedge *hedge, hf_hedge_info *out_info);

#ifdef __cplusplus
}
#endif
#endif
