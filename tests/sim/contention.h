/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SIM_CONTENTION_H
#define HF_TESTS_SIM_CONTENTION_H

/* The experiment of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): clients update one row under
 * optimistic concurrency control. Each reads the row's version and writes with it; a write whose version is no longer the row's
 * fails, and the client backs off and begins again with the read. Every message takes 10 ms (normal, sd 2 ms). All begin at
 * once; base 5 ms, cap 2 s. */

#include "sim/sim.h"

enum contention_backoff {
    CONTENTION_NONE,
    CONTENTION_EXPONENTIAL,
    CONTENTION_EQUAL,
    CONTENTION_FULL,
    CONTENTION_DECORRELATED
};
#define CONTENTION_BACKOFFS 5

extern const char *const contention_names[CONTENTION_BACKOFFS];

struct contention_outcome {
    double writes;  /* attempts to write */
    double seconds; /* until the last client has succeeded */
};

/* The mean of `runs` runs. */
struct contention_outcome contention_run(enum contention_backoff backoff, uint32_t clients, int runs);

#endif
