/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_REGION_VIEW_H
#define HOLDFAST_REGION_VIEW_H

/* Looking into a named region from outside: which policies live in it, how they stand, and which processes share it.
 * For status pages and alarms that must not take part: a view maps the memory for reading only, owns no process slot
 * and takes no lock. holdfast-top is made of it.
 *
 *     hf_region_view *view;
 *     hf_region_view_new(&view, "shop", NULL, &error);
 *     for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
 *         hf_region_object object = {.struct_size = sizeof object};
 *         hf_breaker_info breaker = {.struct_size = sizeof breaker};
 *         if (hf_region_view_object(view, i, &object) != 0 || object.kind != HF_REGION_BREAKER) continue;
 *         if (hf_region_view_breaker(view, i, NULL, &breaker, hf_clock_now(NULL)) == 0)
 *             printf("%s is %s\n", object.name, hf_breaker_state_name(breaker.state));
 *     }
 *
 * What it reads is never trusted: an object that makes no sense is HF_E_STATE, and nothing else happens.
 *
 * Trap: as with the region itself, truncating the file while it is looked at kills with SIGBUS. It is asked for its size
 * before each look, so that only a truncation in the very moment does.
 */

#include <holdfast/breaker.h>
#include <holdfast/budget.h>
#include <holdfast/error.h>
#include <holdfast/ratelimit.h>
#include <holdfast/region.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_region_view hf_region_view;

/* Each of these structs has its struct_size set by the caller; fields may be appended. */

typedef struct hf_region_object {
    uint32_t struct_size;
    int32_t kind; /* hf_region_kind */
    uint64_t bytes;
    char name[HF_NAME_MAX + 1]; /* printable ASCII */
} hf_region_object;

/* A process slot that has, or had, an owner. */
typedef struct hf_region_process {
    uint32_t struct_size;
    int32_t pid; /* in the process namespace of its owner */
    uint32_t alive;
    uint32_t reserved;
    hf_time attached_at; /* CLOCK_MONOTONIC: when it first owned something */
} hf_region_process;

/* A bulkhead in a region: who holds its slots. */
typedef struct hf_region_bulkhead {
    uint32_t struct_size;
    uint32_t max_concurrent; /* as it is now, after hf_bulkhead_resize */
    uint32_t in_flight;      /* slots taken: the sum of the next three */
    uint32_t of_living;
    uint32_t of_dead; /* held by processes that have died: free when their leases have ended */
    uint32_t unowned; /* held by processes without a slot of their own: free when their leases have ended */
    uint64_t rejected;
    int64_t slot_lease_ms;
} hf_region_bulkhead;

/* A tier of a rate limit in a region. */
typedef struct hf_region_rate_tier {
    int64_t interval_ns; /* between two permits, as it is now, after hf_rate_limit_set */
    int64_t burst;
    int64_t available; /* permits that could be taken at once; below 0: more are promised than there are */
} hf_region_rate_tier;

typedef struct hf_region_rate_limit {
    uint32_t struct_size;
    uint32_t tiers;
    hf_region_rate_tier tier[HF_RATE_TIERS_MAX];
} hf_region_rate_limit;

/* hf_region_view_new opens the region `name` for reading; `directory` NULL is /dev/shm.
 *
 * Errors:   HF_E_INVALID (a bad name), HF_E_NOMEM, HF_E_SYSTEM (there is none, or no permission: the text names the
 *           file and the reason), HF_E_STATE (no region, of another layout or time namespace, or from before the last
 *           boot).
 * Blocks:   as long as the file system does.
 * Threads:  any thread; the view may be used by any number of threads.
 * Memory:   given back by hf_region_view_free. One descriptor, closed on exec.
 */
HF_API int hf_region_view_new(hf_region_view **out_view, const char *name, const char *directory, hf_error *error);

/* hf_region_view_free closes it. NULL is fine.
 * Threads: any thread, when no other uses the view. */
HF_API void hf_region_view_free(hf_region_view *view);

/* hf_region_view_inspect fills `out_info` as hf_region_inspect does; `fallbacks` is 0, for each process counts its own.
 *
 * Errors:   HF_E_INVALID (struct_size is too small), HF_E_STATE (the file was truncated).
 * Threads:  any thread; never blocks; one system call for each process slot that was ever used.
 */
HF_API int hf_region_view_inspect(hf_region_view *view, hf_region_info *out_info);

/* hf_region_view_process tells of process slot `slot`, 1 to HF_REGION_PROCESSES_MAX.
 *
 * Errors:   HF_E_INVALID (struct_size is too small, no such slot), HF_E_STATE (nobody ever had it, or the file was
 *           truncated).
 * Threads:  any thread; never blocks; one system call.
 */
HF_API int hf_region_view_process(hf_region_view *view, uint32_t slot, hf_region_process *out_process);

/* hf_region_view_object tells what is at `index`, 0 to HF_REGION_OBJECTS_MAX - 1. Objects are never moved or removed.
 *
 * Errors:   HF_E_INVALID (struct_size is too small, no such index), HF_E_STATE (nothing, or nothing that makes sense,
 *           or the file was truncated).
 * Threads:  any thread; never blocks.
 */
HF_API int hf_region_view_object(hf_region_view *view, uint32_t index, hf_region_object *out_object);

/* hf_region_view_breaker fills `out_info` as hf_breaker_snapshot does, and `out_config` (may be NULL) with what all
 * processes have configured; callbacks and what only the maker knows have their defaults.
 *
 * Errors:   HF_E_INVALID (struct_size is too small), HF_E_STATE (there is no breaker, or it makes no sense).
 * Time:     `now` on CLOCK_MONOTONIC, as hf_clock_now(NULL) has it.
 * Threads:  any thread; never blocks.
 */
HF_API int hf_region_view_breaker(hf_region_view *view, uint32_t index, hf_breaker_config *out_config,
                                  hf_breaker_info *out_info, hf_time now);

/* hf_region_view_bulkhead tells of the bulkhead at `index`.
 *
 * Errors:   as hf_region_view_breaker.
 * Threads:  any thread; never blocks; one system call for each slot that is taken.
 */
HF_API int hf_region_view_bulkhead(hf_region_view *view, uint32_t index, hf_region_bulkhead *out_bulkhead);

/* hf_region_view_budget fills `out_info` as hf_budget_snapshot does, and `out_config` (may be NULL) with what all
 * processes have configured.
 *
 * Errors:   as hf_region_view_breaker.
 * Time:     as hf_region_view_breaker.
 * Threads:  any thread; never blocks.
 */
HF_API int hf_region_view_budget(hf_region_view *view, uint32_t index, hf_budget_config *out_config,
                                 hf_budget_info *out_info, hf_time now);

/* hf_region_view_rate_limit tells of the rate limit at `index`.
 *
 * Errors:   as hf_region_view_breaker.
 * Time:     as hf_region_view_breaker.
 * Threads:  any thread; never blocks.
 */
HF_API int hf_region_view_rate_limit(hf_region_view *view, uint32_t index, hf_region_rate_limit *out_limit,
                                     hf_time now);

#ifdef __cplusplus
}
#endif
#endif
