/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_PIPELINE_H
#define HOLDFAST_PIPELINE_H

/* Pipeline: policies in an order, outermost first, frozen once built and shared by any number of
 * threads. The order is the meaning. The usual one is
 *
 *     fallback, total timeout, retry, bulkhead, hedge, breaker, attempt timeout
 *
 * so that every attempt is counted by the breaker and takes a slot only while it runs. Any order can be
 * built; hf_pipeline_check says in words what is wrong with one.
 *
 *     hf_policy *order[] = {hf_retry_policy(retry), hf_breaker_policy(breaker)};
 *     hf_pipeline *pipeline;
 *     int rc = hf_pipeline_new(&pipeline, "inventory", order, 2, &error);
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_pipeline hf_pipeline;

#define HF_MAX_POLICIES 12

/* hf_pipeline_new builds a pipeline of `count` policies, outermost first, and keeps a reference to
 * each. No policies at all is allowed: calls are then only counted and timed.
 *
 * Errors:   HF_E_INVALID (a bad name, a NULL policy, the same policy twice, more than
 *           HF_MAX_POLICIES), HF_E_NOMEM.
 * Threads:  any thread; the pipeline may be used by any number of threads.
 * Memory:   one allocation, given back by hf_pipeline_free.
 */
HF_API int hf_pipeline_new(hf_pipeline **out_pipeline, const char *name, hf_policy *const *policies, size_t count,
                           hf_error *error);

/* hf_pipeline_standard builds the usual pipeline with the defaults of each policy: total timeout
 * 30 s, retry (3 attempts, budget), not before, bulkhead (64), breaker, attempt timeout 9 s. The
 * policies are named "NAME.total", "NAME.retry", "NAME.hold", "NAME.bulkhead", "NAME.breaker" and
 * "NAME.attempt", so `name` has at most HF_NAME_MAX - 9 bytes.
 *
 * Errors:   HF_E_INVALID (a bad name), HF_E_NOMEM.
 * Threads:  any thread.
 * Memory:   eight allocations, given back by hf_pipeline_free.
 */
HF_API int hf_pipeline_standard(hf_pipeline **out_pipeline, const char *name, hf_error *error);

/* Receives one warning, a sentence that names the policies it is about; valid during the call. */
typedef void hf_pipeline_warning(void *arg, const char *sentence);

/* hf_pipeline_check looks for orders and numbers that can be built but hurt: a timeout that never passes
 * because one around it is shorter, back-offs that do not fit their total timeout, a retry or hedge inside a
 * breaker or a bulkhead outside a retry, a breaker that looks back less than two timeouts, probes whose
 * lease is shorter than their timeout, a fallback that is not outermost, no timeout at all, ... It calls
 * `warn` (may be NULL) for each. A warning is no error: there are pipelines that mean it.
 *
 *     static void print(void *arg, const char *sentence) { fprintf(arg, "warning: %s\n", sentence); }
 *     hf_pipeline_check(pipeline, print, stderr);
 *
 * Returns how many there were, 0 for a pipeline without.
 * Threads:  any thread; never blocks; runs `warn` on this thread.
 */
HF_API size_t hf_pipeline_check(const hf_pipeline *pipeline, hf_pipeline_warning *warn, void *arg);

/* hf_pipeline_free gives up the caller's reference. Calls under way must have ended. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_pipeline_free(hf_pipeline *pipeline);

/* What a pipeline needs of the driver that runs it. */
#define HF_NEEDS_OVERLAP 0x1u /* two attempts of a call at once: it has a hedge. Not hf_run, not the curl door. */

/* hf_pipeline_needs returns HF_NEEDS_* bits; a driver that cannot do one of these refuses the pipeline.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_pipeline_needs(const hf_pipeline *pipeline);

/* hf_pipeline_name returns the name it was built with, owned by the pipeline.
 * Threads: any thread; never blocks. */
HF_API const char *hf_pipeline_name(const hf_pipeline *pipeline);

#ifdef __cplusplus
}
#endif
#endif
