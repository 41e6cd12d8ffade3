/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_TIMEOUT_H
#define HOLDFAST_TIMEOUT_H

/* Timeout: a deadline for everything inside it. Outside a retry it bounds the whole call (total
 * timeout), inside it bounds each attempt (attempt timeout).
 *
 * C cannot stop a running function, so a timeout is a deadline that is handed to the operation
 * (`hf_attempt.deadline_at`; the HTTP door enforces it) and, when it passes, an order to cancel. What
 * it cuts off counts as a failure of the dependency. Of several timeouts the nearest is the deadline,
 * and if more than one has passed the outermost reports. A success that arrives late is delivered,
 * flagged late and counted slow: a payment that went through is not thrown away.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_timeout hf_timeout;

typedef struct hf_timeout_config {
    uint32_t struct_size; /* set by hf_timeout_config_init */
    uint32_t reserved;    /* 0 */
    int64_t timeout_ms;   /* Default 10000. 1 to 86400000, or HF_NEVER for none. */
} hf_timeout_config;

/* hf_timeout_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_timeout_config_init(hf_timeout_config *config);

/* hf_timeout_new makes a timeout policy. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (0 is not a timeout: use HF_NEVER for none), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, given back by hf_timeout_free.
 */
HF_API int hf_timeout_new(hf_timeout **out_timeout, const char *name, const hf_timeout_config *config, hf_error *error);

/* hf_timeout_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_timeout_free(hf_timeout *timeout);

/* hf_timeout_policy is the timeout as a member of a pipeline. Owned by the timeout.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_timeout_policy(hf_timeout *timeout);

#ifdef __cplusplus
}
#endif
#endif
