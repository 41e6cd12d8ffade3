/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_TRACEPARENT_H
#define HOLDFAST_TRACEPARENT_H

/* W3C trace context (https://www.w3.org/TR/trace-context/): the `traceparent` header, one span for each attempt of a call, so
 * that a trace shows retries and hedges as what they are.
 *
 *     request.hook = hf_traceparent_hook;
 *     request.hook_arg = incoming_traceparent;      // text of the request being served, or NULL: a trace of its own
 */

#include <holdfast/error.h>
#include <holdfast/request.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_TRACEPARENT_SIZE 56 /* with the zero at its end */

/* hf_traceparent_make writes a traceparent with a trace and a span of its own.
 * Threads: any thread; reads the system's random numbers. */
HF_API void hf_traceparent_make(char out[HF_TRACEPARENT_SIZE], bool sampled);

/* hf_traceparent_child writes a traceparent of the same trace as `parent`, with the same sampled flag and a span of its
 * own.
 *
 * Errors:   HF_E_INVALID (`parent` is no traceparent, or NULL): nothing is written.
 * Threads:  any thread; reads the system's random numbers.
 */
HF_API int hf_traceparent_child(char out[HF_TRACEPARENT_SIZE], const char *parent);

/* hf_traceparent_hook is an hf_request_hook that sends a child of `arg`, a traceparent as text, with each attempt. NULL, or
 * what is none: each attempt has an unsampled trace of its own.
 * Threads: inside the client. */
HF_API void hf_traceparent_hook(void *arg, hf_sending *sending);

#ifdef __cplusplus
}
#endif
#endif
