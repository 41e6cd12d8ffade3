/* SPDX-License-Identifier: MIT */
/* The client-side throttle: its words against a plain list of what happened, and its behaviour through the engine. */
#include "base/rng.h"
#include "core/throttle.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <string.h>

#define MS HF_MILLISECOND

static hf_throttle *throttle;
static hf_pipeline *pipeline;
static struct stepper s;
static hf_result result;
static uint64_t seed;

static void build(const hf_throttle_config *config) {
    assert_int_equal(hf_throttle_new(&throttle, "payments", config, NULL), 0);
    hf_policy *order[] = {hf_throttle_policy(throttle)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
    seed = 1;
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    hf_throttle_free(throttle);
    pipeline = NULL, throttle = NULL;
    return 0;
}

static hf_throttle_info info_at(hf_time now) {
    hf_throttle_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_throttle_snapshot(throttle, &info, now), 0);
    return info;
}

/* One call; true if it was let through. */
static bool call(hf_time now, uint32_t priority, hf_outcome outcome) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.priority = priority;
    options.seed = seed++;
    stepper_begin(&s, pipeline, &options, now);
    bool started = stepper_step(&s) == HF_STEP_START;
    if (started) stepper_finish(&s, outcome, 0, true);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    int status = stepper_end(&s, &result);
    if (!started) {
        assert_int_equal(status, HF_E_REJECTED);
        assert_int_equal(hf_result_reason(&result), HF_REASON_THROTTLED_BY_CLIENT);
    }
    return started;
}

/* Calls 1 ms apart of which every `one_in`-th succeeds, 0 none; returns the share let through, in percent. */
static int let_through(hf_time *now, int calls, int one_in) {
    int through = 0, accepted = 0;
    for (int i = 0; i < calls; i++) {
        *now += MS;
        bool fine = one_in > 0 && accepted % one_in == 0;
        if (!call(*now, HF_PRIORITY_NORMAL, fine ? hf_success() : hf_failure(1))) continue;
        through++;
        accepted++;
    }
    return through * 100 / calls;
}

static void a_healthy_dependency_sees_everything(void **state) {
    (void)state;
    build(NULL);
    hf_time now = HF_SECOND;
    assert_int_equal(let_through(&now, 5000, 1), 100);
    assert_int_equal(let_through(&now, 5000, 2), 100); /* half fails: K = 2 allows just that */
    assert_in_range(info_at(now).requests, 9000, 10000);
    assert_in_range(info_at(now).accepts, 6500, 7500);
}

static void what_is_not_taken_is_not_sent(void **state) {
    (void)state;
    build(NULL);
    hf_time now = HF_SECOND;
    (void)let_through(&now, 60000, 10);
    /* Of n asked p are sent and p / 10 accepted: 1 - p = 1 - 2 * p / 10 has its fixed point where twice the accepted is
     * sent, so the share falls until max_reject holds it. */
    assert_in_range(let_through(&now, 20000, 10), 4, 7);
    hf_throttle_info info = info_at(now);
    assert_in_range(info.excess_ppm, 900000, 950000);
    assert_true(info.rejected > 15000);
    /* Recovery is seen: from one in twenty, twice as much each window. */
    assert_true(let_through(&now, 1000, 1) < 20);
    (void)let_through(&now, 45000, 1);
    assert_int_equal(let_through(&now, 1000, 1), 100);
}

/* The formula, with what was turned back counted among the requests. */
static void the_share_is_the_books(void **state) {
    (void)state;
    struct hf__throttle_rules rules = {.bucket_ns = HF_SECOND, .multiplier_ppm = 2000000, .max_reject_ppm = 950000};
    assert_int_equal(hf__throttle_excess(&rules, (struct hf__throttle_counts){0, 0}), 0);
    assert_int_equal(hf__throttle_excess(&rules, (struct hf__throttle_counts){99, 0}), 950000);
    assert_int_equal(hf__throttle_excess(&rules, (struct hf__throttle_counts){99, 20}), 590000);
    assert_int_equal(hf__throttle_excess(&rules, (struct hf__throttle_counts){99, 50}), 0);
    rules.padding = 10;
    assert_int_equal(hf__throttle_excess(&rules, (struct hf__throttle_counts){99, 20}), 390000);
    rules.multiplier_ppm = 1100000;
    assert_int_equal(hf__throttle_excess(&rules, (struct hf__throttle_counts){999, 500}), 438000);
}

static void the_least_important_go_first(void **state) {
    (void)state;
    const struct hf__throttle_rules rules = {.bucket_ns = 1, .multiplier_ppm = 2000000, .max_reject_ppm = 900000};
    const uint64_t requests[HF_PRIORITIES] = {[1] = 200, [3] = 500, [5] = 300};
    /* 27 % can be taken from the sheddable alone. */
    assert_int_equal(hf__throttle_share(&rules, 200000, requests, 5), 666666);
    assert_int_equal(hf__throttle_share(&rules, 200000, requests, 3), 0);
    assert_int_equal(hf__throttle_share(&rules, 270000, requests, 5), 900000);
    assert_int_equal(hf__throttle_share(&rules, 500000, requests, 5), 900000);
    assert_int_equal(hf__throttle_share(&rules, 500000, requests, 3), 460000);
    assert_int_equal(hf__throttle_share(&rules, 500000, requests, 1), 0);
    assert_int_equal(hf__throttle_share(&rules, 900000, requests, 1), 900000);
    assert_int_equal(hf__throttle_share(&rules, 800000, requests, 7), 800000); /* a class that never called */

    build(NULL);
    int through[HF_PRIORITIES] = {0};
    const uint32_t classes[] = {HF_PRIORITY_CRITICAL, HF_PRIORITY_NORMAL, HF_PRIORITY_SHEDDABLE};
    hf_time now = HF_SECOND;
    int room = 0;
    for (int i = 0; i < 30000; i++) {
        now += MS;
        if (i % 30 == 0) room = 9; /* the dependency takes 30 % of what comes, whatever it is */
        if (!call(now, classes[i % 3], room > 0 ? hf_success() : hf_failure(1))) continue;
        room--;
        through[classes[i % 3]]++;
    }
    assert_true(through[HF_PRIORITY_CRITICAL] > 9500);
    assert_true(through[HF_PRIORITY_SHEDDABLE] < 2500);
    assert_true(through[HF_PRIORITY_NORMAL] > through[HF_PRIORITY_SHEDDABLE]);
}

static void what_says_nothing_is_forgotten(void **state) {
    (void)state;
    build(NULL);
    for (int i = 0; i < 500; i++) assert_true(call(HF_SECOND, HF_PRIORITY_NORMAL, hf_neutral(1)));
    assert_int_equal(info_at(HF_SECOND).requests, 0);
    (void)teardown(NULL);
    hf_bulkhead *none;
    hf_bulkhead_config c;
    hf_bulkhead_config_init(&c);
    c.max_concurrent = 0;
    assert_int_equal(hf_bulkhead_new(&none, "none", &c, NULL), 0);
    assert_int_equal(hf_throttle_new(&throttle, "payments", NULL, NULL), 0);
    hf_policy *order[] = {hf_throttle_policy(throttle), hf_bulkhead_policy(none)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 2, NULL), 0);
    for (int i = 0; i < 500; i++) {
        stepper_begin(&s, pipeline, NULL, HF_SECOND);
        assert_int_equal(stepper_step(&s), HF_STEP_DONE);
        (void)stepper_end(&s, &result);
        assert_int_equal(hf_result_reason(&result), HF_REASON_FULL);
    }
    assert_int_equal(info_at(HF_SECOND).requests, 0);
    /* Nor does a fallback inside that answers for what was turned back. */
    (void)teardown(NULL);
    hf_fallback *fallback;
    int value = 1;
    assert_int_equal(hf_fallback_value_new(&fallback, "fallback", &value, sizeof value, 0, NULL), 0);
    assert_int_equal(hf_throttle_new(&throttle, "payments", NULL, NULL), 0);
    hf_policy *with_fallback[] = {hf_throttle_policy(throttle), hf_fallback_policy(fallback), hf_bulkhead_policy(none)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", with_fallback, 3, NULL), 0);
    for (int i = 0; i < 50; i++) {
        const hf_outcome never = hf_success();
        value = 0;
        assert_int_equal(stepper_play(&s, pipeline, NULL, HF_SECOND, &never, NULL, 1, &value, &result), 0);
        assert_true(hf_result_flags(&result) & HF_RESULT_FALLBACK);
    }
    assert_int_equal(info_at(HF_SECOND).requests, 0);
    assert_int_equal(info_at(HF_SECOND).accepts, 0);
    hf_fallback_free(fallback);
    hf_bulkhead_free(none);
}

/* Attempts count when they start: a dependency that hangs is sent less before a single one has timed out, and a cold start
 * is none. */
static void a_hang_is_noticed_and_a_cold_start_is_not_one(void **state) {
    (void)state;
    build(NULL);
    static struct stepper hanging[400];
    int started = 0;
    for (int i = 0; i < 400; i++) {
        hf_call_options options;
        hf_call_options_init(&options);
        options.seed = seed++;
        stepper_begin(&s, pipeline, &options, HF_SECOND);
        if (stepper_step(&s) == HF_STEP_START) hanging[started++] = s;
        else (void)stepper_end(&s, NULL);
        if (i < 40) assert_int_equal(started, i + 1);
    }
    assert_in_range(started, 80, 200);
    for (int i = 0; i < started; i++) (void)hf_call_end(&hanging[i].call, NULL);
    assert_int_equal(info_at(HF_SECOND).requests, 400 - started); /* cancelled: they said nothing */
}

/* Whatever happened: after a window without a call the next one is let through. And it stays a throttle while the clock
 * of a thread is behind. */
static void it_never_wedges(void **state) {
    (void)state;
    for (uint64_t run = 0; run < 40; run++) {
        hf_throttle_config c;
        hf_throttle_config_init(&c);
        c.max_reject_ppm = 990000;
        c.padding = 0;
        c.window_ms = 1000;
        build(&c);
        uint64_t rng = run;
        hf_time now = HF_SECOND;
        for (int i = 0; i < 500; i++) {
            now += hf__rng_between(hf__rng_next(&rng), -3, 5) * MS;
            hf_outcome outcome = hf_failure(1);
            if (hf__rng_next(&rng) % 50 == 0) outcome = hf_neutral(0);
            (void)call(now, (uint32_t)(hf__rng_next(&rng) % HF_PRIORITIES), outcome);
        }
        assert_int_equal(info_at(now).excess_ppm, 990000);
        assert_true(call(now + HF_SECOND, HF_PRIORITY_SHEDDABLE, hf_success()));
        /* Nor with calls that go on failing: one in a hundred is let through. */
        int through = 0;
        for (int i = 0; i < 2000; i++) through += call(now += MS, HF_PRIORITY_NORMAL, hf_failure(1));
        assert_in_range(through, 1, 200);
        (void)teardown(NULL);
    }
}

/* The window against a list of all that happened. */
static void the_window_is_the_last_ten_buckets(void **state) {
    (void)state;
    const struct hf__throttle_rules rules = {.bucket_ns = 100};
    for (uint64_t run = 0; run < 50; run++) {
        uint64_t words[HF__THROTTLE_BUCKETS] = {0}, rng = run;
        static struct {
            int64_t epoch;
            int requests, accepts;
        } log[600];
        int64_t now = (int64_t)(run % 2) * 104857000 - 600 + 1000; /* some runs cross the end of the epochs */
        for (int i = 0; i < 600; i++) {
            now += hf__rng_between(hf__rng_next(&rng), 0, i % 100 == 0 ? 1500 : 40);
            uint64_t epoch = hf__throttle_epoch(&rules, now), *word = &words[(now / 100) % HF__THROTTLE_BUCKETS];
            log[i].epoch = now / 100;
            log[i].requests = (int)hf__rng_between(hf__rng_next(&rng), 0, 3);
            log[i].accepts = (int)hf__rng_between(hf__rng_next(&rng), 0, 3);
            *word = hf__throttle_add(*word, epoch, log[i].requests, log[i].accepts);
            uint64_t requests = 0, accepts = 0;
            for (int j = 0; j <= i; j++) {
                if (log[j].epoch <= now / 100 - HF__THROTTLE_BUCKETS) continue;
                requests += (uint64_t)log[j].requests;
                accepts += (uint64_t)log[j].accepts;
            }
            struct hf__throttle_counts sum = hf__throttle_sum(words, epoch);
            assert_int_equal(sum.requests, requests);
            assert_int_equal(sum.accepts, accepts);
        }
    }
    assert_int_equal(hf__throttle_add(7, 0, -100, -100), 0); /* not below none */
    uint64_t full = hf__throttle_add(0, 5, 5000000, 5000000);
    assert_int_equal(full, hf__throttle_add(full, 5, 1, 1)); /* saturates */
}

static void bad_configurations_are_sentences(void **state) {
    (void)state;
    hf_error error;
    hf_throttle_config c;
    hf_throttle_config_init(&c);
    c.max_reject_ppm = 1000000; /* would wedge */
    assert_int_equal(hf_throttle_new(&throttle, "x", &c, &error), HF_E_INVALID);
    assert_string_equal(hf_error_text(&error), "throttle \"x\": max_reject_ppm is 1000000, expected 0 to 990000");
    hf_throttle_config_init(&c);
    c.multiplier_ppm = 900000;
    assert_int_equal(hf_throttle_new(&throttle, "x", &c, &error), HF_E_INVALID);
    hf_throttle_config_init(&c);
    c.window_ms = 0;
    assert_int_equal(hf_throttle_new(&throttle, "x", &c, &error), HF_E_INVALID);
    assert_null(throttle);
    hf_throttle_info info = {.struct_size = 1000};
    build(NULL);
    assert_int_equal(hf_throttle_snapshot(throttle, &info, 0), HF_E_INVALID);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_healthy_dependency_sees_everything),
        TEST(what_is_not_taken_is_not_sent),
        TEST(the_share_is_the_books),
        TEST(the_least_important_go_first),
        TEST(what_says_nothing_is_forgotten),
        TEST(a_hang_is_noticed_and_a_cold_start_is_not_one),
        TEST(it_never_wedges),
        TEST(the_window_is_the_last_ten_buckets),
        TEST(bad_configurations_are_sentences),
    };
    return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
