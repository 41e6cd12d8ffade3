/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_RESULT_H
#define HOLDFAST_RESULT_H

/* hf_result: the truth about one call. Which policy ended it and why, how many attempts were made and
 * what each came to, the last real outcome of the dependency, and when asking again makes sense.
 *
 * It is a plain caller-owned value without pointers: copy it, keep it, let it go out of scope.
 */

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_result {
    uint64_t opaque[32];
} hf_result;

/* Why a call ended as it did. */
typedef enum hf_reason {
    HF_REASON_NONE = 0,                 /* no policy intervened: the operation's own outcome */
    HF_REASON_OPEN = 1,                 /* rejected: breaker open */
    HF_REASON_PROBING = 2,              /* rejected: breaker half-open, all probes in flight */
    HF_REASON_FORCED_OPEN = 3,          /* rejected: a breaker, or any policy, forced open by hand */
    HF_REASON_FULL = 4,                 /* rejected: no free slot in a bulkhead */
    HF_REASON_TIMEOUT = 5,              /* a timeout policy passed */
    HF_REASON_DEADLINE = 6,             /* the caller's own deadline passed */
    HF_REASON_CANCELLED = 7,            /* the caller cancelled */
    HF_REASON_ATTEMPTS = 8,             /* retry: attempts used up */
    HF_REASON_BUDGET = 9,               /* retry: budget empty, the extra attempt was suppressed */
    HF_REASON_NO_TIME = 10,             /* retry: the wait would have passed the deadline */
    HF_REASON_HINT_TOO_LONG = 11,       /* retry: the dependency's hint is beyond the cap */
    HF_REASON_RATE_LIMITED = 12,        /* rejected: no permit of a rate limit in time */
    HF_REASON_THROTTLED_BY_CLIENT = 13, /* rejected: a throttle spares the dependency this call */
    HF_REASON_CONCURRENCY = 14,         /* rejected: an adaptive limit on what is in flight */
    HF_REASON_QUEUE_TIMEOUT = 15,       /* rejected: waited for a slot of a bulkhead as long as allowed */
    HF_REASON_SHED = 16,                /* rejected: gave up its place in a queue to a more important call */
    HF_REASON_INJECTED = 17,            /* a fault was injected on purpose: the attempt was not made */
    HF_REASON_RECOVERING = 18,          /* rejected: breaker recovering, its share of calls is admitted */
    HF_REASON_POOL_FULL = 19,           /* rejected: no thread and no place in the queue of a pool */
    HF_REASON_NOT_BEFORE = 20           /* rejected: the dependency asked not to be called yet */
} hf_reason;

#define HF_RESULT_LATE 0x1u          /* the success came after its deadline */
#define HF_RESULT_FALLBACK 0x2u      /* the value came from a fallback */
#define HF_RESULT_BUDGET_DENIED 0x4u /* a retry or a hedge was suppressed because its budget was empty */

/* What one attempt came to. */
typedef struct hf_attempt_record {
    uint32_t number;      /* 1 = the first */
    int32_t kind;         /* hf_kind as the policies counted it */
    int32_t code;         /* as reported */
    uint32_t duration_us; /* from start to report, saturating; 0 when the clock was not read, see hf_run */
} hf_attempt_record;

/* The last this many attempts are recorded. */
#define HF_RESULT_ATTEMPTS_MAX 8

/* hf_result_status is 0 when a value was delivered (by the operation or a fallback), else
 * HF_E_FAILED, HF_E_REJECTED, HF_E_TIMEOUT or HF_E_CANCELLED; also what hf_run returned.
 * Threads: as the caller shares `result`; never blocks. */
HF_API int hf_result_status(const hf_result *result);

/* hf_result_reason says what ended the call.
 * Threads: as the caller shares `result`; never blocks. */
HF_API hf_reason hf_result_reason(const hf_result *result);

/* hf_reason_text is a short phrase for a reason; never NULL.
 * Threads: any thread; never blocks. */
HF_API const char *hf_reason_text(hf_reason reason);

/* hf_result_policy is the name of the policy that ended the call, or "" when none did. Valid as long
 * as `result` is.
 * Threads: as the caller shares `result`; never blocks. */
HF_API const char *hf_result_policy(const hf_result *result);

/* hf_result_flags returns HF_RESULT_LATE and HF_RESULT_FALLBACK.
 * Threads: as the caller shares `result`; never blocks. */
HF_API uint32_t hf_result_flags(const hf_result *result);

/* hf_result_attempts returns how many attempts were started; a rejection starts none, a fallback is
 * none.
 * Threads: as the caller shares `result`; never blocks. */
HF_API uint32_t hf_result_attempts(const hf_result *result);

/* hf_result_outcome returns the last outcome that an attempt reported, even when a policy or a
 * fallback decided what the caller got; false and nothing written when no attempt reported.
 * Threads: as the caller shares `result`; never blocks. */
HF_API bool hf_result_outcome(const hf_result *result, hf_outcome *out_outcome);

/* hf_result_attempt returns the record of attempt `number` (1 = the first); false when there was no
 * such attempt or more than HF_RESULT_ATTEMPTS_MAX followed it.
 * Threads: as the caller shares `result`; never blocks. */
HF_API bool hf_result_attempt(const hf_result *result, uint32_t number, hf_attempt_record *out_record);

/* hf_result_retry_at returns the instant before which asking again cannot succeed, as far as the
 * policy or the dependency said; HF_NEVER when nobody did.
 * Threads: as the caller shares `result`; never blocks. */
HF_API hf_time hf_result_retry_at(const hf_result *result);

/* hf_result_describe writes one sentence about the result into `out` (cut at `size`, always
 * terminated) and returns the length it needed, as snprintf does.
 * Threads: as the caller shares `result`; never blocks. */
HF_API size_t hf_result_describe(const hf_result *result, char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
