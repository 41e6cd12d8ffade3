/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BULKHEAD_H
#define HOLDFAST_BULKHEAD_H

/* Bulkhead: at most so many attempts in flight at once, so that one slow dependency cannot take all
 * threads or connections. When it is full a call waits in line, first come first served, if the
 * configuration gives the line room; else it is turned back at once (HF_REASON_FULL).
 *
 *     hf_bulkhead_config config;
 *     hf_bulkhead_config_init(&config);
 *     config.max_concurrent = 10;
 *     config.max_waiting = 20;        // at most 20 in line
 *     config.max_wait_ms = 250;       // who has waited that long is turned back
 *
 * A slot is free again only when the work has really ended: an attempt that was told to stop keeps
 * its slot until its end is reported. A slot that comes back goes straight to the first in line:
 * nobody overtakes, and a slot is never lost, whoever times out, is cancelled or gives up meanwhile.
 *
 * A line hides a dependency that is too slow for its load only as long as it does not grow: keep it
 * short (about what is served within the time a caller will wait), and let the rest know at once.
 * With a loop of your own give hf_call_options.wake: a call whose driver cannot be woken never waits
 * in line. A thread that already holds a slot and waits for another of the same bulkhead can wait for
 * itself.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_bulkhead hf_bulkhead;

typedef struct hf_bulkhead_config {
    uint32_t struct_size;    /* set by hf_bulkhead_config_init */
    uint32_t max_concurrent; /* slots. Default 64. 0 (turns everything back) to 1000000. */
    uint32_t max_waiting;    /* places in line. Default 0: none. 0 to 1000000. */
    uint32_t reserved;       /* 0 */
    int64_t max_wait_ms;     /* who waited this long is turned back, HF_REASON_QUEUE_TIMEOUT. Default 1000.
                                1 to 3600000, or HF_NEVER: as long as the call's deadlines allow. */
} hf_bulkhead_config;

/* hf_bulkhead_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_bulkhead_config_init(hf_bulkhead_config *config);

/* hf_bulkhead_new makes an empty bulkhead. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM, HF_E_SYSTEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, given back by hf_bulkhead_free.
 */
HF_API int hf_bulkhead_new(hf_bulkhead **out_bulkhead, const char *name, const hf_bulkhead_config *config,
                           hf_error *error);

/* hf_bulkhead_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_bulkhead_free(hf_bulkhead *bulkhead);

/* hf_bulkhead_policy is the bulkhead as a member of a pipeline. Owned by the bulkhead.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_bulkhead_policy(hf_bulkhead *bulkhead);

/* hf_bulkhead_resize changes the number of slots. More slots go to those who wait before it returns.
 * A smaller number takes effect as slots are given back: nothing waits, and nothing running is
 * disturbed.
 *
 * Errors:   HF_E_INVALID above 1000000.
 * Threads:  any thread; never blocks; runs the wake functions of the calls that get a slot.
 */
HF_API int hf_bulkhead_resize(hf_bulkhead *bulkhead, uint32_t max_concurrent);

/* hf_bulkhead_set_max_wait changes how long calls may wait that join the line from now on; those in
 * line keep the time they were given.
 *
 * Errors:   HF_E_INVALID outside the range of max_wait_ms.
 * Threads:  any thread; never blocks.
 */
HF_API int hf_bulkhead_set_max_wait(hf_bulkhead *bulkhead, int64_t max_wait_ms);

/* hf_bulkhead_in_flight returns the number of slots taken; after a resize it may exceed the limit.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_bulkhead_in_flight(const hf_bulkhead *bulkhead);

/* hf_bulkhead_waiting returns the number of calls in line.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_bulkhead_waiting(const hf_bulkhead *bulkhead);

/* hf_bulkhead_rejected returns how many attempts were turned back since it was made, at once or after
 * waiting.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_bulkhead_rejected(const hf_bulkhead *bulkhead);

#ifdef __cplusplus
}
#endif
#endif
