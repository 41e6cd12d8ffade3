/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_CLOCK_H
#define HOLDFAST_CLOCK_H

/* The clock of the drivers. The core of the library only ever sees instants that are passed in; hf_run
 * and the curl door read them here, and tests replace it (testing.h).
 *
 * The system clock is CLOCK_MONOTONIC: it never steps back, and stands still while the machine
 * sleeps, so an open breaker waits for time in which calls could have been made.
 */

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A clock: the system's, or a virtual one. Opaque. */
typedef struct hf_clock hf_clock;

/* hf_clock_now reads `clock`; NULL is the clock that drivers use by default.
 * Threads: any thread; never blocks. */
HF_API hf_time hf_clock_now(const hf_clock *clock);

#ifdef __cplusplus
}
#endif
#endif
