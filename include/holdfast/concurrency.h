/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_CONCURRENCY_H
#define HOLDFAST_CONCURRENCY_H

/* Adaptive concurrency limit: a bulkhead that finds its own number of slots, from how long calls take and whether they
 * are dropped. Use it where the capacity behind you changes or nobody knows it; where you know it, a bulkhead is
 * simpler and reacts at once. It protects the dependency and the latency of what is admitted; it does not notice
 * fast failures (breaker, throttle).
 *
 * Calls are measured in windows. A window in which calls were dropped, timed out or told to slow down (429 and its kin),
 * lowers the limit. Otherwise the algorithm decides:
 *
 * - HF_LIMIT_AIMD: up by one while nothing is dropped. Needs drops, or slow_ms, to find the ceiling.
 * - HF_LIMIT_VEGAS: keeps a handful of calls queued beyond what round trips without load would explain. Precise where
 *   round trips are alike.
 * - HF_LIMIT_GRADIENT (default): lowers the limit when a window is slower than the usual by more than `tolerance`.
 *   Robust where round trips differ.
 *
 * A limit that is not used is not raised, and never far above what was seen in flight. As a member of a pipeline it turns
 * back what is beyond the limit; or give it the bulkhead that stands around it, whose slots it then sets, and whose line
 * waits instead of being turned back:
 *
 *     hf_bulkhead *bulkhead;
 *     int rc = hf_bulkhead_new(&bulkhead, "slots", NULL, &error);
 *     hf_concurrency_config config;
 *     hf_concurrency_config_init(&config);
 *     config.bulkhead = bulkhead;
 *     hf_concurrency *limit;
 *     rc = hf_concurrency_new(&limit, "limit", &config, &error);
 *     hf_policy *order[] = {hf_bulkhead_policy(bulkhead), hf_concurrency_policy(limit), hf_breaker_policy(breaker)};
 */

#include <holdfast/bulkhead.h>
#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_concurrency hf_concurrency;

typedef enum hf_limit_algorithm { HF_LIMIT_AIMD = 0, HF_LIMIT_VEGAS = 1, HF_LIMIT_GRADIENT = 2 } hf_limit_algorithm;

typedef struct hf_concurrency_config {
    uint32_t struct_size;          /* set by hf_concurrency_config_init */
    uint32_t algorithm;            /* hf_limit_algorithm. Default HF_LIMIT_GRADIENT. */
    uint32_t initial;              /* slots to begin with. Default 20. min_limit to max_limit. */
    uint32_t min_limit;            /* never fewer: what one needs to notice recovery. Default 4. 1 to 100000. */
    uint32_t max_limit;            /* never more. Default 1000. min_limit to 100000. */
    uint32_t min_calls;            /* a window lasts until it has so many. Default 10. 1 to 100000. */
    int64_t window_ms;             /* and at least so long. Default 1000. 10 to 60000. */
    int64_t slow_ms;               /* a window that takes longer on average counts as dropped from.
                                    Default HF_NEVER. 1 to 86400000 or HF_NEVER. */
    uint32_t drop_ppm;             /* a window counts as dropped from when this share of it was. Default 10000.
                                    0 (any) to 1000000. */
    uint32_t backoff_ppm;          /* the limit is multiplied by this then. Default 900000. 500000 to 999000. */
    uint32_t tolerance_ppm;        /* gradient: round trips up to this multiple of the usual are no queue.
                                    Default 1500000. 1000000 to 10000000. */
    uint32_t smoothing_ppm;        /* gradient: how far the limit goes to where it should be.
                                    Default 200000. 1000 to 1000000. */
    int64_t remeasure_ms;          /* the round trip without load is measured afresh so often; only what would
                                    have queued is turned away for it. Default 30000. 1000 to 86400000. */
    uint32_t remeasure_jitter_ppm; /* Default 250000. 0 to 900000. */
    uint32_t reserve_ppm;          /* this share of the limit is kept from sheddable calls for normal ones, and as much
                                    from normal ones for critical ones. Default 0. 0 to 400000. */
    uint64_t seed;                 /* of the jitter; 0 draws a fresh one. Default 0. 0 to UINT64_MAX. */
    hf_bulkhead *bulkhead;         /* sets the slots of this one and turns nothing back. Kept. Default NULL. */
} hf_concurrency_config;

/* What hf_concurrency_snapshot tells. */
typedef struct hf_concurrency_info {
    uint32_t struct_size; /* set by the caller: sizeof(hf_concurrency_info) */
    uint32_t limit;       /* slots */
    uint32_t in_flight;
    uint32_t reserved;
    int64_t base_ns;   /* the round trip without load, as far as it is known; 0: not yet */
    uint64_t rejected; /* since it was made */
} hf_concurrency_info;

/* hf_concurrency_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_concurrency_config_init(hf_concurrency_config *config);

/* hf_concurrency_new makes a limit that has measured nothing. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, given back by hf_concurrency_free.
 */
HF_API int hf_concurrency_new(hf_concurrency **out_limit, const char *name, const hf_concurrency_config *config,
                              hf_error *error);

/* hf_concurrency_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_concurrency_free(hf_concurrency *limit);

/* hf_concurrency_policy is the limit as a member of a pipeline. Owned by the limit. What it measures is what lies inside:
 * place it outside of the attempt timeout, whose time-outs are drops, and inside of the retry.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_concurrency_policy(hf_concurrency *limit);

/* hf_concurrency_reset forgets all measurements and goes back to `initial` slots: after a change of the other side.
 * Threads: any thread; waits for a lock held for a few instructions. */
HF_API void hf_concurrency_reset(hf_concurrency *limit, hf_time now);

/* hf_concurrency_snapshot tells what the limit is.
 *
 * Errors:   HF_E_INVALID (a struct_size that is not known).
 * Threads:  any thread; waits for a lock held for a few instructions.
 */
HF_API int hf_concurrency_snapshot(hf_concurrency *limit, hf_concurrency_info *out_info);

#ifdef __cplusplus
}
#endif
#endif
