/* SPDX-License-Identifier: MIT */
#ifndef HF_FUZZ_CALL_MEMBERS_H
#define HF_FUZZ_CALL_MEMBERS_H

/* Policies of every kind with configurations made of bytes, as a fuzz target needs them: made, looked at,
 * meddled with by hand, and asked at the end whether everything was given back. A new kind of policy is
 * one more row in the table in members.c. */

#include "support/bytes.h"

#include <holdfast/holdfast.h>

#define BUDGETS_MAX 2

struct member;
struct members;

struct member_kind {
    const char *name;
    void (*make)(struct member *m, struct members *all, struct bytes *in);
    void (*look)(const struct member *m, hf_time now);                /* notes what can be seen */
    void (*by_hand)(struct member *m, struct bytes *in, hf_time now); /* NULL: nothing to do by hand */
    void (*at_rest)(const struct member *m);                          /* no call is under way */
    void (*free)(struct member *m);
};

struct member {
    const struct member_kind *kind;
    char name[HF_NAME_MAX + 1];
    hf_policy *policy;
    union {
        hf_breaker *breaker;
        hf_bulkhead *bulkhead;
        hf_concurrency *concurrency;
        hf_fallback *fallback;
        hf_hedge *hedge;
        hf_not_before *not_before;
        hf_rate_limit *rate_limit;
        hf_retry *retry;
        hf_throttle *throttle;
        hf_timeout *timeout;
    };
    union {
        hf_breaker_config as_breaker;
        hf_bulkhead_config as_bulkhead;
        hf_retry_config as_retry;
        hf_timeout_config as_timeout;
    };
    struct budget_model *budget; /* of a retry that was given one */
    hf_pipeline *alone;          /* a breaker by itself, to ask whether it has wedged */
    uint32_t meddling;           /* breaker: how often its callback still sets the state itself */
    uint32_t most;               /* what may be at once, under any configuration it had: see each kind */
    int64_t longest_ms;          /* breaker: lease and open wait, likewise */
};

/* A budget, and beside it what retries have really cost. Exact when neither traffic nor time refills it and
 * no resend was charged: then every token gone is an extra pass that reached the dependency. */
struct budget_model {
    hf_budget *budget;
    hf_budget_config config;
    uint64_t spent;
    bool exact;
};

struct members {
    uint32_t count, budgets;
    struct member member[HF_MAX_POLICIES];
    struct budget_model budget[BUDGETS_MAX];
};

void members_make(struct members *all, struct bytes *in);
/* Do two retries draw on one budget? */
bool members_share_a_budget(const struct members *all);

void members_look(const struct members *all, hf_time now);

/* Aborts unless every permit is back and budgets lost what they should. */
void members_at_rest(const struct members *all, hf_time now);

/* Aborts when a breaker admits nothing within lease and open wait from `from` on. Changes its state. */
void members_no_wedge(struct members *all, hf_time from);

extern const struct member_kind breaker_kind, concurrency_kind, hedge_kind, not_before_kind, rate_limit_kind,
    throttle_kind;

/* For must_keep and must_judge. */
hf_breaker_info breaker_info(const struct member *m, hf_time now);

/* Aborts when the window has changed since `before`, unless the state itself has: a lease had ended, or the like. */
void breaker_must_keep(const struct member *m, const hf_breaker_info *before, hf_time now);

/* Aborts when the window has changed since `before` and holds what must have opened the breaker. */
void breaker_must_judge(const struct member *m, const hf_breaker_info *before, hf_time now);

void breaker_no_wedge(struct member *m, hf_time from);

void members_free(struct members *all);

#endif
