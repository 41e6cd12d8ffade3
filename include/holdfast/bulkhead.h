/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BULKHEAD_H
#define HOLDFAST_BULKHEAD_H

/* Bulkhead: at most so many attempts in flight at once, so that one slow dependency cannot take all
 * threads or connections. When it is full a call is rejected at once (there is no queue yet).
 *
 * A slot is free again only when the work has really ended: an attempt that was told to stop keeps
 * its slot until its end is reported.
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
} hf_bulkhead_config;

/* hf_bulkhead_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_bulkhead_config_init(hf_bulkhead_config *config);

/* hf_bulkhead_new makes an empty bulkhead. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
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

/* hf_bulkhead_resize changes the number of slots. A smaller number takes effect as slots are given
 * back: nothing waits, and nothing running is disturbed.
 *
 * Errors:   HF_E_INVALID above 1000000.
 * Threads:  any thread; never blocks.
 */
HF_API int hf_bulkhead_resize(hf_bulkhead *bulkhead, uint32_t max_concurrent);

/* hf_bulkhead_in_flight returns the number of slots taken; after a resize it may exceed the limit.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_bulkhead_in_flight(const hf_bulkhead *bulkhead);

/* hf_bulkhead_rejected returns how many attempts were turned back since it was made.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_bulkhead_rejected(const hf_bulkhead *bulkhead);

#ifdef __cplusplus
}
#endif
#endif
