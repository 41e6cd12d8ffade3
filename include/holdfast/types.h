/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_TYPES_H
#define HOLDFAST_TYPES_H

/* Time, outcomes and ratios: the few plain values that every other header speaks in.
 *
 * Conventions of the whole library, stated once (docs/conventions.md has the reasons):
 * - Time is `hf_time`, int64 nanoseconds on a monotonic clock with an arbitrary origin. Instants are
 *   named `*_at`, durations carry their unit (`_ns`, or `_ms` in configurations). Sums saturate at
 *   HF_NEVER, which sorts after every instant.
 * - Ratios are parts per million (`_ppm`): 500000 is one half.
 * - Functions that can fail return 0 or a negative code of <holdfast/error.h>; an optional
 *   `hf_error *` comes last and receives a sentence. Free functions accept NULL.
 * - A configuration starts with its own size; `hf_X_config_init` fills in every default. Zero is a
 *   value, never "use the default". Names and configurations are copied; callbacks and their
 *   arguments are kept as given and must outlive the object.
 * - Handles are reference counted: `_new` gives one reference to the caller, `_free` gives it back,
 *   and a pipeline holds its policies, so the order in which they are freed does not matter.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define HF_API __attribute__((visibility("default")))
#else
#define HF_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds on a monotonic clock. Never a wall-clock time. */
typedef int64_t hf_time;

#define HF_NEVER INT64_MAX /* the instant that never comes; as a duration: without limit */
#define HF_MICROSECOND INT64_C(1000)
#define HF_MILLISECOND INT64_C(1000000)
#define HF_SECOND INT64_C(1000000000)

#define HF_PPM UINT32_C(1000000) /* a ratio of one */

/* The longest name of a policy or pipeline in bytes, without the terminating zero. A longer name is
 * an error, never cut. */
#define HF_NAME_MAX 31

/* What an attempt came to, in the eyes of the policies. */
typedef enum hf_kind {
    HF_SUCCESS = 0,   /* the dependency did its work (an HTTP 404 too: the server is alive) */
    HF_FAILURE = 1,   /* the dependency's fault */
    HF_THROTTLED = 2, /* the dependency asked us to slow down (429 and kin): counts in failure
                         rates, not as a consecutive failure, and fails a half-open probe */
    HF_NEUTRAL = 3    /* says nothing about the dependency: the caller's fault, cancelled, or a
                         fault of this machine; enters no window */
} hf_kind;

/* Flags of an outcome. Unknown bits are ignored. */
#define HF_RETRYABLE 0x1u /* another attempt may be made: safe to repeat, and it may help */
#define HF_SLOW 0x2u      /* counts as slow whatever time it took */
#define HF_COMMITTED 0x4u /* part of the result already went to the caller: no retry, no fallback */
#define HF_LOCAL \
    0x8u /* may be this process's own fault (its name server, its route): breakers that processes
                             share do not count it */

/* hf_outcome is what one attempt came to. Build it with the functions below, then adjust fields.
 * The layout is frozen. */
typedef struct hf_outcome {
    int32_t kind;           /* hf_kind */
    uint32_t flags;         /* HF_RETRYABLE, HF_SLOW, HF_COMMITTED, HF_LOCAL */
    int32_t code;           /* yours: an errno, an HTTP status, a CURLcode; never interpreted */
    uint32_t resends;       /* further sends made below this attempt, unseen by the engine; each is
                               charged to the retry budget */
    int64_t retry_after_ns; /* the dependency's hint: not again before this long from now; 0 = no
                               hint. Never obeyed early. */
} hf_outcome;

/* hf_success is an outcome of success with code 0.
 * Threads: any thread; never blocks. */
static inline hf_outcome hf_success(void) {
    hf_outcome outcome = {HF_SUCCESS, 0, 0, 0, 0};
    return outcome;
}

/* hf_failure is the dependency's fault, and another attempt may help.
 * Threads: any thread; never blocks. */
static inline hf_outcome hf_failure(int32_t code) {
    hf_outcome outcome = {HF_FAILURE, HF_RETRYABLE, code, 0, 0};
    return outcome;
}

/* hf_failure_final is the dependency's fault, but must not be repeated (it may have had an effect,
 * or would fail again).
 * Threads: any thread; never blocks. */
static inline hf_outcome hf_failure_final(int32_t code) {
    hf_outcome outcome = {HF_FAILURE, 0, code, 0, 0};
    return outcome;
}

/* hf_throttled says that the dependency asked to be called again only after `retry_after_ns`
 * nanoseconds (0 when it named no time).
 * Threads: any thread; never blocks. */
static inline hf_outcome hf_throttled(int32_t code, int64_t retry_after_ns) {
    hf_outcome outcome = {HF_THROTTLED, HF_RETRYABLE, code, 0, retry_after_ns};
    return outcome;
}

/* hf_neutral says nothing about the dependency: bad arguments, cancelled, a local fault. It is not
 * retried, and no fallback replaces it.
 * Threads: any thread; never blocks. */
static inline hf_outcome hf_neutral(int32_t code) {
    hf_outcome outcome = {HF_NEUTRAL, 0, code, 0, 0};
    return outcome;
}

/* How much a call matters when there is not room for all: 0 the most, 7 the least. The three with names
 * leave numbers between and around them for your own. What is shed first is always the least important. */
typedef enum hf_priority {
    HF_PRIORITY_CRITICAL = 1,
    HF_PRIORITY_NORMAL = 3,   /* what a call has that says nothing */
    HF_PRIORITY_SHEDDABLE = 5 /* may be dropped at any time: prefetching, batches, retried later */
} hf_priority;

#define HF_PRIORITIES 8

#define HF_WEIGHT_MAX 131071u /* the most permits of a rate limit that one call may take */

/* Opaque handle of any policy; the typed handles give theirs with `hf_X_policy`. */
typedef struct hf_policy hf_policy;

#ifdef __cplusplus
}
#endif
#endif
