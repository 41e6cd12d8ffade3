/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BUDGET_H
#define HOLDFAST_BUDGET_H

/* Retry budget: bounds how much extra load retries may put on a dependency, so that a failing
 * dependency is not killed by those who call it again.
 *
 * It is a token bucket. Every call deposits `ratio` of a token, time adds `min_per_second` tokens a
 * second, and every retry takes one; the bucket holds `burst` tokens and starts full. Over any time T
 * with n calls there are therefore at most burst + ratio * n + min_per_second * T retries (the rule of
 * Finagle's RetryBudget, with a bounded bucket in place of an expiring one). A denied retry only
 * suppresses the extra attempt: the call ends with its original outcome.
 *
 * Every hf_retry has a budget of its own unless it is given one; one budget may be shared by many
 * retries, for instance all that call one host.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_budget hf_budget;

#define HF_BUDGET_UNLIMITED UINT32_C(0xffffffff) /* as ratio_ppm: no limit */

typedef struct hf_budget_config {
    uint32_t struct_size;    /* set by hf_budget_config_init */
    uint32_t ratio_ppm;      /* retries per call. Default 200000. 0 to 1000000 in
                                steps of 1000, or HF_BUDGET_UNLIMITED. */
    uint32_t min_per_second; /* retries per second whatever the traffic. Default 3. 0 to 10000. */
    uint32_t burst;          /* tokens the bucket holds. Default 30. 1 to 10000. */
} hf_budget_config;

/* hf_budget_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_budget_config_init(hf_budget_config *config);

/* hf_budget_new makes a full budget. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of retries.
 * Memory:   one allocation, given back by hf_budget_free.
 */
HF_API int hf_budget_new(hf_budget **out_budget, const char *name, const hf_budget_config *config, hf_error *error);

/* hf_budget_free gives up the caller's reference; retries that use it keep theirs. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_budget_free(hf_budget *budget);

/* hf_budget_available returns how many whole retries would be granted at `now`; UINT32_MAX when
 * unlimited.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_budget_available(const hf_budget *budget, hf_time now);

/* hf_budget_denied returns how many retries were denied since it was made.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_budget_denied(const hf_budget *budget);

#ifdef __cplusplus
}
#endif
#endif
