/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_POLICY_H
#define HF_ENGINE_POLICY_H

/* What a policy is to the engine: five functions, each of which may be NULL, over the policy's shared
 * state and a small frame of its own in each call. The engine knows no policy by name.
 *
 * A call goes down the pipeline asking `admit` of each policy, outermost first; at the bottom the
 * attempt starts. When it is reported, the call goes up again through `settle`, innermost first. Every
 * admission that returned PASS is settled exactly once for each time it was passed, whatever happens.
 *
 *   admit   PASS: go on inward. `x->at` may be set to an instant at which `due` shall be asked.
 *           TURN: reject; `x->reason` says why, `x->at` when asking again can succeed (HF_NEVER when
 *                 not known). Outer policies see a rejection (`x->rejected`, kind neutral).
 *           PARK: ask again at `x->at` or when `x->caller->wake` is called, whichever is first.
 *           ANSWER: `x->outcome` is what an attempt came to that need not be made; `x->reason` says why.
 *   leave   the call gives up while parked here: hand back the place in the queue.
 *   settle  PASS: pass the outcome on outward. The policy may edit `x->outcome` and `x->reason`.
 *           RERUN: run everything inside again at `x->at`; only when `x->may_rerun`.
 *           RUN: the driver shall run `x->run` and its outcome takes the place of this one if it is a
 *                success; only when `x->may_run`.
 *           HOLD: wait for the other branch, only when `x->siblings`: asked again when that has come up, with
 *                 the outcome that then stands. PASS with siblings: this outcome wins, the other branch is
 *                 told to stop.
 *           FORK: as HOLD, and begin a second branch inside; only when `x->may_fork`.
 *   due     the instant set by admit has come: TURN ends everything inside (a timeout), PASS does not, FORK
 *           begins a second branch inside, only when `x->may_fork`. `x->at` may be set anew.
 *   keeps   would settle return RERUN or RUN for this outcome? Must not change anything.
 *   settle_ok  the short form of settle for a plain success (hf__outcome_is_plain) of the only attempt, in time, on
 *           the trunk (engine/trunk.h) and in calls that are stepped. PASS only. hf__nothing_on_success when settle has
 *           nothing to do then; NULL when there is no short form.
 *
 * On the trunk the clock may not have been read: `x->now` is HF__NO_TIME. A policy is asked like that only
 * if its `traits` say that it can cope; when it needs the time after all (a breaker that is not closed) its
 * admit or settle_ok returns NEED_NOW and is asked again with it. What it had done before it said so it
 * must remember in its frame.
 *
 * The functions run on the thread that steps the call, with no lock held by the engine. They read no
 * clock: `x->now` is the time, and it never goes back within one call; state shared between calls must
 * not rely on that. */

#include <holdfast/fallback.h>
#include <holdfast/result.h>
#include <holdfast/switches.h>
#include <holdfast/types.h>

#include <stdatomic.h>

enum hf__verdict { HF__PASS = 0, HF__TURN, HF__PARK, HF__RERUN, HF__RUN, HF__NEED_NOW, HF__HOLD, HF__FORK, HF__ANSWER };

#define HF__NO_TIME INT64_MIN /* as `now`: the clock was not read */

/* Traits, for hf_policy.traits. */
#define HF__ADMITS_TIMELESS 0x1u  /* admit copes with HF__NO_TIME */
#define HF__SETTLES_TIMELESS 0x2u /* so does settle_ok */
#define HF__FORKS 0x4u            /* may say FORK; one in a pipeline */
#define HF__STANDS_IN \
    0x8u                /* a call parked here is an attempt under way, begun at the instant in word[0] of its
                                     frame: what interrupts it makes a failure of it, and no rejection */
#define HF__HOLDS 0x10u /* an admission holds something until the work has really ended */

/* The part of a call that belongs to one policy. Zeroed before each admit, except when a parked call is
 * asked again; a RERUN keeps the frame of the policy that asked for it. */
struct hf_frame {
    hf_time at;       /* the engine's: when `due` is to be asked, HF_NEVER if not */
    uint64_t word[5]; /* the policy's own */
};

/* What every policy may know of who made the call, and how to reach its driver. A policy that parks a call
 * keeps the pointer. */
struct hf__caller {
    void (*wake)(void *); /* for PARK; NULL: the driver cannot be woken, and no policy may park the call */
    void *wake_arg;
    const void *tag; /* names the call to those who ask for it; never followed */
    const char *key; /* whom it is for, where limits are kept by key; never NULL */
    uint32_t priority;
    uint32_t weight; /* permits of a rate limit */
};

/* A driver that goes on while an attempt still works, for it cannot stop it: it keeps what is held for that
 * attempt. `keep` is asked instead of the settle of a policy that HOLDS; when it says true it has copied the frame,
 * and will settle it with hf__settle_kept when the work has ended. `inside_hedge`: only attempts of `branch` ran
 * under this admission. */
struct hf__keeper {
    bool (*keep)(const struct hf__keeper *keeper, hf_policy *policy, const struct hf_frame *frame, uint32_t level,
                 bool inside_hedge, uint32_t branch);
};

/* What the engine and a policy tell each other. */
struct hf_x {
    hf_time now;            /* in */
    hf_time deadline;       /* in: nearest instant at which something outside ends this */
    hf_time at;             /* out, see above; HF_NEVER before each question */
    hf_outcome outcome;     /* settle, keeps: what came from inside; settle may change it */
    int32_t reason;         /* hf_reason: why it came to this; TURN and settle may set it */
    uint32_t flags;         /* out: HF_RESULT_* bits to add to the result */
    hf_time retry_at;       /* in and out: when asking again can succeed, HF_NEVER if not known */
    uint32_t attempts;      /* in: started so far in the call; as many as at admit: none inside */
    bool rejected;          /* in: turned back inside: the last pass made no attempt, nor has a fallback answered */
    bool may_rerun;         /* in: false once something outside has ended the call */
    bool may_run;           /* in: same, for RUN */
    bool may_fork;          /* in: same, for FORK; false while there are two branches */
    bool siblings;          /* in: the other branch is under way */
    uint8_t branch;         /* in: 1 on the branch that a FORK began */
    const hf_fallback *run; /* out, with RUN */
    uint64_t *rng;          /* state for hf__rng_next; `keeps` gets a copy */
    uint32_t priority;      /* in: hf_priority, 0 to HF_PRIORITIES - 1 */
    const struct hf__caller *caller; /* in: stays where it is until the call ends */
};

/* What a policy says about itself to hf_pipeline_check. What does not apply stays as HF__NO_FACTS has it. */
#define HF__ROLE_ANSWERS 0x1u /* stands in for what is inside: a fallback */
#define HF__ROLE_REPEATS 0x2u /* runs what is inside again: a retry */
#define HF__ROLE_HOLDS 0x4u   /* a call inside holds something that others need: a bulkhead */
#define HF__ROLE_JUDGES 0x8u  /* learns from the results of what is inside: a breaker */
#define HF__ROLE_FORKS 0x10u  /* runs what is inside twice at once: a hedge */

struct hf__facts {
    uint32_t roles;
    uint32_t attempts;      /* REPEATS: at most, HF__UNLIMITED */
    int64_t first_pause_ns; /* REPEATS: wait before the second attempt, on average */
    int64_t pauses_ns;      /* REPEATS: all waits of a call that makes all attempts */
    int64_t ends_after_ns;  /* what is inside is ended after so long */
    int64_t line_ns;        /* longest wait before a call is let in, 0: no wait */
    int64_t window_ns;      /* JUDGES: by results that are at most so old */
    int64_t lease_ns;       /* JUDGES: a probe counts for so long */
    int64_t slow_ns;        /* JUDGES: what takes so long is slow */
    int64_t fork_after_ns;  /* FORKS: the second begins so long after the first, HF_NEVER: not known */
};

#define HF__UNLIMITED UINT32_MAX
#define HF__NO_FACTS                                                                                 \
    (struct hf__facts) {                                                                             \
        .ends_after_ns = HF_NEVER, .window_ns = HF_NEVER, .lease_ns = HF_NEVER, .slow_ns = HF_NEVER, \
        .fork_after_ns = HF_NEVER                                                                    \
    }

struct hf__policy_ops {
    const char *kind; /* "breaker" */
    int (*admit)(hf_policy *policy, struct hf_frame *frame, struct hf_x *x);
    void (*leave)(hf_policy *policy, struct hf_frame *frame, const struct hf_x *x);
    int (*settle)(hf_policy *policy, struct hf_frame *frame, struct hf_x *x);
    int (*settle_ok)(hf_policy *policy, struct hf_frame *frame, struct hf_x *x);
    int (*due)(hf_policy *policy, struct hf_frame *frame, struct hf_x *x);
    bool (*keeps)(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x);
    void (*tell)(const hf_policy *policy, struct hf__facts *facts); /* NULL: nothing to tell */
    void (*destroy)(hf_policy *policy);                             /* the last reference is gone; never NULL */
};

/* Policies that are switched together: one word for all of them. */
struct hf__switch_group {
    _Atomic uint32_t mode; /* hf_switch */
    _Atomic uint32_t references;
    void (*destroy)(struct hf__switch_group *group); /* the last reference is gone */
    char name[HF_NAME_MAX + 1];
};

#define HF__GROUPED 0x100u /* in hf_policy.mode: `group` is set, and stays */

/* First member of every policy. */
struct hf_policy {
    const struct hf__policy_ops *ops;
    _Atomic uint32_t references;
    uint32_t traits;       /* HF__...; set before the policy is put into a pipeline */
    _Atomic uint32_t mode; /* hf_switch | HF__GROUPED */
    char name[HF_NAME_MAX + 1];
    struct hf__switch_group *group;
};

/* How the policy is switched: by itself, or else with its group. One load where nobody has switched anything. */
static inline uint32_t hf__policy_mode(const hf_policy *policy) {
    /* Acquire: whoever sees HF__GROUPED sees the group. */
    uint32_t mode = atomic_load_explicit(&policy->mode, memory_order_acquire);
    if (mode == HF__GROUPED) mode = atomic_load_explicit(&policy->group->mode, memory_order_relaxed);
    return mode & ~HF__GROUPED;
}

/* Settles a frame that was kept. */
void hf__settle_kept(hf_policy *policy, struct hf_frame *frame, hf_outcome outcome, int32_t reason, hf_time now);

/* Of an outcome by itself: what settle_ok is asked for. That it was delivered already matters to failures only. */
static inline bool hf__outcome_is_plain(const hf_outcome *outcome) {
    return outcome->kind == HF_SUCCESS && (outcome->flags & ~HF_COMMITTED) == 0 && outcome->resends == 0 &&
           outcome->retry_after_ns == 0;
}

/* As settle_ok: a plain success says nothing to this policy. Never called. */
int hf__nothing_on_success(hf_policy *policy, struct hf_frame *frame, struct hf_x *x);

/* NULL is fine. */
void hf__switch_group_unref(struct hf__switch_group *group);

/* Takes and gives back a reference; the last one destroys the policy. NULL is fine for unref. */
hf_policy *hf__policy_ref(hf_policy *policy);
void hf__policy_unref(hf_policy *policy);

#endif
