/* SPDX-License-Identifier: MIT */
/* Switches through the engine and hf_run: every mode on every kind of policy, in the middle of calls, and from threads. */
#include "base/rng.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MS HF_MILLISECOND

static hf_switches *switches;
static hf_bulkhead *bulkhead;
static hf_retry *retry;
static hf_timeout *timeout;
static hf_breaker *breaker;
static hf_fallback *fallback;
static hf_pipeline *pipeline;
static struct stepper s;
static hf_result result;

static hf_outcome stand_in(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return hf_success();
}

static int setup(void **state) {
    (void)state;
    hf_bulkhead_config b;
    hf_bulkhead_config_init(&b);
    b.max_concurrent = 1;
    hf_timeout_config t;
    hf_timeout_config_init(&t);
    t.timeout_ms = 100;
    assert_int_equal(hf_fallback_new(&fallback, "fallback", stand_in, NULL), 0);
    assert_int_equal(hf_retry_new(&retry, "retry", NULL, NULL, NULL), 0);
    assert_int_equal(hf_bulkhead_new(&bulkhead, "bulkhead", &b, NULL), 0);
    assert_int_equal(hf_breaker_new(&breaker, "breaker", NULL, NULL), 0);
    assert_int_equal(hf_timeout_new(&timeout, "timeout", &t, NULL), 0);
    hf_policy *order[] = {hf_fallback_policy(fallback), hf_retry_policy(retry), hf_bulkhead_policy(bulkhead),
                          hf_breaker_policy(breaker), hf_timeout_policy(timeout)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 5, NULL), 0);
    hf_error error;
    assert_int_equal(hf_switches_new(&switches, &error), 0);
    for (int i = 0; i < 5; i++) {
        const char *group = i == 2 || i == 3 ? "limits" : i == 0 ? "answers" : NULL;
        assert_int_equal(hf_switches_add(switches, order[i], group, &error), 0);
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    hf_fallback_free(fallback);
    hf_retry_free(retry);
    hf_bulkhead_free(bulkhead);
    hf_breaker_free(breaker);
    hf_timeout_free(timeout);
    hf_switches_free(switches);
    return 0;
}

static void set(const char *name, hf_switch mode) { assert_int_equal(hf_switches_set(switches, name, mode), 1); }

static int start(struct stepper *call, hf_time now) {
    stepper_begin(call, pipeline, NULL, now);
    return stepper_step(call);
}

/* Plays a call whose attempts come to `outcome` after `takes`; returns the status. */
static int play(hf_outcome outcome, int64_t takes) {
    return stepper_play(&s, pipeline, NULL, s.now, &outcome, takes == 0 ? NULL : &takes, 1, NULL, &result);
}

static void a_disabled_policy_is_not_there(void **state) {
    (void)state;
    struct stepper first;
    s.now = HF_SECOND;
    set("fallback", HF_SWITCH_DISABLED);
    assert_int_equal(start(&first, HF_SECOND), HF_STEP_START);
    assert_int_equal(play(hf_success(), 0), HF_E_REJECTED); /* the one slot is taken */
    assert_int_equal(hf_result_reason(&result), HF_REASON_FULL);
    set("bulkhead", HF_SWITCH_DISABLED);
    assert_int_equal(play(hf_success(), 0), 0);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 1);
    /* What it had admitted it is told the end of. */
    stepper_finish(&first, hf_success(), 0, true);
    assert_int_equal(stepper_step(&first), HF_STEP_DONE);
    (void)stepper_end(&first, NULL);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
    /* No retry, no fallback, no timeout, no breaker. */
    assert_int_equal(play(hf_failure(1), 0), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 3);
    set("retry", HF_SWITCH_DISABLED);
    assert_int_equal(play(hf_failure(1), 0), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_int_equal(play(hf_failure(1), HF_SECOND), HF_E_TIMEOUT);
    set("timeout", HF_SWITCH_DISABLED);
    assert_int_equal(play(hf_failure(1), HF_SECOND), HF_E_FAILED);
    assert_int_equal(hf_breaker_set(breaker, HF_BREAKER_OPEN, s.now), 0);
    assert_int_equal(play(hf_success(), 0), HF_E_REJECTED);
    set("breaker", HF_SWITCH_DISABLED);
    assert_int_equal(play(hf_success(), 0), 0);
    set("fallback", HF_SWITCH_NORMAL);
    assert_int_equal(play(hf_failure(1), 0), 0);
    assert_true(hf_result_flags(&result) & HF_RESULT_FALLBACK);
}

static void forced_open_turns_back(void **state) {
    (void)state;
    const char *names[] = {"retry", "bulkhead", "breaker", "timeout"};
    set("fallback", HF_SWITCH_DISABLED);
    for (int i = 0; i < 4; i++) {
        set(names[i], HF_SWITCH_FORCED_OPEN);
        assert_int_equal(play(hf_success(), 0), HF_E_REJECTED);
        assert_int_equal(hf_result_reason(&result), HF_REASON_FORCED_OPEN);
        assert_string_equal(hf_result_policy(&result), names[i]);
        assert_int_equal(hf_result_attempts(&result), 0);
        assert_int_equal(hf_run(pipeline, NULL, NULL, NULL, NULL), HF_E_INVALID);
        set(names[i], HF_SWITCH_NORMAL);
        assert_int_equal(play(hf_success(), 0), 0);
    }
    assert_int_equal(hf_switches_set(switches, "fallback", HF_SWITCH_FORCED_OPEN), HF_E_UNSUPPORTED);
    set("fallback", HF_SWITCH_NORMAL);
    set("breaker", HF_SWITCH_FORCED_OPEN);
    assert_int_equal(play(hf_success(), 0), 0); /* it answers for what is forced open */
}

static void metrics_only_decides_and_lets_pass(void **state) {
    (void)state;
    struct stepper first;
    s.now = HF_SECOND;
    set("fallback", HF_SWITCH_METRICS_ONLY);
    set("bulkhead", HF_SWITCH_METRICS_ONLY);
    assert_int_equal(start(&first, HF_SECOND), HF_STEP_START);
    assert_int_equal(play(hf_success(), 0), 0);
    assert_int_equal(hf_bulkhead_rejected(bulkhead), 1);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 1);
    (void)stepper_end(&first, NULL);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
    set("breaker", HF_SWITCH_METRICS_ONLY);
    set("retry", HF_SWITCH_METRICS_ONLY);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(play(hf_failure(1), 0), HF_E_FAILED);
        assert_int_equal(hf_result_attempts(&result), 1);
    }
    hf_breaker_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_breaker_snapshot(breaker, &info, s.now), 0);
    assert_int_equal(info.state, HF_BREAKER_OPEN); /* it would have spared the dependency 180 of them */
    assert_in_range(info.rejected, 150, 195);
    set("timeout", HF_SWITCH_METRICS_ONLY);
    assert_int_equal(play(hf_failure(1), HF_SECOND), HF_E_FAILED);
}

static void count_wakes(void *arg) { ++*(int *)arg; }

/* A bulkhead in whose line a call waits, switched under it. */
static void a_parked_call_leaves_when_its_policy_is_switched(void **state) {
    (void)state;
    hf_bulkhead *lined;
    hf_bulkhead_config b;
    hf_bulkhead_config_init(&b);
    b.max_concurrent = 1;
    b.max_waiting = 5;
    assert_int_equal(hf_bulkhead_new(&lined, "lined", &b, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(lined)};
    hf_pipeline *p;
    assert_int_equal(hf_pipeline_new(&p, "lined", order, 1, NULL), 0);
    assert_int_equal(hf_switches_add(switches, hf_pipeline_policy(p, 0), NULL, NULL), 0);
    for (uint32_t mode = HF_SWITCH_DISABLED; mode < HF_SWITCH_METRICS_ONLY; mode++) {
        struct stepper holder, waiter;
        int wakes = 0;
        hf_call_options options;
        hf_call_options_init(&options);
        options.wake = count_wakes;
        options.wake_arg = &wakes;
        stepper_begin(&holder, p, &options, 0);
        assert_int_equal(stepper_step(&holder), HF_STEP_START);
        stepper_begin(&waiter, p, &options, 0);
        assert_int_equal(stepper_step(&waiter), HF_STEP_WAIT);
        set("lined", (hf_switch)mode);
        assert_int_equal(stepper_step(&waiter), mode == HF_SWITCH_FORCED_OPEN ? HF_STEP_DONE : HF_STEP_START);
        (void)stepper_end(&holder, NULL);
        assert_int_equal(wakes, 0); /* nobody stands in the line any more */
        (void)stepper_end(&waiter, NULL);
        set("lined", HF_SWITCH_NORMAL);
        assert_int_equal(hf_bulkhead_in_flight(lined), 0);
    }
    hf_pipeline_free(p);
    hf_bulkhead_free(lined);
}

/* The second attempt took the first one's word that the bulkhead was not there, and never gave its slot back. */
static void a_hedge_gives_back_what_was_switched_on_after_the_first_attempt(void **state) {
    (void)state;
    hf_hedge_config config;
    hf_hedge_config_init(&config);
    config.delay_ms = 10;
    hf_hedge *hedge;
    assert_int_equal(hf_hedge_new(&hedge, "hedge", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_hedge_policy(hedge), hf_bulkhead_policy(bulkhead)};
    hf_pipeline *hedged;
    assert_int_equal(hf_pipeline_new(&hedged, "hedged", order, 2, NULL), 0);
    hf_call_options options;
    hf_call_options_init(&options);
    options.flags = HF_CALL_OVERLAP;
    set("bulkhead", HF_SWITCH_DISABLED);
    stepper_begin(&s, hedged, &options, HF_SECOND);
    assert_int_equal(stepper_step(&s), HF_STEP_START);
    set("bulkhead", HF_SWITCH_NORMAL);
    assert_int_equal(stepper_next(&s), HF_STEP_START);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 1);
    assert_int_equal(hf_call_report(&s.call, s.step.attempt, hf_success(), s.now), 0);
    assert_int_equal(stepper_step(&s), HF_STEP_CANCEL);
    assert_int_equal(hf_call_report(&s.call, s.step.attempt, hf_neutral(0), s.now), 0);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_OK);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
    hf_pipeline_free(hedged);
    hf_hedge_free(hedge);
}

static void a_group_is_switched_at_once_and_a_name_beats_it(void **state) {
    (void)state;
    set("fallback", HF_SWITCH_DISABLED);
    assert_int_equal(hf_switches_set_group(switches, "limits", HF_SWITCH_FORCED_OPEN), 2);
    assert_int_equal(play(hf_success(), 0), HF_E_REJECTED);
    assert_string_equal(hf_result_policy(&result), "bulkhead");
    set("bulkhead", HF_SWITCH_DISABLED);
    assert_int_equal(play(hf_success(), 0), HF_E_REJECTED);
    assert_string_equal(hf_result_policy(&result), "breaker");
    set("breaker", HF_SWITCH_METRICS_ONLY);
    assert_int_equal(play(hf_success(), 0), 0);
    set("breaker", HF_SWITCH_NORMAL); /* back to the group's */
    assert_int_equal(play(hf_success(), 0), HF_E_REJECTED);
    assert_int_equal(hf_switches_set_group(switches, "limits", HF_SWITCH_NORMAL), 2);
    assert_int_equal(play(hf_success(), 0), 0);
}

struct seen {
    int count;
    hf_switch_info last;
};

static void visit(void *arg, const hf_switch_info *info) {
    struct seen *seen = arg;
    seen->count++;
    seen->last = *info;
    assert_string_not_equal(hf_switch_name((int32_t)info->effective), "unknown");
}

static void the_registry_says_what_is_wrong(void **state) {
    (void)state;
    hf_error error;
    assert_int_equal(hf_switches_new(NULL, &error), HF_E_INVALID);
    assert_int_equal(hf_switches_add(switches, NULL, NULL, &error), HF_E_INVALID);
    assert_int_equal(hf_switches_add(switches, hf_retry_policy(retry), NULL, &error), HF_E_STATE);
    assert_string_equal(hf_error_text(&error), "switches: retry \"retry\" is registered already");
    hf_switches *other;
    assert_int_equal(hf_switches_new(&other, NULL), 0);
    assert_int_equal(hf_switches_add(other, hf_breaker_policy(breaker), "more", &error), HF_E_STATE);
    assert_string_equal(hf_error_text(&error), "switches: breaker \"breaker\" is in the group \"limits\" already");
    assert_int_equal(hf_switches_add(other, hf_breaker_policy(breaker), NULL, &error), 0);
    assert_int_equal(hf_switches_add(other, hf_retry_policy(retry), "", &error), HF_E_INVALID);
    assert_int_equal(hf_switches_set(switches, "nobody", HF_SWITCH_DISABLED), HF_E_INVALID);
    assert_int_equal(hf_switches_set(switches, "retry", (hf_switch)4), HF_E_INVALID);
    assert_int_equal(hf_switches_set_group(switches, "nobody", HF_SWITCH_DISABLED), HF_E_INVALID);
    struct seen seen = {0};
    hf_switches_each(switches, visit, &seen);
    assert_int_equal(seen.count, 5);
    assert_string_equal(seen.last.name, "timeout");
    assert_null(seen.last.group);
    set("breaker", HF_SWITCH_DISABLED);
    hf_switches_each(other, visit, &seen);
    assert_int_equal(seen.last.effective, HF_SWITCH_DISABLED);
    assert_string_equal(seen.last.group, "limits");
    hf_switches_free(other);
    assert_null(hf_pipeline_policy(pipeline, 5));
    assert_string_equal(hf_switch_name(9), "unknown");
    /* The policies outlive the registry, and the group with them. */
    hf_switches_free(switches);
    assert_int_equal(play(hf_success(), 0), 0);
    assert_int_equal(hf_switches_new(&switches, NULL), 0);
}

/* ---- threads ---- */

static atomic_bool over;

static hf_outcome now_and_then(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    return hf__rng_next(arg) % 4 == 0 ? hf_failure_final(1) : hf_success();
}

static void *run_calls(void *arg) {
    uint64_t rng = (uintptr_t)arg;
    for (int i = 0; i < 8000; i++) (void)hf_run(pipeline, now_and_then, &rng, NULL, NULL);
    return NULL;
}

static void *flip(void *arg) {
    uint64_t rng = 7;
    const char *names[] = {"retry", "bulkhead", "breaker", "timeout"};
    (void)arg;
    while (!atomic_load(&over)) {
        hf_switch mode = (hf_switch)(hf__rng_next(&rng) % 4);
        (void)hf_switches_set(switches, names[hf__rng_next(&rng) % 4], mode);
        (void)hf_switches_set_group(switches, "limits", (hf_switch)(hf__rng_next(&rng) % 4));
    }
    return NULL;
}

static void switching_under_load_loses_nothing(void **state) {
    (void)state;
    pthread_t callers[3], operator;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&operator, NULL, flip, NULL), 0);
    for (uintptr_t i = 0; i < 3; i++) assert_int_equal(pthread_create(&callers[i], NULL, run_calls, (void *)i), 0);
    for (int i = 0; i < 3; i++) pthread_join(callers[i], NULL);
    atomic_store(&over, true);
    pthread_join(operator, NULL);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_disabled_policy_is_not_there),
        TEST(forced_open_turns_back),
        TEST(metrics_only_decides_and_lets_pass),
        TEST(a_parked_call_leaves_when_its_policy_is_switched),
        TEST(a_hedge_gives_back_what_was_switched_on_after_the_first_attempt),
        TEST(a_group_is_switched_at_once_and_a_name_beats_it),
        TEST(the_registry_says_what_is_wrong),
        TEST(switching_under_load_loses_nothing),
    };
    return cmocka_run_group_tests_name("switches", tests, NULL, NULL);
}
