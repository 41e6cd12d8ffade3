/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BUDGET_H
#define HOLDFAST_BUDGET_H

/* Retry budget: bounds how much extra load retries may put on a dependency, so that a failing
 * dependency is not killed by those who call it again. A denied retry only suppresses the extra attempt:
 * the call ends with its original outcome. It comes in two forms:
 *
 * - By rate (default): a token bucket. Every call deposits `ratio` of a token, time adds `min_per_second`
 *   tokens a second, and every retry takes one; the bucket holds `burst` tokens and starts full. Over any
 *   time T with n calls there are at most burst + ratio * n + min_per_second * T retries (the rule of
 *   Finagle's RetryBudget, with a bounded bucket in place of an expiring one).
 * - By concurrency: at most max(min_concurrent, ratio of the calls under way) retries at once, those that wait
 *   for their back-off included (Envoy's retry budget). It follows the load without a window, also that of calls
 *   that hang; it costs two writes to a shared word for each call, where the form by rate costs a healthy
 *   call none.
 *
 * Every hf_retry has a budget of its own unless it is given one; one budget may be shared by many
 * retries, for instance all that call one host. A budget with a `parent` asks that too: one for each host and
 * one for all of them, which a bad day of every host at once cannot exceed.
 */

#include <holdfast/error.h>
#include <holdfast/region.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_budget hf_budget;

typedef enum hf_budget_kind { HF_BUDGET_BY_RATE = 0, HF_BUDGET_BY_CONCURRENCY = 1 } hf_budget_kind;

#define HF_BUDGET_UNLIMITED UINT32_C(0xffffffff) /* as ratio_ppm: no limit */

typedef struct hf_budget_config {
    uint32_t struct_size;    /* set by hf_budget_config_init */
    uint32_t ratio_ppm;      /* retries per call. Default 200000. 0 to 1000000 in
                                steps of 1000, or HF_BUDGET_UNLIMITED. */
    uint32_t min_per_second; /* by rate: retries per second whatever the traffic. Default 3. 0 to 10000. */
    uint32_t burst;          /* by rate: tokens the bucket holds. Default 30. 1 to 10000. */
    uint32_t kind;           /* hf_budget_kind. Default HF_BUDGET_BY_RATE. */
    uint32_t min_concurrent; /* by concurrency: retries at once whatever the traffic. Default 3. 0 to 10000. */
    hf_budget *parent;       /* asked after this one; both must grant. Kept. Default NULL. */
    hf_region *region;       /* by rate: memory shared by processes in which the budget lives, under its name; all
                                must configure it alike. Kept by reference. Default NULL: memory of this process. */
} hf_budget_config;

/* What hf_budget_snapshot tells. */
typedef struct hf_budget_info {
    uint32_t struct_size;      /* set by the caller: sizeof(hf_budget_info) */
    uint32_t available;        /* whole retries that would be granted now; UINT32_MAX when unlimited. 0: the budget, or
                                  one above it, is exhausted. */
    uint32_t calls;            /* by concurrency: under way */
    uint32_t retries;          /* by concurrency: under way */
    uint64_t granted;          /* retries granted since it was made */
    uint64_t denied;           /* denied by this budget since it was made */
    uint64_t denied_by_parent; /* granted here, and denied above */
} hf_budget_info;

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

/* hf_budget_denied returns how many retries were denied since it was made, here or above.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_budget_denied(const hf_budget *budget);

/* hf_budget_snapshot tells what the budget holds and did. Alert on `denied` and `denied_by_parent`: a budget that is
 * exhausted hides behind ordinary failures.
 *
 * Errors:   HF_E_INVALID (a struct_size that is not known).
 * Threads:  any thread; never blocks.
 */
HF_API int hf_budget_snapshot(const hf_budget *budget, hf_budget_info *out_info, hf_time now);

#ifdef __cplusplus
}
#endif
#endif
