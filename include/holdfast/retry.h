/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_RETRY_H
#define HOLDFAST_RETRY_H

/* Retry: runs an attempt again after a back-off, when its outcome says HF_RETRYABLE.
 *
 * It gives up at once, with the last outcome, when the attempts are used up, when the back-off or the
 * dependency's hint would pass the deadline (a retry never starts what cannot end in time), when the
 * hint is longer than `retry_after_cap_ms`, or when the budget is empty. A hint is never obeyed early:
 * the wait is the longer of back-off and hint, and jitter only adds to a hint.
 *
 * Rejections by other policies (an open breaker, a full bulkhead) are not failures: they are not
 * retried unless `retry_rejected` is set, and then not before the instant the policy named, and they
 * cost no budget: the token is lent for the wait and given back when the next pass is rejected too. Put the breaker inside the retry, so that every attempt is recorded.
 */

#include <holdfast/backoff.h>
#include <holdfast/budget.h>
#include <holdfast/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_retry hf_retry;

#define HF_RETRY_UNLIMITED UINT32_C(0xffffffff) /* as max_attempts: until the deadline */

typedef struct hf_retry_config {
    uint32_t struct_size;       /* set by hf_retry_config_init */
    uint32_t max_attempts;      /* attempts in all, the first included. Default 3. 1 to 1000, or
                                   HF_RETRY_UNLIMITED. */
    int64_t retry_after_cap_ms; /* a longer hint ends the call. Default 30000. 0 to 86400000. */
    uint32_t hint_jitter_ppm;   /* adds up to this share of the hint, never less than the hint.
                                   Default 250000. 0 to 1000000. */
    uint32_t retry_rejected;    /* 1: rejections may be retried, at their retry_at. Default 0. 0 or 1. */
    hf_backoff_config backoff;  /* see backoff.h for its defaults */
} hf_retry_config;

/* hf_retry_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_retry_config_init(hf_retry_config *config);

/* hf_retry_new makes a retry policy. `name` and `config` (NULL: defaults) are copied. `budget` is
 * shared and kept by reference; NULL gives this retry one of its own with the defaults of
 * hf_budget_config_init. To run without a budget, pass one whose ratio is HF_BUDGET_UNLIMITED.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; the retry may be shared by any number of pipelines.
 * Memory:   at most two allocations, given back by hf_retry_free.
 */
HF_API int hf_retry_new(hf_retry **out_retry, const char *name, const hf_retry_config *config, hf_budget *budget,
                        hf_error *error);

/* hf_retry_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_retry_free(hf_retry *retry);

/* hf_retry_policy is the retry as a member of a pipeline. Owned by the retry.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_retry_policy(hf_retry *retry);

/* hf_retry_budget is the budget that the retry draws on, its own or the shared one. Owned by the
 * retry.
 * Threads: any thread; never blocks. */
HF_API hf_budget *hf_retry_budget(hf_retry *retry);

#ifdef __cplusplus
}
#endif
#endif
