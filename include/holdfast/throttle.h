/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_THROTTLE_H
#define HOLDFAST_THROTTLE_H

/* Client-side throttle: when a dependency turns most of what it is sent away, or fails, send it less. An overloaded server
 * spends itself on saying no; its clients can spare it that. Where a breaker is all or nothing, a throttle turns back
 * just as much as the dependency does not take, at random, and lets through more as soon as more succeeds. Use it towards
 * a shared dependency that degrades by degrees; use a breaker towards one that is up or down; both go together, the
 * throttle outside.
 *
 * Of the last `window_ms` it counts what was asked for, when it starts and whether it was then turned back here or not,
 * and what was accepted (success; failure and "slow down" are not; what says nothing about the dependency is forgotten).
 * Turned back is
 *
 *     max(0, (requests - multiplier * (accepts + padding)) / (requests + 1)), at most max_reject
 *
 * of the calls (Google, "Site Reliability Engineering", ch. 21), sheddable ones first, critical ones last: what must be
 * turned back is taken from the least important priority that calls, up to max_reject of it, then from the next.
 *
 * After an outage what is let through grows `multiplier`-fold each window: with the defaults it is all after about 45 s.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_throttle hf_throttle;

typedef struct hf_throttle_config {
    uint32_t struct_size;    /* set by hf_throttle_config_init */
    uint32_t multiplier_ppm; /* how many times as much as was accepted is let through: lower reacts earlier, higher
                                wastes more on a dependency that says no. Default 2000000. 1000000 to 100000000. */
    uint32_t max_reject_ppm; /* at most this share is turned back, so that recovery is always seen.
                                Default 950000. 0 to 990000. */
    uint32_t padding;        /* calls taken for accepted beforehand: attempts under way at a cold start.
                                Default 20. 0 to 100000. */
    int64_t window_ms;       /* Default 10000. 100 to 3600000. */
} hf_throttle_config;

/* What hf_throttle_snapshot tells. */
typedef struct hf_throttle_info {
    uint32_t struct_size; /* set by the caller: sizeof(hf_throttle_info) */
    uint32_t excess_ppm;  /* the share of all calls that is turned back now */
    uint64_t requests;    /* in the window */
    uint64_t accepts;     /* in the window */
    uint64_t rejected;    /* since it was made */
} hf_throttle_info;

/* hf_throttle_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_throttle_config_init(hf_throttle_config *config);

/* hf_throttle_new makes a throttle that has seen nothing. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, given back by hf_throttle_free.
 */
HF_API int hf_throttle_new(hf_throttle **out_throttle, const char *name, const hf_throttle_config *config,
                           hf_error *error);

/* hf_throttle_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_throttle_free(hf_throttle *throttle);

/* hf_throttle_policy is the throttle as a member of a pipeline. Owned by the throttle. Place it inside the retry, so that
 * every attempt counts.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_throttle_policy(hf_throttle *throttle);

/* hf_throttle_snapshot tells what the throttle counts and does at `now`.
 *
 * Errors:   HF_E_INVALID (a struct_size that is not known).
 * Threads:  any thread; never blocks.
 */
HF_API int hf_throttle_snapshot(const hf_throttle *throttle, hf_throttle_info *out_info, hf_time now);

#ifdef __cplusplus
}
#endif
#endif
