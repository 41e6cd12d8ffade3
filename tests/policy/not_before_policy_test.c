/* SPDX-License-Identifier: MIT */
/* Not before: one call is told to come back later, all obey. Virtual time. */
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <string.h>

static hf_not_before *policy;
static hf_pipeline *pipeline;
static const hf_outcome good = {HF_SUCCESS, 0, 200, 0, 0};

static void build(int64_t cap_ms, int64_t max_wait_ms) {
    hf_not_before_config config;
    hf_not_before_config_init(&config);
    config.cap_ms = cap_ms;
    config.max_wait_ms = max_wait_ms;
    assert_int_equal(hf_not_before_new(&policy, "host", &config, NULL), 0);
    hf_policy *order[] = {hf_not_before_policy(policy)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    hf_not_before_free(policy);
    return 0;
}

static int play(hf_outcome outcome, hf_time now, hf_time deadline_at, hf_result *result) {
    struct stepper s;
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = deadline_at;
    int rc = stepper_play(&s, pipeline, &options, now, &outcome, NULL, 1, NULL, result);
    return rc;
}

static void a_hint_turns_other_calls_back(void **state) {
    (void)state;
    hf_result result;
    build(300000, 0);
    assert_int_equal(play(good, HF_SECOND, HF_NEVER, &result), HF_OK);
    assert_int_equal(play(hf_throttled(429, 10 * HF_SECOND), HF_SECOND, HF_NEVER, &result), HF_E_FAILED);
    assert_true(hf_not_before_at(policy, HF_SECOND) == 11 * HF_SECOND);
    assert_int_equal(play(good, 5 * HF_SECOND, HF_NEVER, &result), HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_NOT_BEFORE);
    assert_string_equal(hf_result_policy(&result), "host");
    assert_true(hf_result_retry_at(&result) == 11 * HF_SECOND);
    assert_int_equal(hf_result_attempts(&result), 0);
    assert_int_equal(play(good, 11 * HF_SECOND - 1, HF_NEVER, &result), HF_E_REJECTED);
    assert_int_equal(play(good, 11 * HF_SECOND, HF_NEVER, &result), HF_OK);
    assert_true(hf_not_before_at(policy, 11 * HF_SECOND) == 0);
}

static void the_instant_never_moves_back_and_is_capped(void **state) {
    (void)state;
    hf_result result;
    build(20000, 0);
    (void)play(hf_throttled(503, HF_NEVER), 0, HF_NEVER, &result);
    assert_true(hf_not_before_at(policy, 0) == 20 * HF_SECOND);
    struct stepper slow; /* it was admitted before, and brings a shorter hint */
    hf_outcome hint = hf_throttled(503, HF_SECOND);
    assert_int_equal(stepper_play(&slow, pipeline, NULL, 20 * HF_SECOND, &hint, NULL, 1, NULL, &result), HF_E_FAILED);
    assert_true(hf_not_before_at(policy, 20 * HF_SECOND) == 21 * HF_SECOND);
}

static void only_failures_and_throttling_count(void **state) {
    (void)state;
    hf_result result;
    build(300000, 0);
    hf_outcome success = good, neutral = hf_neutral(408);
    success.retry_after_ns = neutral.retry_after_ns = HF_SECOND; /* a 413: about this request, not about the host */
    (void)play(success, 0, HF_NEVER, &result);
    (void)play(neutral, 0, HF_NEVER, &result);
    assert_true(hf_not_before_at(policy, 0) == 0);
    hf_outcome failure = hf_failure(503);
    failure.retry_after_ns = HF_SECOND;
    (void)play(failure, 0, HF_NEVER, &result);
    assert_true(hf_not_before_at(policy, 0) == HF_SECOND);
}

static void calls_may_wait_instead(void **state) {
    (void)state;
    hf_result result;
    build(300000, 10000);
    (void)play(hf_throttled(429, 8 * HF_SECOND), HF_SECOND, HF_NEVER, &result);
    hf_time latest = 0, earliest = HF_NEVER;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct stepper s;
        hf_call_options options;
        hf_call_options_init(&options);
        options.seed = seed;
        stepper_begin(&s, pipeline, &options, HF_SECOND);
        assert_int_equal(stepper_next(&s), HF_STEP_START);
        earliest = s.now < earliest ? s.now : earliest;
        latest = s.now > latest ? s.now : latest;
        stepper_finish(&s, good, 0, true);
        assert_int_equal(stepper_end(&s, &result), HF_OK);
    }
    assert_true(earliest >= 9 * HF_SECOND);
    assert_true(latest <= 11 * HF_SECOND);
    assert_true(latest - earliest > HF_SECOND);                                     /* they do not come as one */
    assert_int_equal(play(good, HF_SECOND, 9 * HF_SECOND, &result), HF_E_REJECTED); /* its deadline allows no wait */
    assert_int_equal(play(good, 0, HF_NEVER, &result), HF_OK);                      /* 9 s: within 10 */
}

static void a_wait_beyond_the_limit_is_turned_back(void **state) {
    (void)state;
    hf_result result;
    build(300000, 5000);
    (void)play(hf_throttled(429, 8 * HF_SECOND), 0, HF_NEVER, &result);
    assert_int_equal(play(good, HF_SECOND, HF_NEVER, &result), HF_E_REJECTED);
    assert_int_equal(play(good, 3 * HF_SECOND, HF_NEVER, &result), HF_OK);
}

static void bad_numbers_are_refused(void **state) {
    (void)state;
    hf_error error;
    hf_not_before *none;
    build(0, 0);
    hf_not_before_config config;
    hf_not_before_config_init(&config);
    config.cap_ms = -1;
    assert_int_equal(hf_not_before_new(&none, "x", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "cap_ms is -1"));
    hf_not_before_config_init(&config);
    config.max_wait_ms = 86400001;
    assert_int_equal(hf_not_before_new(&none, "x", &config, &error), HF_E_INVALID);
    assert_null(none);
    hf_not_before_free(NULL);
    assert_null(hf_not_before_policy(NULL));
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_hint_turns_other_calls_back),          T(the_instant_never_moves_back_and_is_capped),
        T(only_failures_and_throttling_count),     T(calls_may_wait_instead),
        T(a_wait_beyond_the_limit_is_turned_back), T(bad_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
