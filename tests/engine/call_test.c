/* SPDX-License-Identifier: MIT */
/* The engine, alone: policies here are puppets that say what the test tells them to, and count. */
#include "engine/pipeline.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include "base/rng.h"

#include <string.h>

#define MS HF_MILLISECOND

struct puppet {
    hf_policy base;
    int admit; /* verdicts */
    int settle;
    int64_t due_in;   /* sets a timeout this far ahead, 0: none; below 0: it has passed already */
    int64_t rerun_in; /* RERUN: how far ahead */
    uint32_t reruns;  /* RERUN this often, then PASS */
    int parks;        /* PARK this often, then `admit` */
    hf_time park_until;
    const hf_fallback *run;
    hf_call *cancels;                            /* admit cancels this call, and passes */
    bool chaos;                                  /* random verdicts */
    int asked, passed, settled, left, due, kept; /* counts */
    int settled_ok;                              /* of `settled`, by the short form */
    hf_outcome seen;                             /* by the last settle */
    int32_t seen_reason;
    bool seen_rejected, seen_may_rerun, seen_may_run;
    uint64_t frame_at_admit;
    uint32_t seen_priority;
    const struct hf__caller *seen_caller;
};

static struct puppet *puppet(hf_policy *policy) { return (struct puppet *)(void *)policy; }

static int puppet_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct puppet *p = puppet(policy);
    p->asked++;
    p->frame_at_admit = frame->word[0];
    p->seen_priority = x->priority;
    p->seen_caller = x->caller;
    frame->word[0] = 77;
    if (p->chaos) {
        uint64_t dice = hf__rng_next(x->rng) % 100;
        if (dice < 10) {
            x->reason = HF_REASON_FULL;
            return HF__TURN;
        }
        if (dice < 40) x->at = x->now + hf__rng_between(hf__rng_next(x->rng), 1, 50);
        p->passed++;
        return HF__PASS;
    }
    if (p->parks > 0) {
        x->at = p->park_until;
        if (x->now >= p->park_until) p->parks = 0;
        else return HF__PARK;
    }
    if (p->admit == HF__TURN) {
        x->reason = HF_REASON_FULL;
        x->at = x->now + 5 * MS;
        return HF__TURN;
    }
    if (p->due_in != 0) x->at = x->now + p->due_in;
    if (p->cancels != NULL) hf_call_cancel(p->cancels);
    p->passed++;
    return HF__PASS;
}

static void puppet_leave(hf_policy *policy, struct hf_frame *frame, const struct hf_x *x) {
    (void)frame, (void)x;
    puppet(policy)->left++;
}

static hf_outcome answers(void *arg, const hf_result *failed) {
    if (arg != NULL) *(hf_result *)arg = *failed;
    return hf_success();
}

static hf_outcome answers_nothing(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return hf_failure(99);
}

static hf_fallback *fallback_ok, *fallback_fails;

static int make_fallbacks(void **state) {
    (void)state;
    return hf_fallback_new(&fallback_ok, "ok", answers, NULL) +
           hf_fallback_new(&fallback_fails, "fails", answers_nothing, NULL);
}

static int free_fallbacks(void **state) {
    (void)state;
    hf_fallback_free(fallback_ok);
    hf_fallback_free(fallback_fails);
    return 0;
}

static int puppet_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    struct puppet *p = puppet(policy);
    p->settled++;
    p->seen = x->outcome;
    p->seen_reason = x->reason;
    p->seen_rejected = x->rejected;
    p->seen_may_rerun = x->may_rerun;
    p->seen_may_run = x->may_run;
    if (p->chaos) {
        uint64_t dice = hf__rng_next(x->rng) % 100;
        if (dice < 30 && x->may_rerun && frame->word[1] < 3) {
            x->at = x->now + hf__rng_between(hf__rng_next(x->rng), 0, 30);
            if (x->at < x->deadline) {
                frame->word[1]++;
                p->passed++; /* another settle will follow */
                return HF__RERUN;
            }
        }
        if (dice >= 90 && x->may_run && x->outcome.kind != HF_SUCCESS) {
            x->run = dice == 90 ? fallback_fails : fallback_ok;
            return HF__RUN;
        }
        return HF__PASS;
    }
    if (p->settle == HF__RERUN && x->may_rerun && p->reruns > 0 && x->now + p->rerun_in < x->deadline) {
        p->reruns--;
        p->passed++;
        x->at = x->now + p->rerun_in;
        return HF__RERUN;
    }
    if (p->settle == HF__RUN && x->may_run && x->outcome.kind != HF_SUCCESS) {
        x->run = p->run;
        return HF__RUN;
    }
    return HF__PASS;
}

static int puppet_due(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame;
    struct puppet *p = puppet(policy);
    p->due++;
    if (p->chaos && hf__rng_next(x->rng) % 4 == 0) return HF__PASS;
    x->reason = HF_REASON_TIMEOUT;
    return HF__TURN;
}

static bool puppet_keeps(hf_policy *policy, const struct hf_frame *frame, const struct hf_x *x) {
    (void)frame;
    struct puppet *p = puppet(policy);
    p->kept++;
    if (x->outcome.kind == HF_SUCCESS) return false;
    return (p->settle == HF__RERUN && x->may_rerun && p->reruns > 0) || (p->settle == HF__RUN && x->may_run);
}

static const struct hf__policy_ops puppet_ops = {.kind = "puppet",
                                                 .admit = puppet_admit,
                                                 .leave = puppet_leave,
                                                 .settle = puppet_settle,
                                                 .due = puppet_due,
                                                 .keeps = puppet_keeps};

static int puppet_settle_ok(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    puppet(policy)->settled_ok++;
    return puppet_settle(policy, frame, x);
}

static const struct hf__policy_ops brief_puppet_ops = {
    .kind = "puppet", .admit = puppet_admit, .settle = puppet_settle, .settle_ok = puppet_settle_ok, .due = puppet_due};

/* A stage with up to four puppets, outermost first, fresh for each test. */
static struct puppet p[HF_MAX_POLICIES];
static struct hf_pipeline pipeline;
static struct stepper s;
static hf_result result;

static void stage(uint32_t count) {
    memset(p, 0, sizeof p);
    memset(&pipeline, 0, sizeof pipeline);
    pipeline.count = count;
    for (uint32_t i = 0; i < count; i++) {
        p[i].base.ops = &puppet_ops;
        p[i].base.name[0] = (char)('a' + i);
        pipeline.policies[i] = &p[i].base;
    }
    hf__trunk_lay(&pipeline);
}

static void all_settled_once(void) {
    for (uint32_t i = 0; i < pipeline.count; i++) assert_int_equal(p[i].passed, p[i].settled);
}

static int begin_and_start(const hf_call_options *options) {
    stepper_begin(&s, &pipeline, options, 0);
    return stepper_step(&s);
}

static int finish(hf_outcome outcome, int64_t takes, bool cooperative) {
    stepper_finish(&s, outcome, takes, cooperative);
    return stepper_next(&s);
}

static void an_empty_pipeline_just_runs(void **state) {
    (void)state;
    stage(0);
    assert_int_equal(begin_and_start(NULL), HF_STEP_START);
    assert_int_equal(s.step.attempt, 1);
    assert_int_equal(s.step.number, 1);
    assert_int_equal(s.step.deadline_at, HF_NEVER);
    assert_int_equal(finish(hf_success(), 3 * MS, true), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), 0);
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_string_equal(hf_result_policy(&result), "");
    hf_attempt_record record;
    assert_true(hf_result_attempt(&result, 1, &record));
    assert_int_equal(record.duration_us, 3000);
    assert_false(hf_result_attempt(&result, 2, &record));
}

static void a_failure_is_passed_out_untouched(void **state) {
    (void)state;
    stage(2);
    begin_and_start(NULL);
    assert_int_equal(finish(hf_failure(7), 0, true), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_FAILED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_NONE);
    hf_outcome last;
    assert_true(hf_result_outcome(&result, &last));
    assert_int_equal(last.code, 7);
    all_settled_once();
}

static void a_rejection_settles_only_what_was_admitted(void **state) {
    (void)state;
    stage(3);
    p[1].admit = HF__TURN;
    assert_int_equal(begin_and_start(NULL), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_REJECTED);
    assert_int_equal(p[0].settled, 1);
    assert_int_equal(p[1].settled, 0);
    assert_int_equal(p[2].asked, 0);
    assert_true(p[0].seen_rejected);
    assert_int_equal(p[0].seen.kind, HF_NEUTRAL);
    assert_string_equal(hf_result_policy(&result), "b");
    assert_int_equal(hf_result_retry_at(&result), 5 * MS);
    assert_int_equal(hf_result_attempts(&result), 0);
    hf_outcome none;
    assert_false(hf_result_outcome(&result, &none));
}

static void an_attempt_without_room_is_a_rejection_and_says_nothing(void **state) {
    (void)state;
    stage(2);
    begin_and_start(NULL);
    assert_int_equal(hf_call_refuse(&s.call, 2, s.now), HF_E_STATE);
    assert_int_equal(hf_call_refuse(&s.call, 1, s.now), 0);
    assert_int_equal(hf_call_refuse(&s.call, 1, s.now), HF_E_STATE); /* never twice */
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_true(p[1].seen_rejected);
    assert_int_equal(p[1].seen.kind, HF_NEUTRAL);
    assert_int_equal(p[1].seen_reason, HF_REASON_POOL_FULL);
    assert_int_equal(stepper_end(&s, &result), HF_E_REJECTED);
    assert_int_equal(hf_result_attempts(&result), 0);
    all_settled_once();

    stage(2); /* told to stop before it had its turn: the timeout reports, and nothing was attempted */
    p[0].due_in = 50 * MS;
    begin_and_start(NULL);
    s.now = 50 * MS;
    assert_int_equal(stepper_step(&s), HF_STEP_CANCEL);
    assert_int_equal(hf_call_refuse(&s.call, 1, s.now), 0);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_true(p[1].seen_rejected);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT);
    assert_int_equal(hf_result_attempts(&result), 0);
    hf_attempt_record record;
    assert_false(hf_result_attempt(&result, 1, &record));
    all_settled_once();

    stage(1); /* the last outcome stays, when there was one */
    p[0].settle = HF__RERUN;
    p[0].reruns = 1;
    begin_and_start(NULL);
    assert_int_equal(finish(hf_failure(7), 0, true), HF_STEP_START);
    assert_int_equal(hf_call_refuse(&s.call, s.step.attempt, s.now), 0);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_REJECTED);
    assert_int_equal(hf_result_attempts(&result), 1);
    hf_outcome last;
    assert_true(hf_result_outcome(&result, &last));
    assert_int_equal(last.code, 7);
}

static void a_rerun_waits_and_gives_fresh_frames_inside(void **state) {
    (void)state;
    stage(2);
    p[0].settle = HF__RERUN;
    p[0].reruns = 1;
    p[0].rerun_in = 10 * MS;
    begin_and_start(NULL);
    stepper_finish(&s, hf_failure(1), 0, true);
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT);
    assert_int_equal(s.step.at, 10 * MS);
    s.now = 10 * MS - 1;
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT);
    assert_int_equal(stepper_next(&s), HF_STEP_START);
    assert_int_equal(s.now, 10 * MS);
    assert_int_equal(s.step.number, 2);
    assert_int_equal(p[1].frame_at_admit, 0);
    assert_int_equal(p[0].asked, 1); /* the one that reruns keeps its frame and is not asked again */
    assert_int_equal(finish(hf_success(), 0, true), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), 0);
    all_settled_once();
}

static void an_immediate_rerun_needs_no_wait(void **state) {
    (void)state;
    stage(1);
    p[0].settle = HF__RERUN;
    p[0].reruns = 1;
    begin_and_start(NULL);
    stepper_finish(&s, hf_failure(1), 0, true);
    assert_int_equal(stepper_step(&s), HF_STEP_START);
    assert_int_equal(s.step.attempt, 2);
    hf_call_end(&s.call, NULL);
    all_settled_once();
}

static void the_nearest_timeout_is_the_deadline_and_reports(void **state) {
    (void)state;
    stage(2);
    p[0].due_in = 500 * MS;
    p[1].due_in = 100 * MS;
    begin_and_start(NULL);
    assert_int_equal(s.step.deadline_at, 100 * MS);
    assert_int_equal(finish(hf_failure(5), 150 * MS, true), HF_STEP_DONE);
    assert_int_equal(s.now, 100 * MS);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT);
    assert_string_equal(hf_result_policy(&result), "b");
    assert_int_equal(p[1].seen.kind, HF_FAILURE);
    assert_int_equal(p[0].seen_reason, HF_REASON_TIMEOUT);
    assert_int_equal(p[0].due, 0);
}

static void of_two_expired_timeouts_the_outermost_reports(void **state) {
    (void)state;
    stage(3);
    p[0].due_in = 50 * MS;
    p[1].due_in = 40 * MS;
    begin_and_start(NULL);
    /* The work ignores the order to stop at 40 ms and goes on past 50 ms. */
    assert_int_equal(finish(hf_neutral(5), 60 * MS, false), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT);
    assert_string_equal(hf_result_policy(&result), "a");
    assert_int_equal(p[2].seen.kind, HF_FAILURE); /* told to stop: its own word does not count */
    assert_int_equal(p[2].seen.code, 5);
    assert_false(p[2].seen_may_rerun);
    assert_false(p[1].seen_may_rerun);
    all_settled_once();
}

static void equal_timeouts_are_reported_by_the_outermost(void **state) {
    (void)state;
    stage(2);
    p[0].due_in = p[1].due_in = 50 * MS;
    begin_and_start(NULL);
    finish(hf_failure(5), 60 * MS, true);
    stepper_end(&s, &result);
    assert_string_equal(hf_result_policy(&result), "a");
    assert_int_equal(p[1].due, 0);
}

static void outside_a_timeout_a_retry_may_run_again(void **state) {
    (void)state;
    stage(2);
    p[0].settle = HF__RERUN;
    p[0].reruns = 2;
    p[1].due_in = 50 * MS;
    begin_and_start(NULL);
    for (int i = 0; i < 2; i++) assert_int_equal(finish(hf_failure(1), 100 * MS, true), HF_STEP_START);
    assert_int_equal(s.step.deadline_at, s.now + 50 * MS);
    assert_int_equal(finish(hf_success(), 0, true), HF_STEP_DONE);
    assert_int_equal(s.now, 100 * MS);
    assert_int_equal(stepper_end(&s, &result), 0);
    assert_int_equal(hf_result_flags(&result), 0);
    all_settled_once();
}

static void inside_a_timeout_nothing_runs_again(void **state) {
    (void)state;
    stage(3);
    p[0].due_in = 50 * MS;
    p[1].settle = HF__RERUN;
    p[1].reruns = 9;
    p[2].settle = HF__RUN;
    p[2].run = fallback_ok;
    begin_and_start(NULL);
    assert_int_equal(finish(hf_failure(1), 100 * MS, true), HF_STEP_DONE);
    assert_int_equal(p[1].reruns, 9);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT);
}

static void a_late_success_is_delivered_and_counted_slow(void **state) {
    (void)state;
    stage(2);
    p[0].due_in = 50 * MS;
    begin_and_start(NULL);
    assert_int_equal(finish(hf_success(), 80 * MS, false), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), 0);
    assert_int_equal(hf_result_flags(&result), HF_RESULT_LATE);
    assert_true((p[1].seen.flags & HF_SLOW) != 0);
}

static void a_success_at_the_very_deadline_is_late(void **state) {
    (void)state;
    stage(1);
    p[0].due_in = 50 * MS;
    begin_and_start(NULL);
    s.now = 50 * MS;
    hf_call_report(&s.call, 1, hf_success(), s.now);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    stepper_end(&s, &result);
    assert_int_equal(hf_result_flags(&result), HF_RESULT_LATE);
}

static hf_call_options deadline_in(int64_t ns) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = ns;
    return options;
}

static void the_callers_deadline_ends_all_but_a_fallback(void **state) {
    (void)state;
    stage(3);
    p[0].settle = HF__RUN;
    p[0].run = fallback_ok;
    p[1].settle = HF__RERUN;
    p[1].reruns = 9;
    hf_call_options options = deadline_in(30 * MS);
    begin_and_start(&options);
    assert_int_equal(s.step.deadline_at, 30 * MS);
    assert_int_equal(finish(hf_failure(1), 100 * MS, true), HF_STEP_RUN);
    assert_int_equal(p[2].seen.kind, HF_FAILURE);
    assert_int_equal(p[2].seen_reason, HF_REASON_DEADLINE);
    assert_int_equal(p[1].reruns, 9);
    hf_call_report(&s.call, s.step.attempt, hf_success(), s.now);
    assert_int_equal(stepper_next(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), 0);
    assert_int_equal(hf_result_flags(&result), HF_RESULT_FALLBACK);
    assert_int_equal(hf_result_reason(&result), HF_REASON_DEADLINE);
}

static void a_deadline_already_passed_starts_nothing(void **state) {
    (void)state;
    stage(1);
    hf_call_options options = deadline_in(0);
    assert_int_equal(begin_and_start(&options), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT);
    assert_int_equal(p[0].asked, 0);
    assert_int_equal(hf_result_attempts(&result), 0);
}

static void a_cancel_stops_what_runs_and_is_neutral(void **state) {
    (void)state;
    stage(2);
    p[0].settle = HF__RERUN;
    p[0].reruns = 9;
    begin_and_start(NULL);
    hf_call_cancel(&s.call);
    hf_call_cancel(&s.call);
    assert_int_equal(stepper_step(&s), HF_STEP_CANCEL);
    assert_int_equal(s.step.attempt, 1);
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT); /* ordered once; a slot is free when the work ended */
    assert_int_equal(p[1].settled, 0);
    hf_call_report(&s.call, 1, hf_failure(1), s.now);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(p[1].seen.kind, HF_NEUTRAL);
    assert_int_equal(stepper_end(&s, &result), HF_E_CANCELLED);
    all_settled_once();
}

static void a_success_reported_after_a_cancel_is_delivered(void **state) {
    (void)state;
    stage(1);
    begin_and_start(NULL);
    hf_call_cancel(&s.call);
    hf_call_report(&s.call, 1, hf_success(), s.now);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), 0);
    assert_int_equal(hf_result_flags(&result), 0);
}

static void a_cancel_before_the_first_step_starts_nothing(void **state) {
    (void)state;
    stage(1);
    stepper_begin(&s, &pipeline, NULL, 0);
    hf_call_cancel(&s.call);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_CANCELLED);
    assert_int_equal(p[0].asked, 0);
}

static void a_cancel_on_the_way_in_asks_no_further_policy(void **state) {
    (void)state;
    stage(3);
    p[1].cancels = &s.call;
    assert_int_equal(begin_and_start(NULL), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_CANCELLED);
    assert_int_equal(p[2].asked, 0);
    all_settled_once();
}

static void an_instant_that_has_passed_ends_the_way_in(void **state) {
    (void)state;
    stage(3);
    p[1].due_in = -1;
    assert_int_equal(begin_and_start(NULL), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT);
    assert_string_equal(hf_result_policy(&result), "b");
    assert_int_equal(p[1].due, 1);
    assert_int_equal(p[2].asked, 0);
    all_settled_once();
}

/* Two of three have the short form, and the one between them has not. */
static void play_with_short_forms(hf_outcome outcome, int expected_inside, int expected_outside) {
    stage(3);
    p[0].base.ops = p[2].base.ops = &brief_puppet_ops;
    hf__trunk_lay(&pipeline);
    begin_and_start(NULL);
    assert_int_equal(finish(outcome, MS, true), HF_STEP_DONE);
    (void)stepper_end(&s, &result);
    all_settled_once();
    assert_int_equal(p[2].settled_ok, expected_inside);
    assert_int_equal(p[0].settled_ok, expected_outside);
    assert_memory_equal(&p[0].seen, &outcome, sizeof outcome);
}

static void only_a_plain_success_is_settled_by_the_short_form(void **state) {
    (void)state;
    hf_outcome outcome = hf_success();
    play_with_short_forms(outcome, 1, 1);
    outcome.flags = HF_COMMITTED;
    play_with_short_forms(outcome, 1, 1);
    outcome.flags = HF_SLOW;
    play_with_short_forms(outcome, 0, 0);
    outcome.flags = HF_RETRYABLE;
    play_with_short_forms(outcome, 0, 0);
    outcome = hf_success();
    outcome.resends = 1;
    play_with_short_forms(outcome, 0, 0);
    play_with_short_forms(hf_failure(3), 0, 0);
}

static void a_success_after_a_rerun_is_settled_by_the_long_form(void **state) {
    (void)state;
    stage(2);
    p[0].settle = HF__RERUN;
    p[0].reruns = 1;
    p[1].base.ops = &brief_puppet_ops;
    hf__trunk_lay(&pipeline);
    begin_and_start(NULL);
    assert_int_equal(finish(hf_failure(3), 0, true), HF_STEP_START);
    assert_int_equal(finish(hf_success(), 0, true), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), 0);
    assert_int_equal(p[1].settled_ok, 0);
    all_settled_once();
}

static void a_cancel_ends_the_wait_before_a_rerun(void **state) {
    (void)state;
    stage(1);
    p[0].settle = HF__RERUN;
    p[0].reruns = 1;
    p[0].rerun_in = HF_SECOND;
    begin_and_start(NULL);
    stepper_finish(&s, hf_failure(3), 0, true);
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT);
    hf_call_cancel(&s.call);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_true(p[0].seen_rejected); /* the pass it waited for never started */
    assert_int_equal(stepper_end(&s, &result), HF_E_CANCELLED);
    hf_outcome last;
    assert_true(hf_result_outcome(&result, &last));
    assert_int_equal(last.code, 3);
    all_settled_once();
}

static void a_parked_call_is_asked_again_and_leaves_once(void **state) {
    (void)state;
    stage(2);
    p[1].parks = 1;
    p[1].park_until = 20 * MS;
    assert_int_equal(begin_and_start(NULL), HF_STEP_WAIT);
    assert_int_equal(s.step.at, 20 * MS);
    p[1].parks = 0; /* woken: the policy admits now */
    assert_int_equal(stepper_step(&s), HF_STEP_START);
    hf_call_end(&s.call, NULL);
    all_settled_once();

    stage(2);
    p[0].due_in = 10 * MS;
    p[1].parks = 1;
    p[1].park_until = 20 * MS;
    begin_and_start(NULL);
    assert_int_equal(s.step.at, 10 * MS); /* the timeout around it is nearer */
    assert_int_equal(stepper_next(&s), HF_STEP_DONE);
    assert_int_equal(p[1].left, 1);
    assert_int_equal(p[1].settled, 0);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT);
    all_settled_once();

    stage(1);
    p[0].parks = 1;
    p[0].park_until = 20 * MS;
    begin_and_start(NULL);
    hf_call_end(&s.call, NULL);
    assert_int_equal(p[0].left, 1);
}

static void a_fallback_takes_the_place_of_a_failure(void **state) {
    (void)state;
    stage(2);
    p[1].settle = HF__RUN;
    p[1].run = fallback_ok;
    const hf_outcome fails = hf_failure(42);
    hf_result seen;
    assert_int_equal(stepper_play(&s, &pipeline, NULL, 0, &fails, NULL, 1, &seen, &result), 0);
    assert_int_equal(hf_result_status(&seen), HF_E_FAILED);
    assert_int_equal(hf_result_flags(&result), HF_RESULT_FALLBACK);
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_int_equal(p[0].seen.kind, HF_SUCCESS);
    all_settled_once();
}

static void a_failed_fallback_keeps_the_failure_and_an_outer_one_may_try(void **state) {
    (void)state;
    stage(2);
    p[0].settle = p[1].settle = HF__RUN;
    p[0].run = fallback_ok;
    p[1].run = fallback_fails;
    const hf_outcome fails = hf_failure(42);
    assert_int_equal(stepper_play(&s, &pipeline, NULL, 0, &fails, NULL, 1, NULL, &result), 0);
    assert_int_equal(p[0].seen.code, 42);
    p[0].run = fallback_fails;
    assert_int_equal(stepper_play(&s, &pipeline, NULL, 0, &fails, NULL, 1, NULL, &result), HF_E_FAILED);
    hf_outcome last;
    assert_true(hf_result_outcome(&result, &last));
    assert_int_equal(last.code, 42);
}

/* Found by fuzz/call: an unknown kind lost what the driver had said beside it. */
static void an_unknown_kind_stays_committed(void **state) {
    (void)state;
    stage(1);
    begin_and_start(NULL);
    hf_outcome odd = {7, HF_RETRYABLE | HF_COMMITTED, 5, 2, -1};
    assert_int_equal(hf_call_report(&s.call, 1, odd, 0), HF_E_INVALID);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(p[0].seen.kind, HF_FAILURE);
    assert_int_equal(p[0].seen.flags, HF_COMMITTED);
    assert_int_equal(p[0].seen.code, 5);
    assert_int_equal(p[0].seen.resends, 2);
    assert_int_equal(p[0].seen.retry_after_ns, 0);
    stepper_end(&s, NULL);
}

/* Found by fuzz/call: the attempt cut off by the deadline was still running when the cancel came. */
static void after_a_cancel_no_fallback_begins(void **state) {
    (void)state;
    stage(1);
    p[0].settle = HF__RUN;
    p[0].run = fallback_ok;
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = 10 * MS;
    begin_and_start(&options);
    s.now = 10 * MS;
    assert_int_equal(stepper_step(&s), HF_STEP_CANCEL);
    hf_call_cancel(&s.call);
    assert_true(hf_call_would_end(&s.call, s.step.attempt, hf_failure(1), s.now));
    assert_int_equal(finish(hf_failure(1), 0, true), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_TIMEOUT); /* the deadline was first */
}

/* Found by fuzz/call: the status was that of the failure for which the fallback ran. */
static void a_call_ended_in_its_fallback_is_cancelled(void **state) {
    (void)state;
    for (int by_end = 0; by_end < 2; by_end++) {
        stage(1);
        p[0].settle = HF__RUN;
        p[0].run = fallback_ok;
        begin_and_start(NULL);
        assert_int_equal(finish(hf_failure(1), 0, true), HF_STEP_RUN);
        if (!by_end) {
            hf_call_cancel(&s.call);
            assert_int_equal(stepper_step(&s), HF_STEP_CANCEL);
            assert_int_equal(finish(hf_failure(2), 0, true), HF_STEP_DONE);
        }
        assert_int_equal(stepper_end(&s, &result), HF_E_CANCELLED);
        assert_int_equal(hf_result_reason(&result), HF_REASON_CANCELLED);
    }
}

static void reports_that_make_no_sense_change_nothing(void **state) {
    (void)state;
    stage(1);
    stepper_begin(&s, &pipeline, NULL, 0);
    assert_int_equal(hf_call_report(&s.call, 1, hf_success(), 0), HF_E_STATE); /* nothing started */
    stepper_step(&s);
    assert_int_equal(hf_call_report(&s.call, 2, hf_success(), 0), HF_E_STATE);
    assert_int_equal(hf_call_report(&s.call, 0, hf_success(), 0), HF_E_STATE);
    hf_outcome odd = hf_success();
    odd.kind = 17;
    odd.retry_after_ns = -5;
    assert_int_equal(hf_call_report(&s.call, 1, odd, 0), HF_E_INVALID);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(p[0].seen.kind, HF_FAILURE);
    assert_int_equal(stepper_end(&s, &result), HF_E_FAILED);
    assert_int_equal(hf_call_report(&s.call, 1, hf_success(), 0), HF_E_STATE);
    assert_int_equal(hf_call_begin(NULL, &pipeline, NULL, 0), HF_E_INVALID);
    assert_int_equal(hf_call_begin(&s.call, NULL, NULL, 0), HF_E_INVALID);
    hf_call_options options;
    hf_call_options_init(&options);
    options.struct_size = 9999;
    assert_int_equal(hf_call_begin(&s.call, &pipeline, &options, 0), HF_E_INVALID);
}

static void would_end_peeks_and_changes_nothing(void **state) {
    (void)state;
    stage(3);
    p[0].due_in = 50 * MS;
    p[1].settle = HF__RERUN;
    p[1].reruns = 1;
    begin_and_start(NULL);
    hf_call before = s.call;
    assert_false(hf_call_would_end(&s.call, s.step.attempt, hf_failure(1), 10 * MS));
    assert_true(hf_call_would_end(&s.call, s.step.attempt, hf_success(), 10 * MS));
    assert_true(hf_call_would_end(&s.call, s.step.attempt, hf_failure(1), 50 * MS)); /* the timeout will have passed */
    assert_memory_equal(&before, &s.call, sizeof before);
    hf_call_cancel(&s.call);
    assert_true(hf_call_would_end(&s.call, s.step.attempt, hf_failure(1), 10 * MS));
    hf_call_end(&s.call, NULL);
}

static void never_called(void *arg) { (void)arg; }

static void policies_see_who_calls(void **state) {
    (void)state;
    stage(1);
    hf_call_options options;
    hf_call_options_init(&options);
    assert_int_equal(options.priority, HF_PRIORITY_NORMAL);
    options.priority = HF_PRIORITIES - 1;
    options.wake = never_called;
    options.wake_arg = &options;
    options.tag = &s;
    stepper_begin(&s, &pipeline, &options, 0);
    assert_int_equal(stepper_step(&s), HF_STEP_START);
    assert_int_equal(p[0].seen_priority, HF_PRIORITIES - 1);
    assert_int_equal(p[0].seen_caller->priority, HF_PRIORITIES - 1);
    assert_true(p[0].seen_caller->wake == never_called && p[0].seen_caller->wake_arg == &options);
    assert_ptr_equal(p[0].seen_caller->tag, &s);
    /* Where it stays until the call has ended. */
    assert_true((const char *)p[0].seen_caller > (const char *)&s.call);
    assert_true((const char *)(p[0].seen_caller + 1) <= (const char *)(&s.call + 1));
    stepper_end(&s, NULL);
    options.priority = HF_PRIORITIES;
    assert_int_equal(hf_call_begin(&s.call, &pipeline, &options, 0), HF_E_INVALID);
}

static void time_that_goes_back_counts_as_standing_still(void **state) {
    (void)state;
    stage(1);
    p[0].due_in = 50 * MS;
    stepper_begin(&s, &pipeline, NULL, 100 * MS);
    stepper_step(&s);
    assert_int_equal(s.step.deadline_at, 150 * MS);
    s.now = 10 * MS;
    assert_int_equal(hf_call_step(&s.call, &s.step, 10 * MS), HF_STEP_WAIT);
    assert_int_equal(hf_call_report(&s.call, 1, hf_success(), 20 * MS), 0);
    assert_int_equal(hf_call_step(&s.call, &s.step, 0), HF_STEP_DONE);
    stepper_end(&s, &result);
    hf_attempt_record record;
    assert_true(hf_result_attempt(&result, 1, &record));
    assert_int_equal(record.duration_us, 0);
}

static void only_the_last_attempts_are_recorded(void **state) {
    (void)state;
    stage(1);
    p[0].settle = HF__RERUN;
    p[0].reruns = 11;
    const hf_outcome fails = hf_failure(1);
    stepper_play(&s, &pipeline, NULL, 0, &fails, NULL, 1, NULL, &result);
    hf_attempt_record record;
    assert_int_equal(hf_result_attempts(&result), 12);
    for (uint32_t n = 1; n <= 13; n++) assert_true(hf_result_attempt(&result, n, &record) == (n >= 5 && n <= 12));
}

/* Chaos: every policy rolls dice, calls are cancelled, time out and are abandoned at random, and still
 * each pass is settled exactly once, and nothing runs after the end. */
static void whatever_happens_each_pass_is_settled_once(void **state) {
    (void)state;
    uint64_t rng = 20261123;
    for (int round = 0; round < 60000; round++) {
        uint32_t count = (uint32_t)(hf__rng_next(&rng) % (HF_MAX_POLICIES + 1));
        stage(count);
        for (uint32_t i = 0; i < count; i++) p[i].chaos = true;
        hf_call_options options =
            deadline_in(hf__rng_next(&rng) % 3 == 0 ? hf__rng_between(hf__rng_next(&rng), 0, 99) : HF_NEVER);
        options.seed = hf__rng_next(&rng);
        stepper_begin(&s, &pipeline, &options, 0);
        bool cancels = hf__rng_next(&rng) % 5 == 0;
        uint32_t running = 0;
        for (int steps = 0; steps < 400; steps++) {
            if (cancels && hf__rng_next(&rng) % 8 == 0) hf_call_cancel(&s.call);
            int kind = stepper_step(&s);
            if (kind == HF_STEP_DONE) break;
            if (kind == HF_STEP_START || kind == HF_STEP_RUN) {
                assert_int_equal(running, 0);
                running = s.step.attempt;
            } else if (kind == HF_STEP_CANCEL) {
                assert_int_equal(running, s.step.attempt);
            } else {
                assert_int_equal(kind, HF_STEP_WAIT);
                s.now = s.step.at == HF_NEVER ? s.now + 3 : s.step.at;
            }
            if (running != 0 && hf__rng_next(&rng) % 3 == 0) {
                hf_outcome outcome = hf_failure((int32_t)(hf__rng_next(&rng) % 9));
                outcome.kind = (int32_t)(hf__rng_next(&rng) % 4);
                assert_int_equal(hf_call_report(&s.call, running, outcome, s.now), 0);
                running = 0;
            }
        }
        stepper_end(&s, &result); /* often before DONE: what is open is settled */
        all_settled_once();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_pipeline_just_runs),
        cmocka_unit_test(a_failure_is_passed_out_untouched),
        cmocka_unit_test(a_rejection_settles_only_what_was_admitted),
        cmocka_unit_test(an_attempt_without_room_is_a_rejection_and_says_nothing),
        cmocka_unit_test(a_rerun_waits_and_gives_fresh_frames_inside),
        cmocka_unit_test(an_immediate_rerun_needs_no_wait),
        cmocka_unit_test(the_nearest_timeout_is_the_deadline_and_reports),
        cmocka_unit_test(of_two_expired_timeouts_the_outermost_reports),
        cmocka_unit_test(equal_timeouts_are_reported_by_the_outermost),
        cmocka_unit_test(outside_a_timeout_a_retry_may_run_again),
        cmocka_unit_test(inside_a_timeout_nothing_runs_again),
        cmocka_unit_test(a_late_success_is_delivered_and_counted_slow),
        cmocka_unit_test(a_success_at_the_very_deadline_is_late),
        cmocka_unit_test(the_callers_deadline_ends_all_but_a_fallback),
        cmocka_unit_test(a_deadline_already_passed_starts_nothing),
        cmocka_unit_test(a_cancel_stops_what_runs_and_is_neutral),
        cmocka_unit_test(a_success_reported_after_a_cancel_is_delivered),
        cmocka_unit_test(policies_see_who_calls),
        cmocka_unit_test(a_cancel_before_the_first_step_starts_nothing),
        cmocka_unit_test(a_cancel_on_the_way_in_asks_no_further_policy),
        cmocka_unit_test(an_instant_that_has_passed_ends_the_way_in),
        cmocka_unit_test(only_a_plain_success_is_settled_by_the_short_form),
        cmocka_unit_test(a_success_after_a_rerun_is_settled_by_the_long_form),
        cmocka_unit_test(a_cancel_ends_the_wait_before_a_rerun),
        cmocka_unit_test(a_parked_call_is_asked_again_and_leaves_once),
        cmocka_unit_test(a_fallback_takes_the_place_of_a_failure),
        cmocka_unit_test(a_failed_fallback_keeps_the_failure_and_an_outer_one_may_try),
        cmocka_unit_test(an_unknown_kind_stays_committed),
        cmocka_unit_test(after_a_cancel_no_fallback_begins),
        cmocka_unit_test(a_call_ended_in_its_fallback_is_cancelled),
        cmocka_unit_test(reports_that_make_no_sense_change_nothing),
        cmocka_unit_test(would_end_peeks_and_changes_nothing),
        cmocka_unit_test(time_that_goes_back_counts_as_standing_still),
        cmocka_unit_test(only_the_last_attempts_are_recorded),
        cmocka_unit_test(whatever_happens_each_pass_is_settled_once),
    };
    return cmocka_run_group_tests(tests, make_fallbacks, free_fallbacks);
}
