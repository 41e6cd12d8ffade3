/* SPDX-License-Identifier: MIT */
#include "support/cmocka_all.h"
#include "support/racer.h"

#include "base/rng.h"

#include <holdfast/testing.h>

#include <string.h>

#define MS HF_MILLISECOND
#define S(takes_ms) \
    { (takes_ms) * MS, {HF_SUCCESS, 0, 0, 0, 0}, false }
#define F(takes_ms) \
    { (takes_ms) * MS, {HF_FAILURE, HF_RETRYABLE, 7, 0, 0}, false }
#define HANGS \
    { HF_NEVER, {HF_SUCCESS, 0, 0, 0, 0}, false }

static struct racer r;
static hf_hedge *hedge;
static hf_pipeline *pipeline;

static hf_hedge_config fixed(int64_t delay_ms) {
    hf_hedge_config config;
    hf_hedge_config_init(&config);
    config.delay_ms = delay_ms;
    return config;
}

static void build_alone(const hf_hedge_config *config, hf_budget *budget) {
    assert_int_equal(hf_hedge_new(&hedge, "hedge", config, budget, NULL), 0);
    hf_policy *order[] = {hf_hedge_policy(hedge)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
}

static void drop(void) {
    hf_pipeline_free(pipeline);
    hf_hedge_free(hedge);
}

static hf_hedge_info info(void) {
    hf_hedge_info out = {.struct_size = sizeof out};
    assert_int_equal(hf_hedge_snapshot(hedge, &out), 0);
    return out;
}

#define PLAY(...)                                                                                    \
    racer_play(&r, pipeline, NULL, HF_SECOND, HF_NEVER, (const struct racer_attempt[]){__VA_ARGS__}, \
               sizeof((const struct racer_attempt[]){__VA_ARGS__}) / sizeof(struct racer_attempt))

static int32_t kind_of(uint32_t number) {
    hf_attempt_record record;
    assert_true(hf_result_attempt(&r.result, number, &record));
    return record.kind;
}

static void a_fast_attempt_is_not_hedged(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    build_alone(&config, NULL);
    assert_int_equal(PLAY(S(49)), 0);
    assert_int_equal(r.started, 1);
    assert_int_equal(info().hedges, 0);
    drop();
}

static void a_slow_attempt_is_and_the_first_success_wins(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    build_alone(&config, NULL);
    assert_int_equal(PLAY(S(200), S(20)), 0);
    assert_int_equal(r.started, 2);
    assert_int_equal(r.attempt[2].started_at, HF_SECOND + 50 * MS);
    assert_int_equal(r.s.now, HF_SECOND + 70 * MS);
    assert_true(r.attempt[1].stopped);
    assert_int_equal(kind_of(1), HF_NEUTRAL); /* lost: says nothing about the dependency */
    assert_int_equal(kind_of(2), HF_SUCCESS);
    hf_outcome last;
    assert_true(hf_result_outcome(&r.result, &last));
    assert_int_equal(last.kind, HF_SUCCESS);
    assert_int_equal(info().won, 1);
    assert_int_equal(PLAY(S(60), S(20)), 0); /* the first may still be first */
    assert_int_equal(r.s.now, HF_SECOND + 60 * MS);
    assert_true(r.attempt[2].stopped);
    assert_int_equal(kind_of(2), HF_NEUTRAL);
    assert_int_equal(info().hedges, 2);
    assert_int_equal(info().won, 1);
    drop();
}

static void a_failed_attempt_never_beats_one_under_way(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    build_alone(&config, NULL);
    assert_int_equal(PLAY(S(200), F(5)), 0); /* the hedge fails: the first is waited for */
    assert_int_equal(r.s.now, HF_SECOND + 200 * MS);
    assert_int_equal(PLAY(F(60), S(100)), 0); /* the first fails: the hedge is waited for */
    assert_int_equal(r.s.now, HF_SECOND + 150 * MS);
    assert_false(r.attempt[1].stopped);
    assert_int_equal(PLAY(F(60), F(100)), HF_E_FAILED);
    assert_int_equal(kind_of(1), HF_FAILURE);
    assert_int_equal(kind_of(2), HF_FAILURE);
    drop();
}

static void a_failure_before_the_delay_is_the_retrys_business_or_hedged_at_once(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    build_alone(&config, NULL);
    assert_int_equal(PLAY(F(10), S(1)), HF_E_FAILED);
    assert_int_equal(r.started, 1);
    drop();
    config.at_failure = 1;
    build_alone(&config, NULL);
    assert_int_equal(PLAY(F(10), S(1)), 0);
    assert_int_equal(r.attempt[2].started_at, HF_SECOND + 10 * MS);
    assert_int_equal(PLAY(F(10), F(1), S(1)), HF_E_FAILED); /* once */
    assert_int_equal(r.started, 2);
    const struct racer_attempt final = {10 * MS, hf_failure_final(1), false};
    const struct racer_attempt hinted = {10 * MS, hf_throttled(1, HF_SECOND), false};
    assert_int_equal(PLAY(final, S(1)), HF_E_FAILED);
    assert_int_equal(r.started, 1);
    assert_int_equal(PLAY(hinted, S(1)), HF_E_FAILED);
    assert_int_equal(r.started, 1);
    drop();
}

static void an_empty_budget_suppresses_the_second_attempt_only(void **state) {
    (void)state;
    hf_budget_config one;
    hf_budget_config_init(&one);
    one.ratio_ppm = one.min_per_second = 0;
    one.burst = 1;
    hf_budget *budget;
    assert_int_equal(hf_budget_new(&budget, "budget", &one, NULL), 0);
    hf_hedge_config config = fixed(50);
    build_alone(&config, budget);
    assert_int_equal(PLAY(S(200), S(1)), 0);
    assert_int_equal(r.started, 2);
    assert_int_equal(PLAY(S(200), S(1)), 0);
    assert_int_equal(r.started, 1);
    assert_int_equal(r.s.now, HF_SECOND + 200 * MS);
    assert_int_equal(info().denied, 1);
    assert_ptr_equal(hf_hedge_budget(hedge), budget);
    hf_budget_free(budget);
    drop();
}

static void work_that_must_not_be_done_twice_is_not_hedged(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    config.at_failure = 1;
    build_alone(&config, NULL);
    hf_call_options options;
    hf_call_options_init(&options);
    options.flags = HF_CALL_ONCE;
    const struct racer_attempt slow[] = {S(200), S(1)}, fails[] = {F(1), S(1)};
    assert_int_equal(racer_play(&r, pipeline, &options, 0, HF_NEVER, slow, 2), 0);
    assert_int_equal(r.started, 1);
    assert_int_equal(racer_play(&r, pipeline, &options, 0, HF_NEVER, fails, 2), HF_E_FAILED);
    assert_int_equal(r.started, 1);
    drop();
}

static void drivers_without_overlap_refuse(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    build_alone(&config, NULL);
    assert_int_equal(hf_pipeline_needs(pipeline), HF_NEEDS_OVERLAP);
    hf_call call;
    assert_int_equal(hf_call_begin(&call, pipeline, NULL, 0), HF_E_UNSUPPORTED);
    hf_test_script script;
    const hf_test_step step = {hf_success(), 0, 1, 0};
    assert_int_equal(hf_test_script_init(&script, &step, 1, NULL), 0);
    assert_int_equal(hf_run(pipeline, hf_test_script_operation, &script, NULL, &r.result), HF_E_UNSUPPORTED);
    assert_int_equal(hf_result_status(&r.result), HF_E_UNSUPPORTED);
    assert_int_equal(hf_test_script_played(&script), 0);
    drop();
}

static void the_winner_waits_until_the_loser_has_ended(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    hf_bulkhead_config two;
    hf_bulkhead_config_init(&two);
    two.max_concurrent = 2;
    hf_bulkhead *bulkhead;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "bulkhead", &two, NULL), 0);
    assert_int_equal(hf_hedge_new(&hedge, "hedge", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_hedge_policy(hedge), hf_bulkhead_policy(bulkhead)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 2, NULL), 0);
    const struct racer_attempt deaf = {300 * MS, hf_success(), true};
    assert_int_equal(PLAY(deaf, S(20)), 0); /* its slot is taken as long as it works */
    assert_int_equal(r.s.now, HF_SECOND + 300 * MS);
    assert_int_equal(kind_of(1), HF_SUCCESS); /* it did succeed, and its breaker may know */
    assert_int_equal(hf_result_flags(&r.result), 0);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
    assert_int_equal(hf_bulkhead_resize(bulkhead, 1), 0);
    assert_int_equal(PLAY(S(200), S(1)), 0); /* the second finds no slot: the first goes on */
    assert_int_equal(r.started, 1);
    assert_int_equal(r.s.now, HF_SECOND + 200 * MS);
    hf_bulkhead_free(bulkhead);
    drop();
}

static void timeouts_and_deadlines_end_both(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    hf_timeout_config limit;
    hf_timeout_config_init(&limit);
    hf_timeout *total, *attempt;
    limit.timeout_ms = 300;
    assert_int_equal(hf_timeout_new(&total, "total", &limit, NULL), 0);
    limit.timeout_ms = 100;
    assert_int_equal(hf_timeout_new(&attempt, "attempt", &limit, NULL), 0);
    assert_int_equal(hf_hedge_new(&hedge, "hedge", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_timeout_policy(total), hf_hedge_policy(hedge), hf_timeout_policy(attempt)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 3, NULL), 0);
    assert_int_equal(PLAY(HANGS), HF_E_TIMEOUT); /* each by its own attempt timeout */
    assert_int_equal(r.attempt[1].deadline_at, HF_SECOND + 100 * MS);
    assert_int_equal(r.attempt[2].deadline_at, HF_SECOND + 150 * MS);
    assert_int_equal(r.s.now, HF_SECOND + 150 * MS);
    assert_string_equal(hf_result_policy(&r.result), "attempt");
    assert_int_equal(PLAY(HANGS, S(90)), 0); /* the second is not ended by the first one's timeout */
    assert_int_equal(r.s.now, HF_SECOND + 140 * MS);
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = 80 * MS;
    const struct racer_attempt hangs = HANGS;
    assert_int_equal(racer_play(&r, pipeline, &options, 0, HF_NEVER, &hangs, 1), HF_E_TIMEOUT);
    assert_int_equal(hf_result_reason(&r.result), HF_REASON_DEADLINE);
    assert_true(r.attempt[1].stopped && r.attempt[2].stopped);
    assert_int_equal(racer_play(&r, pipeline, NULL, 0, 70 * MS, &hangs, 1), HF_E_CANCELLED);
    assert_true(r.attempt[1].stopped && r.attempt[2].stopped);
    assert_int_equal(kind_of(1), HF_NEUTRAL);
    assert_int_equal(kind_of(2), HF_NEUTRAL);
    hf_timeout_free(total);
    hf_timeout_free(attempt);
    drop();
}

static void a_retry_around_it_makes_fresh_passes(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    hf_retry_config twice;
    hf_retry_config_init(&twice);
    twice.max_attempts = 2;
    twice.backoff.jitter = HF_JITTER_NONE;
    hf_retry *retry;
    hf_breaker *breaker;
    assert_int_equal(hf_retry_new(&retry, "retry", &twice, NULL, NULL), 0);
    assert_int_equal(hf_breaker_new(&breaker, "breaker", NULL, NULL), 0);
    assert_int_equal(hf_hedge_new(&hedge, "hedge", &config, hf_retry_budget(retry), NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry), hf_hedge_policy(hedge), hf_breaker_policy(breaker)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 3, NULL), 0);
    uint32_t before = hf_budget_available(hf_retry_budget(retry), HF_SECOND);
    assert_int_equal(PLAY(F(60), F(60), S(60), S(5)), 0);
    assert_int_equal(r.started, 4);
    assert_int_equal(r.attempt[3].started_at, HF_SECOND + 210 * MS); /* both have failed at 110 ms, then 100 ms */
    assert_int_equal(r.s.now, HF_SECOND + 265 * MS);
    assert_int_equal(hf_result_attempts(&r.result), 4);
    assert_int_equal(before - hf_budget_available(hf_retry_budget(retry), HF_SECOND), 3); /* two hedges, one retry */
    hf_breaker_info seen = {.struct_size = sizeof seen};
    hf_breaker_snapshot(breaker, &seen, r.s.now);
    assert_int_equal(seen.total, 3); /* the loser entered no window */
    assert_int_equal(seen.failures, 2);
    assert_int_equal(info().hedges, 2);
    assert_int_equal(info().won, 1);
    /* Found by fuzz/call: the attempt of the next pass was taken for the hedge of the pass before, if that came last. */
    assert_int_equal(PLAY(F(60), F(60), S(5)), 0);
    assert_int_equal(info().hedges, 3);
    assert_int_equal(info().won, 1);
    hf_retry_free(retry);
    hf_breaker_free(breaker);
    drop();
}

static void a_result_that_has_begun_to_arrive_is_not_overtaken(void **state) {
    (void)state;
    hf_hedge_config config = fixed(50);
    build_alone(&config, NULL);
    struct stepper s;
    hf_call_options options;
    hf_call_options_init(&options);
    options.flags = HF_CALL_OVERLAP;
    stepper_begin(&s, pipeline, &options, 0); /* before the delay: no hedge starts */
    assert_int_equal(stepper_step(&s), HF_STEP_START);
    assert_int_equal(hf_call_commit(&s.call, 2), HF_E_STATE);
    assert_int_equal(hf_call_commit(&s.call, 1), 0);
    assert_int_equal(stepper_next(&s), HF_STEP_WAIT);
    assert_int_equal(s.now, 50 * MS);
    assert_int_equal(hf_call_report(&s.call, 1, hf_success(), 90 * MS), 0);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, NULL), 0);

    stepper_begin(&s, pipeline, &options, 0); /* after it: the other loses, and a broken body is no success */
    stepper_step(&s);
    assert_int_equal(stepper_next(&s), HF_STEP_START);
    assert_false(hf_call_would_end(&s.call, 1, hf_failure(1), s.now)); /* the second may bring a better one */
    assert_true(hf_call_would_end(&s.call, 1, hf_success(), s.now));
    assert_int_equal(hf_call_commit(&s.call, 2), 0);
    assert_int_equal(hf_call_commit(&s.call, 1), HF_E_STATE);
    assert_int_equal(stepper_step(&s), HF_STEP_CANCEL);
    assert_int_equal(s.step.attempt, 1);
    hf_outcome broken = hf_failure(56);
    broken.flags = HF_COMMITTED;
    assert_int_equal(hf_call_report(&s.call, 2, broken, s.now), 0);
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT); /* the loser has not ended */
    assert_int_equal(hf_call_report(&s.call, 1, hf_neutral(0), s.now), 0);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, NULL), HF_E_FAILED);
    drop();
}

/* ---- the delay by percentile ---- */

static void no_estimate_no_hedge_and_then_the_percentile(void **state) {
    (void)state;
    build_alone(NULL, NULL);
    assert_int_equal(info().delay_ns, HF_NEVER);
    hf_time now = HF_SECOND;
    for (int i = 0; i < 160; i++) {
        const struct racer_attempt attempt = S(10 + i % 40);
        assert_int_equal(racer_play(&r, pipeline, NULL, now, HF_NEVER, &attempt, 1), 0);
        if (i < 99) assert_int_equal(info().delay_ns, HF_NEVER);
        now = r.s.now;
    }
    int64_t delay = info().delay_ns; /* 10 to 49 ms: the 95th percentile is 48 ms, in buckets of an eighth */
    assert_true(delay >= 47 * MS && delay <= 54 * MS);
    const struct racer_attempt slow[] = {S(500), S(10)};
    assert_int_equal(racer_play(&r, pipeline, NULL, now, HF_NEVER, slow, 2), 0);
    assert_int_equal(r.attempt[2].started_at, now + delay);
    now += 600 * HF_SECOND; /* far outside of the window: all is forgotten once there are new ages */
    for (int i = 0; i < 16; i++) {
        const struct racer_attempt attempt = S(1);
        assert_int_equal(racer_play(&r, pipeline, NULL, now, HF_NEVER, &attempt, 1), 0);
    }
    assert_int_equal(info().samples, 16);
    assert_int_equal(info().delay_ns, HF_NEVER);
    drop();
}

/* Losers' ages count: with 10 % slow attempts the delay stays near the percentile of the latency as it is. */
static void the_delay_does_not_run_away(void **state) {
    (void)state;
    hf_budget_config plenty;
    hf_budget_config_init(&plenty);
    plenty.ratio_ppm = HF_BUDGET_UNLIMITED;
    hf_budget *budget;
    assert_int_equal(hf_budget_new(&budget, "budget", &plenty, NULL), 0);
    build_alone(NULL, budget);
    uint64_t rng = 5;
    hf_time now = HF_SECOND;
    for (int i = 0; i < 4000; i++) {
        struct racer_attempt script[2] = {S(10), S(10)};
        for (int k = 0; k < 2; k++) {
            bool slow = hf__rng_next(&rng) % 10 == 0;
            script[k].takes = slow ? hf__rng_between(hf__rng_next(&rng), 100 * MS, 1000 * MS)
                                   : hf__rng_between(hf__rng_next(&rng), 10 * MS, 20 * MS);
        }
        assert_int_equal(racer_play(&r, pipeline, NULL, now, HF_NEVER, script, 2), 0);
        now += 5 * MS;
    }
    assert_true(info().delay_ns > 400 * MS && info().delay_ns < 700 * MS);
    assert_true(info().hedges > 100 && info().hedges < 400); /* about one in twenty */
    hf_budget_free(budget);
    drop();
}

static void bad_configurations_are_named(void **state) {
    (void)state;
    hf_error error;
    hf_hedge_config config;
    hf_hedge_config_init(&config);
    config.share_ppm = 400000;
    assert_int_equal(hf_hedge_new(&hedge, "h", &config, NULL, &error), HF_E_INVALID);
    assert_null(hedge);
    assert_string_equal(hf_error_text(&error), "hedge \"h\": share_ppm is 400000, expected 500000 to 999999");
    hf_hedge_config_init(&config);
    config.at_failure = 2;
    assert_int_equal(hf_hedge_new(&hedge, "h", &config, NULL, &error), HF_E_INVALID);
    assert_int_equal(hf_hedge_new(NULL, "h", NULL, NULL, &error), HF_E_INVALID);
    hf_hedge *other;
    hf_timeout *t[9];
    hf_policy *order[11];
    assert_int_equal(hf_hedge_new(&hedge, "one", NULL, NULL, NULL), 0);
    assert_int_equal(hf_hedge_new(&other, "two", NULL, NULL, NULL), 0);
    order[0] = hf_hedge_policy(hedge);
    order[1] = hf_hedge_policy(other);
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 2, &error), HF_E_INVALID);
    assert_string_equal(hf_error_text(&error),
                        "pipeline \"p\": hedge \"two\" is a second hedge beside \"one\", expected at most one");
    for (int i = 0; i < 9; i++) {
        assert_int_equal(hf_timeout_new(&t[i], "t", NULL, NULL), 0);
        order[i + 1] = hf_timeout_policy(t[i]);
    }
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 10, &error), HF_E_INVALID);
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 7, &error), 0); /* 7 + 6 inside */
    hf_pipeline_free(pipeline);
    for (int i = 0; i < 9; i++) hf_timeout_free(t[i]);
    hf_hedge_free(other);
    hf_hedge_free(hedge);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fast_attempt_is_not_hedged),
        cmocka_unit_test(a_slow_attempt_is_and_the_first_success_wins),
        cmocka_unit_test(a_failed_attempt_never_beats_one_under_way),
        cmocka_unit_test(a_failure_before_the_delay_is_the_retrys_business_or_hedged_at_once),
        cmocka_unit_test(an_empty_budget_suppresses_the_second_attempt_only),
        cmocka_unit_test(work_that_must_not_be_done_twice_is_not_hedged),
        cmocka_unit_test(drivers_without_overlap_refuse),
        cmocka_unit_test(the_winner_waits_until_the_loser_has_ended),
        cmocka_unit_test(timeouts_and_deadlines_end_both),
        cmocka_unit_test(a_retry_around_it_makes_fresh_passes),
        cmocka_unit_test(a_result_that_has_begun_to_arrive_is_not_overtaken),
        cmocka_unit_test(no_estimate_no_hedge_and_then_the_percentile),
        cmocka_unit_test(the_delay_does_not_run_away),
        cmocka_unit_test(bad_configurations_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
