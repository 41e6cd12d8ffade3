/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_RESPONSE_H
#define HOLDFAST_RESPONSE_H

/* hf_response: what came of a call of an hf_client. There is one for every call that was accepted, failed ones
 * too: the result says what happened, the text why. Free it with hf_response_free; everything that the functions
 * here return points into it.
 */

#include <holdfast/request.h>
#include <holdfast/result.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* hf_response_free frees the response with its headers and body. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_response_free(hf_response *response);

/* hf_response_status is the final HTTP status; 0 when no whole response was delivered, for instance after a
 * timeout, a rejection, a cancel, or when a fallback took its place.
 * Threads: as the caller shares `response`; never blocks. */
HF_API long hf_response_status(const hf_response *response);

/* hf_response_header is the value of the first header of that name, compared without case; NULL: there is none.
 * Valid as long as the response is.
 * Threads: as the caller shares `response`; never blocks. */
HF_API const char *hf_response_header(const hf_response *response, const char *name);

/* hf_response_header_at writes header number `index` (0 = the first), in the order they came; false and nothing
 * written when there are not so many.
 * Threads: as the caller shares `response`; never blocks. */
HF_API bool hf_response_header_at(const hf_response *response, size_t index, hf_header *out_header);

/* hf_response_body is the body kept in memory and its length; a zero byte that is not counted follows it. Never
 * NULL. `out_bytes` may be NULL. Empty when the body was streamed or none was delivered.
 * Valid as long as the response is.
 * Threads: as the caller shares `response`; never blocks. */
HF_API const char *hf_response_body(const hf_response *response, size_t *out_bytes);

/* hf_response_result is the truth about the call: see result.h. The codes of its attempts are HTTP statuses from
 * 200 on and CURLcodes below. Valid as long as the response is.
 * Threads: as the caller shares `response`; never blocks. */
HF_API const hf_result *hf_response_result(const hf_response *response);

/* hf_response_text is a sentence on why the last attempt failed, in libcurl's words where it has some; "" when
 * none failed. Without user names, passwords, headers and query strings. Valid as long
 * as the response is.
 * Threads: as the caller shares `response`; never blocks. */
HF_API const char *hf_response_text(const hf_response *response);

#ifdef __cplusplus
}
#endif
#endif
