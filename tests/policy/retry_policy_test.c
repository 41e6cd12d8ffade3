/* SPDX-License-Identifier: MIT */
/* Retry, budget, bulkhead, timeout and fallback through the engine, in virtual time. */
#include "base/rng.h"
#include "policy/budget_policy.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MS HF_MILLISECOND

static hf_retry *retry;
static hf_budget *budget;
static hf_pipeline *pipeline;
static struct stepper s;
static hf_result result;

static hf_retry_config plain_retry(uint32_t attempts) {
    hf_retry_config c;
    hf_retry_config_init(&c);
    c.max_attempts = attempts;
    c.hint_jitter_ppm = 0;
    c.backoff.kind = HF_BACKOFF_CONSTANT;
    c.backoff.jitter = HF_JITTER_NONE;
    return c;
}

static void build(const hf_retry_config *config, uint32_t ratio, uint32_t per_second, uint32_t burst,
                  hf_policy *inner) {
    hf_budget_config b;
    hf_budget_config_init(&b);
    b.ratio_ppm = ratio;
    b.min_per_second = per_second;
    b.burst = burst;
    hf_error error;
    assert_int_equal(hf_budget_new(&budget, "budget", &b, &error), 0);
    if (hf_retry_new(&retry, "retry", config, budget, &error) < 0) fail_msg("%s", hf_error_text(&error));
    assert_ptr_equal(hf_retry_budget(retry), budget);
    hf_policy *order[] = {hf_retry_policy(retry), inner};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, inner == NULL ? 1 : 2, NULL), 0);
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    hf_retry_free(retry);
    hf_budget_free(budget);
    pipeline = NULL, retry = NULL, budget = NULL;
    return 0;
}

static int play(const hf_outcome *outcomes, size_t count, hf_time deadline) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = deadline;
    return stepper_play(&s, pipeline, &options, 0, outcomes, NULL, count, NULL, &result);
}

static void attempts_are_counted_and_waits_lie_between(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(3);
    build(&c, HF_BUDGET_UNLIMITED, 0, 1, NULL);
    const hf_outcome fails = hf_failure(1);
    assert_int_equal(play(&fails, 1, HF_NEVER), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 3);
    assert_int_equal(s.now, 200 * MS);
    assert_int_equal(hf_result_reason(&result), HF_REASON_ATTEMPTS);
    assert_string_equal(hf_result_policy(&result), "retry");
}

static void only_what_may_be_repeated_is(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(5);
    build(&c, HF_BUDGET_UNLIMITED, 0, 1, NULL);
    hf_outcome committed = hf_failure(4), conflict = hf_success();
    committed.flags |= HF_COMMITTED;
    conflict.flags |= HF_RETRYABLE; /* a success that asks to be repeated, like 409 with a key */
    const hf_outcome once[] = {hf_success(), hf_failure_final(2), hf_neutral(3), committed};
    for (int i = 0; i < 4; i++) {
        (void)play(&once[i], 1, HF_NEVER);
        assert_int_equal(hf_result_attempts(&result), 1);
        assert_int_equal(hf_result_reason(&result), HF_REASON_NONE);
    }
    const hf_outcome then[] = {conflict, hf_throttled(429, 0), hf_failure(1), hf_failure_final(2), hf_success()};
    assert_int_equal(play(then, 5, HF_NEVER), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 4);
}

static void hints_are_obeyed_never_early(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(2);
    c.hint_jitter_ppm = 500000;
    build(&c, HF_BUDGET_UNLIMITED, 0, 1, NULL);
    for (uint64_t seed = 0; seed < 200; seed++) {
        hf_call_options options;
        hf_call_options_init(&options);
        options.seed = seed;
        const hf_outcome outcomes[] = {hf_throttled(429, 2 * HF_SECOND), hf_success()};
        assert_int_equal(stepper_play(&s, pipeline, &options, 0, outcomes, NULL, 2, NULL, &result), 0);
        assert_in_range(s.now, 2 * HF_SECOND, 3 * HF_SECOND);
    }
    /* Beyond the cap, or beyond the deadline: give up at once and say when. */
    const hf_outcome long_hint = hf_throttled(429, 30 * HF_SECOND + 1);
    assert_int_equal(play(&long_hint, 1, HF_NEVER), HF_E_FAILED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_HINT_TOO_LONG);
    assert_int_equal(hf_result_retry_at(&result), 30 * HF_SECOND + 1);
    assert_int_equal(s.now, 0);
    const hf_outcome hint = hf_throttled(429, 5 * HF_SECOND);
    assert_int_equal(play(&hint, 1, 5 * HF_SECOND), HF_E_FAILED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_NO_TIME);
    assert_int_equal(s.now, 0);
}

static void a_wait_that_would_reach_the_deadline_is_not_begun(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(9);
    build(&c, HF_BUDGET_UNLIMITED, 0, 1, NULL);
    const hf_outcome fails = hf_failure(1);
    assert_int_equal(play(&fails, 1, 250 * MS), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 3);
    assert_int_equal(s.now, 200 * MS);
    assert_int_equal(play(&fails, 1, 200 * MS), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 2);
}

static void an_empty_budget_suppresses_only_the_extra_attempt(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(3);
    build(&c, 0, 0, 1, NULL);
    const hf_outcome fails = hf_failure(77);
    assert_int_equal(play(&fails, 1, HF_NEVER), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 2);
    assert_int_equal(hf_result_reason(&result), HF_REASON_BUDGET);
    assert_int_equal(hf_result_flags(&result), HF_RESULT_BUDGET_DENIED);
    hf_outcome last;
    assert_true(hf_result_outcome(&result, &last));
    assert_int_equal(last.code, 77);
    assert_int_equal(hf_budget_denied(budget), 1);
    assert_int_equal(play(&fails, 1, HF_NEVER), HF_E_FAILED); /* calls themselves are never denied */
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_int_equal(hf_budget_available(budget, 0), 0);
}

static void rejections_cost_no_budget_and_are_not_retried(void **state) {
    (void)state;
    hf_bulkhead_config full;
    hf_bulkhead_config_init(&full);
    full.max_concurrent = 0;
    hf_bulkhead *bulkhead;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "full", &full, NULL), 0);
    hf_retry_config c = plain_retry(3);
    build(&c, 0, 0, 5, hf_bulkhead_policy(bulkhead));
    const hf_outcome fails = hf_failure(1);
    assert_int_equal(play(&fails, 1, HF_NEVER), HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_FULL);
    assert_int_equal(hf_bulkhead_rejected(bulkhead), 1);
    assert_int_equal(s.now, 0);
    teardown(NULL);
    c.retry_rejected = 1; /* on request: with back-off, counted as attempts, tokens given back */
    build(&c, 0, 0, 5, hf_bulkhead_policy(bulkhead));
    assert_int_equal(play(&fails, 1, HF_NEVER), HF_E_REJECTED);
    assert_int_equal(hf_bulkhead_rejected(bulkhead), 4);
    assert_int_equal(s.now, 200 * MS);
    assert_int_equal(hf_result_attempts(&result), 0);
    assert_int_equal(hf_budget_available(budget, 0), 5);
    hf_bulkhead_free(bulkhead);
}

static void a_retry_that_is_rejected_gives_its_token_back(void **state) {
    (void)state;
    hf_breaker_config b;
    hf_breaker_config_init(&b);
    b.window = b.min_calls = b.probes = 1;
    b.open_jitter_ppm = 0;
    hf_breaker *breaker;
    assert_int_equal(hf_breaker_new(&breaker, "b", &b, NULL), 0);
    hf_retry_config c = plain_retry(5);
    build(&c, 0, 0, 5, hf_breaker_policy(breaker));
    const hf_outcome fails = hf_failure(1);
    assert_int_equal(play(&fails, 1, HF_NEVER), HF_E_REJECTED); /* opens at the first, rejects the second */
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_int_equal(hf_budget_available(budget, 0), 5);
    hf_breaker_free(breaker);
}

static void a_retry_waits_for_the_breaker_if_asked_and_if_it_fits(void **state) {
    (void)state;
    hf_breaker_config b;
    hf_breaker_config_init(&b);
    b.window = b.min_calls = b.probes = 1;
    b.open_jitter_ppm = 0;
    hf_breaker *breaker;
    assert_int_equal(hf_breaker_new(&breaker, "b", &b, NULL), 0);
    hf_retry_config c = plain_retry(5);
    c.retry_rejected = 1;
    build(&c, HF_BUDGET_UNLIMITED, 0, 5, hf_breaker_policy(breaker));
    const hf_outcome outcomes[] = {hf_failure(1), hf_success()};
    assert_int_equal(play(outcomes, 2, HF_NEVER), 0);
    assert_int_equal(s.now, 5 * HF_SECOND);
    hf_breaker_set(breaker, HF_BREAKER_CLOSED, 0);
    assert_int_equal(play(outcomes, 2, 4 * HF_SECOND), HF_E_REJECTED);
    assert_int_equal(s.now, 100 * MS);
    hf_breaker_set(breaker, HF_BREAKER_FORCED_OPEN, 0); /* waiting cannot help */
    assert_int_equal(play(outcomes, 2, HF_NEVER), HF_E_REJECTED);
    assert_int_equal(s.now, 0);
    hf_breaker_free(breaker);
}

static void a_cancelled_wait_gives_its_token_back(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(3);
    build(&c, 0, 0, 2, NULL);
    stepper_begin(&s, pipeline, NULL, 0);
    stepper_step(&s);
    stepper_finish(&s, hf_failure(1), 0, true);
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT);
    assert_int_equal(hf_budget_available(budget, 0), 1);
    hf_call_cancel(&s.call);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(hf_budget_available(budget, 0), 2);
    assert_int_equal(stepper_end(&s, NULL), HF_E_CANCELLED);
}

static void hidden_resends_are_charged(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(1);
    build(&c, 0, 0, 4, NULL);
    hf_outcome resent = hf_success();
    resent.resends = 3;
    assert_int_equal(play(&resent, 1, HF_NEVER), 0);
    assert_int_equal(hf_budget_available(budget, 0), 1);
    resent.resends = 1000000;
    assert_int_equal(play(&resent, 1, HF_NEVER), 0);
    assert_int_equal(hf_budget_available(budget, 0), 0);
}

static void would_end_foresees_the_retry(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(2);
    build(&c, 0, 0, 1, NULL);
    stepper_begin(&s, pipeline, NULL, 0);
    stepper_step(&s);
    assert_false(hf_call_would_end(&s.call, s.step.attempt, hf_failure(1), 0));
    assert_true(hf_call_would_end(&s.call, s.step.attempt, hf_failure_final(1), 0));
    assert_int_equal(hf_budget_available(budget, 0), 1);
    assert_true(hf__budget_take(budget, 0));
    assert_true(hf_call_would_end(&s.call, s.step.attempt, hf_failure(1), 0));
    hf_call_end(&s.call, NULL);
}

/* ---- the budget itself ---- */

static void the_bucket_refills_by_calls_and_by_time(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(1);
    build(&c, 200000, 3, 10, NULL);
    hf_time now = 100 * HF_SECOND;
    for (int i = 0; i < 10; i++) assert_true(hf__budget_take(budget, now));
    assert_false(hf__budget_take(budget, now));
    for (int i = 0; i < 5; i++) hf__budget_begin(budget);
    assert_int_equal(hf_budget_available(budget, now), 1);
    assert_int_equal(hf_budget_available(budget, now + HF_SECOND), 4);
    assert_int_equal(hf_budget_available(budget, now + 3600 * HF_SECOND), 10); /* never more than the bucket */
    assert_int_equal(hf_budget_available(budget, now - HF_SECOND), 1);         /* a clock that goes back */
}

/* In any run: retries <= burst + ratio * calls + min * T. */
static void retries_stay_below_their_bound(void **state) {
    (void)state;
    uint64_t rng = 11;
    for (int round = 0; round < 50; round++) {
        uint32_t ratio = (uint32_t)(hf__rng_next(&rng) % 1000) * 1000, min = (uint32_t)(hf__rng_next(&rng) % 20);
        uint32_t burst = 1 + (uint32_t)(hf__rng_next(&rng) % 50);
        hf_retry_config c = plain_retry(1);
        build(&c, ratio, min, burst, NULL);
        hf_time start = (hf_time)(hf__rng_next(&rng) >> 2), now = start;
        int64_t calls = 0, granted = 0;
        for (int i = 0; i < 3000; i++) {
            now += hf__rng_between(hf__rng_next(&rng), 0, 30 * MS);
            if (hf__rng_next(&rng) % 2) hf__budget_begin(budget), calls++;
            else granted += hf__budget_take(budget, now);
            int64_t bound_ppm =
                (int64_t)burst * HF_PPM + calls * ratio + (now - start) / 1000 * min + min * INT64_C(1000);
            assert_true(granted * HF_PPM <= bound_ppm);
        }
        assert_true(granted >= (int64_t)burst);
        teardown(NULL);
    }
}

static atomic_int granted_by_threads;

static void *take_many(void *arg) {
    for (int i = 0; i < 20000; i++) {
        if (hf__budget_take(arg, HF_SECOND)) atomic_fetch_add(&granted_by_threads, 1);
    }
    return NULL;
}

static void threads_are_not_granted_more_than_there_is(void **state) {
    (void)state;
    hf_retry_config c = plain_retry(1);
    build(&c, 0, 0, 1000, NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, take_many, budget), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&granted_by_threads), 1000);
}

/* ---- bulkhead ---- */

static void slots_come_back_whatever_happens_and_resizing_never_waits(void **state) {
    (void)state;
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = 3;
    hf_bulkhead *bulkhead;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "b", &config, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(bulkhead)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
    struct stepper calls[4];
    for (int i = 0; i < 4; i++) {
        stepper_begin(&calls[i], pipeline, NULL, 0);
        assert_int_equal(stepper_step(&calls[i]), i < 3 ? HF_STEP_START : HF_STEP_DONE);
    }
    assert_int_equal(hf_call_end(&calls[3].call, NULL), HF_E_REJECTED);
    assert_int_equal(hf_bulkhead_resize(bulkhead, 1), 0);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 3);
    stepper_finish(&calls[0], hf_failure(1), 0, true);
    stepper_step(&calls[0]);
    hf_call_cancel(&calls[1].call); /* told to stop: the slot is free when it has */
    assert_int_equal(stepper_step(&calls[1]), HF_STEP_CANCEL);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 2);
    hf_call_report(&calls[1].call, 1, hf_neutral(0), 0);
    stepper_step(&calls[1]);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 1);
    stepper_begin(&calls[3], pipeline, NULL, 0);
    assert_int_equal(stepper_step(&calls[3]), HF_STEP_DONE); /* one slot, one taken */
    hf_call_end(&calls[2].call, NULL);                       /* abandoned */
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
    assert_int_equal(hf_bulkhead_resize(bulkhead, 1000001), HF_E_INVALID);
    hf_bulkhead_free(bulkhead);
}

/* Found by fuzz/call: what a breaker inside drew for its open time moved the draws of the retry, so that
 * hf_call_would_end foretold another back-off than then came, and one of them missed the deadline. */
static void would_end_holds_whatever_others_draw(void **state) {
    (void)state;
    hf_retry_config config;
    hf_retry_config_init(&config);
    config.backoff.jitter = HF_JITTER_FULL; /* up to 100 ms */
    hf_breaker_config trips;
    hf_breaker_config_init(&trips);
    trips.consecutive_failures = 1;
    hf_breaker *breaker;
    assert_int_equal(hf_breaker_new(&breaker, "breaker", &trips, NULL), 0);
    build(&config, 0, 0, 1000, hf_breaker_policy(breaker));
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = 50 * MS;
    int ended = 0;
    for (options.seed = 0; options.seed < 100; options.seed++) {
        hf_breaker_set(breaker, HF_BREAKER_CLOSED, 0);
        stepper_begin(&s, pipeline, &options, 0);
        assert_int_equal(stepper_step(&s), HF_STEP_START);
        bool ends = hf_call_would_end(&s.call, s.step.attempt, hf_failure(1), 0);
        hf_call_report(&s.call, 1, hf_failure(1), 0);
        assert_int_equal(stepper_step(&s), ends ? HF_STEP_DONE : HF_STEP_WAIT);
        ended += ends;
        stepper_end(&s, NULL);
    }
    assert_in_range(ended, 20, 80);
    hf_breaker_free(breaker);
}

/* Found by fuzz/call: a charge stopped at sixteen tokens, and hf_call_would_end did not. */
static void more_resends_than_tokens_empty_the_bucket(void **state) {
    (void)state;
    hf_retry_config config = plain_retry(3);
    build(&config, 0, 0, 30, NULL);
    hf_outcome outcome = hf_failure(1);
    outcome.resends = 29;
    stepper_begin(&s, pipeline, NULL, 0);
    stepper_step(&s);
    assert_false(hf_call_would_end(&s.call, s.step.attempt, outcome, 0));
    outcome.resends = 30;
    assert_true(hf_call_would_end(&s.call, s.step.attempt, outcome, 0));
    outcome.resends = UINT32_MAX;
    assert_true(hf_call_would_end(&s.call, s.step.attempt, outcome, 0));
    hf_call_report(&s.call, 1, outcome, 0);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    stepper_end(&s, NULL);
    assert_int_equal(hf_budget_available(budget, 0), 0);
}

static hf_outcome answers(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return hf_success();
}

/* Found by fuzz/call: what never reached the dependency entered the window of a breaker around the fallback, and a
 * retry of rejections around it threw the answer away. */
static void an_answer_to_a_rejection_is_no_result_of_the_dependency(void **state) {
    (void)state;
    hf_retry_config config = plain_retry(3);
    config.retry_rejected = 1;
    hf_bulkhead_config none;
    hf_bulkhead_config_init(&none);
    none.max_concurrent = 0;
    hf_bulkhead *full;
    hf_breaker *breaker;
    hf_fallback *fallback;
    assert_int_equal(hf_bulkhead_new(&full, "full", &none, NULL), 0);
    assert_int_equal(hf_breaker_new(&breaker, "breaker", NULL, NULL), 0);
    assert_int_equal(hf_fallback_new(&fallback, "fallback", answers, NULL), 0);
    assert_int_equal(hf_retry_new(&retry, "retry", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry), hf_breaker_policy(breaker), hf_fallback_policy(fallback),
                          hf_bulkhead_policy(full)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 4, NULL), 0);
    const hf_outcome never = hf_failure(1);
    assert_int_equal(play(&never, 1, HF_NEVER), 0);
    assert_int_equal(hf_result_attempts(&result), 0);
    assert_int_equal(hf_bulkhead_rejected(full), 1); /* not tried again */
    hf_breaker_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_breaker_snapshot(breaker, &info, 0), 0);
    assert_int_equal(info.total, 0);
    hf_bulkhead_free(full);
    hf_breaker_free(breaker);
    hf_fallback_free(fallback);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(attempts_are_counted_and_waits_lie_between),
        TEST(only_what_may_be_repeated_is),
        TEST(hints_are_obeyed_never_early),
        TEST(a_wait_that_would_reach_the_deadline_is_not_begun),
        TEST(an_empty_budget_suppresses_only_the_extra_attempt),
        TEST(rejections_cost_no_budget_and_are_not_retried),
        TEST(a_retry_that_is_rejected_gives_its_token_back),
        TEST(a_retry_waits_for_the_breaker_if_asked_and_if_it_fits),
        TEST(a_cancelled_wait_gives_its_token_back),
        TEST(hidden_resends_are_charged),
        TEST(would_end_foresees_the_retry),
        TEST(the_bucket_refills_by_calls_and_by_time),
        TEST(retries_stay_below_their_bound),
        TEST(threads_are_not_granted_more_than_there_is),
        TEST(slots_come_back_whatever_happens_and_resizing_never_waits),
        TEST(would_end_holds_whatever_others_draw),
        TEST(more_resends_than_tokens_empty_the_bucket),
        TEST(an_answer_to_a_rejection_is_no_result_of_the_dependency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
