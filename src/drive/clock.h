/* SPDX-License-Identifier: MIT */
#ifndef HF_DRIVE_CLOCK_H
#define HF_DRIVE_CLOCK_H

#include <holdfast/clock.h>

/* A clock is how to read it and, for a virtual one, how to wait on it. */
struct hf_clock {
    hf_time (*now)(const struct hf_clock *clock);
    /* A cheap reading that lags behind `now` by a few milliseconds at most; NULL when there is none. */
    hf_time (*coarse)(const struct hf_clock *clock);
    /* Advances a virtual clock to `until` at once. NULL for the system's clock, on which drivers
     * really wait. */
    void (*wait)(const struct hf_clock *clock, hf_time until);
};

/* `clock`, or for NULL the default: the system's unless a test has installed another. */
HF_API const hf_clock *hf__clock_or_default(const hf_clock *clock);

/* Replaces the default for tests; NULL is the system's. */
void hf__clock_set_default(const hf_clock *clock);

#endif
