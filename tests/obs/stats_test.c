/* SPDX-License-Identifier: MIT */
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS HF_MILLISECOND
#define THREADS 6
#define CALLS 20000

static hf_test_clock *clock_;
static hf_pipeline *pipeline;
static hf_breaker *breaker;
static bool answers; /* the fallback */

static hf_outcome stand_in(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return answers ? hf_success() : hf_failure(0);
}

/* fallback, retry (twice), breaker, timeout 100 ms */
static void build(void) {
    hf_fallback *fallback;
    hf_retry *retry;
    hf_timeout *timeout;
    hf_retry_config twice;
    hf_retry_config_init(&twice);
    twice.max_attempts = 2;
    hf_timeout_config limit;
    hf_timeout_config_init(&limit);
    limit.timeout_ms = 100;
    assert_int_equal(hf_test_clock_new(&clock_, HF_SECOND, NULL), 0);
    assert_int_equal(hf_fallback_new(&fallback, "plan \"b\"", stand_in, NULL), 0);
    assert_int_equal(hf_retry_new(&retry, "retry", &twice, NULL, NULL), 0);
    assert_int_equal(hf_breaker_new(&breaker, "breaker", NULL, NULL), 0);
    assert_int_equal(hf_timeout_new(&timeout, "timeout", &limit, NULL), 0);
    hf_policy *order[] = {hf_fallback_policy(fallback), hf_retry_policy(retry), hf_breaker_policy(breaker),
                          hf_timeout_policy(timeout)};
    assert_int_equal(hf_pipeline_new(&pipeline, "payments", order, 4, NULL), 0);
    hf_fallback_free(fallback);
    hf_retry_free(retry);
    hf_timeout_free(timeout);
    answers = false;
}

static void drop(void) {
    hf_breaker_free(breaker);
    hf_pipeline_free(pipeline);
    hf_test_clock_free(clock_);
}

/* One call whose attempts all come to `outcome` after `takes` ns. */
static void play(hf_outcome outcome, int64_t takes, hf_outcome then) {
    const hf_test_step steps[] = {{outcome, takes, 1, 0}, {then, 0, 1, 0}};
    hf_test_script script;
    assert_int_equal(hf_test_script_init(&script, steps, 2, clock_), 0);
    hf_run_options options;
    hf_run_options_init(&options);
    options.clock = hf_test_clock_clock(clock_);
    (void)hf_run(pipeline, hf_test_script_operation, &script, &options, NULL);
}

static hf_outcome late(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    hf_test_clock_advance(arg, HF_SECOND);
    return hf_success();
}

static hf_pipeline_stats stats(void) {
    hf_pipeline_stats out = {.struct_size = sizeof out};
    assert_int_equal(hf_pipeline_stats_read(pipeline, &out), 0);
    assert_int_equal(out.calls,
                     out.successes + out.fallbacks + out.failed + out.rejected + out.timed_out + out.cancelled);
    return out;
}

static void play_one_of_each(void) {
    for (int i = 0; i < 3; i++) play(hf_success(), 0, hf_success());
    play(hf_failure(1), 0, hf_success());               /* with the second attempt */
    play(hf_failure(1), 0, hf_failure(1));              /* attempts used up */
    play(hf_failure_final(1), 0, hf_failure(1));        /* no reason but itself */
    play(hf_failure_final(1), HF_SECOND, hf_success()); /* timed out, and tried again */
    hf_run_options options;
    hf_run_options_init(&options);
    options.clock = hf_test_clock_clock(clock_);
    assert_int_equal(hf_run(pipeline, late, clock_, &options, NULL), 0);
    hf_cancel *raised;
    assert_int_equal(hf_cancel_new(&raised, NULL), 0);
    hf_cancel_raise(raised);
    options.cancel = raised;
    assert_int_equal(hf_run(pipeline, late, clock_, &options, NULL), HF_E_CANCELLED);
    hf_cancel_free(raised);
    assert_int_equal(hf_breaker_set(breaker, HF_BREAKER_FORCED_OPEN, HF_SECOND), 0);
    play(hf_success(), 0, hf_success()); /* rejected */
    answers = true;
    play(hf_success(), 0, hf_success()); /* rejected, and answered by the fallback */
}

static void every_end_is_counted_once(void **state) {
    (void)state;
    build();
    play_one_of_each();
    hf_pipeline_stats s = stats();
    assert_int_equal(s.policies, 4);
    assert_int_equal(s.calls, 11);
    assert_int_equal(s.successes, 6);
    assert_int_equal(s.late, 1);
    assert_int_equal(s.failed, 2);
    assert_int_equal(s.timed_out, 0);
    assert_int_equal(s.cancelled, 1);
    assert_int_equal(s.rejected, 1);
    assert_int_equal(s.fallbacks, 1);
    assert_int_equal(s.attempts, 11);
    assert_int_equal(s.further_attempts, 3);
    assert_int_equal(s.budget_denied, 0);
    assert_int_equal(s.by_reason[HF_REASON_NONE], 1);
    assert_int_equal(s.by_reason[HF_REASON_ATTEMPTS], 1);
    assert_int_equal(s.by_reason[HF_REASON_CANCELLED], 1);
    assert_int_equal(s.by_reason[HF_REASON_FORCED_OPEN], 2);
    assert_int_equal(s.by_policy[1], 1);
    assert_int_equal(s.by_policy[2], 2);
    s.struct_size = 8;
    assert_int_equal(hf_pipeline_stats_read(pipeline, &s), HF_E_INVALID);
    assert_string_equal(hf_pipeline_policy_kind(pipeline, 2), "breaker");
    assert_string_equal(hf_pipeline_policy_name(pipeline, 0), "plan \"b\"");
    assert_null(hf_pipeline_policy_name(pipeline, 4));
    assert_null(hf_pipeline_policy_kind(pipeline, 4));
    drop();
}

static const char *const expected =
    "# HELP holdfast_calls_total Protected calls that ended, by what the caller got.\n"
    "# TYPE holdfast_calls_total counter\n"
    "holdfast_calls_total{pipeline=\"payments\",result=\"success\"} 5\n"
    "holdfast_calls_total{pipeline=\"payments\",result=\"late\"} 1\n"
    "holdfast_calls_total{pipeline=\"payments\",result=\"fallback\"} 1\n"
    "holdfast_calls_total{pipeline=\"payments\",result=\"failed\"} 2\n"
    "holdfast_calls_total{pipeline=\"payments\",result=\"rejected\"} 1\n"
    "holdfast_calls_total{pipeline=\"payments\",result=\"timeout\"} 0\n"
    "holdfast_calls_total{pipeline=\"payments\",result=\"cancelled\"} 1\n"
    "# HELP holdfast_attempts_total Attempts that were started.\n"
    "# TYPE holdfast_attempts_total counter\n"
    "holdfast_attempts_total{pipeline=\"payments\"} 11\n"
    "# HELP holdfast_further_attempts_total Of these, retries and hedges.\n"
    "# TYPE holdfast_further_attempts_total counter\n"
    "holdfast_further_attempts_total{pipeline=\"payments\"} 3\n"
    "# HELP holdfast_budget_denied_total Calls whose retry or hedge the budget denied.\n"
    "# TYPE holdfast_budget_denied_total counter\n"
    "holdfast_budget_denied_total{pipeline=\"payments\"} 0\n"
    "# HELP holdfast_ended_total Calls without the operation's value, by reason.\n"
    "# TYPE holdfast_ended_total counter\n"
    "holdfast_ended_total{pipeline=\"payments\",reason=\"the operation's own outcome\"} 1\n"
    "holdfast_ended_total{pipeline=\"payments\",reason=\"forced open by hand\"} 2\n"
    "holdfast_ended_total{pipeline=\"payments\",reason=\"cancelled by the caller\"} 1\n"
    "holdfast_ended_total{pipeline=\"payments\",reason=\"attempts used up\"} 1\n"
    "# HELP holdfast_ended_by_policy_total Calls without the operation's value, by the policy that ended them.\n"
    "# TYPE holdfast_ended_by_policy_total counter\n"
    "holdfast_ended_by_policy_total{pipeline=\"payments\",policy=\"plan \\\"b\\\"\",kind=\"fallback\"} 0\n"
    "holdfast_ended_by_policy_total{pipeline=\"payments\",policy=\"retry\",kind=\"retry\"} 1\n"
    "holdfast_ended_by_policy_total{pipeline=\"payments\",policy=\"breaker\",kind=\"breaker\"} 2\n"
    "holdfast_ended_by_policy_total{pipeline=\"payments\",policy=\"timeout\",kind=\"timeout\"} 0\n";

static void prometheus_reads_it(void **state) {
    (void)state;
    build();
    play_one_of_each();
    static char page[8192], cut[100];
    size_t length = hf_prometheus_write(page, sizeof page, &pipeline, 1);
    assert_string_equal(page, expected);
    assert_int_equal(length, strlen(expected));
    assert_int_equal(hf_prometheus_write(cut, sizeof cut, &pipeline, 1), length);
    assert_memory_equal(cut, page, sizeof cut - 1);
    assert_int_equal(cut[sizeof cut - 1], '\0');
    assert_int_equal(hf_prometheus_write(NULL, 0, &pipeline, 1), length);
    if (system("command -v promtool >/dev/null 2>&1") == 0) { /* Prometheus' own check, where it is installed */
        FILE *tool = popen("promtool check metrics >/dev/null", "w");
        assert_non_null(tool);
        fputs(page, tool);
        assert_int_equal(pclose(tool), 0);
    }
    drop();
}

static hf_outcome now_and_then_fail(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    uint32_t *count = arg;
    return ++*count % 10 == 0 ? hf_failure_final(1) : hf_success();
}

static void *call_often(void *arg) {
    (void)arg;
    uint32_t count = 0;
    for (int i = 0; i < CALLS; i++) (void)hf_run(pipeline, now_and_then_fail, &count, NULL, NULL);
    return NULL;
}

static void no_call_of_many_threads_is_missed(void **state) {
    (void)state;
    build();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_often, NULL), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    hf_pipeline_stats s = stats();
    assert_int_equal(s.calls, THREADS * CALLS);
    assert_int_equal(s.failed, THREADS * CALLS / 10);
    assert_int_equal(s.attempts, THREADS * CALLS);
    drop();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_is_counted_once),
        cmocka_unit_test(prometheus_reads_it),
        cmocka_unit_test(no_call_of_many_threads_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
