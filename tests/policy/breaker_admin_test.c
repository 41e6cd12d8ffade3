/* SPDX-License-Identifier: MIT */
/* The breaker beside its calls: recovering, metrics-only, other rules while it works, saving and restoring, and
 * what it says of itself. */
#include "support/breaker_rig.h"

#include "core/breaker_state.h"
#include "policy/breaker_inside.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static hf_breaker_explanation explain(void) {
    hf_breaker_explanation why = {.struct_size = sizeof why};
    assert_int_equal(hf_breaker_explain(rig.breaker, &why, rig.now), 0);
    return why;
}

#define SAYS(text_) assert_string_equal(explain().text, text_)

/* ---- recovering ---- */

static void open_and_probe(hf_breaker_config *config) {
    config->recovery_ms = 10000;
    config->probes = 2;
    rig_build(config);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    rig.now += 5 * HF_SECOND;
    assert_int_equal(rig_play("SS"), HF_BREAKER_RECOVERING);
}

/* How many of 4000 calls with different seeds are admitted now; none reports. */
static int admitted_of_4000(void) {
    int admitted = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct stepper s;
        hf_call_options options;
        hf_call_options_init(&options);
        options.seed = seed;
        stepper_begin(&s, rig.pipeline, &options, rig.now);
        hf_result result;
        if (stepper_step(&s) == HF_STEP_START) admitted++;
        int status = stepper_end(&s, &result);
        if (status == HF_E_CANCELLED) continue;
        assert_int_equal(status, HF_E_REJECTED);
        assert_int_equal(hf_result_reason(&result), HF_REASON_RECOVERING);
    }
    return admitted;
}

static void recovering_admits_a_growing_share(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 1, HF_PPM);
    open_and_probe(&config);
    static const struct { int at_ms, ppm; } rows[] = {{0, 100000}, {1000, 190000}, {5000, 550000}, {9999, 999910}};
    hf_time since = rig.now;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig.now = since + rows[i].at_ms * HF_MILLISECOND;
        assert_int_equal(rig_info().admit_ppm, rows[i].ppm);
        int expected = rows[i].ppm / 250, admitted = admitted_of_4000();
        assert_in_range(admitted, expected - 120, expected + 120); /* more than three deviations */
        assert_int_equal(rig_info().state, HF_BREAKER_RECOVERING);
    }
    rig.now = since + 10 * HF_SECOND;
    assert_int_equal(rig_info().state, HF_BREAKER_RECOVERING); /* until somebody asks */
    uint32_t generation = rig_info().generation;
    assert_int_equal(admitted_of_4000(), 4000);
    assert_int_equal(rig_info().state, HF_BREAKER_CLOSED);
    assert_int_equal(rig_info().generation, generation); /* T9: window and tickets live on */
    assert_int_equal(rig.last_event.from, HF_BREAKER_RECOVERING);
}

static void a_call_admitted_while_recovering_counts_after_it_closed(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 1, HF_PPM);
    open_and_probe(&config);
    rig.now += 10 * HF_SECOND - HF_MILLISECOND;
    struct stepper early, late;
    assert_true(rig_begin(&early));
    rig.now += HF_MILLISECOND;
    assert_true(rig_begin(&late));
    assert_int_equal(rig_info().state, HF_BREAKER_CLOSED);
    rig_finish(&early, hf_failure(1));
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    rig_finish(&late, hf_failure(1));
}

static void recovering_falls_back_on_as_many_results_as_probes(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(1, 1, 500000);
    config.window = 100;
    config.recovery_ms = 10000;
    config.probes = 2;
    config.consecutive_failures = 3;
    rig_build(&config);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_OPEN, rig.now), 0);
    config.min_calls = 50; /* would see nothing of a ramp */
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    rig.now += 5 * HF_SECOND;
    assert_int_equal(rig_play("SS"), HF_BREAKER_RECOVERING);
    rig.now += 9999 * HF_MILLISECOND;
    assert_int_equal(rig_play("F"), HF_BREAKER_RECOVERING);
    assert_int_equal(rig_play("S"), HF_BREAKER_OPEN);                /* one of two */
    assert_int_equal(rig_info().retry_at, rig.now + 10 * HF_SECOND); /* a round that failed: twice as long */
    assert_int_equal(rig.last_event.rules, HF_BREAKER_RULE_FAILURE_RATE);
    SAYS("breaker \"b\" is open: the last probes failed, 1 times in a row; it admits a probe in 10.0 s");
}

/* ---- saying why ---- */

static void explain_says_why_and_when(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(20, 20, 500000);
    config.consecutive_failures = 15;
    config.slow_rate_ppm = 800000;
    config.probes = 1;
    config.recovery_ms = 4000;
    rig_build(&config);
    SAYS("breaker \"b\" is closed: 0 of the last 0 calls failed, 0 were slow");
    assert_int_equal(explain().reason, HF_REASON_NONE);
    assert_int_equal(rig_play("SSSSSSSSFFFFFFFFFFFF"), HF_BREAKER_OPEN);
    rig.now += 1850 * HF_MILLISECOND;
    SAYS("breaker \"b\" is open: 12 of the last 20 calls failed (60 %, limit 50 %); it admits a probe in 3.2 s");
    assert_int_equal(explain().reason, HF_REASON_OPEN);
    assert_int_equal(explain().wait_ns, 3150 * HF_MILLISECOND);
    assert_int_equal(explain().info.failures, 12);
    rig.now += 3150 * HF_MILLISECOND;
    SAYS("breaker \"b\" is open: 12 of the last 20 calls failed (60 %, limit 50 %); the next call is a probe");
    assert_int_equal(explain().reason, HF_REASON_NONE);
    struct stepper probe;
    assert_true(rig_begin(&probe));
    rig.now += 14 * HF_SECOND;
    SAYS("breaker \"b\" is half-open: of its 1 probes 0 succeeded, 0 failed and 1 fly; another can start when one of "
         "them "
         "ends, at the latest in 1.0 s");
    assert_int_equal(explain().reason, HF_REASON_PROBING);
    rig_finish(&probe, hf_success());
    rig.now += HF_SECOND;
    SAYS("breaker \"b\" is recovering: 32 % of the calls are admitted, all of them in 3.0 s");
    assert_int_equal(explain().reason, HF_REASON_RECOVERING);
    hf_breaker_set(rig.breaker, HF_BREAKER_FORCED_OPEN, rig.now);
    SAYS("breaker \"b\" is forced open: it rejects everything until somebody sets another state");
    assert_int_equal(explain().reason, HF_REASON_FORCED_OPEN);
    assert_int_equal(explain().wait_ns, HF_NEVER);
    hf_breaker_set(rig.breaker, HF_BREAKER_DISABLED, rig.now);
    SAYS("breaker \"b\" is disabled: it admits everything and records nothing");
    hf_breaker_set(rig.breaker, HF_BREAKER_METRICS_ONLY, rig.now);
    assert_int_equal(rig_play("FFFFFFFFFFFFFFF"), HF_BREAKER_METRICS_ONLY);
    SAYS("breaker \"b\" is metrics-only: 15 calls failed in a row (limit 15)");
    hf_breaker_set(rig.breaker, HF_BREAKER_OPEN, rig.now);
    hf_breaker_set(rig.breaker, HF_BREAKER_CLOSED, rig.now);
    assert_int_equal(rig_play("ssssssssssssssssssss"), HF_BREAKER_OPEN);
    SAYS("breaker \"b\" is open: 20 of the last 20 calls were slow (100 %, limit 80 %); it admits a probe in 5.0 s");
    hf_breaker_explanation small = {.struct_size = 8};
    assert_int_equal(hf_breaker_explain(rig.breaker, &small, rig.now), HF_E_INVALID);
}

/* ---- other rules ---- */

static void refused(hf_breaker_config config, const char *text) {
    hf_error error;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, &error), HF_E_INVALID);
    assert_string_equal(hf_error_text(&error), text);
}

static void reconfigure_refuses_what_is_fixed(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(100, 20, HF_PPM);
    rig_build(&config);
    config.window = 129;
    refused(config, "breaker \"b\": window is 129, expected 1 to 128");
    config.window_kind = HF_BREAKER_BY_TIME;
    refused(config, "breaker \"b\": window_kind is 1, but was made as 0 and stays");
    rig_teardown(NULL);
    config.buckets = 5;
    rig_build(&config);
    config.window_ms = 5000;
    refused(config,
            "breaker \"b\": window_ms is 5000 in 5 buckets, but a bucket was made 2000000000 ns long and stays so");
    config.buckets = 11;
    config.window_ms = 22000;
    refused(config, "breaker \"b\": buckets is 11, expected 1 to 10");
    config.probes = 0;
    refused(config, "breaker \"b\": probes is 0, expected 1 to 16");
}

static void a_window_of_calls_shrinks_and_grows(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 10, HF_BREAKER_OFF);
    rig_build(&config);
    assert_int_equal(rig_play("FFFFFFSSSSFSFS"), HF_BREAKER_CLOSED); /* the last ten: FF SSSS FSFS */
    config.window = config.min_calls = 5;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    assert_int_equal(rig_info().total, 5);
    assert_int_equal(rig_info().failures, 2);
    config.window = config.min_calls = 112;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    assert_int_equal(rig_info().total, 5); /* what was let go does not come back */
    assert_int_equal(rig_info().failures, 2);
    rig_play("SFS");
    assert_int_equal(rig_info().total, 8);
    assert_int_equal(rig_info().failures, 3);
    config.window = config.min_calls = 3;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    assert_int_equal(rig_info().failures, 1);
    rig_play("SSSSSSSS"); /* spotless: successes are no longer written */
    config.window = config.min_calls = 100;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    assert_int_equal(rig_info().total, 3);
    rig_play("SS"); /* they count again */
    assert_int_equal(rig_info().total, 5);
    assert_int_equal(rig_info().failures, 0);
}

static void new_limits_judge_what_is_in_the_window(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 4, HF_BREAKER_OFF);
    rig_build(&config);
    struct stepper open;
    assert_true(rig_begin(&open));
    assert_int_equal(rig_play("FFFF"), HF_BREAKER_CLOSED);
    config.failure_rate_ppm = 500000;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    assert_int_equal(rig_info().state, HF_BREAKER_CLOSED); /* with the next result */
    rig_finish(&open, hf_success());
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    config.open_ms = 60000; /* an open time that runs keeps its end */
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    assert_int_equal(rig_info().retry_at, rig.now + 5 * HF_SECOND);
}

static _Atomic bool stop;
static _Atomic int calls;

static void *call_for_ever(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        struct stepper s;
        stepper_begin(&s, rig.pipeline, NULL, rig.now);
        if (stepper_step(&s) == HF_STEP_START) {
            (void)hf_call_report(&s.call, s.step.attempt, ++seed % 7 == 0 ? hf_failure(1) : hf_success(), rig.now);
            (void)stepper_step(&s);
        }
        (void)hf_call_end(&s.call, NULL);
        atomic_fetch_add(&calls, 1);
    }
    return NULL;
}

/* Every rule set is consistent in itself; a mixture of two would have more failures allowed than probes, or trip. */
static void rules_change_under_calls(void **state) {
    (void)state;
    hf_breaker_config a = rig_config(112, 100, HF_PPM), b = a;
    b.window = 7;
    b.min_calls = 7;
    b.probes = 1;
    a.probes = 16;
    a.probe_failures_allowed = 15;
    rig_build(&a);
    atomic_store(&stop, false);
    pthread_t threads[2];
    for (uintptr_t i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_for_ever, (void *)i), 0);
    for (int i = 0; i < 20000 || atomic_load(&calls) < 10000; i++) {
        assert_int_equal(hf_breaker_reconfigure(rig.breaker, i % 2 ? &a : &b, NULL), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_true(rig_info().total >= 7);
    hf_breaker_set(rig.breaker, HF_BREAKER_CLOSED, rig.now);
    rig_play("SSSSSSSSSSFFF"); /* the window is not held clean by anybody's old rules */
    assert_int_equal(rig_info().failures, 3);
}

/* ---- saved and restored ---- */

static void restore_refuses_nonsense(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 10, HF_PPM);
    rig_build(&config);
    static const hf_breaker_saved wrong[] = {{.state = 7}, {.state = -1}, {.state = 5, .left_ns = -1}, {.for_ns = -1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(hf_breaker_restore(rig.breaker, &wrong[i], 0, rig.now), HF_E_INVALID);
    }
    hf_breaker_saved open = {.state = HF_BREAKER_OPEN, .left_ns = HF_NEVER, .streak = 99};
    assert_int_equal(hf_breaker_restore(rig.breaker, &open, -1, rig.now), HF_E_INVALID);
    assert_int_equal(hf_breaker_restore(rig.breaker, NULL, 0, rig.now), HF_E_INVALID);
    assert_int_equal(rig_info().state, HF_BREAKER_CLOSED);
    assert_int_equal(hf_breaker_restore(rig.breaker, &open, 0, rig.now), 0);
    assert_int_equal(rig_info().retry_at, HF_NEVER);
    SAYS("breaker \"b\" is open: the last probes failed, 15 times in a row; not before somebody sets another "
         "state");
}

static void a_recovery_goes_on_after_a_restart(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 1, HF_PPM);
    open_and_probe(&config);
    rig.now += 2 * HF_SECOND;
    hf_breaker_saved saved;
    hf_breaker_save(rig.breaker, &saved, rig.now);
    assert_int_equal(saved.for_ns, 2 * HF_SECOND);
    rig.now += 1000 * HF_SECOND; /* another clock */
    assert_int_equal(hf_breaker_restore(rig.breaker, &saved, 3 * HF_SECOND, rig.now), 0);
    assert_int_equal(rig_info().state, HF_BREAKER_RECOVERING);
    assert_int_equal(rig_info().admit_ppm, 550000);
}

/* ---- memory ---- */

static void the_state_has_the_size_that_the_header_says(void **state) {
    (void)state;
    static const struct {
        hf_breaker_window kind;
        uint32_t window, buckets;
        size_t bytes;
        bool wheel;
    } rows[] = {{HF_BREAKER_BY_CALLS, 1, 1, 256, false},    {HF_BREAKER_BY_CALLS, 128, 1, 256, false},
                {HF_BREAKER_BY_CALLS, 1024, 1, 704, false}, {HF_BREAKER_BY_CALLS, 100, 1, 768, true},
                {HF_BREAKER_BY_TIME, 1, 10, 1280, false},   {HF_BREAKER_BY_TIME, 1, 20, 2304, false},
                {HF_BREAKER_BY_TIME, 1, 10, 1792, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hf__breaker_shape shape =
            hf__breaker_shape(rows[i].kind, rows[i].window, rows[i].buckets, rows[i].wheel);
        assert_int_equal(hf__breaker_state_bytes(&shape), rows[i].bytes);
    }
    assert_in_range(sizeof(struct hf_breaker), 100, 512);
    hf_breaker_config config = rig_config(100, 20, HF_PPM);
    assert_int_equal(hf_breaker_state_bytes(&config), 256);
    assert_int_equal(hf_breaker_state_bytes(NULL), 256);
    config.probes = 0;
    assert_int_equal(hf_breaker_state_bytes(&config), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(recovering_admits_a_growing_share),
        TEST(a_call_admitted_while_recovering_counts_after_it_closed),
        TEST(recovering_falls_back_on_as_many_results_as_probes),
        TEST(explain_says_why_and_when),
        TEST(reconfigure_refuses_what_is_fixed),
        TEST(a_window_of_calls_shrinks_and_grows),
        TEST(new_limits_judge_what_is_in_the_window),
        TEST(rules_change_under_calls),
        TEST(restore_refuses_nonsense),
        TEST(a_recovery_goes_on_after_a_restart),
        TEST(the_state_has_the_size_that_the_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
