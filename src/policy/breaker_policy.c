/* SPDX-License-Identifier: MIT */
#include <holdfast/breaker.h>

#include "policy/breaker_inside.h"

#include "base/num.h"
#include "base/rng.h"
#include "core/breaker_probe.h"
#include "os/must.h"
#include "policy/config_check.h"
#include "shm/region.h"

#include <stdlib.h>

/* A breaker in a pipeline: admission and settlement of one call. */

/* What an admission leaves in the frame of its call: the ticket. */
struct ticket {
    uint64_t control; /* the word it was admitted under */
    uint64_t probe;   /* its slot's word, if a probe */
    hf_time admitted_at;
    uint32_t slot;     /* NO_PROBE, or RECORDED */
    uint32_t attempts; /* that the call had made before */
    struct hf__wheel_place wheel;
};
_Static_assert(sizeof(struct ticket) <= sizeof(((struct hf_frame *)0)->word), "fits a frame");

#define NO_PROBE HF_BREAKER_PROBES_MAX
#define RECORDED (HF_BREAKER_PROBES_MAX + 1) /* no probe, and in the window already */
#define ASK_AGAIN (-1)                       /* the breaker has moved on meanwhile: decide afresh */

static hf_breaker *breaker_of(hf_policy *policy) { return (hf_breaker *)(void *)policy; }

/* ---- admission ---- */

/* Moves a probe slot on from the word it was seen at. A mismatch says that it has another life. (M3) */
static bool move_slot(hf_breaker *b, uint32_t slot, uint64_t from, uint64_t to) {
    return atomic_compare_exchange_strong_explicit(&b->state->probe[slot], &from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* Claims a probe slot under `control`. Returns PASS with the ticket filled in, TURN with x->at, or
 * ASK_AGAIN. */
static int claim_probe(hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t control, struct ticket *ticket,
                       struct hf_x *x) {
    uint64_t probes[HF_BREAKER_PROBES_MAX];
    hf__breaker_load_probes(b, probes);
    struct hf__claim_answer claim = hf__probe_claim(probes, control, &rules->open, x->now);
    if (claim.verdict == HF__CLAIM_FULL) {
        if (hf__breaker_control(b) != control) return ASK_AGAIN;
        x->at = claim.retry_at;
        x->reason = HF_REASON_PROBING;
        return HF__TURN;
    }
    bool moved = move_slot(b, claim.index, probes[claim.index], claim.next);
    if (!moved || claim.verdict == HF__CLAIM_EXPIRE) return ASK_AGAIN;
    if (hf__breaker_control(b) != control) { /* decided meanwhile: this probe belongs to no round */
        (void)move_slot(b, claim.index, claim.next, hf__probe_settle(claim.next, HF__PROBE_FREE));
        return ASK_AGAIN;
    }
    ticket->slot = claim.index;
    ticket->probe = claim.next;
    return HF__PASS;
}

static int turn_back(hf_breaker *b, uint64_t control, int32_t reason, hf_time at, struct hf_x *x) {
    hf__breaker_count_rejection(b, hf__control_generation(control));
    x->reason = reason;
    x->at = at;
    return HF__TURN;
}

static int admit_once(hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t control, struct ticket *ticket,
                      struct hf_x *x) {
    struct hf__admission_answer answer = hf__control_admit(control, &rules->open, x->now);
    switch (answer.verdict) {
    case HF__ADMIT_CALL: return HF__PASS;
    case HF__ADMIT_SHARE:
        if (hf__rng_between(hf__rng_next(x->rng), 1, HF_PPM) <= answer.share_ppm) return HF__PASS;
        return turn_back(b, control, answer.reason, answer.retry_at, x);
    case HF__ADMIT_REJECT: return turn_back(b, control, answer.reason, answer.retry_at, x);
    case HF__ADMIT_MOVE: (void)hf__breaker_change(b, rules, control, answer.next, x->now, 0); return ASK_AGAIN;
    case HF__ADMIT_PROBE: break;
    }
    hf__breaker_decide(b, rules, x->now, 0, x->rng); /* whoever had the last result may have died before this */
    if (hf__breaker_control(b) != control) return ASK_AGAIN;
    int verdict = claim_probe(b, rules, control, ticket, x);
    return verdict == HF__TURN ? turn_back(b, control, x->reason, x->at, x) : verdict;
}

static int64_t slow_call_ns(const hf_breaker *b) {
    return atomic_load_explicit(&b->slow_call_ns, memory_order_relaxed); /* (M7) */
}

/* Notes that the call begins. The first of a tick looks at those that do not end; false when that has moved the
 * breaker on. */
static bool enter_wheel(hf_breaker *b, struct ticket *ticket, struct hf_x *x) {
    uint32_t generation = hf__control_generation(ticket->control);
    bool first;
    ticket->wheel = hf__breaker_enter(b, generation, x->now, &first);
    if (!first) return true;
    struct hf__breaker_rules rules = hf__breaker_live_read(&b->rules);
    hf__breaker_judge_window(b, &rules, ticket->control, x->now, 0, x->rng);
    if (hf__control_same(hf__breaker_control(b), ticket->control)) return true;
    hf__breaker_leave(b, ticket->wheel, generation);
    ticket->wheel.word = HF__NOT_ON_WHEEL;
    return false;
}

/* Admission in a state that may turn back. The states that never do, and those that always do, need no rules. */
static int admit_warily(hf_breaker *b, struct ticket *ticket, struct hf_x *x) {
    struct hf__control control = hf__control_unpack(ticket->control);
    if (control.state == HF_BREAKER_OPEN && x->now < hf__word_time(control.ms)) {
        return turn_back(b, ticket->control, HF_REASON_OPEN, hf__word_time(control.ms), x);
    }
    struct hf__breaker_rules rules = hf__breaker_live_read(&b->rules);
    return admit_once(b, &rules, ticket->control, ticket, x);
}

static int breaker_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_breaker *b = breaker_of(policy);
    struct ticket *ticket = (struct ticket *)(void *)frame->word;
    bool timed = slow_call_ns(b) != HF_NEVER;
    ticket->admitted_at = x->now;
    ticket->attempts = x->attempts;
    ticket->slot = NO_PROBE;
    ticket->wheel.word = HF__NOT_ON_WHEEL;
    for (;;) {
        ticket->control = hf__breaker_control(b);
        hf_breaker_state state = hf__control_state(ticket->control);
        if (state == HF_BREAKER_FORCED_OPEN) return turn_back(b, ticket->control, HF_REASON_FORCED_OPEN, HF_NEVER, x);
        if (x->now == HF__NO_TIME && (state > HF_BREAKER_DISABLED || timed)) return HF__NEED_NOW;
        int verdict = state <= HF_BREAKER_DISABLED ? HF__PASS : admit_warily(b, ticket, x);
        bool on_wheel = verdict == HF__PASS && timed && b->tick_ns > 0 && hf__state_records(state);
        if (on_wheel && !enter_wheel(b, ticket, x)) continue;
        if (verdict != ASK_AGAIN) return verdict;
    }
}

/* ---- settlement ---- */

/* The verdict on one result: its kind, and whether it was slow. The caller's own deadline says nothing
 * about the dependency when it left less time than a call that is not slow may take; nor does whatever came
 * out of a pass that never reached it: a rejection, an end in a queue, a fallback's answer to these. */
static int32_t judge(const hf_breaker *b, const struct ticket *ticket, const struct hf_x *x, bool *out_slow) {
    int64_t slow_ns = slow_call_ns(b);
    *out_slow = false;
    if (x->attempts == ticket->attempts) return HF_NEUTRAL;
    /* Admitted without a time: the rule was set meanwhile, and is for those that come after. */
    bool measured = slow_ns != HF_NEVER && ticket->admitted_at != HF__NO_TIME;
    bool long_enough = measured && hf__left(x->now, ticket->admitted_at) >= slow_ns;
    *out_slow = (x->outcome.flags & HF_SLOW) || long_enough;
    if (x->reason == HF_REASON_DEADLINE && measured && !long_enough) return HF_NEUTRAL;
    /* One process without descriptors or name server must not open the breaker of all. */
    if (b->region != NULL && (x->outcome.flags & HF_LOCAL)) return HF_NEUTRAL;
    return x->outcome.kind;
}

static void settle_probe(hf_breaker *b, const struct hf__breaker_rules *rules, const struct ticket *ticket,
                         int32_t kind, bool slow, struct hf_x *x) {
    enum hf__probe_status status = HF__PROBE_BAD;
    bool too_slow = slow && rules->limits.slow_rate_ppm != HF_BREAKER_OFF;
    if (kind == HF_NEUTRAL) status = HF__PROBE_FREE;
    if (kind == HF_SUCCESS && !too_slow) status = HF__PROBE_OK;
    if (hf__probe_expired(ticket->probe, x->now)) status = HF__PROBE_BAD; /* whoever notices it first */
    (void)move_slot(b, ticket->slot, ticket->probe, hf__probe_settle(ticket->probe, status));
    hf__breaker_decide(b, rules, x->now, x->outcome.retry_after_ns, x->rng);
}

static enum hf__entry entry_of(int32_t kind) {
    if (kind == HF_SUCCESS) return HF__ENTRY_SUCCESS;
    return kind == HF_THROTTLED ? HF__ENTRY_THROTTLED : HF__ENTRY_FAILURE;
}

static void judge_window(hf_breaker *b, const struct ticket *ticket, struct hf_x *x) {
    struct hf__breaker_rules rules = hf__breaker_live_read(&b->rules);
    hf__breaker_judge_window(b, &rules, ticket->control, x->now, x->outcome.retry_after_ns, x->rng);
}

/* Records a result that is no probe's. */
static void settle_call(hf_breaker *b, const struct ticket *ticket, int32_t kind, bool slow, struct hf_x *x) {
    /* The window is renewed only when a new stretch begins to record: until then it shows what tripped it. */
    if (!hf__control_same(hf__breaker_control(b), ticket->control)) return;
    uint32_t generation = hf__control_generation(ticket->control);
    if (hf__breaker_record(b, generation, entry_of(kind), slow, x->now)) judge_window(b, ticket, x);
}

static int breaker_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_breaker *b = breaker_of(policy);
    const struct ticket *ticket = (const struct ticket *)(const void *)frame->word;
    hf_breaker_state admitted_in = hf__control_state(ticket->control);
    uint32_t generation = hf__control_generation(ticket->control);
    bool slow;
    int32_t kind = judge(b, ticket, x, &slow);
    hf__breaker_leave(b, ticket->wheel, generation);
    if (ticket->slot < NO_PROBE) {
        struct hf__breaker_rules rules = hf__breaker_live_read(&b->rules);
        settle_probe(b, &rules, ticket, kind, slow, x);
    } else if (hf__state_records(admitted_in) && kind != HF_NEUTRAL) {
        settle_call(b, ticket, kind, slow, x);
    }
    return HF__PASS;
}

/* A plain success in a window of calls, where nothing measures it: it needs the time only when it is to be judged. Then
 * the ticket says that it has been recorded. */
static int settle_ok_timeless(hf_breaker *b, struct ticket *ticket, struct hf_x *x) {
    if (ticket->slot != RECORDED) {
        if (!hf__control_same(hf__breaker_control(b), ticket->control)) return HF__PASS;
        if (!hf__breaker_record(b, hf__control_generation(ticket->control), HF__ENTRY_SUCCESS, false, HF_NEVER)) {
            return HF__PASS;
        }
        ticket->slot = RECORDED;
    }
    if (x->now == HF__NO_TIME) return HF__NEED_NOW;
    judge_window(b, ticket, x);
    return HF__PASS;
}

static int breaker_settle_ok(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_breaker *b = breaker_of(policy);
    struct ticket *ticket = (struct ticket *)(void *)frame->word;
    hf_breaker_state state = hf__control_state(ticket->control);
    if (state == HF_BREAKER_DISABLED) return HF__PASS;
    bool timeless = b->shape.kind == HF_BREAKER_BY_CALLS && slow_call_ns(b) == HF_NEVER;
    if (timeless && hf__state_records(state) && ticket->wheel.word == HF__NOT_ON_WHEEL) {
        return settle_ok_timeless(b, ticket, x);
    }
    return x->now == HF__NO_TIME ? HF__NEED_NOW : breaker_settle(policy, frame, x);
}

static void breaker_tell(const hf_policy *policy, struct hf__facts *facts) {
    const hf_breaker *b = (const hf_breaker *)(const void *)policy;
    struct hf__breaker_rules rules = hf__breaker_live_read(&b->rules);
    facts->roles = HF__ROLE_JUDGES;
    facts->lease_ns = rules.open.probe_lease_ns;
    facts->slow_ns = rules.slow_call_ns;
    if (b->shape.kind == HF_BREAKER_BY_TIME) facts->window_ns = b->width_ns * rules.size;
}

/* ---- life ---- */

static void breaker_destroy(hf_policy *policy) {
    pthread_mutex_destroy(&breaker_of(policy)->reconfigure);
    hf__region_unref(breaker_of(policy)->region);
    free(policy);
}

static const struct hf__policy_ops breaker_ops = {
    .kind = "breaker",
    .admit = breaker_admit,
    .settle = breaker_settle,
    .settle_ok = breaker_settle_ok,
    .tell = breaker_tell,
    .destroy = breaker_destroy,
};

hf_policy *hf_breaker_policy(hf_breaker *breaker) { return breaker == NULL ? NULL : &breaker->base; }

void hf_breaker_free(hf_breaker *breaker) { hf__policy_unref(breaker == NULL ? NULL : &breaker->base); }

/* The handle, and behind it the state on a line of its own. */
static void *after(hf_breaker *b) {
    const uintptr_t line = _Alignof(struct hf__breaker_state);
    uintptr_t end = (uintptr_t)(b + 1);
    return (char *)(b + 1) + (line - end % line) % line;
}

/* Puts a new state, which is zero (closed, generation 0, an empty window), into its initial state. */
struct initial {
    hf_breaker *breaker;
    const hf_breaker_config *config;
};

static void begin_state(void *state, void *arg) {
    const struct initial *initial = arg;
    const hf_breaker_config *c = initial->config;
    hf_breaker *b = initial->breaker;
    b->state = state;
    if (c->initial_state == HF_BREAKER_CLOSED) return;
    struct hf__breaker_rules rules = hf__breaker_rules_of(c);
    uint64_t word;
    bool known = hf__control_set(0, (hf_breaker_state)c->initial_state, &rules.open, c->initial_at, &word);
    HF_MUST(known);
    hf__breaker_reset_window(b, hf__control_unpack(word).generation, c->initial_at);
    atomic_store_explicit(&b->state->control, word, memory_order_release); /* (M1) */
}

/* Finds the state in the region, or makes one: there, or behind the handle. */
static int house_state(hf_breaker *b, const hf_breaker_config *c, hf_error *error) {
    struct initial initial = {b, c};
    struct hf__region_rule rules[HF__BREAKER_SHARED_FIELDS];
    hf__breaker_shared_rules(c, rules);
    struct hf__region_want want = {.kind = HF_REGION_BREAKER,
                                   .name = b->base.name,
                                   .rules = rules,
                                   .rule_count = HF__BREAKER_SHARED_FIELDS,
                                   .bytes = hf__breaker_state_bytes(&b->shape),
                                   .begin = begin_state,
                                   .begin_arg = &initial};
    void *state;
    int rc = hf__region_house(c->region, &want, after(b), &state, &b->region, error);
    b->state = state;
    return rc;
}

int hf_breaker_new(hf_breaker **out_breaker, const char *name, const hf_breaker_config *config, hf_error *error) {
    if (out_breaker == NULL) {
        return hf__error_set(error, HF_E_INVALID, "breaker: there is nowhere to put the handle (NULL)");
    }
    *out_breaker = NULL;
    hf_breaker_config chosen;
    hf_breaker_config_init(&chosen);
    int rc = hf__check_name("breaker", name, error);
    if (rc == 0) rc = hf__config_copy("breaker", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = hf__breaker_config_check(name, &chosen, error);
    if (rc < 0) return rc;
    struct hf__breaker_shape shape = hf__breaker_shape_of(&chosen);
    void *made;
    size_t bytes = sizeof(hf_breaker) + _Alignof(struct hf__breaker_state) + hf__breaker_state_bytes(&shape);
    rc = hf__policy_alloc(&made, bytes, &breaker_ops, name, error);
    if (rc < 0) return rc;
    hf_breaker *b = made;
    hf__breaker_fit(b, &chosen);
    b->on_change = chosen.on_change;
    b->on_change_arg = chosen.on_change_arg;
    HF_MUST(pthread_mutex_init(&b->reconfigure, NULL) == 0);
    rc = house_state(b, &chosen, error);
    if (rc < 0) {
        hf_breaker_free(b);
        return rc;
    }
    *out_breaker = b;
    return 0;
}
