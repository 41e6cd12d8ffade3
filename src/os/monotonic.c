/* SPDX-License-Identifier: MIT */
#include "os/monotonic.h"

#include "os/must.h"

#include <time.h>

hf_time hf__monotonic_now(void) {
    struct timespec now;
    HF_MUST(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (hf_time)now.tv_sec * HF_SECOND + now.tv_nsec;
}
