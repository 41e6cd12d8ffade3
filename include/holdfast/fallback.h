/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_FALLBACK_H
#define HOLDFAST_FALLBACK_H

/* Fallback: another way to an answer when everything inside it has failed, was rejected or timed out: a
 * value that is good enough, or a function that finds one.
 *
 *     struct quote { int cents; bool stale; };             // the operation's argument
 *     hf_fallback *list_price;
 *     hf_fallback_value_new(&list_price, "list price", &(int){1999}, sizeof(int), offsetof(struct quote, cents), NULL);
 *
 * A function gets the operation's own argument and the failed result, and its outcome takes the
 * place of the call's. It runs on the thread of the call, with no lock held, when the deadline may
 * already have passed: it must answer at once (a default, a cached value), not call another service.
 * No fallback stands in for neutral outcomes (the caller's own fault, a cancel), nor once part of a
 * result was committed to the caller.
 *
 * Several of them are a chain: the innermost is asked first, and if it fails the call keeps the failure it
 * came for and the next further out may try. A function that looks at `failed` and does not want to answer
 * returns hf_failure(0). For what can be said without a function there is hf_fallback_only.
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

/* hf_fallback_value_new makes a fallback that answers with a value: `size` bytes of `value` are copied now,
 * and to `offset` bytes behind the operation's argument when it stands in. The argument must not be NULL
 * then: a fallback that finds NULL fails.
 *
 * Errors:   HF_E_INVALID (no name, no value, size not 1 to 65536, offset above 1048576), HF_E_NOMEM.
 * Threads:  any thread; may be shared.
 * Memory:   one allocation, given back by hf_fallback_free.
 */
HF_API int hf_fallback_value_new(hf_fallback **out_fallback, const char *name, const void *value, size_t size,
                                 size_t offset, hf_error *error);

/* What a fallback may stand in for. */
#define HF_FALLBACK_FAILED 0x1u    /* an attempt that failed */
#define HF_FALLBACK_THROTTLED 0x2u /* a dependency that asked to slow down */
#define HF_FALLBACK_REJECTED 0x4u  /* a policy that turned the call back */
#define HF_FALLBACK_TIMED_OUT 0x8u /* a timeout or the caller's deadline that passed */

/* hf_fallback_only restricts what the fallback stands in for to `causes`, bits from above; it begins with
 * all of them. What a timeout ended is TIMED_OUT, whatever the attempt came to.
 *
 * Errors:   HF_E_INVALID for no bit, or an unknown one.
 * Threads:  any thread; never blocks; counts for what is decided after it.
 */
HF_API int hf_fallback_only(hf_fallback *fallback, uint32_t causes);

/* hf_fallback_run answers for a call that failed, for drivers: runs the function, or copies the value.
 * `arg` is the operation's argument, `failed` comes from hf_call_result.
 *
 * Returns the outcome to report.
 * Threads:  any thread; runs the function.
 */
HF_API hf_outcome hf_fallback_run(const hf_fallback *fallback, void *arg, const hf_result *failed);

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
