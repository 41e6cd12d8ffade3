/* SPDX-License-Identifier: MIT */
#include "drive/clock.h"

#include "os/monotonic.h"

#include <stdatomic.h>

static hf_time system_now(const struct hf_clock *clock) {
    (void)clock;
    return hf__monotonic_now();
}

static hf_time system_coarse(const struct hf_clock *clock) {
    (void)clock;
    return hf__monotonic_coarse();
}

static const struct hf_clock system_clock = {system_now, system_coarse, NULL};

/* Release and acquire: who sees the pointer sees the clock behind it. Changed only by tests, while no
 * call is under way. */
static _Atomic(const hf_clock *) installed;

const hf_clock *hf__clock_or_default(const hf_clock *clock) {
    if (clock != NULL) return clock;
    const hf_clock *current = atomic_load_explicit(&installed, memory_order_acquire);
    return current != NULL ? current : &system_clock;
}

void hf__clock_set_default(const hf_clock *clock) { atomic_store_explicit(&installed, clock, memory_order_release); }

hf_time hf_clock_now(const hf_clock *clock) {
    clock = hf__clock_or_default(clock);
    return clock->now(clock);
}
