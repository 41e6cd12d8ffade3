/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_STEPPER_H
#define HF_TESTS_SUPPORT_STEPPER_H

/* A driver in virtual time for tests and fuzzers: steps a call, and after every WAIT proves that asking
 * again at the same instant changes nothing, by comparing the whole call byte for byte. Aborts the
 * program on a violation, so that it serves under cmocka and under a fuzzer alike. */

#include <holdfast/holdfast.h>

struct stepper {
    hf_call call;
    hf_step step; /* the last answer */
    hf_time now;
};

/* Poisons the call's memory, then begins. `options` may be NULL. */
void stepper_begin(struct stepper *s, hf_pipeline *pipeline, const hf_call_options *options, hf_time now);

/* Steps once at s->now; returns the kind. */
int stepper_step(struct stepper *s);

/* Steps; while the answer is WAIT until an instant, moves s->now there and steps again. Returns START,
 * RUN, CANCEL or DONE, or WAIT when only a report can go on. */
int stepper_next(struct stepper *s);

/* Reports what the last START or RUN came to after `takes` ns, during which deadlines may pass: the call
 * is stepped at each, and orders to cancel are ignored when `cooperative` is false; when it is true the
 * work stops at the order, with `outcome` all the same. */
void stepper_finish(struct stepper *s, hf_outcome outcome, int64_t takes, bool cooperative);

/* Ends the call; returns the status. */
int stepper_end(struct stepper *s, hf_result *result);

/* Plays a whole call: attempt n comes to outcomes[min(n, count) - 1] after takes[...] (NULL: 0). A RUN is
 * run with `arg`. Returns the status. */
int stepper_play(struct stepper *s, hf_pipeline *pipeline, const hf_call_options *options, hf_time now,
                 const hf_outcome *outcomes, const int64_t *takes, size_t count, void *arg, hf_result *result);

/* Always on, unlike assert. */
#define STEPPER_MUST(condition)                                         \
    do {                                                                \
        if (!(condition)) stepper_fail(__FILE__, __LINE__, #condition); \
    } while (0)
_Noreturn void stepper_fail(const char *file, int line, const char *what);

#endif
