/* SPDX-License-Identifier: MIT */
#ifndef HF_FUZZ_CALL_SPY_H
#define HF_FUZZ_CALL_SPY_H

/* A spy is a policy that stands in for another: it passes every question of the engine on to it, and checks
 * both sides. That the engine settles every pass exactly once and never asks what it may not; that the
 * policy sends nothing back early, late, or out of bounds, and that what never reached the dependency
 * enters no window and costs no budget. */

#include "call/members.h"

#define SPY_CALLS 3
#define SPY_SEATS (2 * HF_MAX_POLICIES)

/* What spies and driver know together. One thread steps one call at a time. */
struct spies {
    uint32_t stepping;          /* the call that is being stepped, 0 to SPY_CALLS - 1 */
    uint32_t starts[SPY_CALLS]; /* attempts it has started, by the driver */
    bool again[SPY_CALLS];      /* a policy said RERUN or RUN; the driver clears it */
    bool peeking;               /* hf_call_would_end works on a copy of the call, whose frames have no seats */
    bool forks[SPY_CALLS];      /* has a hedge: starts[] are of either branch */
    struct seat {
        const void *frame; /* whose seat it is: each policy has one on each branch of a call */
        bool open;         /* passed, and not settled */
        bool parked;
        uint32_t generation;    /* of a breaker that passed it */
        uint32_t passes;        /* made since the admission, the one under way included */
        uint32_t starts_before; /* starts[] when the pass under way began */
    } seat[SPY_CALLS][SPY_SEATS];
};

void spies_reset(struct spies *spies);

/* A stand-in for `member`; the caller gets its reference. */
hf_policy *spy_new(struct spies *spies, struct member *member);

/* Forgets what call `call` was before. */
void spies_begin(struct spies *spies, uint32_t call, bool forks);

/* Aborts when call `call` has anything open. */
void spies_at_rest(const struct spies *spies, uint32_t call);

#endif
