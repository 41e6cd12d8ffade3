/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_TRUNK_H
#define HF_ENGINE_TRUNK_H

/* The trunk: the way of a healthy call, for drivers that run the attempt themselves, like hf_run. It goes
 * down one flat list (policies that have an admit), the attempt runs, and it goes up another (policies that
 * have something to say to a plain success). No clock is read unless a policy, a deadline or the caller
 * needs one. Anything else than all PASS and a plain success in time leaves the trunk: then, and only then, an
 * hf_call is filled in, as if the general path had come as far, and goes on from there.
 *
 * The memory of the call is used from the beginning, for the frames; the rest of it stays unwritten. */

#include "engine/call_state.h"

struct hf__trunk {
    struct hf__call *call;
    hf_pipeline *pipeline;
    const hf_call_options *options;
    uint32_t asked; /* steps of the list under way that are done */
    struct hf_x x;
};

enum hf__trunk_answer {
    HF__TRUNK_GOES,     /* down: start the attempt; up: the call is over, and a success */
    HF__TRUNK_NEED_NOW, /* set x.now, and ask again */
    HF__TRUNK_LEFT      /* go on with hf_call_step */
};

/* `now` is HF__NO_TIME when the clock was not read, which needs a pipeline without down_needs_now and options
 * without a deadline. Any deadline must lie after it. `options` are complete, and stay. */
static inline void hf__trunk_begin(struct hf__trunk *trunk, hf_call *call, hf_pipeline *pipeline,
                                   const hf_call_options *options, hf_time now) {
    struct hf__call *c = (struct hf__call *)(void *)call;
    trunk->call = c;
    trunk->pipeline = pipeline;
    trunk->options = options;
    trunk->asked = 0;
    hf__call_claim(c, options);
    trunk->x = (struct hf_x){
        .now = now,
        .deadline = options->deadline_at,
        .at = HF_NEVER,
        .retry_at = HF_NEVER,
        .rejected = true,
        .may_rerun = true,
        .may_run = true,
        .rng = &c->rng,
        .priority = options->priority,
        .caller = &c->caller,
    };
}

/* The way down. After GOES `x.deadline` is the deadline of the attempt. */
int hf__trunk_down(struct hf__trunk *trunk);

/* Is this an outcome for the way up? */
static inline bool hf__trunk_plain(const struct hf__trunk *trunk, const hf_outcome *outcome) {
    return trunk->pipeline->up_is_short && hf__outcome_is_plain(outcome);
}

/* Before the way up; `now` is HF__NO_TIME when the clock was not read, which needs a pipeline without
 * up_needs_now. */
static inline void hf__trunk_turn(struct hf__trunk *trunk, hf_outcome outcome, hf_time now) {
    trunk->asked = 0;
    trunk->x.outcome = outcome;
    trunk->x.rejected = false;
    trunk->x.attempts = 1;
    trunk->x.now = now;
}

/* The way up, for a plain success in time. GOES or NEED_NOW. */
int hf__trunk_up(struct hf__trunk *trunk);

/* Instead of the way up: the attempt that was started at `started_at` runs as attempt 1 of the call, and
 * is to be reported with hf_call_report. */
void hf__trunk_leave(struct hf__trunk *trunk, hf_time started_at);

#endif
