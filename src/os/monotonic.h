/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_MONOTONIC_H
#define HF_OS_MONOTONIC_H

#include <holdfast/types.h>

/* CLOCK_MONOTONIC in nanoseconds. */
HF_API hf_time hf__monotonic_now(void);

/* The same clock as of the last tick of the kernel, which lags by one tick (1 to 10 ms) and costs a fraction;
 * where the system has no such clock, hf__monotonic_now. */
hf_time hf__monotonic_coarse(void);

#endif
