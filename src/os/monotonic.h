/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_MONOTONIC_H
#define HF_OS_MONOTONIC_H

#include <holdfast/types.h>

/* CLOCK_MONOTONIC in nanoseconds. */
hf_time hf__monotonic_now(void);

#endif
