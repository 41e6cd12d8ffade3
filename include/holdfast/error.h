/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_ERROR_H
#define HOLDFAST_ERROR_H

/* Errors: negative codes with a name and a sentence, and an optional text that says which field,
 * which value, and what was expected.
 *
 *     hf_error error;
 *     if (hf_breaker_new(&breaker, "payments", &config, &error) < 0)
 *         fprintf(stderr, "%s\n", hf_error_text(&error));
 */

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The one list of errors: code, name, sentence. Codes are never renumbered. */
#define HF_ERROR_LIST(X)                                                              \
    X(0, OK, "success")                                                               \
    X(-1, FAILED, "the operation failed")                                             \
    X(-2, REJECTED, "a policy turned the call back before it reached the dependency") \
    X(-3, TIMEOUT, "a timeout or the caller's deadline ended the call")               \
    X(-4, CANCELLED, "the caller cancelled the call")                                 \
    X(-5, INVALID, "invalid argument or configuration")                               \
    X(-6, NOMEM, "out of memory")                                                     \
    X(-7, SYSTEM, "the operating system refused")                                     \
    X(-8, STATE, "not possible in the present state")                                 \
    X(-9, UNSUPPORTED, "a driver or a library found at run time lacks what is needed")

/* Codes returned by the library: 0 or negative. */
typedef enum hf_err {
#define HF_ERROR_ENUM(code, name, sentence) HF_E_##name = (code),
    HF_ERROR_LIST(HF_ERROR_ENUM)
#undef HF_ERROR_ENUM
} hf_err;
#define HF_OK HF_E_OK

/* Caller-owned text of one error, opaque; may live on the stack and is only written on failure. */
typedef struct hf_error {
    uint64_t opaque[32];
} hf_error;

/* hf_strerror returns the sentence of a code; an unknown code gets one that says so. Never NULL.
 *
 * Threads:  any thread; never blocks.
 * Memory:   static, never freed.
 */
HF_API const char *hf_strerror(int code);

/* hf_errname returns the name of a code, "HF_E_INVALID" for instance. Never NULL.
 *
 * Threads:  any thread; never blocks.
 * Memory:   static, never freed.
 */
HF_API const char *hf_errname(int code);

/* hf_error_text returns the text that a failed call wrote into `error`: one sentence that names the
 * object, the field, its value and what was expected. Valid as long as `error` is.
 *
 * Threads:  as the caller shares `error`; never blocks.
 */
HF_API const char *hf_error_text(const hf_error *error);

/* hf_error_code returns the negative code that goes with the text.
 *
 * Threads:  as the caller shares `error`; never blocks.
 */
HF_API int hf_error_code(const hf_error *error);

#ifdef __cplusplus
}
#endif
#endif
