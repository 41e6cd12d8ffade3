/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_BULKHEAD_RIG_H
#define HF_TESTS_SUPPORT_BULKHEAD_RIG_H

/* A bulkhead, and a few calls that want its slots. */

#include "support/stepper.h"

#define LINE_CALLS 6

struct bulkhead_rig {
    hf_bulkhead *bulkhead;
    hf_pipeline *pipeline; /* of nothing else */
    struct stepper calls[LINE_CALLS];
    int wakes[LINE_CALLS];
};

extern struct bulkhead_rig line;

int line_setup(void **state);
int line_teardown(void **state);

hf_bulkhead_config line_config_of(uint32_t slots, uint32_t waiting, int64_t wait_ms);
void line_build_of(const hf_bulkhead_config *config);
void line_build(uint32_t slots, uint32_t waiting, int64_t wait_ms);

/* Counts at `arg`, an int. */
void line_count_wake(void *arg);

/* Begins call `i` and steps it; the kind of the step. Its tag is its stepper. */
int line_begin(int i, hf_time now, hf_time deadline_at);
int line_begin_as(int i, uint32_t priority, hf_time now);

int line_step(int i, hf_time now);

/* Its attempt succeeds, and the call ends. */
void line_report(int i, hf_time now);

/* The call is done: it must come to this. */
void line_ends(int i, int status, hf_reason reason);

/* A pipeline with a hedge of 10 ms around the bulkhead: the second attempt of a call waits in line for the slot of the
 * first. */
hf_pipeline *line_hedged(hf_hedge **out_hedge);

#endif
