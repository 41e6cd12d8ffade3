/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_RACER_H
#define HF_TESTS_SUPPORT_RACER_H

/* A driver in virtual time that runs overlapping attempts, for calls with a hedge. Attempt n does what entry
 * n - 1 of a script says, the last entry for all later ones. Built on the stepper, so it proves after every
 * WAIT that asking again changes nothing. */

#include "support/stepper.h"

#define RACER_MAX 16

struct racer_attempt {
    int64_t takes; /* HF_NEVER: until it is told to stop */
    hf_outcome outcome;
    bool deaf; /* goes on when told to stop */
};

struct racer {
    struct stepper s;
    hf_result result;
    uint32_t started; /* attempts */
    uint32_t most;    /* in flight at once */
    struct {
        hf_time started_at, ended_at, deadline_at;
        uint32_t serial;      /* 0: not running */
        bool stopped;         /* was told to stop */
    } attempt[RACER_MAX + 1]; /* by number */
};

/* Plays a call from `now` to its end; returns its status. `options` may be NULL; HF_CALL_OVERLAP is added. The
 * call is cancelled at `cancel_at` (HF_NEVER: not). */
int racer_play(struct racer *r, hf_pipeline *pipeline, const hf_call_options *options, hf_time now, hf_time cancel_at,
               const struct racer_attempt *script, uint32_t count);

#endif
