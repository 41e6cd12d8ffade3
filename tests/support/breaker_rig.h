/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_BREAKER_RIG_H
#define HF_TESTS_SUPPORT_BREAKER_RIG_H

/* One breaker in a pipeline of its own, in virtual time, and calls as letters: S success, F failure, T
 * throttled, X neutral, s slow success, f slow failure. */

#include "support/cmocka_all.h"
#include "support/stepper.h"

struct breaker_rig {
    hf_breaker *breaker;
    hf_pipeline *pipeline;
    hf_time now;
    int events;
    hf_breaker_event last_event;
    hf_breaker_info last_info; /* of the last event */
};
extern struct breaker_rig rig;

/* Makes the breaker, without jitter and with a callback that notes its events. */
void rig_build(hf_breaker_config *config);
int rig_teardown(void **state);

/* The defaults with these three numbers. */
hf_breaker_config rig_config(uint32_t window, uint32_t min_calls, uint32_t rate_ppm);

hf_breaker_info rig_info(void);

/* Begins a call; true when admitted. */
bool rig_begin(struct stepper *s);
void rig_finish(struct stepper *s, hf_outcome outcome);
hf_outcome rig_outcome(char letter);

/* Plays one call per letter; the state afterwards. A rejected call is an error of the test. */
int rig_play(const char *letters);

/* A call that must be turned back. */
hf_result rig_rejected(void);

#endif
