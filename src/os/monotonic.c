/* SPDX-License-Identifier: MIT */
#include "os/monotonic.h"

#include "os/must.h"

#include <time.h>

static hf_time read_clock(clockid_t id) {
    struct timespec now;
    HF_MUST(clock_gettime(id, &now) == 0);
    return (hf_time)now.tv_sec * HF_SECOND + now.tv_nsec;
}

hf_time hf__monotonic_now(void) { return read_clock(CLOCK_MONOTONIC); }

#ifdef CLOCK_MONOTONIC_COARSE
hf_time hf__monotonic_coarse(void) { return read_clock(CLOCK_MONOTONIC_COARSE); }
#else
hf_time hf__monotonic_coarse(void) { return read_clock(CLOCK_MONOTONIC); }
#endif
