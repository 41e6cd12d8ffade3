/* SPDX-License-Identifier: MIT */
/* Two branches in one call: puppets that roll dice, one of which forks, under a driver that reports, cancels and lets
 * time pass at random. Every pass is settled exactly once, at most two attempts run, at most one is told
 * to stop twice, and the stepper proves that asking again changes nothing. */
#include "engine/pipeline.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include "base/rng.h"

#include <string.h>

#define ROUNDS 150000

struct puppet {
    hf_policy base;
    uint32_t passed, settled, held, forks, forked_now, parked, left, granted;
};

static struct puppet p[HF_MAX_POLICIES];
static struct hf_pipeline pipeline;
static uint64_t rng = 424242;

static uint32_t below(uint64_t *state, uint32_t n) { return (uint32_t)(hf__rng_next(state) % n); }
static struct puppet *puppet(hf_policy *policy) { return (struct puppet *)(void *)policy; }

/* word[0] marks a frame in use, word[1] counts reruns, word[2] is parked since. */
static int admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct puppet *me = puppet(policy);
    if (frame->word[2] != 0) { /* parked: asked again at the same instant it says the same */
        if (x->now < (hf_time)frame->word[2]) {
            x->at = (hf_time)frame->word[2];
            return HF__PARK;
        }
        frame->word[2] = 0;
        me->granted++;
    } else {
        assert_int_equal(frame->word[0], 0);
        uint32_t dice = below(x->rng, 100);
        if (dice < 6) {
            x->reason = HF_REASON_FULL;
            return HF__TURN;
        }
        if (dice < 14) {
            frame->word[2] = (uint64_t)(x->now + 1 + below(x->rng, 20));
            x->at = (hf_time)frame->word[2];
            me->parked++;
            return HF__PARK;
        }
    }
    if (below(x->rng, 3) == 0) x->at = x->now + below(x->rng, 40);
    frame->word[0] = 1;
    me->passed++;
    return HF__PASS;
}

static void leave(hf_policy *policy, struct hf_frame *frame, const struct hf_x *x) {
    (void)x;
    assert_true(frame->word[2] != 0);
    frame->word[2] = 0;
    puppet(policy)->left++;
}

static int settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct puppet *me = puppet(policy);
    assert_int_equal(frame->word[0], 1);
    assert_false(x->siblings && !(policy->traits & HF__FORKS));
    if (policy->traits & HF__FORKS) {
        if (x->siblings && x->outcome.kind != HF_SUCCESS) {
            me->held++;
            return HF__HOLD;
        }
        if (x->may_fork && frame->word[3] == 0 && x->outcome.kind == HF_FAILURE && below(x->rng, 3) == 0) {
            frame->word[3] = 1;
            me->forks++;
            return HF__FORK;
        }
        me->settled++;
        return HF__PASS;
    }
    me->settled++;
    uint32_t dice = below(x->rng, 100);
    if (dice < 20 && x->may_rerun && frame->word[1] < 2 && x->outcome.kind != HF_SUCCESS) {
        x->at = x->now + below(x->rng, 30);
        if (x->at < x->deadline) {
            frame->word[1]++;
            me->passed++;
            return HF__RERUN;
        }
    }
    frame->word[0] = 0;
    return HF__PASS;
}

static int due(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    if (policy->traits & HF__FORKS) {
        if (!x->may_fork || frame->word[3] != 0) return HF__PASS;
        frame->word[3] = 1;
        puppet(policy)->forks++;
        return HF__FORK;
    }
    if (below(x->rng, 3) == 0) return HF__PASS;
    x->reason = HF_REASON_TIMEOUT;
    return HF__TURN;
}

static bool keeps(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x) {
    (void)frame;
    return (policy->traits & HF__FORKS) && x->siblings && x->outcome.kind != HF_SUCCESS;
}

static const struct hf__policy_ops ops = {
    .kind = "puppet", .admit = admit, .leave = leave, .settle = settle, .due = due, .keeps = keeps};

static void stage(void) {
    memset(p, 0, sizeof p);
    memset(&pipeline, 0, sizeof pipeline);
    pipeline.count = 1 + below(&rng, 7);
    uint32_t hedge = below(&rng, pipeline.count);
    for (uint32_t i = 0; i < pipeline.count; i++) {
        p[i].base.ops = &ops;
        p[i].base.name[0] = (char)('a' + i);
        p[i].base.traits = i == hedge ? HF__FORKS : 0;
        pipeline.policies[i] = &p[i].base;
    }
    hf__trunk_lay(&pipeline);
}

struct flight {
    uint32_t serial;
    bool stopped;
};

static struct flight *find(struct flight *flights, uint32_t serial) {
    for (int i = 0; i < 2; i++) {
        if (flights[i].serial == serial) return &flights[i];
    }
    return NULL;
}

static void report_one(struct stepper *s, struct flight *flight) {
    hf_outcome outcome = hf_failure((int32_t)below(&rng, 9));
    outcome.kind = (int32_t)below(&rng, 4);
    hf_call before = s->call;
    (void)hf_call_would_end(&s->call, flight->serial, outcome, s->now);
    assert_memory_equal(&before, &s->call, sizeof before);
    assert_int_equal(hf_call_report(&s->call, flight->serial, outcome, s->now), 0);
    assert_int_equal(hf_call_report(&s->call, flight->serial, outcome, s->now), HF_E_STATE);
    *flight = (struct flight){0, false};
}

/* Lets one thing happen: a report, a commit, a cancel, or time. */
static void let_happen(struct stepper *s, struct flight *flights, bool cancels) {
    struct flight *some = &flights[below(&rng, 2)];
    uint32_t dice = below(&rng, 10);
    if (cancels && dice == 0) hf_call_cancel(&s->call);
    if (dice == 1 && some->serial != 0) (void)hf_call_commit(&s->call, some->serial);
    if (dice < 6 && some->serial != 0) report_one(s, some);
    else s->now = s->step.at == HF_NEVER ? s->now + below(&rng, 5) : s->step.at;
}

/* Returns whether two attempts ran at once. */
static bool play(struct stepper *s, bool to_the_end) {
    struct flight flights[2] = {{0, false}, {0, false}};
    bool both = false, cancels = below(&rng, 6) == 0;
    for (int steps = 0; to_the_end || steps < 12; steps++) {
        assert_true(steps < 5000);
        int kind = stepper_step(s);
        if (kind == HF_STEP_DONE) break;
        if (kind == HF_STEP_START) {
            struct flight *free_place = find(flights, 0);
            assert_non_null(free_place);
            free_place->serial = s->step.attempt;
            both |= flights[0].serial != 0 && flights[1].serial != 0;
        } else if (kind == HF_STEP_CANCEL) {
            struct flight *flight = find(flights, s->step.attempt);
            assert_non_null(flight);
            assert_false(flight->stopped);
            flight->stopped = true;
        } else {
            assert_int_equal(kind, HF_STEP_WAIT);
            let_happen(s, flights, cancels);
        }
    }
    return both;
}

static void whatever_happens_each_pass_of_both_branches_is_settled_once(void **state) {
    (void)state;
    static struct stepper s;
    uint32_t overlaps = 0, holds = 0, forks = 0;
    for (int round = 0; round < ROUNDS; round++) {
        stage();
        hf_call_options options;
        hf_call_options_init(&options);
        options.flags = HF_CALL_OVERLAP;
        options.seed = hf__rng_next(&rng);
        if (below(&rng, 3) == 0) options.deadline_at = below(&rng, 100);
        stepper_begin(&s, &pipeline, &options, 0);
        overlaps += play(&s, below(&rng, 4) != 0);
        hf_result result;
        int status = stepper_end(&s, &result); /* often before DONE: what is open is settled */
        assert_int_equal(status, hf_result_status(&result));
        for (uint32_t i = 0; i < pipeline.count; i++) {
            assert_int_equal(p[i].passed, p[i].settled);
            assert_int_equal(p[i].parked, p[i].left + p[i].granted);
            holds += p[i].held;
            forks += p[i].forks;
        }
    }
    assert_true(overlaps > ROUNDS / 50 && holds > ROUNDS / 50 && forks > ROUNDS / 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_each_pass_of_both_branches_is_settled_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
