/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* What is measured. Every loop is a plain function around one call into the library. */

static hf_breaker *breaker, *consecutive, *failing, *opened, *breaker_three, *breaker_six;
static hf_bulkhead *bulkhead, *bulkhead_three, *bulkhead_six;
static hf_retry *retry, *retry_three, *retry_six;
static hf_retry *retried, *retried_freely;
static hf_rate_limit *rate, *rate_tiers, *rate_keyed;
static hf_timeout *total_six, *attempt_six;
static hf_fallback *fallback_six;
static hf_pipeline *with_time, *with_slow;
static hf_pipeline *empty, *with_breaker, *with_consecutive, *with_failing, *with_opened, *with_bulkhead, *with_retry,
    *with_retried, *with_retried_freely, *three, *six;

static void must(int rc, const hf_error *error) {
    if (rc >= 0) return;
    fprintf(stderr, "bench: %s\n", hf_error_text(error));
    exit(2);
}

static hf_outcome stand_in(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return hf_success();
}

static hf_breaker *make_breaker(const char *name, uint32_t in_a_row) {
    hf_error error;
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    if (in_a_row > 0) {
        config.consecutive_failures = in_a_row;
        config.failure_rate_ppm = HF_BREAKER_OFF;
    }
    hf_breaker *made;
    must(hf_breaker_new(&made, name, &config, &error), &error);
    return made;
}

static hf_pipeline *make_pipeline(const char *name, hf_policy *const *policies, size_t count) {
    hf_error error;
    hf_pipeline *made;
    must(hf_pipeline_new(&made, name, policies, count, &error), &error);
    return made;
}

static hf_pipeline *alone(const char *name, hf_policy *policy) { return make_pipeline(name, &policy, 1); }

/* Repeats at once, within a budget that never runs out, or without one. */
static hf_retry *make_retried(uint32_t ratio_ppm) {
    hf_error error;
    hf_budget_config b;
    hf_budget_config_init(&b);
    b.ratio_ppm = ratio_ppm;
    hf_retry_config c;
    hf_retry_config_init(&c);
    c.backoff.kind = HF_BACKOFF_NONE;
    c.backoff.jitter = HF_JITTER_NONE;
    hf_budget *budget;
    hf_retry *made;
    must(hf_budget_new(&budget, "budget", &b, &error), &error);
    must(hf_retry_new(&made, "retried", &c, budget, &error), &error);
    hf_budget_free(budget);
    return made;
}

static hf_rate_limit *make_rate(uint32_t tiers, uint32_t keys) {
    hf_error error;
    hf_rate_limit_config c;
    hf_rate_limit_config_init(&c);
    c.tiers = tiers;
    c.max_keys = keys;
    for (uint32_t i = 0; i < tiers; i++)
        c.tier[i] = (hf_rate_tier){.permits = 10000000, .burst = 1000, .period_ms = 1000};
    hf_rate_limit *made;
    must(hf_rate_limit_new(&made, "rate", &c, &error), &error);
    return made;
}

static void make_six(void) {
    hf_error error;
    hf_timeout_config total;
    hf_timeout_config_init(&total);
    total.timeout_ms = 30000;
    must(hf_fallback_new(&fallback_six, "fallback", stand_in, &error), &error);
    must(hf_timeout_new(&total_six, "total", &total, &error), &error);
    must(hf_retry_new(&retry_six, "retry", NULL, NULL, &error), &error);
    must(hf_bulkhead_new(&bulkhead_six, "bulkhead", NULL, &error), &error);
    breaker_six = make_breaker("breaker", 0);
    must(hf_timeout_new(&attempt_six, "attempt", NULL, &error), &error);
    hf_policy *order[] = {hf_fallback_policy(fallback_six), hf_timeout_policy(total_six),
                          hf_retry_policy(retry_six),       hf_bulkhead_policy(bulkhead_six),
                          hf_breaker_policy(breaker_six),   hf_timeout_policy(attempt_six)};
    six = make_pipeline("six", order, 6);
}

static void warm(void);

void bench_setup(void) {
    hf_error error;
    breaker = make_breaker("count", 0);
    consecutive = make_breaker("consecutive", 5);
    failing = make_breaker("failing", 0);
    opened = make_breaker("opened", 0);
    must(hf_breaker_set(opened, HF_BREAKER_FORCED_OPEN, 0), NULL);
    must(hf_bulkhead_new(&bulkhead, "bulkhead", NULL, &error), &error);
    must(hf_retry_new(&retry, "retry", NULL, NULL, &error), &error);
    empty = make_pipeline("empty", NULL, 0);
    with_breaker = alone("breaker", hf_breaker_policy(breaker));
    with_consecutive = alone("consecutive", hf_breaker_policy(consecutive));
    with_failing = alone("failing", hf_breaker_policy(failing));
    with_opened = alone("opened", hf_breaker_policy(opened));
    with_bulkhead = alone("bulkhead", hf_bulkhead_policy(bulkhead));
    with_retry = alone("retry", hf_retry_policy(retry));
    retried = make_retried(HF_PPM);
    retried_freely = make_retried(HF_BUDGET_UNLIMITED);
    with_retried = alone("retried", hf_retry_policy(retried));
    with_retried_freely = alone("retried", hf_retry_policy(retried_freely));
    rate = make_rate(1, 0);
    rate_tiers = make_rate(2, 0);
    rate_keyed = make_rate(1, 1000000);
    must(hf_retry_new(&retry_three, "retry", NULL, NULL, &error), &error);
    breaker_three = make_breaker("breaker", 0);
    must(hf_bulkhead_new(&bulkhead_three, "bulkhead", NULL, &error), &error);
    hf_policy *order[] = {hf_retry_policy(retry_three), hf_breaker_policy(breaker_three),
                          hf_bulkhead_policy(bulkhead_three)};
    three = make_pipeline("three", order, 3);
    bench_alone_setup();
    with_time = bench_alone_pipeline("time", false);
    with_slow = bench_alone_pipeline("slow", true);
    make_six();
    warm();
}

void bench_teardown(void) {
    hf_pipeline_free(with_time);
    hf_pipeline_free(with_slow);
    bench_alone_teardown();
    hf_pipeline *pipelines[] = {empty,      with_breaker, with_consecutive,    with_failing, with_opened, with_bulkhead,
                                with_retry, with_retried, with_retried_freely, three,        six};
    for (size_t i = 0; i < sizeof pipelines / sizeof pipelines[0]; i++) hf_pipeline_free(pipelines[i]);
    hf_breaker *breakers[] = {breaker, consecutive, failing, opened, breaker_three, breaker_six};
    for (size_t i = 0; i < sizeof breakers / sizeof breakers[0]; i++) hf_breaker_free(breakers[i]);
    hf_bulkhead *bulkheads[] = {bulkhead, bulkhead_three, bulkhead_six};
    for (size_t i = 0; i < sizeof bulkheads / sizeof bulkheads[0]; i++) hf_bulkhead_free(bulkheads[i]);
    hf_retry *retries[] = {retry, retry_three, retry_six, retried, retried_freely};
    for (size_t i = 0; i < sizeof retries / sizeof retries[0]; i++) hf_retry_free(retries[i]);
    hf_rate_limit_free(rate);
    hf_rate_limit_free(rate_tiers);
    hf_rate_limit_free(rate_keyed);
    hf_timeout_free(total_six);
    hf_timeout_free(attempt_six);
    hf_fallback_free(fallback_six);
}

/* ---- the limits that the hardware sets ---- */

static struct {
    char before[64];
    _Atomic uint64_t word;
    char after[64];
} shared, own;

static void loop_xadd(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) atomic_fetch_add(&own.word, 1);
}

static void loop_xadd_shared(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) atomic_fetch_add(&shared.word, 1);
}

static void loop_clock(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) (void)bench_now();
}

/* The least that a function of a shared library costs. */
static void loop_null(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) (void)hf_cancel_raised(NULL);
}

/* ---- hf_run ---- */

static hf_outcome succeed(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return hf_success();
}

static _Thread_local uint32_t calls;
static hf_outcome fail_one_in_100(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return ++calls % 100 == 0 ? hf_failure(1) : hf_success();
}

void bench_run_on(hf_pipeline *pipeline, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) (void)hf_run(pipeline, succeed, NULL, NULL, NULL);
}

static void loop_empty(uint64_t n) { bench_run_on(empty, n); }
static void loop_breaker(uint64_t n) { bench_run_on(with_breaker, n); }
static void loop_consecutive(uint64_t n) { bench_run_on(with_consecutive, n); }
static void loop_opened(uint64_t n) { bench_run_on(with_opened, n); }
static void loop_time(uint64_t n) { bench_run_on(with_time, n); }
static void loop_slow(uint64_t n) { bench_run_on(with_slow, n); }
static void loop_bulkhead(uint64_t n) { bench_run_on(with_bulkhead, n); }
static void loop_retry(uint64_t n) { bench_run_on(with_retry, n); }
static void loop_three(uint64_t n) { bench_run_on(three, n); }
static void loop_six(uint64_t n) { bench_run_on(six, n); }

static void loop_failing(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) (void)hf_run(with_failing, fail_one_in_100, NULL, NULL, NULL);
}

static hf_outcome fail_every_other(void *arg, const hf_attempt *attempt) {
    (void)arg;
    return attempt->number == 1 ? hf_failure(1) : hf_success();
}

static void run_retried(hf_pipeline *pipeline, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) (void)hf_run(pipeline, fail_every_other, NULL, NULL, NULL);
}

static void loop_retried(uint64_t n) { run_retried(with_retried, n); }
static void loop_retried_freely(uint64_t n) { run_retried(with_retried_freely, n); }

/* ---- rate limits ---- */

/* Time goes on by more than a permit takes to come back, so that each is granted. */
static _Thread_local hf_time rate_now = HF_SECOND;

static void take_from(hf_rate_limit *limit, uint64_t n) {
    hf_rate_ticket ticket;
    for (uint64_t i = 0; i < n; i++) (void)hf_rate_limit_take(limit, &ticket, NULL, 1, 0, rate_now += 1000);
}

static void loop_rate(uint64_t n) { take_from(rate, n); }
static void loop_rate_tiers(uint64_t n) { take_from(rate_tiers, n); }

static void loop_rate_keyed(uint64_t n) {
    static uint32_t next;
    hf_rate_ticket ticket;
    char key[] = "user-00000000";
    for (uint64_t i = 0; i < n; i++) {
        uint32_t user = (next += 2654435761u) % 1000000;
        for (int digit = 12; digit > 4; digit--, user /= 10) key[digit] = (char)('0' + user % 10);
        (void)hf_rate_limit_take(rate_keyed, &ticket, key, 1, 0, rate_now += 1000);
    }
}

static void loop_three_result(uint64_t n) {
    hf_result result;
    for (uint64_t i = 0; i < n; i++) (void)hf_run(three, succeed, NULL, NULL, &result);
}

static void loop_three_deadline(uint64_t n) {
    hf_run_options options;
    hf_run_options_init(&options);
    options.timeout_ns = 10 * HF_SECOND;
    for (uint64_t i = 0; i < n; i++) (void)hf_run(three, succeed, NULL, &options, NULL);
}

/* The six policies by hand, as an event loop would. The clock is not read: the loop has the time. */
static void loop_step_six(uint64_t n) {
    hf_call call;
    hf_step step;
    for (uint64_t i = 0; i < n; i++) {
        hf_call_begin(&call, six, NULL, HF_SECOND);
        hf_call_step(&call, &step, HF_SECOND);
        hf_call_report(&call, step.attempt, hf_success(), HF_SECOND);
        hf_call_step(&call, &step, HF_SECOND);
        hf_call_end(&call, NULL);
    }
}

/* ---- with private work between ---- */

#define WORK_NS 250

static int work_steps = 1000; /* a chain of multiplications that takes WORK_NS */
static _Thread_local uint64_t sink;
static hf_outcome work(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    uint64_t value = sink;
    for (int i = 0; i < work_steps; i++) value = value * UINT64_C(6364136223846793005) + 1442695040888963407;
    sink = value;
    return hf_success();
}

static hf_operation *volatile unprotected = work;
static void loop_work(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) (void)unprotected(NULL, NULL);
}

static void work_alone(void) { (void)unprotected(NULL, NULL); }

static void loop_work_breaker(uint64_t n) { bench_alone_around(work_alone, n); }

static void loop_work_run(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) (void)hf_run(with_breaker, work, NULL, NULL, NULL);
}

static void calibrate_work(void) {
    int64_t best = INT64_MAX;
    for (int i = 0; i < 50; i++) {
        int64_t begin = bench_now();
        loop_work(20);
        int64_t took = bench_now() - begin;
        if (took < best) best = took;
    }
    work_steps = (int)((int64_t)work_steps * WORK_NS * 20 / best);
}

void bench_six_once(void) { bench_run_on(six, 1); }

/* Fills the windows: a breaker that has seen nothing but successes is what healthy means. */
static void warm(void) {
    calibrate_work();
    loop_breaker(300);
    loop_consecutive(300);
    loop_failing(300);
    loop_three(300);
    loop_six(300);
}

struct bench_series bench_series[BENCH_SERIES] = {
    [XADD] = {"xadd", loop_xadd, 1, false, {0}},
    [XADD_2T] = {"xadd-2t", loop_xadd_shared, 2, false, {0}},
    [CLOCK] = {"clock", loop_clock, 1, false, {0}},
    [NULL_CALL] = {"null", loop_null, 1, false, {0}},
    [NULL_CALL_2T] = {"null-2t", loop_null, 2, false, {0}},
    [RUN_EMPTY] = {"run-empty", loop_empty, 1, false, {0}},
    [RUN_EMPTY_2T] = {"run-empty-2t", loop_empty, 2, false, {0}},
    [RUN_BREAKER] = {"run-breaker", loop_breaker, 1, false, {0}},
    [RUN_BREAKER_2T] = {"run-breaker-2t", loop_breaker, 2, false, {0}},
    [RUN_CONSECUTIVE] = {"run-consecutive", loop_consecutive, 1, false, {0}},
    [RUN_CONSECUTIVE_2T] = {"run-consecutive-2t", loop_consecutive, 2, false, {0}},
    [RUN_FAILING_2T] = {"run-failing-2t", loop_failing, 2, false, {0}},
    [RUN_OPEN] = {"run-open", loop_opened, 1, false, {0}},
    [RUN_TIME] = {"run-time", loop_time, 1, false, {0}},
    [RUN_SLOW] = {"run-slow", loop_slow, 1, false, {0}},
    [ALONE_NOTHING] = {"alone-nothing", bench_alone_nothing, 1, false, {0}},
    [ALONE_CALLS] = {"alone-calls", bench_alone_calls, 1, false, {0}},
    [ALONE_TIME] = {"alone-time", bench_alone_time, 1, false, {0}},
    [ALONE_TIME_2T] = {"alone-time-2t", bench_alone_time, 2, false, {0}},
    [ALONE_SLOW] = {"alone-slow", bench_alone_slow, 1, false, {0}},
    [ALONE_SLOW_2T] = {"alone-slow-2t", bench_alone_slow, 2, false, {0}},
    [ALONE_OPENED] = {"alone-opened", bench_alone_opened, 1, false, {0}},
    [RUN_BULKHEAD] = {"run-bulkhead", loop_bulkhead, 1, false, {0}},
    [RUN_RETRY] = {"run-retry", loop_retry, 1, false, {0}},
    [RUN_RETRIED] = {"run-retried", loop_retried, 1, false, {0}},
    [RUN_RETRIED_FREELY] = {"run-retried-freely", loop_retried_freely, 1, false, {0}},
    [RATE_TAKE] = {"rate-take", loop_rate, 1, false, {0}},
    [RATE_TAKE_2T] = {"rate-take-2t", loop_rate, 2, false, {0}},
    [RATE_TIERS] = {"rate-tiers", loop_rate_tiers, 1, false, {0}},
    [RATE_KEYED] = {"rate-keyed", loop_rate_keyed, 1, false, {0}},
    [RUN_THREE] = {"run-three", loop_three, 1, false, {0}},
    [RUN_THREE_2T] = {"run-three-2t", loop_three, 2, false, {0}},
    [RUN_THREE_RESULT] = {"run-three-result", loop_three_result, 1, false, {0}},
    [RUN_THREE_DEADLINE] = {"run-three-deadline", loop_three_deadline, 1, false, {0}},
    [RUN_SIX] = {"run-six", loop_six, 1, false, {0}},
    [RUN_SIX_2T] = {"run-six-2t", loop_six, 2, false, {0}},
    [STEP_SIX] = {"step-six", loop_step_six, 1, false, {0}},
    [WORK] = {"work", loop_work, 1, true, {0}},
    [WORK_2T] = {"work-2t", loop_work, 2, true, {0}},
    [WORK_BREAKER] = {"work-breaker", loop_work_breaker, 1, true, {0}},
    [WORK_BREAKER_2T] = {"work-breaker-2t", loop_work_breaker, 2, true, {0}},
    [WORK_RUN] = {"work-run", loop_work_run, 1, true, {0}},
    [WORK_RUN_2T] = {"work-run-2t", loop_work_run, 2, true, {0}},
};
