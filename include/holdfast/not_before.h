/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_NOT_BEFORE_H
#define HOLDFAST_NOT_BEFORE_H

/* Not before: when a dependency asks one call to come back later (Retry-After with a 429 or 503), all other calls to it
 * obey too, instead of each asking to be told the same. Share one between all pipelines that call the same host, inside
 * the retry and outside what holds slots:
 *
 *     total timeout, retry, not before, bulkhead, breaker, attempt timeout
 *
 * A hint of a failure or a throttled outcome moves the instant forward, never back. Until then calls are turned back with
 * HF_REASON_NOT_BEFORE and the instant as their retry_at, or wait, if `max_wait_ms` and their deadline allow; who waits
 * starts a little after it, spread over a quarter of its wait, so that they do not come as one.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_not_before hf_not_before;

typedef struct hf_not_before_config {
    uint32_t struct_size; /* set by hf_not_before_config_init */
    uint32_t reserved;    /* 0 */
    int64_t cap_ms;       /* a longer hint counts as this. Default 300000. 0 to 86400000. */
    int64_t max_wait_ms;  /* calls wait at most this long instead of being turned back. Default 0. 0 to 86400000. */
} hf_not_before_config;

/* hf_not_before_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_not_before_config_init(hf_not_before_config *config);

/* hf_not_before_new makes the policy. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, given back by hf_not_before_free.
 */
HF_API int hf_not_before_new(hf_not_before **out_not_before, const char *name, const hf_not_before_config *config,
                             hf_error *error);

/* hf_not_before_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_not_before_free(hf_not_before *not_before);

/* hf_not_before_policy is it as a member of a pipeline. Owned by it.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_not_before_policy(hf_not_before *not_before);

/* hf_not_before_at is the instant before which the dependency asked not to be called; 0 when it has not asked, or that is
 * over at `now`.
 * Threads: any thread; never blocks. */
HF_API hf_time hf_not_before_at(const hf_not_before *not_before, hf_time now);

#ifdef __cplusplus
}
#endif
#endif
