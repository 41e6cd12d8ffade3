/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_FALLBACK_H
#define HOLDFAST_FALLBACK_H

/* Fallback: another way to an answer when everything inside it has failed, was rejected or timed out.
 *
 * The function gets the operation's own argument and the failed result, and its outcome takes the
 * place of the call's. It runs on the thread of the call, with no lock held, when the deadline may
 * already have passed: it must answer at once (a default, a cached value), not call another service.
 * It is not run for neutral outcomes (the caller's own fault, a cancel), nor once part of a result was
 * committed to the caller. If it fails, the call keeps the failure it came for, and a fallback further
 * out may try.
 */

#include <holdfast/error.h>
#include <holdfast/result.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_fallback hf_fallback;

/* The fallback function: `arg` is the operation's argument, `failed` what happened so far. Returns
 * hf_success() when it supplied a value through `arg`. */
typedef hf_outcome hf_fallback_function(void *arg, const hf_result *failed);

/* hf_fallback_new makes a fallback policy. `name` is copied.
 *
 * Errors:   HF_E_INVALID (no name, no function), HF_E_NOMEM.
 * Threads:  any thread; may be shared; `function` is called by the threads of the calls.
 * Memory:   one allocation, given back by hf_fallback_free.
 */
HF_API int hf_fallback_new(hf_fallback **out_fallback, const char *name, hf_fallback_function *function,
                           hf_error *error);

/* hf_fallback_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_fallback_free(hf_fallback *fallback);

/* hf_fallback_policy is the fallback as a member of a pipeline. Owned by the fallback.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_fallback_policy(hf_fallback *fallback);

#ifdef __cplusplus
}
#endif
#endif
