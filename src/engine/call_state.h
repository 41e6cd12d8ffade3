/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_CALL_STATE_H
#define HF_ENGINE_CALL_STATE_H

/* What an hf_call holds.
 *
 * A call has one branch, or two while it is forked by a hedge: each goes down and up the pipeline by itself,
 * inside the policy at `fork_level`. Outside of it there is one way, on branch 0.
 *
 * The `level` of a branch is the number of policies that have admitted it and are not settled: it goes up in
 * ADMIT and down in RISE, and policies[level] is the next to be asked, policies[level - 1] the next to be
 * settled. An interruption names how much it ends: a timeout everything inside its own level (`cut_level`), a
 * lost race one branch (`lost`), the caller's deadline or cancel the whole call (`ended`). */

#include "engine/pipeline.h"

#include <holdfast/call.h>

enum hf__phase {
    HF__ADMIT = 1, /* asking policies[level] */
    HF__PARKED,    /* policies[level] said PARK until resume_at */
    HF__RUNNING,   /* START or RUN was ordered, its report is awaited */
    HF__RISE,      /* settling policies[level - 1] */
    HF__HELD,      /* policies[level - 1] said RERUN at resume_at */
    HF__AWAITS,    /* has come up to the fork and waits for the other branch */
    HF__WON,       /* its outcome is taken, once the other branch has ended */
    HF__GONE,      /* has ended, for the other has won or waits */
    HF__DONE
};

#define HF__CALL_MAGIC UINT32_C(0x68666331) /* between begin and end */
#define HF__NO_LEVEL 0xff                   /* no policy, no interruption */
#define HF__NOT_REPORTED 0xff               /* as kind of a record */

struct hf__branch {
    union {
        hf_time started_at; /* RUNNING: the attempt */
        hf_time resume_at;  /* PARKED, HELD */
    };
    hf_time retry_at;     /* goes with `reason` */
    hf_outcome outcome;   /* on its way out */
    uint32_t serial;      /* of what runs */
    uint32_t number;      /* of the attempt that runs, among attempts */
    uint32_t starts;      /* attempts begun on this branch */
    uint16_t passed_by;   /* bits of the levels whose policy did not admit, for it was switched off */
    int16_t reason;       /* why it comes to this */
    int16_t cut_reason;   /* what `due` of the timeout said */
    uint8_t reason_level; /* the policy that gave the reason, or HF__NO_LEVEL */
    uint8_t cut_level;    /* the timeout that passed, HF__NO_LEVEL if none */
    uint8_t level;
    uint8_t phase;     /* enum hf__phase */
    uint8_t origin;    /* 1: began at the fork */
    bool rejected;     /* no attempt was made in this pass, and no fallback answered */
    bool in_fallback;  /* what runs is a RUN */
    bool stop_ordered; /* what runs shall be told to stop ... */
    bool stop_told;    /* ... and was */
    bool lost;         /* the other branch has won */
    bool repeats;      /* some policy has run again what is inside it */
};

/* What became of the last attempts: of attempt n at n % HF_RESULT_ATTEMPTS_MAX. */
struct hf__records {
    int32_t code[HF_RESULT_ATTEMPTS_MAX];
    uint32_t duration_us[HF_RESULT_ATTEMPTS_MAX];
    uint8_t kind[HF_RESULT_ATTEMPTS_MAX]; /* hf_kind, or HF__NOT_REPORTED */
};

struct hf__call {
    _Atomic uint32_t cancel_requested; /* the only field that other threads touch; stays first, so that
                                          the rest can be copied without racing with them */
    uint32_t magic;
    hf_pipeline *pipeline;
    hf_time now;         /* the latest seen */
    hf_time deadline_at; /* the caller's */
    uint64_t rng;
    struct hf__caller caller;
    const struct hf__keeper *keeper; /* NULL: attempts end when they are reported */
    uint32_t flags;                  /* HF_RESULT_* */
    uint32_t serial;                 /* number of the latest START or RUN */
    uint32_t attempts;               /* STARTs */
    uint32_t reported;               /* of these, reported */
    int16_t ended;                   /* HF_REASON_DEADLINE or _CANCELLED once the whole call is over */
    uint8_t fork_level;              /* of the hedge, while there are two branches */
    uint8_t branches;                /* 1 or 2 */
    uint8_t options;                 /* HF_CALL_* */
    bool committed;                  /* the caller has begun to receive an attempt's result */
    hf_outcome last;                 /* last reported by an attempt that had not lost */
    struct hf__branch branch[2];
    struct hf__records records;
    struct hf_frame frame[HF__FRAMES];
};
_Static_assert(sizeof(struct hf__call) <= sizeof(hf_call), "hf_call holds this");
_Static_assert(HF__FRAMES >= HF_MAX_POLICIES, "a frame for every policy");

/* ---- branches (branch.c) ---- */

/* Moves one branch by one transition, or by several levels at once when it is alone: an HF_STEP_* to order, or 0. Sets
 * `*moved` unless nothing changed. */
int hf__branch_move(struct hf__call *c, struct hf__branch *b, hf_step *step, bool *moved);

/* When something happens by itself next; HF_NEVER: only a report goes on. */
hf_time hf__call_wait_until(const struct hf__call *c);

/* On its way up, or waiting at the fork: what comes now comes too late for it. */
static inline bool hf__branch_is_over(const struct hf__branch *b) {
    return b->phase == HF__RISE || b->phase >= HF__AWAITS;
}

/* Levels whose timeouts still matter: not those inside one that has passed. */
static inline uint32_t hf__branch_live_levels(const struct hf__branch *b) {
    return b->level < b->cut_level ? b->level : b->cut_level;
}

static inline bool hf__call_is_forked(const struct hf__call *c) { return c->branches == 2; }

static inline bool hf__call_cancel_requested(const struct hf__call *c) {
    return atomic_load_explicit(&c->cancel_requested, memory_order_acquire) != 0;
}

static inline void hf__branch_reason(struct hf__branch *b, int32_t reason, uint8_t level) {
    b->reason = (int16_t)reason;
    b->reason_level = level;
}

struct hf_x hf__branch_x(struct hf__call *c, struct hf__branch *b, uint32_t level);
struct hf_frame *hf__branch_frame(struct hf__call *c, const struct hf__branch *b, uint32_t level);

/* A second branch inside the policy at `level`, as if that had just admitted the call. */
void hf__call_fork(struct hf__call *c, uint32_t level);

/* The branch on which this START or RUN runs, or NULL. */
struct hf__branch *hf__call_running(struct hf__call *c, uint32_t serial);

/* ---- interruptions (interrupt.c) ---- */

/* Interrupt for a cancel; for the outermost instant that has come, which is the one that reports. */
void hf__call_take_cancel(struct hf__call *c);
void hf__call_take_due(struct hf__call *c, bool may_fork);

/* Something ends what is inside `level` of the branch (HF__NO_LEVEL: the whole call). */
void hf__branch_interrupt(struct hf__call *c, struct hf__branch *b, uint8_t level, int32_t reason);

/* What was to run never started: the driver turned it back, or an interruption was first. */
void hf__branch_turn_back(struct hf__call *c, struct hf__branch *b);

/* The branch is told to stop, for the other one has won. */
void hf__branch_lose(struct hf__call *c, struct hf__branch *b);

/* ---- policies that are switched, or answer (switched.c) ---- */

/* The verdict of a policy in `mode`; `*out_passed_by`: it passes without having admitted, and is not settled. */
int hf__switched_admit(hf_policy *policy, uint32_t mode, struct hf_frame *frame, struct hf_x *x, bool parked,
                       bool *out_passed_by);

/* A policy has answered in place of an attempt. */
void hf__branch_answered(struct hf__call *c, struct hf__branch *b, const struct hf_x *x);

/* What stood in for an attempt, parked at `level`, was cut off. */
void hf__branch_cut_stand_in(struct hf__call *c, struct hf__branch *b);

/* ---- reports (report.c) ---- */

/* Takes in the end of an attempt; the branch is on its way up afterwards. */
void hf__branch_report(struct hf__call *c, struct hf__branch *b, hf_outcome outcome);

/* ---- for the trunk ---- */

/* First of all: what policies may keep a pointer to. `options` are complete. */
static inline void hf__call_claim(struct hf__call *c, const hf_call_options *options) {
    c->rng = options->seed;
    c->caller = (struct hf__caller){.wake = options->wake,
                                    .wake_arg = options->wake_arg,
                                    .tag = options->tag,
                                    .key = options->key == NULL ? "" : options->key,
                                    .priority = options->priority,
                                    .weight = options->weight};
}

/* The rest, as after begin; the frames are cleared one by one as they are needed. */
void hf__call_open(struct hf__call *c, hf_pipeline *pipeline, const hf_call_options *options, hf_time now);

/* What follows from the verdict of policies[level], which was asked with `x`. */
void hf__branch_admitted(struct hf__call *c, struct hf__branch *b, int verdict, const struct hf_x *x);

/* The next attempt was started at `at`. */
void hf__branch_started(struct hf__call *c, struct hf__branch *b, hf_time at);

/* As a policy finds its frame when it is asked to admit. */
static inline void hf__frame_clear(struct hf_frame *frame) { *frame = (struct hf_frame){.at = HF_NEVER}; }

/* What hf_result_status will say of the call as it stands. */
int hf__call_status(const struct hf__call *c);

#endif
