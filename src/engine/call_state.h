/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_CALL_STATE_H
#define HF_ENGINE_CALL_STATE_H

/* What an hf_call holds.
 *
 * `level` is the number of policies that have admitted the call and are not settled: it goes up in
 * ADMIT and down in RISE, and policies[level] is the next to be asked, policies[level - 1] the next to
 * be settled. An interruption names how much of the call it ends: a timeout everything inside its own
 * level (`cut_level`), the caller's deadline or cancel the whole call (`ended`). */

#include "engine/pipeline.h"

#include <holdfast/call.h>

enum hf__phase {
    HF__ADMIT = 1, /* asking policies[level] */
    HF__PARKED,    /* policies[level] said PARK */
    HF__RUNNING,   /* START or RUN was ordered, its report is awaited */
    HF__RISE,      /* settling policies[level - 1] */
    HF__HELD,      /* policies[level - 1] said RERUN at resume_at */
    HF__DONE
};

#define HF__CALL_MAGIC UINT64_C(0x6863616c6c763031) /* between begin and end */
#define HF__NO_LEVEL UINT32_C(0xffffffff)           /* no policy, no interruption */

struct hf__call {
    _Atomic uint32_t cancel_requested; /* the only field that other threads touch; stays first, so that
                                          the rest can be copied without racing with them */
    uint32_t phase;                    /* enum hf__phase */
    uint64_t magic;
    hf_pipeline *pipeline;
    hf_time now;         /* the latest seen */
    hf_time deadline_at; /* the caller's */
    hf_time resume_at;   /* PARKED, HELD */
    hf_time started_at;  /* of the attempt that runs */
    hf_time retry_at;    /* of the result */
    uint64_t rng;
    struct hf__caller caller;
    uint32_t level;
    uint32_t cut_level;    /* the timeout that passed, HF__NO_LEVEL if none */
    int32_t cut_reason;    /* what its `due` said */
    int32_t ended;         /* HF_REASON_DEADLINE or _CANCELLED once the whole call is over */
    int32_t reason;        /* of the result */
    uint32_t reason_level; /* the policy that gave it, or HF__NO_LEVEL */
    uint32_t flags;        /* HF_RESULT_* */
    uint32_t serial;       /* number of the latest START or RUN */
    uint32_t attempts;     /* STARTs */
    uint32_t reported;     /* of these, reported */
    bool rejected;         /* no attempt was made in this pass, and no fallback answered */
    bool in_fallback;      /* what runs is a RUN */
    bool stop_ordered;     /* what runs shall be told to stop ... */
    bool stop_told;        /* ... and was */
    hf_outcome outcome;    /* on its way out */
    hf_outcome last;       /* last reported by an attempt */
    hf_attempt_record record[HF_RESULT_ATTEMPTS_MAX];
    struct hf_frame frame[HF_MAX_POLICIES];
};
_Static_assert(sizeof(struct hf__call) <= sizeof(hf_call), "hf_call holds this");

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
void hf__call_admitted(struct hf__call *c, int verdict, const struct hf_x *x);

/* The next attempt was started at `at`. */
void hf__call_started(struct hf__call *c, hf_time at);

/* As a policy finds its frame when it is asked to admit. */
static inline void hf__frame_clear(struct hf_frame *frame) { *frame = (struct hf_frame){.at = HF_NEVER}; }

/* What hf_result_status will say of the call as it stands. */
int hf__call_status(const struct hf__call *c);

#endif
