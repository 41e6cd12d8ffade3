/* SPDX-License-Identifier: MIT */
/* The blocking driver in virtual time, and a few smoke tests of real waiting and cancelling. */
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HF_MILLISECOND

struct bench {
    hf_test_clock *clock;
    hf_retry *retry;
    hf_breaker *breaker;
    hf_timeout *total;
    hf_fallback *fallback;
    hf_pipeline *pipeline;
};

static hf_outcome default_value(void *arg, const hf_result *failed) {
    (void)failed;
    if (arg != NULL) ((hf_test_script *)arg)->opaque[5] = 1;
    return hf_success();
}

/* retry (4 attempts, 100 ms constant, no budget limit) around a breaker (5 in a row, 1 s). */
static int setup(void **state) {
    static struct bench bench;
    memset(&bench, 0, sizeof bench);
    assert_int_equal(hf_test_clock_new(&bench.clock, HF_SECOND, NULL), 0);
    hf_budget_config no_limit;
    hf_budget_config_init(&no_limit);
    no_limit.ratio_ppm = HF_BUDGET_UNLIMITED;
    hf_budget *budget;
    assert_int_equal(hf_budget_new(&budget, "none", &no_limit, NULL), 0);
    hf_retry_config retry;
    hf_retry_config_init(&retry);
    retry.max_attempts = 4;
    retry.backoff.kind = HF_BACKOFF_CONSTANT;
    retry.backoff.jitter = HF_JITTER_NONE;
    assert_int_equal(hf_retry_new(&bench.retry, "retry", &retry, budget, NULL), 0);
    hf_budget_free(budget);
    hf_breaker_config breaker;
    hf_breaker_config_init(&breaker);
    breaker.consecutive_failures = 5;
    breaker.open_ms = 1000;
    breaker.open_jitter_ppm = 0;
    breaker.probes = 1;
    assert_int_equal(hf_breaker_new(&bench.breaker, "breaker", &breaker, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(bench.retry), hf_breaker_policy(bench.breaker)};
    assert_int_equal(hf_pipeline_new(&bench.pipeline, "test", order, 2, NULL), 0);
    hf_test_install(bench.clock, 7);
    *state = &bench;
    return 0;
}

static int teardown(void **state) {
    struct bench *bench = *state;
    hf_test_uninstall();
    hf_pipeline_free(bench->pipeline);
    hf_retry_free(bench->retry);
    hf_breaker_free(bench->breaker);
    hf_test_clock_free(bench->clock);
    return 0;
}

static hf_test_script script_of(struct bench *bench, const hf_test_step *steps, size_t count) {
    hf_test_script script;
    assert_int_equal(hf_test_script_init(&script, steps, count, bench->clock), 0);
    return script;
}

static void a_value_comes_through(void **state) {
    struct bench *bench = *state;
    const hf_test_step steps[] = {{.outcome = hf_success(), .takes_ns = 5 * MS}};
    hf_test_script script = script_of(bench, steps, 1);
    hf_result result;
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, NULL, &result), 0);
    assert_int_equal(hf_clock_now(NULL), HF_SECOND + 5 * MS);
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, NULL, NULL), 0);
}

static void waits_between_attempts_move_the_virtual_clock(void **state) {
    struct bench *bench = *state;
    const hf_test_step steps[] = {{.outcome = hf_failure(1), .times = 2}, {.outcome = hf_success()}};
    hf_test_script script = script_of(bench, steps, 2);
    hf_result result;
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, NULL, &result), 0);
    assert_int_equal(hf_clock_now(NULL), HF_SECOND + 200 * MS);
    assert_int_equal(hf_result_attempts(&result), 3);
    assert_int_equal(hf_test_script_played(&script), 3);
}

static void an_outage_opens_the_breaker_and_recovery_closes_it(void **state) {
    struct bench *bench = *state;
    const hf_test_step steps[] = {{.outcome = hf_failure(1), .times = 5}, {.outcome = hf_success()}};
    hf_test_script script = script_of(bench, steps, 2);
    hf_result result;
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, NULL, &result), HF_E_FAILED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_ATTEMPTS);
    assert_string_equal(hf_result_policy(&result), "retry");
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, NULL, &result), HF_E_REJECTED);
    assert_string_equal(hf_result_policy(&result), "breaker");
    assert_int_equal(hf_result_attempts(&result), 1); /* the fifth failure, then the open breaker */
    hf_outcome last;
    assert_true(hf_result_outcome(&result, &last));
    assert_int_equal(last.code, 1);
    hf_test_clock_advance(bench->clock, hf_result_retry_at(&result) - hf_clock_now(NULL) - 1);
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, NULL, NULL), HF_E_REJECTED);
    hf_test_clock_advance(bench->clock, 1);
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, NULL, NULL), 0);
    hf_breaker_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_breaker_snapshot(bench->breaker, &info, hf_clock_now(NULL)), 0);
    assert_int_equal(info.state, HF_BREAKER_CLOSED);
}

static void the_callers_timeout_is_the_operations_deadline(void **state) {
    struct bench *bench = *state;
    const hf_test_step steps[] = {{.outcome = hf_success(), .takes_ns = HF_SECOND}};
    hf_test_script script = script_of(bench, steps, 1);
    hf_run_options options;
    hf_run_options_init(&options);
    options.timeout_ns = 30 * MS;
    hf_result result;
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, &options, &result), HF_E_TIMEOUT);
    assert_int_equal(hf_result_reason(&result), HF_REASON_DEADLINE);
    assert_int_equal(hf_clock_now(NULL), HF_SECOND + 30 * MS);
    assert_int_equal(hf_result_attempts(&result), 1);
    options.timeout_ns = -1; /* already over: nothing starts */
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, &options, &result), HF_E_TIMEOUT);
    assert_int_equal(hf_result_attempts(&result), 0);
}

static void no_wait_passes_the_deadline(void **state) {
    struct bench *bench = *state;
    const hf_test_step steps[] = {{.outcome = hf_failure(1), .takes_ns = 10 * MS}};
    hf_test_script script = script_of(bench, steps, 1);
    hf_run_options options;
    hf_run_options_init(&options);
    options.deadline_at = HF_SECOND + 110 * MS; /* exactly when the back-off would end */
    hf_result result;
    assert_int_equal(hf_run(bench->pipeline, hf_test_script_operation, &script, &options, &result), HF_E_FAILED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_NO_TIME);
    assert_int_equal(hf_clock_now(NULL), HF_SECOND + 10 * MS);
}

static hf_outcome ignores_its_deadline(void *arg, const hf_attempt *attempt) {
    hf_test_clock_advance(arg, 2 * HF_SECOND);
    assert_int_equal(hf_attempt_remaining_ns(attempt), 0);
    return hf_success();
}

static void a_late_success_is_delivered_and_flagged(void **state) {
    struct bench *bench = *state;
    hf_run_options options;
    hf_run_options_init(&options);
    options.timeout_ns = HF_SECOND;
    hf_result result;
    assert_int_equal(hf_run(bench->pipeline, ignores_its_deadline, bench->clock, &options, &result), 0);
    assert_int_equal(hf_result_flags(&result), HF_RESULT_LATE);
    hf_breaker_info info = {.struct_size = sizeof info};
    hf_breaker_snapshot(bench->breaker, &info, hf_clock_now(NULL));
    assert_int_equal(info.slow, 1);
    assert_int_equal(info.failures, 0);
}

static hf_outcome always_fails(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return hf_failure(5);
}

static void a_fallback_gets_the_argument_and_the_failed_result(void **state) {
    (void)state;
    hf_fallback *fallback;
    assert_int_equal(hf_fallback_new(&fallback, "default", default_value, NULL), 0);
    hf_policy *order[] = {hf_fallback_policy(fallback)};
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
    hf_fallback_free(fallback); /* the pipeline keeps it */
    hf_test_script script = {{0}};
    hf_result result;
    assert_int_equal(hf_run(pipeline, always_fails, &script, NULL, &result), 0);
    assert_int_equal(script.opaque[5], 1);
    assert_int_equal(hf_result_flags(&result), HF_RESULT_FALLBACK);
    hf_pipeline_free(pipeline);
}

static void the_same_seed_replays_the_same_run(void **state) {
    struct bench *bench = *state;
    hf_pipeline *standard;
    assert_int_equal(hf_pipeline_standard(&standard, "std", NULL), 0);
    hf_time first = 0;
    for (int run = 0; run < 2; run++) {
        hf_run_options options;
        hf_run_options_init(&options);
        options.seed = 99;
        hf_time before = hf_clock_now(NULL);
        assert_int_equal(hf_run(standard, always_fails, NULL, &options, NULL), HF_E_FAILED);
        hf_time took = hf_clock_now(NULL) - before;
        assert_true(took > 0);
        if (run == 0) first = took;
        else assert_int_equal(took, first);
    }
    (void)bench;
    hf_pipeline_free(standard);
}

static void bad_arguments_run_nothing(void **state) {
    struct bench *bench = *state;
    hf_result result;
    assert_int_equal(hf_run(NULL, always_fails, NULL, NULL, &result), HF_E_INVALID);
    assert_int_equal(hf_result_status(&result), HF_E_INVALID);
    assert_int_equal(hf_run(bench->pipeline, NULL, NULL, NULL, &result), HF_E_INVALID);
    hf_run_options options;
    hf_run_options_init(&options);
    options.struct_size = 0;
    assert_int_equal(hf_run(bench->pipeline, always_fails, NULL, &options, NULL), HF_E_INVALID);
}

static hf_outcome runs_another(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    return hf_run(arg, always_fails, NULL, NULL, NULL) == HF_E_FAILED ? hf_success() : hf_failure(1);
}

static void operations_may_run_other_calls(void **state) {
    struct bench *bench = *state;
    assert_int_equal(hf_run(bench->pipeline, runs_another, bench->pipeline, NULL, NULL), 0);
}

static void a_result_describes_itself(void **state) {
    struct bench *bench = *state;
    hf_breaker_set(bench->breaker, HF_BREAKER_FORCED_OPEN, hf_clock_now(NULL));
    hf_result result;
    assert_int_equal(hf_run(bench->pipeline, always_fails, NULL, NULL, &result), HF_E_REJECTED);
    char text[200];
    size_t length = hf_result_describe(&result, text, sizeof text);
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "breaker"));
    assert_non_null(strstr(text, "forced open"));
    assert_non_null(strstr(text, "0 attempts"));
    char small[8];
    assert_int_equal(hf_result_describe(&result, small, sizeof small), length);
    assert_int_equal(strlen(small), 7);
    assert_int_equal(hf_run(bench->pipeline, always_fails, NULL, NULL, &result), HF_E_REJECTED);
}

/* "A timeout or the caller's deadline" leaves it open which. */
static void a_result_tells_the_deadline_from_a_timeout(void **state) {
    struct bench *bench = *state;
    hf_run_options options;
    hf_run_options_init(&options);
    options.timeout_ns = 0;
    hf_result result;
    char text[200];
    assert_int_equal(hf_run(bench->pipeline, always_fails, NULL, &options, &result), HF_E_TIMEOUT);
    hf_result_describe(&result, text, sizeof text);
    assert_non_null(strstr(text, "(the caller's deadline passed): 0 attempts"));
}

/* ---- cancelling, in real time with generous bounds ---- */

static void *raise_soon(void *arg) {
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    hf_cancel_raise(arg);
    return NULL;
}

static void a_cancel_from_another_thread_ends_a_wait(void **state) {
    struct bench *bench = *state;
    (void)bench;
    hf_test_uninstall(); /* the real clock */
    hf_retry_config config;
    hf_retry_config_init(&config);
    config.backoff.base_ms = config.backoff.cap_ms = 60000;
    config.backoff.jitter = HF_JITTER_NONE;
    hf_retry *retry;
    assert_int_equal(hf_retry_new(&retry, "slow", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry)};
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
    hf_run_options options;
    hf_run_options_init(&options);
    assert_int_equal(hf_cancel_new(&options.cancel, NULL), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, raise_soon, options.cancel), 0);
    hf_time before = hf_clock_now(NULL);
    hf_result result;
    assert_int_equal(hf_run(pipeline, always_fails, NULL, &options, &result), HF_E_CANCELLED);
    assert_true(hf_clock_now(NULL) - before < 10 * HF_SECOND);
    assert_int_equal(hf_result_attempts(&result), 1);
    pthread_join(thread, NULL);
    /* Raised before the call: nothing starts. */
    assert_int_equal(hf_run(pipeline, always_fails, NULL, &options, &result), HF_E_CANCELLED);
    assert_int_equal(hf_result_attempts(&result), 0);
    hf_cancel_free(options.cancel);
    hf_retry_free(retry);
    hf_pipeline_free(pipeline);
}

static void a_short_wait_really_waits(void **state) {
    (void)state;
    hf_test_uninstall();
    hf_retry_config config;
    hf_retry_config_init(&config);
    config.max_attempts = 2;
    config.backoff.base_ms = 20;
    config.backoff.jitter = HF_JITTER_NONE;
    hf_retry *retry;
    assert_int_equal(hf_retry_new(&retry, "short", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry)};
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
    hf_time before = hf_clock_now(NULL);
    assert_int_equal(hf_run(pipeline, always_fails, NULL, NULL, NULL), HF_E_FAILED);
    assert_true(hf_clock_now(NULL) - before >= 20 * MS);
    hf_retry_free(retry);
    hf_pipeline_free(pipeline);
}

/* Its own rule: attempts, each with its timeout, and the waits between them fit into the total. */
static void the_standard_pipeline_gives_every_attempt_its_time(void **state) {
    struct bench *bench = *state;
    hf_pipeline *standard;
    assert_int_equal(hf_pipeline_standard(&standard, "std", NULL), 0);
    const hf_test_step hangs = {.outcome = hf_success(), .takes_ns = 3600 * HF_SECOND};
    hf_test_script script;
    assert_int_equal(hf_test_script_init(&script, &hangs, 1, bench->clock), 0);
    hf_result result;
    assert_int_equal(hf_run(standard, hf_test_script_operation, &script, NULL, &result), HF_E_TIMEOUT);
    assert_int_equal(hf_result_attempts(&result), 3);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        hf_attempt_record record;
        assert_true(hf_result_attempt(&result, attempt, &record));
        assert_int_equal(record.duration_us, 9000000);
    }
    hf_pipeline_free(standard);
}

/* A forked child draws other seeds than its parent, or every worker would retry in step. */
static void seeds_differ_after_fork(void **state) {
    struct bench *bench = *state;
    hf_test_uninstall();
    hf_pipeline *standard;
    assert_int_equal(hf_pipeline_standard(&standard, "std", NULL), 0);
    hf_run_options options;
    hf_run_options_init(&options);
    options.clock = hf_test_clock_clock(bench->clock);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    (void)hf_run(standard, always_fails, NULL, &options, NULL); /* the stream has started */
    hf_time start = hf_clock_now(options.clock);
    pid_t child = fork();
    if (child == 0) {
        (void)hf_run(standard, always_fails, NULL, &options, NULL);
        hf_time end = hf_clock_now(options.clock);
        _exit(write(pipes[1], &end, sizeof end) == (ssize_t)sizeof end ? 0 : 1);
    }
    (void)hf_run(standard, always_fails, NULL, &options, NULL);
    hf_time mine = hf_clock_now(options.clock), theirs = 0;
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(pipes[0], &theirs, sizeof theirs), (ssize_t)sizeof theirs);
    assert_true(mine > start && theirs > start && mine != theirs);
    close(pipes[0]);
    close(pipes[1]);
    hf_pipeline_free(standard);
}

static void the_script_stops_at_the_deadline(void **state) {
    struct bench *bench = *state;
    const hf_test_step steps[] = {{.outcome = hf_failure(1), .takes_ns = 7, .times = 0},
                                  {.outcome = hf_success(), .takes_ns = 9, .times = UINT32_MAX}};
    hf_test_script script = script_of(bench, steps, 2);
    assert_int_equal(hf_test_script_next(&script, NULL).kind, HF_FAILURE);
    for (int i = 0; i < 5; i++) assert_int_equal(hf_test_script_next(&script, NULL).kind, HF_SUCCESS);
    assert_int_equal(hf_clock_now(NULL), HF_SECOND + 7 + 45);
    assert_int_equal(hf_test_script_played(&script), 6);
    assert_int_equal(hf_test_script_init(&script, steps, 0, NULL), HF_E_INVALID);
    hf_test_clock *clock;
    hf_error error;
    assert_int_equal(hf_test_clock_new(&clock, -1, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "-1"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_value_comes_through),
        TEST(waits_between_attempts_move_the_virtual_clock),
        TEST(an_outage_opens_the_breaker_and_recovery_closes_it),
        TEST(the_callers_timeout_is_the_operations_deadline),
        TEST(no_wait_passes_the_deadline),
        TEST(a_late_success_is_delivered_and_flagged),
        TEST(a_fallback_gets_the_argument_and_the_failed_result),
        TEST(the_same_seed_replays_the_same_run),
        TEST(bad_arguments_run_nothing),
        TEST(operations_may_run_other_calls),
        TEST(a_result_describes_itself),
        TEST(a_result_tells_the_deadline_from_a_timeout),
        TEST(a_cancel_from_another_thread_ends_a_wait),
        TEST(a_short_wait_really_waits),
        TEST(the_standard_pipeline_gives_every_attempt_its_time),
        TEST(seeds_differ_after_fork),
        TEST(the_script_stops_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
