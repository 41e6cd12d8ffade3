/* SPDX-License-Identifier: MIT */
#ifndef HF_BASE_NUM_H
#define HF_BASE_NUM_H

/* Saturating arithmetic on instants and durations. HF_NEVER (INT64_MAX) absorbs: whatever is added to
 * or multiplied with it stays HF_NEVER, so "never" cannot turn into "long ago" by overflow. Operands
 * are 0 or more unless said otherwise. */

#include <holdfast/types.h>

/* a + b, at most HF_NEVER. `a` may be negative. */
HF_API int64_t hf__add(int64_t a, int64_t b);

/* a - b, at least 0: the time left until `a` at `b`. HF_NEVER stays HF_NEVER. */
HF_API int64_t hf__left(int64_t a, int64_t b);

/* a * b, at most HF_NEVER. */
HF_API int64_t hf__mul(int64_t a, int64_t b);

/* value * ppm / 1000000, rounded down, at most HF_NEVER. */
int64_t hf__ppm(int64_t value, uint32_t ppm);

/* Milliseconds to nanoseconds; HF_NEVER stays. */
int64_t hf__ms_to_ns(int64_t ms);

/* Nanoseconds to milliseconds, rounded down and up. HF_NEVER stays. */
int64_t hf__ns_to_ms_down(int64_t ns);
HF_API int64_t hf__ns_to_ms_up(int64_t ns);

static inline int64_t hf__min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t hf__max(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
