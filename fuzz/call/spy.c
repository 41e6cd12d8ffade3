/* SPDX-License-Identifier: MIT */
#include "call/spy.h"

#include "engine/policy.h"
#include "fuzz.h"

#include <string.h>

struct spy {
    hf_policy base;
    hf_policy *inner;
    struct member *member;
    struct spies *spies;
};

static struct spy *spy_of(hf_policy *policy) { return (struct spy *)(void *)policy; }

/* A frame stays where it is as long as its call. */
static struct seat *seat_of(struct spy *s, const struct hf_frame *frame) {
    struct seat *seat = s->spies->seat[s->spies->stepping];
    for (int taken = 0; seat->frame != frame; seat++, taken++) {
        FUZZ_MUST(taken < SPY_SEATS);
        if (seat->frame == NULL) seat->frame = frame;
        if (seat->frame == frame) break;
    }
    return seat;
}

static uint32_t starts_of(const struct spy *s) { return s->spies->starts[s->spies->stepping]; }

static bool is_kind(const struct spy *s, const char *kind) { return strcmp(s->inner->ops->kind, kind) == 0; }

static hf_breaker_info window_of(const struct spy *s, hf_time now) {
    return s->member->kind == &breaker_kind ? breaker_info(s->member, now) : (hf_breaker_info){0};
}

/* ---- the five questions ---- */

static int spy_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct spy *s = spy_of(policy);
    struct seat *seat = seat_of(s, frame);
    FUZZ_MUST(!seat->open);
    const bool by_chance[] = {[HF_REASON_RECOVERING] = true, [HF_REASON_THROTTLED_BY_CLIENT] = true, [63] = false};
    hf_breaker_info before = window_of(s, x->now);
    int verdict = s->inner->ops->admit == NULL ? HF__PASS : s->inner->ops->admit(s->inner, frame, x);
    seat->parked = verdict == HF__PARK;
    switch (verdict) {
    case HF__PASS:
        *seat = (struct seat){.frame = frame, .open = true, .passes = 1, .starts_before = starts_of(s)};
        seat->generation = window_of(s, x->now).generation;
        break;
    case HF__PARK: FUZZ_MUST(x->at > x->now); break;
    default:
        FUZZ_MUST(verdict == HF__TURN);
        FUZZ_MUST(x->at > x->now || by_chance[x->reason]); /* then the next may be let in at once */
        FUZZ_MUST(x->reason != HF_REASON_NONE);
        breaker_must_keep(s->member, &before, x->now);
    }
    return verdict;
}

static void spy_leave(hf_policy *policy, struct hf_frame *frame, const struct hf_x *x) {
    struct spy *s = spy_of(policy);
    FUZZ_MUST(seat_of(s, frame)->parked && !seat_of(s, frame)->open);
    seat_of(s, frame)->parked = false;
    if (s->inner->ops->leave != NULL) s->inner->ops->leave(s->inner, frame, x);
}

/* A retry never comes early: not before the shortest back-off, the hint, or the instant a rejection named;
 * and never more often than it may. */
static void check_rerun(const struct spy *s, const struct seat *seat, const struct hf_x *asked, hf_time at) {
    const hf_retry_config *c = &s->member->as_retry;
    FUZZ_MUST(asked->may_rerun && at >= asked->now && at < asked->deadline);
    FUZZ_MUST(!(asked->outcome.flags & HF_COMMITTED));
    if (!is_kind(s, "retry")) return;
    FUZZ_MUST(c->max_attempts == HF_RETRY_UNLIMITED || seat->passes < c->max_attempts);
    FUZZ_MUST(at - asked->now >= hf_backoff_delay(&c->backoff, seat->passes, 0, 0)); /* the lowest draw */
    if (asked->rejected) {
        FUZZ_MUST(c->retry_rejected && at > asked->now);
        if (asked->retry_at != HF_NEVER) FUZZ_MUST(at >= asked->retry_at);
    } else {
        FUZZ_MUST(asked->outcome.flags & HF_RETRYABLE);
        FUZZ_MUST(at - asked->now >= asked->outcome.retry_after_ns);
    }
}

static void charge_model(const struct spy *s, const struct seat *seat, const struct hf_x *asked) {
    struct budget_model *budget = s->member->budget;
    if (!is_kind(s, "retry") || budget == NULL) return;
    bool reached = starts_of(s) > seat->starts_before;
    if (reached && seat->passes > 1) budget->spent++;
    if (asked->outcome.resends > 0 || s->spies->forks[s->spies->stepping]) budget->exact = false;
}

static int spy_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct spy *s = spy_of(policy);
    struct seat *seat = seat_of(s, frame);
    FUZZ_MUST(seat->open);
    struct hf_x asked = *x;
    hf_breaker_info before = window_of(s, x->now);
    charge_model(s, seat, &asked);
    int verdict = s->inner->ops->settle == NULL ? HF__PASS : s->inner->ops->settle(s->inner, frame, x);
    bool reached = starts_of(s) > seat->starts_before || s->spies->forks[s->spies->stepping];
    bool stale = before.generation != seat->generation;
    if (!reached || stale || asked.outcome.kind == HF_NEUTRAL) breaker_must_keep(s->member, &before, x->now);
    breaker_must_judge(s->member, &before, x->now);
    switch (verdict) {
    case HF__PASS: seat->open = false; break;
    case HF__RERUN:
        check_rerun(s, seat, &asked, x->at);
        s->spies->again[s->spies->stepping] = true;
        seat->passes++;
        seat->starts_before = starts_of(s);
        break;
    case HF__HOLD:
    case HF__FORK: FUZZ_MUST(verdict == HF__HOLD ? asked.siblings : asked.may_fork); break;
    default:
        FUZZ_MUST(verdict == HF__RUN);
        FUZZ_MUST(asked.may_run && x->run != NULL && asked.outcome.kind != HF_SUCCESS);
        FUZZ_MUST(!(asked.outcome.flags & HF_COMMITTED));
        s->spies->again[s->spies->stepping] = true;
        seat->open = false; /* its place is taken by what runs */
    }
    return verdict;
}

static int spy_due(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct spy *s = spy_of(policy);
    FUZZ_MUST((s->spies->peeking || seat_of(s, frame)->open) && s->inner->ops->due != NULL);
    FUZZ_MUST(frame->at <= x->now);
    bool may_fork = x->may_fork;
    int verdict = s->inner->ops->due(s->inner, frame, x);
    FUZZ_MUST(verdict != HF__FORK || may_fork);
    return verdict;
}

static bool spy_keeps(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x) {
    struct spy *s = spy_of(policy);
    return s->inner->ops->keeps != NULL && s->inner->ops->keeps(s->inner, frame, x);
}

static void spy_destroy(hf_policy *policy) {
    hf__policy_unref(spy_of(policy)->inner);
    free(policy);
}

static const struct hf__policy_ops spy_ops = {.kind = "spy",
                                              .admit = spy_admit,
                                              .leave = spy_leave,
                                              .settle = spy_settle,
                                              .due = spy_due,
                                              .keeps = spy_keeps,
                                              .destroy = spy_destroy};

void spies_reset(struct spies *spies) { memset(spies, 0, sizeof *spies); }

void spies_begin(struct spies *spies, uint32_t call, bool forks) {
    memset(spies->seat[call], 0, sizeof spies->seat[call]);
    spies->starts[call] = 0;
    spies->forks[call] = forks;
}

hf_policy *spy_new(struct spies *spies, struct member *member) {
    struct spy *s = calloc(1, sizeof *s);
    FUZZ_MUST(s != NULL);
    s->base.ops = &spy_ops;
    atomic_init(&s->base.references, 1);
    memcpy(s->base.name, member->policy->name, sizeof s->base.name); /* results name it */
    s->inner = hf__policy_ref(member->policy);
    s->base.traits = s->inner->traits & HF__FORKS; /* and no short cuts */
    s->member = member;
    s->spies = spies;
    return &s->base;
}

void spies_at_rest(const struct spies *spies, uint32_t call) {
    for (uint32_t i = 0; i < SPY_SEATS; i++) {
        FUZZ_MUST(!spies->seat[call][i].open && !spies->seat[call][i].parked);
    }
}
