/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SIM_SIM_H
#define HF_TESTS_SIM_SIM_H

/* A simulator in virtual time: a queue of events, and calls that are driven through the engine with whatever pipeline the
 * experiment gives them. What decides is the shipped library; here is only a clock, a network and servers.
 *
 * One thread; the same seed gives the same run. */

#include <holdfast/holdfast.h>

struct sim;

typedef void sim_action(struct sim *sim, void *arg, uint64_t tag);

struct sim_event {
    hf_time at;
    uint64_t order; /* events of one instant happen in the order they were made */
    sim_action *action;
    void *arg;
    uint64_t tag;
};

struct sim {
    hf_time now;
    uint64_t rng, made;
    struct sim_event *heap;
    size_t count, room;
};

void sim_init(struct sim *sim, uint64_t seed);
void sim_fini(struct sim *sim);

/* Does `action` at `at`, which is not past. */
void sim_at(struct sim *sim, hf_time at, sim_action *action, void *arg, uint64_t tag);

/* Runs until nothing is left or `until` has come. */
void sim_run(struct sim *sim, hf_time until);

double sim_uniform(struct sim *sim);                                 /* [0, 1) */
int64_t sim_exponential(struct sim *sim, int64_t mean_ns);           /* at least 1 */
int64_t sim_normal(struct sim *sim, int64_t mean_ns, int64_t sd_ns); /* at least 0 */

/* ---- calls ---- */

struct sim_call;

/* What an experiment does. */
struct sim_calls {
    /* The attempt must be made: report it later with sim_report. An attempt that was told to stop is reported by the
     * simulator, as a failure; whatever the server still does for it is in vain. */
    void (*start)(struct sim *sim, struct sim_call *call, uint64_t attempt);
    /* The call is over and `call` is free to begin again. */
    void (*done)(struct sim *sim, struct sim_call *call, const hf_result *result);
};

struct sim_call {
    hf_call call;
    const struct sim_calls *experiment;
    void *owner; /* the experiment's */
    hf_time began_at;
    uint64_t running;  /* the attempt that runs, 0: none */
    uint64_t attempts; /* made in all lives of this struct: an attempt's number is never used twice */
    uint64_t timers;   /* set so far: only the last one counts */
    uint32_t attempt;  /* the engine's name for `running` */
    bool open;
    struct sim *sim;
};

void sim_begin(struct sim *sim, struct sim_call *call, hf_pipeline *pipeline, uint32_t priority);

/* An answer has come. Ignored when the attempt is no longer waited for. */
void sim_report(struct sim *sim, struct sim_call *call, uint64_t attempt, hf_outcome outcome);

/* Aborts with what is wrong; for what cannot fail. */
#define SIM_MUST(condition)                                         \
    do {                                                            \
        if (!(condition)) sim_fail(__FILE__, __LINE__, #condition); \
    } while (0)
_Noreturn void sim_fail(const char *file, int line, const char *what);

#endif
