/* SPDX-License-Identifier: MIT */
/* The budget by concurrency, and budgets above budgets. The one by rate is tested with the retry. */
#include "base/rng.h"
#include "policy/budget_policy.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <pthread.h>
#include <string.h>

#define MS HF_MILLISECOND

static hf_budget *budget, *parent;
static hf_retry *retry;
static hf_pipeline *pipeline;

static hf_budget_config by_concurrency(uint32_t ratio_ppm, uint32_t least) {
    hf_budget_config c;
    hf_budget_config_init(&c);
    c.kind = HF_BUDGET_BY_CONCURRENCY;
    c.ratio_ppm = ratio_ppm;
    c.min_concurrent = least;
    return c;
}

static void build(const hf_budget_config *config, uint32_t attempts) {
    hf_retry_config c;
    hf_retry_config_init(&c);
    c.max_attempts = attempts;
    assert_int_equal(hf_budget_new(&budget, "host", config, NULL), 0);
    assert_int_equal(hf_retry_new(&retry, "retry", &c, budget, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    hf_retry_free(retry);
    hf_budget_free(budget);
    hf_budget_free(parent);
    pipeline = NULL, retry = NULL, budget = NULL, parent = NULL;
    return 0;
}

static hf_budget_info info_of(const hf_budget *of) {
    hf_budget_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_budget_snapshot(of, &info, 0), 0);
    return info;
}

/* Found by fuzz/call: the retry under way gives its place back before the next one takes it, and resends take none. */
static void would_end_knows_whose_place_comes_free(void **state) {
    (void)state;
    hf_budget_config c = by_concurrency(0, 1);
    build(&c, 3);
    struct stepper s;
    stepper_begin(&s, pipeline, NULL, 0);
    assert_int_equal(stepper_step(&s), HF_STEP_START);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        hf_outcome outcome = hf_failure(1);
        outcome.resends = 5;
        assert_int_equal(hf_call_would_end(&s.call, attempt, outcome, s.now), attempt == 3);
        assert_int_equal(hf_call_report(&s.call, attempt, outcome, s.now), 0);
        assert_int_equal(stepper_next(&s), attempt == 3 ? HF_STEP_DONE : HF_STEP_START);
    }
    assert_int_equal(stepper_end(&s, NULL), HF_E_FAILED);
    assert_int_equal(info_of(budget).retries, 0);
}

static void retries_are_a_share_of_the_calls_under_way(void **state) {
    (void)state;
    hf_budget_config c = by_concurrency(200000, 1);
    build(&c, 3);
    static struct stepper s[20];
    for (int i = 0; i < 20; i++) {
        stepper_begin(&s[i], pipeline, NULL, 0);
        assert_int_equal(stepper_step(&s[i]), HF_STEP_START);
    }
    assert_int_equal(info_of(budget).calls, 20);
    assert_int_equal(hf_budget_available(budget, 0), 4);
    for (int i = 0; i < 20; i++) { /* all fail at once: four may go again, waiting for their back-off counts */
        assert_int_equal(hf_call_report(&s[i].call, 1, hf_failure(1), 0), 0);
        hf_result result;
        if (stepper_step(&s[i]) == HF_STEP_WAIT) continue;
        assert_int_equal(stepper_end(&s[i], &result), HF_E_FAILED);
        assert_int_equal(hf_result_reason(&result), HF_REASON_BUDGET);
        assert_true(hf_result_flags(&result) & HF_RESULT_BUDGET_DENIED);
    }
    hf_budget_info info = info_of(budget);
    assert_int_equal(info.retries, 4); /* granted while twenty were under way; they are not called back */
    assert_int_equal(info.calls, 4);
    assert_int_equal(info.available, 0);
    assert_int_equal(info.denied, 16);
    assert_int_equal(info.granted, 4);
    for (int i = 0; i < 4; i++) (void)stepper_end(&s[i], NULL);
    assert_int_equal(info_of(budget).retries, 0);
    assert_int_equal(info_of(budget).calls, 0);
    assert_int_equal(hf_budget_available(budget, 0), 1); /* min_concurrent */
}

/* Calls begin, fail, succeed, are cancelled and given up at random: never more retries than there may be when one is granted,
 * and in the end none is left over. */
static void nothing_is_lost_whatever_becomes_of_calls(void **state) {
    (void)state;
    enum { CALLS = 30 };
    for (uint64_t seed = 0; seed < 60; seed++) {
        hf_budget_config above = by_concurrency(300000, 2), c = by_concurrency(500000, 1);
        assert_int_equal(hf_budget_new(&parent, "all", &above, NULL), 0);
        c.parent = parent;
        build(&c, 5);
        static struct stepper s[CALLS];
        bool open[CALLS] = {false}, waiting[CALLS] = {false};
        uint64_t rng = seed;
        hf_time now = 0;
        for (int step = 0; step < 1500; step++) {
            int i = (int)hf__rng_between(hf__rng_next(&rng), 0, CALLS - 1);
            now += hf__rng_between(hf__rng_next(&rng), 0, 5) * MS;
            if (!open[i]) {
                stepper_begin(&s[i], pipeline, NULL, now);
                open[i] = true;
                waiting[i] = stepper_step(&s[i]) == HF_STEP_WAIT;
                continue;
            }
            uint64_t granted = info_of(budget).granted;
            uint64_t dice = hf__rng_next(&rng) % 10;
            s[i].now = now;
            uint32_t attempt = s[i].step.attempt;
            if (dice == 0) {
                (void)stepper_end(&s[i], NULL);
                open[i] = false;
                continue;
            }
            if (dice == 1) hf_call_cancel(&s[i].call);
            if (!waiting[i]) {
                hf_outcome outcome = dice < 8 ? hf_failure(1) : hf_success();
                assert_int_equal(hf_call_report(&s[i].call, attempt, outcome, now), 0);
            }
            int kind = stepper_step(&s[i]);
            waiting[i] = kind == HF_STEP_WAIT;
            if (kind == HF_STEP_DONE) (void)stepper_end(&s[i], NULL), open[i] = false;
            hf_budget_info here = info_of(budget), over = info_of(parent);
            if (here.granted > granted) {
                assert_true(here.retries <= 1 || here.retries * 2 <= here.calls);
                assert_true(over.retries <= 2 || over.retries * 10 <= over.calls * 3);
            }
            assert_int_equal(here.retries, over.retries);
            assert_int_equal(here.calls, over.calls);
        }
        for (int i = 0; i < CALLS; i++) {
            if (open[i]) (void)stepper_end(&s[i], NULL);
        }
        assert_int_equal(info_of(budget).calls + info_of(budget).retries, 0);
        assert_int_equal(info_of(parent).calls + info_of(parent).retries, 0);
        assert_true(hf_budget_denied(budget) > 0);
        (void)teardown(NULL);
    }
}

static void a_parent_bounds_all_hosts_together(void **state) {
    (void)state;
    hf_budget_config all;
    hf_budget_config_init(&all);
    all.ratio_ppm = 100000;
    all.min_per_second = 0;
    all.burst = 5;
    assert_int_equal(hf_budget_new(&parent, "all", &all, NULL), 0);
    hf_budget *host[3];
    hf_budget_config each;
    hf_budget_config_init(&each);
    each.min_per_second = 0;
    each.burst = 4;
    each.parent = parent;
    int granted = 0;
    for (int i = 0; i < 3; i++) assert_int_equal(hf_budget_new(&host[i], "host", &each, NULL), 0);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 4; j++) granted += hf__budget_take(host[i], 0);
    }
    assert_int_equal(granted, 5);
    hf_budget_info second = info_of(host[1]);
    assert_int_equal(second.denied, 0);
    assert_int_equal(second.denied_by_parent, 3);
    assert_int_equal(second.available, 0); /* exhausted above */
    assert_int_equal(hf_budget_denied(host[1]), 3);
    for (int i = 0; i < 10; i++) hf__budget_begin(host[2]); /* a token above, two here */
    assert_int_equal(hf_budget_available(host[2], 0), 1);
    assert_true(hf__budget_take(host[2], 0)); /* what was refused above was given back here */
    hf__budget_settle(host[2], false);
    assert_int_equal(hf_budget_available(host[2], 0), 1);
    for (int i = 0; i < 3; i++) hf_budget_free(host[i]);
}

static void *churn(void *arg) {
    uintptr_t most = 0;
    uint64_t rng = (uintptr_t)arg;
    for (int i = 0; i < 20000; i++) {
        hf__budget_begin(budget);
        if (hf__budget_take(budget, 0)) {
            uint32_t retries = info_of(budget).retries;
            if (retries > most) most = retries;
            hf__budget_settle(budget, hf__rng_next(&rng) % 2 == 0);
        }
        hf__budget_end(budget);
    }
    return (void *)most;
}

static void threads_do_not_overshoot(void **state) {
    (void)state;
    hf_budget_config c = by_concurrency(0, 2);
    build(&c, 2);
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    for (int i = 0; i < 4; i++) {
        void *most;
        pthread_join(threads[i], &most);
        assert_true((uintptr_t)most <= 2);
    }
    assert_int_equal(info_of(budget).calls + info_of(budget).retries, 0);
}

/* What a plain success on hf_run's short way must tell the budget. */
static hf_outcome succeed(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    *(uint32_t *)arg = info_of(budget).calls;
    return hf_success();
}

static void the_short_way_counts_too(void **state) {
    (void)state;
    hf_budget_config c = by_concurrency(200000, 1);
    build(&c, 3);
    for (int i = 0; i < 3; i++) {
        uint32_t seen = 0;
        assert_int_equal(hf_run(pipeline, succeed, &seen, NULL, NULL), 0);
        assert_int_equal(seen, 1);
        assert_int_equal(info_of(budget).calls, 0);
    }
}

static void bad_configurations_are_sentences(void **state) {
    (void)state;
    hf_error error;
    hf_budget_config c = by_concurrency(0, 10001);
    assert_int_equal(hf_budget_new(&budget, "x", &c, &error), HF_E_INVALID);
    assert_string_equal(hf_error_text(&error), "budget \"x\": min_concurrent is 10001, expected 0 to 10000");
    c = by_concurrency(0, 1);
    c.kind = 2;
    assert_int_equal(hf_budget_new(&budget, "x", &c, &error), HF_E_INVALID);
    assert_null(budget);
    c.kind = HF_BUDGET_BY_RATE;
    build(&c, 1);
    hf_budget_info info = {.struct_size = 1000};
    assert_int_equal(hf_budget_snapshot(budget, &info, 0), HF_E_INVALID);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(would_end_knows_whose_place_comes_free),
        TEST(retries_are_a_share_of_the_calls_under_way),
        TEST(nothing_is_lost_whatever_becomes_of_calls),
        TEST(a_parent_bounds_all_hosts_together),
        TEST(threads_do_not_overshoot),
        TEST(the_short_way_counts_too),
        TEST(bad_configurations_are_sentences),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
