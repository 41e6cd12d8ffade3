/* SPDX-License-Identifier: MIT */
/* Injected faults as everything around them sees them. */
#include "core/fault.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <string.h>

#define MS HF_MILLISECOND

static hf_fault *fault;
static hf_breaker *breaker;
static hf_timeout *timeout;
static hf_retry *retry;
static hf_pipeline *pipeline;
static struct stepper s;
static hf_result result;

static hf_fault_config shares(uint32_t error, uint32_t latency, uint32_t hang) {
    hf_fault_config c;
    hf_fault_config_init(&c);
    c.error_ppm = error;
    c.latency_ppm = latency;
    c.hang_ppm = hang;
    return c;
}

/* retry(breaker(timeout 500 ms(fault))) */
static void build(const hf_fault_config *config, uint32_t attempts) {
    hf_retry_config r;
    hf_retry_config_init(&r);
    r.max_attempts = attempts;
    hf_timeout_config t;
    hf_timeout_config_init(&t);
    t.timeout_ms = 500;
    assert_int_equal(hf_retry_new(&retry, "retry", &r, NULL, NULL), 0);
    assert_int_equal(hf_breaker_new(&breaker, "breaker", NULL, NULL), 0);
    assert_int_equal(hf_timeout_new(&timeout, "timeout", &t, NULL), 0);
    assert_int_equal(hf_fault_new(&fault, "drill", config, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry), hf_breaker_policy(breaker), hf_timeout_policy(timeout),
                          hf_fault_policy(fault)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 4, NULL), 0);
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    hf_fault_free(fault);
    hf_breaker_free(breaker);
    hf_timeout_free(timeout);
    hf_retry_free(retry);
    pipeline = NULL, fault = NULL, breaker = NULL, timeout = NULL, retry = NULL;
    return 0;
}

static uint32_t breaker_failures(hf_time now) {
    hf_breaker_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_breaker_snapshot(breaker, &info, now), 0);
    return info.failures;
}

/* Plays a call whose real attempts succeed at once; returns how many there were. */
static int play(hf_time now, uint64_t seed, const char *key) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = seed;
    options.key = key;
    stepper_begin(&s, pipeline, &options, now);
    int made = 0;
    for (;;) {
        int kind = stepper_next(&s);
        if (kind == HF_STEP_DONE) break;
        assert_int_equal(kind, HF_STEP_START);
        made++;
        stepper_finish(&s, hf_success(), 0, true);
    }
    (void)stepper_end(&s, &result);
    return made;
}

static void an_error_is_a_failed_attempt_that_was_not_made(void **state) {
    (void)state;
    hf_fault_config c = shares(1000000, 0, 0);
    c.error_code = 503;
    build(&c, 3);
    assert_int_equal(play(0, 1, NULL), 0);
    assert_int_equal(hf_result_status(&result), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&result), 3);
    assert_int_equal(hf_result_reason(&result), HF_REASON_INJECTED);
    assert_string_equal(hf_result_policy(&result), "drill");
    hf_outcome outcome;
    assert_true(hf_result_outcome(&result, &outcome));
    assert_int_equal(outcome.kind, HF_FAILURE);
    assert_int_equal(outcome.code, 503);
    hf_attempt_record record;
    assert_true(hf_result_attempt(&result, 3, &record));
    assert_int_equal(record.kind, HF_FAILURE);
    assert_int_equal(record.code, 503);
    assert_int_equal(breaker_failures(s.now), 3);
    assert_int_equal(hf_fault_injected(fault), 3);
    (void)teardown(NULL);
    c.error_kind = HF_NEUTRAL;
    build(&c, 3);
    assert_int_equal(play(0, 1, NULL), 0);
    assert_int_equal(hf_result_attempts(&result), 1); /* not retried, and no fault of the dependency */
    assert_int_equal(breaker_failures(s.now), 0);
}

static void a_hang_times_out_like_one(void **state) {
    (void)state;
    hf_fault_config c = shares(0, 0, 1000000);
    build(&c, 1);
    assert_int_equal(play(7, 1, NULL), 0);
    assert_int_equal(hf_result_status(&result), HF_E_TIMEOUT);
    assert_int_equal(hf_result_reason(&result), HF_REASON_TIMEOUT);
    assert_string_equal(hf_result_policy(&result), "timeout");
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_int_equal(s.now, 7 + 500 * MS);
    hf_attempt_record record;
    assert_true(hf_result_attempt(&result, 1, &record));
    assert_int_equal(record.kind, HF_FAILURE);
    assert_int_equal(record.duration_us, 500000);
    assert_int_equal(breaker_failures(s.now), 1);
    /* The caller may cancel it, and then it says nothing. */
    stepper_begin(&s, pipeline, NULL, s.now);
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT);
    hf_call_cancel(&s.call);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_CANCELLED);
    assert_int_equal(breaker_failures(s.now), 1);
}

static void a_hang_is_retried_like_one(void **state) {
    (void)state;
    hf_fault_config c = shares(0, 0, 1000000);
    build(&c, 3);
    assert_int_equal(play(0, 1, NULL), 0);
    assert_int_equal(hf_result_attempts(&result), 3);
    assert_int_equal(breaker_failures(s.now), 3);
    assert_true(s.now >= 1500 * MS);
    /* Switched off while one hangs, the next is made. */
    stepper_begin(&s, pipeline, NULL, s.now);
    assert_int_equal(stepper_step(&s), HF_STEP_WAIT);
    assert_int_equal(hf_fault_set(fault, 0, 0, 0), 0);
    assert_int_equal(stepper_next(&s), HF_STEP_START);
    stepper_finish(&s, hf_success(), 0, true);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), 0);
    assert_int_equal(hf_result_attempts(&result), 2);
}

static void a_late_attempt_is_made_late(void **state) {
    (void)state;
    hf_fault_config c = shares(0, 1000000, 0);
    c.latency_ms = 300;
    build(&c, 1);
    assert_int_equal(play(5, 1, NULL), 1);
    assert_int_equal(hf_result_status(&result), 0);
    assert_int_equal(s.now, 5 + 300 * MS);
    (void)teardown(NULL);
    c.latency_ms = 600; /* beyond the timeout: it would have been cut off */
    build(&c, 1);
    assert_int_equal(play(5, 1, NULL), 0);
    assert_int_equal(hf_result_reason(&result), HF_REASON_TIMEOUT);
    assert_int_equal(hf_result_attempts(&result), 1);
    assert_int_equal(breaker_failures(s.now), 1);
}

static void shares_are_what_was_asked_for(void **state) {
    (void)state;
    int count[4] = {0};
    uint64_t word = hf__fault_shares(100000, 200000, 50000);
    for (uint64_t i = 0; i < 100000; i++) count[hf__fault_fate(word, i * UINT64_C(184467440737095))]++;
    assert_in_range(count[HF__ERROR], 9900, 10100);
    assert_in_range(count[HF__LATE], 19900, 20100);
    assert_in_range(count[HF__HANGS], 4900, 5100);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(hf__fault_fate(0, i << 54), HF__SPARED);
        assert_int_equal(hf__fault_fate(hf__fault_shares(0, 0, 1000000), i << 54), HF__HANGS);
    }
}

/* The same seed, the same drill: by the call's seed, or by the fault's own. */
static void fates_replay(void **state) {
    (void)state;
    for (uint64_t own = 0; own < 2; own++) {
        char fates[2][101] = {"", ""};
        for (int run = 0; run < 2; run++) {
            hf_fault_config c = shares(300000, 0, 0);
            c.seed = own * 42;
            build(&c, 1);
            for (uint64_t i = 0; i < 100; i++) {
                uint64_t seed = own ? i + (uint64_t)run * 1000 : i;
                fates[run][i] = play(0, seed, NULL) == 1 ? '.' : 'x';
                hf_breaker_set(breaker, HF_BREAKER_CLOSED, 0);
            }
            assert_in_range(hf_fault_injected(fault), 15, 45);
            (void)teardown(NULL);
        }
        assert_string_equal(fates[0], fates[1]);
    }
}

static void only_the_key_is_hit(void **state) {
    (void)state;
    hf_fault_config c = shares(1000000, 0, 0);
    c.key = "tenant-42";
    build(&c, 1);
    assert_int_equal(play(0, 1, "tenant-4"), 1);
    assert_int_equal(play(0, 1, NULL), 1);
    assert_int_equal(play(0, 1, "tenant-42"), 0);
}

static hf_outcome count(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    ++*(int *)arg;
    return hf_success();
}

static void it_works_through_the_short_way(void **state) {
    (void)state;
    hf_fault_config c = shares(0, 0, 0);
    build(&c, 2);
    int made = 0;
    assert_int_equal(hf_run(pipeline, count, &made, NULL, NULL), 0);
    assert_int_equal(made, 1);
    assert_int_equal(hf_fault_set(fault, 1000000, 0, 0), 0);
    assert_int_equal(hf_run(pipeline, count, &made, NULL, NULL), HF_E_FAILED);
    assert_int_equal(made, 1);
    assert_int_equal(hf_fault_injected(fault), 2);
    assert_int_equal(hf_fault_set(fault, 500000, 500001, 0), HF_E_INVALID);
}

static void bad_configurations_are_sentences(void **state) {
    (void)state;
    hf_error error;
    hf_fault_config c = shares(500000, 400000, 100001);
    assert_int_equal(hf_fault_new(&fault, "x", &c, &error), HF_E_INVALID);
    assert_string_equal(hf_error_text(&error), "fault \"x\": hang_ppm is 100001, expected 0 to 100000");
    char key[200];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    c = shares(0, 0, 0);
    c.key = key;
    assert_int_equal(hf_fault_new(&fault, "x", &c, &error), HF_E_INVALID);
    c = shares(0, 0, 0);
    c.error_kind = HF_SUCCESS;
    assert_int_equal(hf_fault_new(&fault, "x", &c, &error), HF_E_INVALID);
    assert_null(fault);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_error_is_a_failed_attempt_that_was_not_made),
        TEST(a_hang_times_out_like_one),
        TEST(a_hang_is_retried_like_one),
        TEST(a_late_attempt_is_made_late),
        TEST(shares_are_what_was_asked_for),
        TEST(fates_replay),
        TEST(only_the_key_is_hit),
        TEST(it_works_through_the_short_way),
        TEST(bad_configurations_are_sentences),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
