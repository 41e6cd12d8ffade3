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
 * saturating, then capped: c = min(d, cap). The jitter then spreads the capped value, so that a herd
 * stays spread when everybody has reached the cap (u is uniform in [0, 1]):
 *     none          c
 *     full          u * c                                   (AWS, "Exponential Backoff And Jitter")
 *     equal         c/2 + u * c/2                           (same)
 *     proportional  c * (1 - p + 2 * p * u), p = jitter_ppm, never above the cap
 *     decorrelated  base + u * (min(3 * previous, cap) - base); previous starts at base  (same)
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
    HF_BACKOFF_EXPONENTIAL = 3
} hf_backoff_kind;

typedef enum hf_jitter {
    HF_JITTER_NONE = 0,
    HF_JITTER_FULL = 1,
    HF_JITTER_EQUAL = 2,
    HF_JITTER_PROPORTIONAL = 3,
    HF_JITTER_DECORRELATED = 4 /* replaces the plain delay: `kind` must be exponential */
} hf_jitter;

typedef struct hf_backoff_config {
    uint32_t struct_size; /* set by hf_backoff_config_init */
    int32_t kind;         /* hf_backoff_kind. Default HF_BACKOFF_EXPONENTIAL. */
    int32_t jitter;       /* hf_jitter. Default HF_JITTER_EQUAL. */
    uint32_t jitter_ppm;  /* spread of the proportional jitter. Default 250000. 0 to 1000000. */
    uint32_t factor_ppm;  /* growth of the exponential. Default 2000000. 1000000 to 100000000. */
    uint32_t reserved;    /* 0 */
    int64_t base_ms;      /* first delay. Default 100. 0 to 86400000 (a day). */
    int64_t cap_ms;       /* longest delay. Default 5000. base_ms to 86400000. */
    int64_t floor_ms;     /* shortest delay. Default 0. 0 to cap_ms. */
} hf_backoff_config;

/* hf_backoff_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_backoff_config_init(hf_backoff_config *config);

/* hf_backoff_delay returns the delay in nanoseconds before retry `n` (1 = after the first attempt; 0
 * counts as 1). `previous_ns` is the delay it returned for retry n-1 (0 for the first), which only
 * decorrelated jitter reads; `random` is one draw of 64 uniformly random bits.
 *
 * Errors:   an invalid configuration (see hf_retry_new, which checks it) gives HF_NEVER.
 * Threads:  any thread; never blocks; pure.
 */
HF_API int64_t hf_backoff_delay(const hf_backoff_config *config, uint32_t n, int64_t previous_ns, uint64_t random);

#ifdef __cplusplus
}
#endif
#endif
