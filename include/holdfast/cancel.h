/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_CANCEL_H
#define HOLDFAST_CANCEL_H

/* Cancel token: lets another thread end calls that a thread is waiting in. One token may be given to
 * many calls, for instance all those made for one incoming request; raising it ends them all, and
 * calls that start later end at once.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_cancel hf_cancel;

/* hf_cancel_new makes a token that is not raised.
 *
 * Errors:   HF_E_INVALID, HF_E_NOMEM, HF_E_SYSTEM.
 * Threads:  any thread.
 * Memory:   one allocation, given back by hf_cancel_free.
 */
HF_API int hf_cancel_new(hf_cancel **out_cancel, hf_error *error);

/* hf_cancel_free frees the token. No call may still use it. NULL is fine.
 * Threads: one thread, last. */
HF_API void hf_cancel_free(hf_cancel *cancel);

/* hf_cancel_raise raises the token and wakes every call that waits with it. Raising again does
 * nothing. A raised token stays raised.
 * Threads: any thread; takes a short lock; not from a signal handler. */
HF_API void hf_cancel_raise(hf_cancel *cancel);

/* hf_cancel_raised tells whether the token is raised. An operation that runs for long asks it now and
 * then. NULL is never raised.
 * Threads: any thread; never blocks. */
HF_API bool hf_cancel_raised(const hf_cancel *cancel);

#ifdef __cplusplus
}
#endif
#endif
