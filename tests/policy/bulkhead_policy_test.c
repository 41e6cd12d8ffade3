/* SPDX-License-Identifier: MIT */
/* The bulkhead and its line through the engine in virtual time, and against a model. */
#include "base/rng.h"
#include "support/bulkhead_model.h"
#include "support/bulkhead_rig.h"
#include "support/cmocka_all.h"

#include <string.h>

#define MS HF_MILLISECOND

static void the_first_in_line_gets_the_slot(void **state) {
    (void)state;
    line_build(1, 2, 1000);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(line_begin(1, 1, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line.calls[1].step.at, HF_SECOND + 1);
    assert_int_equal(line_begin(2, 2, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line_begin(3, 3, HF_NEVER), HF_STEP_DONE);
    line_ends(3, HF_E_REJECTED, HF_REASON_FULL);
    line_report(0, 5);
    assert_int_equal(line.wakes[1], 1);
    assert_int_equal(line.wakes[2], 0);
    assert_int_equal(hf_bulkhead_in_flight(line.bulkhead), 1); /* handed over, never free in between */
    assert_int_equal(line_step(2, 6), HF_STEP_WAIT);
    assert_int_equal(line_begin(3, 6, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line_step(1, 7), HF_STEP_START);
    line_report(1, 8);
    assert_int_equal(line_step(2, 8), HF_STEP_START);
    line_report(2, 9);
    assert_int_equal(line_step(3, 9), HF_STEP_START);
    line_report(3, 9);
    assert_int_equal(hf_bulkhead_in_flight(line.bulkhead), 0);
    assert_int_equal(hf_bulkhead_rejected(line.bulkhead), 1);
}

static void a_driver_that_cannot_be_woken_does_not_wait(void **state) {
    (void)state;
    line_build(1, 2, HF_NEVER);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    stepper_begin(&line.calls[1], line.pipeline, NULL, 0);
    assert_int_equal(stepper_step(&line.calls[1]), HF_STEP_DONE);
    line_ends(1, HF_E_REJECTED, HF_REASON_FULL);
    line_report(0, 0);
}

static void who_waited_long_enough_is_turned_back(void **state) {
    (void)state;
    line_build(1, 3, 10);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(line_begin(1, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line_step(1, 10 * MS - 1), HF_STEP_WAIT);
    assert_int_equal(line_step(1, 10 * MS), HF_STEP_DONE);
    line_ends(1, HF_E_REJECTED, HF_REASON_QUEUE_TIMEOUT);
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 0);
    line_report(0, 10 * MS);
    assert_int_equal(line.wakes[1], 0);
    assert_int_equal(line_begin(2, 10 * MS, HF_NEVER), HF_STEP_START); /* the slot did not go to the one who left */
    line_report(2, 10 * MS);
}

/* The slot came before its owner looked: it is used, not thrown away. */
static void a_slot_that_came_in_time_is_taken_late(void **state) {
    (void)state;
    line_build(1, 3, 10);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(line_begin(1, 0, HF_NEVER), HF_STEP_WAIT);
    line_report(0, 5 * MS);
    assert_int_equal(line_step(1, HF_SECOND), HF_STEP_START);
    line_report(1, HF_SECOND);
}

/* A slot granted to a call that is over goes on to the next. */
static void what_is_granted_to_the_dead_is_handed_on(void **state) {
    (void)state;
    line_build(1, 4, HF_NEVER);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(line_begin(1, 0, 5 * MS), HF_STEP_WAIT); /* will be past its deadline */
    assert_int_equal(line.calls[1].step.at, 5 * MS);
    assert_int_equal(line_begin(2, 0, HF_NEVER), HF_STEP_WAIT); /* will be cancelled */
    assert_int_equal(line_begin(3, 0, HF_NEVER), HF_STEP_WAIT); /* will be given up */
    assert_int_equal(line_begin(4, 0, HF_NEVER), HF_STEP_WAIT);
    line_report(0, 4 * MS);
    assert_int_equal(line_step(1, 6 * MS), HF_STEP_DONE);
    line_ends(1, HF_E_TIMEOUT, HF_REASON_DEADLINE);
    assert_int_equal(line.wakes[2], 1);
    hf_call_cancel(&line.calls[2].call);
    assert_int_equal(line_step(2, 6 * MS), HF_STEP_DONE);
    line_ends(2, HF_E_CANCELLED, HF_REASON_CANCELLED);
    assert_int_equal(line.wakes[3], 1);
    assert_int_equal(stepper_end(&line.calls[3], NULL), HF_E_CANCELLED);
    assert_int_equal(line.wakes[4], 1);
    assert_int_equal(line_step(4, 6 * MS), HF_STEP_START);
    line_report(4, 7 * MS);
    assert_int_equal(hf_bulkhead_in_flight(line.bulkhead), 0);
}

static void more_slots_go_to_those_who_wait(void **state) {
    (void)state;
    line_build(0, 4, HF_NEVER);
    for (int i = 0; i < 4; i++) assert_int_equal(line_begin(i, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_resize(line.bulkhead, 3), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(line.wakes[i], i < 3);
    assert_int_equal(hf_bulkhead_resize(line.bulkhead, 1), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(line_step(i, 0), HF_STEP_START);
    line_report(0, 0);
    line_report(1, 0);
    assert_int_equal(line.wakes[3], 0);
    line_report(2, 0);
    assert_int_equal(line_step(3, 0), HF_STEP_START);
    line_report(3, 0);
    assert_int_equal(hf_bulkhead_resize(line.bulkhead, 1000001), HF_E_INVALID);
    assert_int_equal(hf_bulkhead_set_max_wait(line.bulkhead, 0), HF_E_INVALID);
    assert_int_equal(hf_bulkhead_set_max_wait(line.bulkhead, 3600001), HF_E_INVALID);
}

static void a_retry_waits_in_line_anew(void **state) {
    (void)state;
    line_build(1, 1, 10);
    hf_retry_config config;
    hf_retry_config_init(&config);
    config.retry_rejected = 1;
    config.backoff.kind = HF_BACKOFF_CONSTANT;
    config.backoff.jitter = HF_JITTER_NONE;
    hf_retry *retry;
    assert_int_equal(hf_retry_new(&retry, "retry", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry), hf_bulkhead_policy(line.bulkhead)};
    hf_pipeline *outer;
    assert_int_equal(hf_pipeline_new(&outer, "outer", order, 2, NULL), 0);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    hf_call_options options;
    hf_call_options_init(&options);
    options.wake = line_count_wake;
    options.wake_arg = &line.wakes[1];
    stepper_begin(&line.calls[1], outer, &options, 0);
    assert_int_equal(stepper_step(&line.calls[1]), HF_STEP_WAIT);
    assert_int_equal(line_step(1, 10 * MS), HF_STEP_WAIT); /* turned back: the back-off */
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 0);
    assert_int_equal(line_step(1, 110 * MS), HF_STEP_WAIT); /* in line again */
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 1);
    line_report(0, 111 * MS);
    assert_int_equal(line_step(1, 111 * MS), HF_STEP_START);
    line_report(1, 111 * MS);
    hf_pipeline_free(outer);
    hf_retry_free(retry);
}

static void both_attempts_of_a_hedge_stand_in_line(void **state) {
    (void)state;
    line_build(1, 2, HF_NEVER);
    hf_hedge *hedge;
    hf_pipeline *outer = line_hedged(&hedge);
    hf_call_options options;
    hf_call_options_init(&options);
    options.flags = HF_CALL_OVERLAP;
    options.wake = line_count_wake;
    options.wake_arg = &line.wakes[0];
    struct stepper *s = &line.calls[0];
    /* The first succeeds: its slot goes to the second, which has lost, and at once on to the next. */
    stepper_begin(s, outer, &options, 0);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(line_step(0, 10 * MS), HF_STEP_WAIT); /* hedged, in line */
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 1);
    assert_int_equal(line_begin(1, 10 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_call_report(&s->call, 1, hf_success(), 11 * MS), 0);
    assert_int_equal(line_step(0, 11 * MS), HF_STEP_DONE);
    assert_int_equal(stepper_end(s, NULL), 0);
    assert_int_equal(line.wakes[0] + line.wakes[1], 2); /* the first of them inside the call's own step */
    assert_int_equal(line_step(1, 11 * MS), HF_STEP_START);
    line_report(1, 11 * MS);
    /* The first fails: the second takes its slot, in the very same step. */
    stepper_begin(s, outer, &options, 20 * MS);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(line_step(0, 30 * MS), HF_STEP_WAIT);
    assert_int_equal(hf_call_report(&s->call, 1, hf_failure(1), 31 * MS), 0);
    assert_int_equal(line_step(0, 31 * MS), HF_STEP_START);
    assert_int_equal(hf_bulkhead_in_flight(line.bulkhead), 1);
    assert_int_equal(hf_call_report(&s->call, s->step.attempt, hf_success(), 32 * MS), 0);
    assert_int_equal(line_step(0, 32 * MS), HF_STEP_DONE);
    assert_int_equal(stepper_end(s, NULL), 0);
    /* Given up with one running and one in line. */
    stepper_begin(s, outer, &options, 40 * MS);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(line_step(0, 50 * MS), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 1);
    stepper_end(s, NULL);
    assert_int_equal(hf_bulkhead_in_flight(line.bulkhead), 0);
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 0);
    hf_pipeline_free(outer);
    hf_hedge_free(hedge);
}

static void configurations_are_checked(void **state) {
    (void)state;
    const struct {
        uint32_t slots, waiting;
        int64_t wait_ms;
        const char *named;
    } wrong[] = {{1000001, 0, 1, "max_concurrent is 1000001, expected 0 to 1000000"},
                 {1, 1000001, 1, "max_waiting is 1000001, expected 0 to 1000000"},
                 {1, 1, 0, "max_wait_ms is 0, expected 1 to 3600000 or HF_NEVER"},
                 {1, 1, 3600001, "max_wait_ms is 3600001"}};
    hf_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        hf_bulkhead_config config = line_config_of(wrong[i].slots, wrong[i].waiting, wrong[i].wait_ms);
        assert_int_equal(hf_bulkhead_new(&line.bulkhead, "wrong", &config, &error), HF_E_INVALID);
        assert_null(line.bulkhead);
        assert_non_null(strstr(hf_error_text(&error), wrong[i].named));
    }
    hf_bulkhead_config config = line_config_of(4, 1, 1);
    config.guaranteed[0] = 3;
    config.guaranteed[7] = 2;
    assert_int_equal(hf_bulkhead_new(&line.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "guaranteed adds up to 5, expected at most max_concurrent, 4"));
    config.guaranteed[7] = 1;
    config.max_waiting = 0;
    assert_int_equal(hf_bulkhead_new(&line.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "max_waiting is 0"));
    config = line_config_of(1, 1, 1);
    config.discipline = 2;
    assert_int_equal(hf_bulkhead_new(&line.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "discipline is 2, expected 0 to 1"));
    config.discipline = HF_QUEUE_ADAPTIVE;
    config.overload_after_ms = 0;
    assert_int_equal(hf_bulkhead_new(&line.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "overload_after_ms is 0"));
}

static void random_operations_agree_with_a_model(void **state) {
    (void)state;
    uint64_t rng = 7;
    uint8_t data[300];
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)hf__rng_next(&rng);
        bulkhead_model_play(data, sizeof data);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, line_setup, line_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_in_line_gets_the_slot),
        TEST(a_driver_that_cannot_be_woken_does_not_wait),
        TEST(who_waited_long_enough_is_turned_back),
        TEST(a_slot_that_came_in_time_is_taken_late),
        TEST(what_is_granted_to_the_dead_is_handed_on),
        TEST(more_slots_go_to_those_who_wait),
        TEST(a_retry_waits_in_line_anew),
        TEST(both_attempts_of_a_hedge_stand_in_line),
        TEST(configurations_are_checked),
        TEST(random_operations_agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
