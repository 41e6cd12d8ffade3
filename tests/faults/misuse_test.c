/* SPDX-License-Identifier: MIT */
/* What docs/conventions.md says about misuse: NULL handles, calls that have ended or never began, sizes of another
 * version. */
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static hf_error error;

static void null_is_nothing_to_free(void **state) {
    (void)state;
    hf_breaker_free(NULL);
    hf_budget_free(NULL);
    hf_bulkhead_free(NULL);
    hf_cancel_free(NULL);
    hf_concurrency_free(NULL);
    hf_fallback_free(NULL);
    hf_fault_free(NULL);
    hf_hedge_free(NULL);
    hf_not_before_free(NULL);
    hf_pipeline_free(NULL);
    hf_rate_limit_free(NULL);
    hf_region_free(NULL);
    hf_retry_free(NULL);
    hf_switches_free(NULL);
    hf_test_clock_free(NULL);
    hf_throttle_free(NULL);
    hf_timeout_free(NULL);
}

/* So a pipeline can say which of its members was never made. */
static void the_policy_of_null_is_null_and_a_pipeline_names_its_place(void **state) {
    (void)state;
    hf_timeout *timeout;
    assert_int_equal(hf_timeout_new(&timeout, "timeout", NULL, NULL), 0);
    hf_policy *nothing[] = {hf_breaker_policy(NULL),    hf_bulkhead_policy(NULL),   hf_concurrency_policy(NULL),
                            hf_fallback_policy(NULL),   hf_fault_policy(NULL),      hf_hedge_policy(NULL),
                            hf_not_before_policy(NULL), hf_rate_limit_policy(NULL), hf_retry_policy(NULL),
                            hf_throttle_policy(NULL),   hf_timeout_policy(NULL)};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        assert_null(nothing[i]);
        hf_policy *order[] = {hf_timeout_policy(timeout), nothing[i]};
        hf_pipeline *pipeline = (hf_pipeline *)(void *)&error;
        assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 2, &error), HF_E_INVALID);
        assert_null(pipeline);
        assert_non_null(strstr(hf_error_text(&error), "policy 1 is NULL"));
    }
    hf_timeout_free(timeout);
}

#define NOWHERE(call)                                    \
    do {                                                 \
        memset(&error, 0, sizeof error);                 \
        assert_int_equal(call, HF_E_INVALID);            \
        assert_true(strlen(hf_error_text(&error)) > 10); \
    } while (0)

static hf_outcome work(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return hf_success();
}

static hf_outcome answer(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return hf_success();
}

static void nowhere_to_put_it_and_nothing_to_do_is_an_error(void **state) {
    (void)state;
    NOWHERE(hf_breaker_new(NULL, "x", NULL, &error));
    NOWHERE(hf_budget_new(NULL, "x", NULL, &error));
    NOWHERE(hf_bulkhead_new(NULL, "x", NULL, &error));
    NOWHERE(hf_cancel_new(NULL, &error));
    NOWHERE(hf_concurrency_new(NULL, "x", NULL, &error));
    NOWHERE(hf_fallback_new(NULL, "x", answer, &error));
    NOWHERE(hf_fault_new(NULL, "x", NULL, &error));
    NOWHERE(hf_hedge_new(NULL, "x", NULL, NULL, &error));
    NOWHERE(hf_not_before_new(NULL, "x", NULL, &error));
    NOWHERE(hf_pipeline_new(NULL, "x", NULL, 0, &error));
    NOWHERE(hf_pipeline_standard(NULL, "x", &error));
    NOWHERE(hf_region_new(NULL, NULL, &error));
    NOWHERE(hf_retry_new(NULL, "x", NULL, NULL, &error));
    NOWHERE(hf_switches_new(NULL, &error));
    NOWHERE(hf_test_clock_new(NULL, 0, &error));
    NOWHERE(hf_throttle_new(NULL, "x", NULL, &error));
    NOWHERE(hf_timeout_new(NULL, "x", NULL, &error));
    hf_fallback *fallback;
    NOWHERE(hf_fallback_new(&fallback, "x", NULL, &error));
    assert_null(fallback);
    hf_result result;
    assert_int_equal(hf_run(NULL, work, NULL, NULL, &result), HF_E_INVALID);
    assert_int_equal(hf_result_status(&result), HF_E_INVALID);
    hf_call call;
    assert_int_equal(hf_call_begin(&call, NULL, NULL, 0), HF_E_INVALID);
    assert_int_equal(hf_call_begin(NULL, NULL, NULL, 0), HF_E_INVALID);
}

static void names_are_printable_and_short(void **state) {
    (void)state;
    static const char *const bad[] = {
        NULL, "", "a\nb", "tab\t", "\xc3\xa4", "\x7f", "0123456789012345678901234567890x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hf_timeout *made = (hf_timeout *)(void *)&error;
        NOWHERE(hf_timeout_new(&made, bad[i], NULL, &error));
        assert_null(made);
        for (const char *c = hf_error_text(&error); *c != '\0'; c++) assert_in_range(*c, ' ', '~');
    }
    hf_timeout *made;
    assert_int_equal(hf_timeout_new(&made, "0123456789012345678901234567890", NULL, NULL), 0);
    hf_timeout_free(made);
}

/* A call that has ended, was never begun, or runs: each function but step says so. */
static void a_call_that_is_over_says_so(void **state) {
    (void)state;
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "p", NULL, 0, NULL), 0);
    hf_call call;
    memset(&call, 0, sizeof call);
    for (int round = 0; round < 2; round++) { /* never begun, then ended */
        assert_int_equal(hf_call_report(&call, 1, hf_success(), 0), HF_E_STATE);
        assert_int_equal(hf_call_report(&call, 0, hf_success(), 0), HF_E_STATE);
        assert_int_equal(hf_call_commit(&call, 1), HF_E_STATE);
        assert_true(hf_call_would_end(&call, 1, hf_failure(1), 0));
        assert_int_equal(hf_call_end(&call, NULL), HF_E_STATE);
        hf_call_cancel(&call); /* harmless: it sets a word in memory that is the caller's */
        assert_int_equal(hf_call_begin(&call, pipeline, NULL, 0), 0);
        assert_int_equal(hf_call_report(&call, 1, hf_success(), 0), HF_E_STATE); /* nothing was started */
        hf_step step;
        assert_int_equal(hf_call_step(&call, &step, 0), HF_STEP_START);
        assert_int_equal(hf_call_end(&call, NULL), HF_E_CANCELLED);
    }
    hf_pipeline_free(pipeline);
}

static void sizes_of_another_version_are_refused_or_understood(void **state) {
    (void)state;
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "p", NULL, 0, NULL), 0);
    hf_call call;
    hf_call_options options;
    static const uint32_t bad[] = {0, sizeof options + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hf_call_options_init(&options);
        options.struct_size = bad[i];
        assert_int_equal(hf_call_begin(&call, pipeline, &options, 0), HF_E_INVALID);
    }
    hf_call_options_init(&options);
    memset((char *)&options + 16, 0xff, sizeof options - 16); /* what an older program does not have */
    options.struct_size = 16;
    assert_int_equal(hf_call_begin(&call, pipeline, &options, 0), 0);
    assert_int_equal(hf_call_end(&call, NULL), HF_E_CANCELLED);
    hf_pipeline_free(pipeline);
}

/* ---- what a program dies of ---- */

static hf_call dead;

static void step_after_end(void) {
    hf_step step;
    (void)hf_call_step(&dead, &step, 0);
}

static void set_null(void) { (void)hf_breaker_set(NULL, HF_BREAKER_CLOSED, 0); }

static bool dies(void (*act)(void)) {
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)close(STDERR_FILENO);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka would catch it and go on */
        (void)signal(SIGABRT, SIG_DFL);
        act();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* There is no answer that such a program could go on with. */
static void it_dies_at_once(void **state) {
    (void)state;
#ifndef NDEBUG
    assert_true(dies(step_after_end));
#else
    (void)step_after_end;
#endif
    assert_true(dies(set_null));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_nothing_to_free),
        cmocka_unit_test(the_policy_of_null_is_null_and_a_pipeline_names_its_place),
        cmocka_unit_test(nowhere_to_put_it_and_nothing_to_do_is_an_error),
        cmocka_unit_test(names_are_printable_and_short),
        cmocka_unit_test(a_call_that_is_over_says_so),
        cmocka_unit_test(sizes_of_another_version_are_refused_or_understood),
        cmocka_unit_test(it_dies_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
