/* SPDX-License-Identifier: MIT */
/* Fallbacks: by value, by function, in chains, and what each stands in for. */
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <stddef.h>
#include <string.h>

struct quote {
    char shop[8];
    int cents;
    int asked; /* functions that were asked */
};

static struct quote quote;
static hf_result result;

static int setup(void **state) {
    (void)state;
    memset(&quote, 0, sizeof quote);
    return 0;
}

static hf_fallback *by_value(const char *name, int cents) {
    hf_fallback *fallback;
    assert_int_equal(hf_fallback_value_new(&fallback, name, &cents, sizeof cents, offsetof(struct quote, cents), NULL),
                     0);
    return fallback;
}

static hf_outcome declines(void *arg, const hf_result *failed) {
    (void)failed;
    ((struct quote *)arg)->asked++;
    return hf_failure(0);
}

/* Builds a pipeline of these, which keeps them; `inner` may be NULL. */
static hf_pipeline *chain(hf_fallback *outer, hf_fallback *inner, hf_policy *innermost) {
    hf_policy *order[3];
    size_t count = 0;
    order[count++] = hf_fallback_policy(outer);
    if (inner != NULL) order[count++] = hf_fallback_policy(inner);
    if (innermost != NULL) order[count++] = innermost;
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, count, NULL), 0);
    hf_fallback_free(outer);
    hf_fallback_free(inner);
    return pipeline;
}

static int play(hf_pipeline *pipeline, hf_outcome outcome) {
    struct stepper s;
    quote.cents = 0;
    return stepper_play(&s, pipeline, NULL, 0, &outcome, NULL, 1, &quote, &result);
}

static void a_value_is_copied_behind_the_argument(void **state) {
    (void)state;
    int cents = 1999;
    hf_fallback *fallback;
    assert_int_equal(
        hf_fallback_value_new(&fallback, "list", &cents, sizeof cents, offsetof(struct quote, cents), NULL), 0);
    cents = 0; /* it was copied when the fallback was made */
    hf_pipeline *pipeline = chain(fallback, NULL, NULL);
    memcpy(quote.shop, "abcdefg", 8);
    assert_int_equal(play(pipeline, hf_failure(5)), 0);
    assert_int_equal(quote.cents, 1999);
    assert_string_equal(quote.shop, "abcdefg");
    assert_int_equal(hf_result_flags(&result), HF_RESULT_FALLBACK);
    assert_int_equal(play(pipeline, hf_success()), 0);
    assert_int_equal(quote.cents, 0);
    hf_pipeline_free(pipeline);
}

static void without_an_argument_there_is_nowhere_to_put_it(void **state) {
    (void)state;
    hf_pipeline *pipeline = chain(by_value("list", 1), NULL, NULL);
    struct stepper s;
    const hf_outcome fails = hf_failure(5);
    assert_int_equal(stepper_play(&s, pipeline, NULL, 0, &fails, NULL, 1, NULL, &result), HF_E_FAILED);
    assert_int_equal(hf_result_flags(&result), 0);
    hf_pipeline_free(pipeline);
}

static void the_innermost_is_asked_first(void **state) {
    (void)state;
    hf_pipeline *pipeline = chain(by_value("outer", 1), by_value("inner", 2), NULL);
    assert_int_equal(play(pipeline, hf_failure(5)), 0);
    assert_int_equal(quote.cents, 2);
    hf_pipeline_free(pipeline);
}

static void one_that_declines_leaves_it_to_the_next(void **state) {
    (void)state;
    hf_fallback *cache;
    assert_int_equal(hf_fallback_new(&cache, "cache", declines, NULL), 0);
    hf_pipeline *pipeline = chain(by_value("list", 7), cache, NULL);
    assert_int_equal(play(pipeline, hf_failure(5)), 0);
    assert_int_equal(quote.asked, 1);
    assert_int_equal(quote.cents, 7);
    hf_outcome last;
    assert_true(hf_result_outcome(&result, &last));
    assert_int_equal(last.code, 5);
    hf_pipeline_free(pipeline);
}

static void it_stands_in_only_for_what_it_may(void **state) {
    (void)state;
    hf_bulkhead_config none;
    hf_bulkhead_config_init(&none);
    none.max_concurrent = 0;
    hf_bulkhead *bulkhead;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "closed", &none, NULL), 0);
    hf_timeout_config short_time;
    hf_timeout_config_init(&short_time);
    short_time.timeout_ms = 1;
    hf_timeout *timeout;
    assert_int_equal(hf_timeout_new(&timeout, "short", &short_time, NULL), 0);
    for (uint32_t causes = 1; causes < 16; causes++) {
        hf_fallback *f[3];
        for (int i = 0; i < 3; i++) {
            f[i] = by_value("f", 3);
            assert_int_equal(hf_fallback_only(f[i], causes), 0);
        }
        hf_pipeline *open = chain(f[0], NULL, NULL);
        hf_pipeline *closed = chain(f[1], NULL, hf_bulkhead_policy(bulkhead));
        hf_pipeline *timed = chain(f[2], NULL, hf_timeout_policy(timeout));
        assert_int_equal(play(open, hf_failure(5)), causes & HF_FALLBACK_FAILED ? 0 : HF_E_FAILED);
        assert_int_equal(play(open, hf_throttled(429, 0)), causes & HF_FALLBACK_THROTTLED ? 0 : HF_E_FAILED);
        assert_int_equal(play(open, hf_neutral(3)), HF_E_FAILED);
        assert_int_equal(play(closed, hf_success()), causes & HF_FALLBACK_REJECTED ? 0 : HF_E_REJECTED);
        struct stepper s;
        const hf_outcome slow = hf_failure(9);
        const int64_t takes = HF_SECOND;
        assert_int_equal(stepper_play(&s, timed, NULL, 0, &slow, &takes, 1, &quote, &result),
                         causes & HF_FALLBACK_TIMED_OUT ? 0 : HF_E_TIMEOUT);
        hf_pipeline_free(open);
        hf_pipeline_free(closed);
        hf_pipeline_free(timed);
    }
    hf_bulkhead_free(bulkhead);
    hf_timeout_free(timeout);
}

/* What would end the call and what would not is asked at the blank line of a response. */
static void it_keeps_what_it_would_stand_in_for(void **state) {
    (void)state;
    hf_fallback *fallback = by_value("f", 3);
    assert_int_equal(hf_fallback_only(fallback, HF_FALLBACK_THROTTLED), 0);
    hf_pipeline *pipeline = chain(fallback, NULL, NULL);
    struct stepper s;
    stepper_begin(&s, pipeline, NULL, 0);
    assert_int_equal(stepper_step(&s), HF_STEP_START);
    assert_false(hf_call_would_end(&s.call, s.step.attempt, hf_throttled(429, 0), 0));
    assert_true(hf_call_would_end(&s.call, s.step.attempt, hf_failure(500), 0));
    stepper_end(&s, NULL);
    hf_pipeline_free(pipeline);
}

static void mistakes_are_named(void **state) {
    (void)state;
    hf_fallback *fallback;
    hf_error error;
    const int value = 1;
    assert_int_equal(hf_fallback_new(&fallback, "f", NULL, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "fallback \"f\": function is NULL"));
    assert_null(fallback);
    assert_int_equal(hf_fallback_value_new(&fallback, "f", NULL, 4, 0, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "value is NULL"));
    assert_int_equal(hf_fallback_value_new(&fallback, "f", &value, 0, 0, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "size is 0 at offset 0, expected 1 to 65536 at offset 0 to 1048576"));
    assert_int_equal(hf_fallback_value_new(&fallback, "f", &value, SIZE_MAX, 0, &error), HF_E_INVALID);
    assert_int_equal(hf_fallback_value_new(&fallback, "f", &value, 4, 1048577, &error), HF_E_INVALID);
    assert_null(fallback);
    assert_int_equal(hf_fallback_value_new(NULL, "f", &value, 4, 0, &error), HF_E_INVALID);
    assert_int_equal(hf_fallback_value_new(&fallback, "", &value, 4, 0, &error), HF_E_INVALID);
    assert_int_equal(hf_fallback_value_new(&fallback, "f", &value, 4, 0, &error), 0);
    assert_int_equal(hf_fallback_only(fallback, 0), HF_E_INVALID);
    assert_int_equal(hf_fallback_only(fallback, 16), HF_E_INVALID);
    hf_fallback_free(fallback);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_value_is_copied_behind_the_argument, setup),
        cmocka_unit_test_setup(without_an_argument_there_is_nowhere_to_put_it, setup),
        cmocka_unit_test_setup(the_innermost_is_asked_first, setup),
        cmocka_unit_test_setup(one_that_declines_leaves_it_to_the_next, setup),
        cmocka_unit_test_setup(it_stands_in_only_for_what_it_may, setup),
        cmocka_unit_test_setup(it_keeps_what_it_would_stand_in_for, setup),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
