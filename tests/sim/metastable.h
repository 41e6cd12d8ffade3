/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SIM_METASTABLE_H
#define HF_TESTS_SIM_METASTABLE_H

/* A metastable failure (Bronson et al., "Metastable Failures in Distributed Systems", HotOS 2021): a server of 100 workers,
 * 100 ms of work a call (exponential), 1000 calls a second in all, and a line of at most 3000, first come first served.
 * It goes on working for callers that have left. Forty client processes, each with policies of its own, send it 800
 * calls a second (Poisson); an attempt is given 1 s, a call 5 attempts. From second 20 to 30 half of the workers are gone. */

#include "sim/sim.h"

#define METASTABLE_SECONDS 180
#define METASTABLE_DIP_FROM 20
#define METASTABLE_DIP_TO 30
#define METASTABLE_OFFERED 800
#define METASTABLE_CAPACITY 1000

enum metastable_clients {
    METASTABLE_NAIVE,    /* repeats at once */
    METASTABLE_BACKOFF,  /* exponential, 100 ms to 5 s, full jitter */
    METASTABLE_BUDGET,   /* at once, within 10 % of the calls */
    METASTABLE_BREAKER,  /* at once, behind a breaker with the defaults */
    METASTABLE_THROTTLE, /* at once, behind a throttle with the defaults */
    METASTABLE_LIMIT,    /* at once, behind an adaptive concurrency limit */
    METASTABLE_ALL       /* back-off, budget, throttle, breaker */
};
#define METASTABLE_KINDS 7

extern const char *const metastable_names[METASTABLE_KINDS];

struct metastable_outcome {
    double good[METASTABLE_SECONDS]; /* calls that succeeded in that second */
    double load[METASTABLE_SECONDS]; /* attempts that reached the server */
    double worst_amplification;      /* load over offered calls, the worst ten seconds */
    double late_amplification;       /* the last ten seconds */
    double recovered_after;          /* seconds from the end of the dip until ten seconds at 95 % begin; -1: never */
    double lost;                     /* share of all calls that did not succeed */
};

struct metastable_outcome metastable_run(enum metastable_clients kind, uint64_t seed);

#endif
