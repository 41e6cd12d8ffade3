/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BACKOFF_H
#define HOLDFAST_BACKOFF_H

/* Back-off: how long to wait before attempt n+1. Part of the retry configuration, and usable by
 * itself as a pure function: no clock, no state but what the caller passes.
 *
 * For retry n (n = 1 is the wait after the first attempt) the plain delay d is
 *     none        0
 *     constant    base
 *     linear      base * n
 *     exponential base * factor^(n-1)
 *     table       the n-th entry, the last one from then on
 * saturating, then capped: c = min(d, cap). The jitter then spreads the capped value, so that a herd
 * stays spread when everybody has reached the cap (u is uniform in [0, 1]):
 *     none          c
 *     full          u * c                                   (AWS, "Exponential Backoff And Jitter")
 *     equal         c/2 + u * c/2                           (same)
 *     proportional  c * (1 - p + 2 * p * u), p = jitter_ppm, never above the cap
 *     decorrelated  base + u * (min(3 * previous, cap) - base); previous starts at base  (same)
 *     polly v2      (f(n-1+u) - f(n-2+u')) * base / 1.4 with f(t) = 2^t * tanh(2 * sqrt(t)), u' the draw of the
 *                   delay before and f = 0 before the first: the smooth curve of Polly 8 and
 *                   Polly.Contrib.WaitAndRetry; where it passes the cap, cap/2 + u * cap/2
 * and `floor` bounds the result from below (never above the cap).
 */

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_backoff_kind {
    HF_BACKOFF_NONE = 0,
    HF_BACKOFF_CONSTANT = 1,
    HF_BACKOFF_LINEAR = 2,
    HF_BACKOFF_EXPONENTIAL = 3,
    HF_BACKOFF_TABLE = 4
} hf_backoff_kind;

typedef enum hf_jitter {
    HF_JITTER_NONE = 0,
    HF_JITTER_FULL = 1,
    HF_JITTER_EQUAL = 2,
    HF_JITTER_PROPORTIONAL = 3,
    HF_JITTER_DECORRELATED = 4, /* replaces the plain delay: `kind` must be exponential */
    HF_JITTER_POLLY_V2 = 5      /* the same, and `factor_ppm` is not looked at */
} hf_jitter;

#define HF_BACKOFF_TABLE_MAX 16

typedef struct hf_backoff_config {
    uint32_t struct_size; /* set by hf_backoff_config_init */
    int32_t kind;         /* hf_backoff_kind. Default HF_BACKOFF_EXPONENTIAL. */
    int32_t jitter;       /* hf_jitter. Default HF_JITTER_EQUAL. */
    uint32_t jitter_ppm;  /* spread of the proportional jitter. Default 250000. 0 to 1000000. */
    uint32_t factor_ppm;  /* growth of the exponential. Default 2000000. 1000000 to 100000000. */
    uint32_t table_count; /* entries of the table. Default 0. 0 to 16; 1 or more for HF_BACKOFF_TABLE. */
    int64_t base_ms;      /* first delay. Default 100. 0 to 86400000 (a day). */
    int64_t cap_ms;       /* longest delay. Default 5000. base_ms to 86400000. */
    int64_t floor_ms;     /* shortest delay. Default 0. 0 to cap_ms. */
    int64_t table_ms[HF_BACKOFF_TABLE_MAX]; /* first the wait after the first attempt. Default 0. Each 0 to
                                               86400000. */
} hf_backoff_config;

/* hf_backoff_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_backoff_config_init(hf_backoff_config *config);

/* hf_backoff_delay returns the delay in nanoseconds before retry `n` (1 = after the first attempt; 0
 * counts as 1). `memory` is what the delays of one call know of each other: 0 before the first, then left
 * alone; it is read and written only by the jitters decorrelated and polly v2. NULL: nothing is known.
 * `random` is one draw of 64 uniformly random bits.
 *
 * Errors:   an invalid configuration (see hf_retry_new, which checks it) gives HF_NEVER.
 * Threads:  any thread; never blocks; depends on its arguments only.
 */
HF_API int64_t hf_backoff_delay(const hf_backoff_config *config, uint32_t n, int64_t *memory, uint64_t random);

#ifdef __cplusplus
}
#endif
#endif
