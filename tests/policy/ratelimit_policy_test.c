/* SPDX-License-Identifier: MIT */
/* Rate limits through the engine and by themselves, in virtual time; the keyed ones with their memory. */
#include "base/rng.h"
#include "policy/keyed_table.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MS HF_MILLISECOND

static hf_rate_limit *limit;
static hf_bulkhead *full;
static hf_pipeline *pipeline;
static struct stepper s;
static hf_result result;

static hf_rate_limit_config rate(uint32_t permits, uint32_t burst, int64_t period_ms) {
    hf_rate_limit_config c;
    hf_rate_limit_config_init(&c);
    c.tier[0] = (hf_rate_tier){permits, burst, period_ms};
    return c;
}

static void build(const hf_rate_limit_config *config, hf_policy *inner) {
    hf_error error;
    if (hf_rate_limit_new(&limit, "quota", config, &error) < 0) fail_msg("%s", hf_error_text(&error));
    hf_policy *order[] = {hf_rate_limit_policy(limit), inner};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, inner == NULL ? 1 : 2, NULL), 0);
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    hf_rate_limit_free(limit);
    hf_bulkhead_free(full);
    pipeline = NULL, limit = NULL, full = NULL;
    return 0;
}

/* Begins a call and steps it once. */
static int begin(hf_time now, const char *key, uint32_t weight, hf_time deadline) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.key = key;
    options.weight = weight;
    options.deadline_at = deadline;
    stepper_begin(&s, pipeline, &options, now);
    return stepper_step(&s);
}

static void finish(hf_outcome outcome) {
    stepper_finish(&s, outcome, 0, true);
    assert_int_equal(stepper_step(&s), HF_STEP_DONE);
    (void)stepper_end(&s, &result);
}

static void admitted(hf_time now, const char *key, uint32_t weight) {
    assert_int_equal(begin(now, key, weight, HF_NEVER), HF_STEP_START);
    finish(hf_success());
}

static void refused(hf_time now, const char *key, uint32_t weight, hf_time retry_at) {
    assert_int_equal(begin(now, key, weight, HF_NEVER), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_RATE_LIMITED);
    assert_string_equal(hf_result_policy(&result), "quota");
    assert_int_equal(hf_result_retry_at(&result), retry_at);
    assert_int_equal(hf_result_attempts(&result), 0);
}

static void a_refusal_says_when(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(10, 3, 1000);
    build(&c, NULL);
    for (int i = 0; i < 3; i++) admitted(1000 * MS, NULL, 1);
    refused(1000 * MS, NULL, 1, 1100 * MS);
    refused(1099 * MS, NULL, 1, 1100 * MS);
    refused(1099 * MS, NULL, 3, 1300 * MS);
    admitted(1100 * MS, NULL, 1);
    admitted(1100 * MS, NULL, 0);          /* weighs nothing */
    refused(1100 * MS, NULL, 4, HF_NEVER); /* more than can ever be there */
    assert_int_equal(hf_rate_limit_rejected(limit), 4);
    admitted(1400 * MS, NULL, 3);
}

static void all_tiers_or_none(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(10, 10, 1000);
    c.tiers = 2;
    c.tier[1] = (hf_rate_tier){60, 15, 3600000}; /* one a minute */
    build(&c, NULL);
    for (int i = 0; i < 10; i++) admitted(0, NULL, 1);
    refused(0, NULL, 1, 100 * MS);
    for (int i = 0; i < 5; i++) admitted(HF_SECOND, NULL, 1);
    /* The slow tier is empty: what it turns back takes nothing from the fast one. */
    for (int i = 0; i < 50; i++) refused(HF_SECOND, NULL, 1, 60 * HF_SECOND);
    assert_int_equal(hf_rate_limit_available(limit, NULL, 2 * HF_SECOND), 0);
    admitted(60 * HF_SECOND, NULL, 1);
    refused(60 * HF_SECOND, NULL, 1, 120 * HF_SECOND);
}

static void a_call_waits_for_its_permit_and_no_longer(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(10, 1, 1000);
    c.max_wait_ms = 250;
    build(&c, NULL);
    admitted(0, NULL, 1);
    struct stepper waiting[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(begin(0, NULL, 1, HF_NEVER), HF_STEP_WAIT);
        assert_int_equal(s.step.at, (i + 1) * 100 * MS);
        waiting[i] = s;
    }
    refused(0, NULL, 1, 300 * MS); /* longer than it may wait */
    refused(60 * MS, NULL, 3, HF_NEVER);
    for (int i = 0; i < 2; i++) {
        s = waiting[i];
        assert_int_equal(stepper_next(&s), HF_STEP_START);
        assert_int_equal(s.now, (i + 1) * 100 * MS);
        finish(hf_success());
    }
    /* A permit that would come at the deadline is of no use: it is not waited for, and not taken. */
    assert_int_equal(begin(200 * MS, NULL, 1, 300 * MS), HF_STEP_DONE);
    assert_int_equal(stepper_end(&s, &result), HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_RATE_LIMITED);
    assert_int_equal(begin(200 * MS, NULL, 1, 300 * MS + 1), HF_STEP_WAIT);
    (void)stepper_end(&s, NULL);
}

static void who_leaves_gives_the_permit_back(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(10, 1, 1000);
    c.max_wait_ms = 1000;
    for (c.tiers = 1; c.tiers <= 2; c.tiers++) {
        c.tier[1] = (hf_rate_tier){100, 5, 1000};
        build(&c, NULL);
        admitted(0, NULL, 1);
        for (int i = 0; i < 20; i++) { /* cancelled, and given up at the end of the call */
            assert_int_equal(begin(0, NULL, 1, HF_NEVER), HF_STEP_WAIT);
            assert_int_equal(s.step.at, 100 * MS);
            if (i % 2 == 0) {
                hf_call_cancel(&s.call);
                assert_int_equal(stepper_step(&s), HF_STEP_DONE);
            }
            assert_int_equal(stepper_end(&s, &result), HF_E_CANCELLED);
            if (c.tiers == 1) assert_int_equal(hf_rate_limit_available(limit, NULL, 0), 0);
        }
        (void)teardown(NULL);
    }
}

static void what_is_turned_back_further_in_costs_nothing(void **state) {
    (void)state;
    hf_bulkhead_config none;
    hf_bulkhead_config_init(&none);
    none.max_concurrent = 0;
    assert_int_equal(hf_bulkhead_new(&full, "full", &none, NULL), 0);
    hf_rate_limit_config c = rate(1, 5, 1000);
    c.max_keys = 10;
    build(&c, hf_bulkhead_policy(full));
    for (int i = 0; i < 50; i++) {
        assert_int_equal(begin(7, "k", 1, HF_NEVER), HF_STEP_DONE);
        (void)stepper_end(&s, &result);
        assert_int_equal(hf_result_reason(&result), HF_REASON_FULL);
        assert_int_equal(hf_rate_limit_available(limit, "k", 7), 5);
    }
}

/* A retry inside: an attempt was made before the last pass was turned back, so the permit is used. */
static void a_permit_that_was_used_is_not_given_back(void **state) {
    (void)state;
    hf_bulkhead_config one;
    hf_bulkhead_config_init(&one);
    one.max_concurrent = 1;
    hf_retry *retry;
    hf_rate_limit_config c = rate(1, 5, 1000);
    assert_int_equal(hf_bulkhead_new(&full, "full", &one, NULL), 0);
    assert_int_equal(hf_retry_new(&retry, "retry", NULL, NULL, NULL), 0);
    assert_int_equal(hf_rate_limit_new(&limit, "quota", &c, NULL), 0);
    hf_policy *order[] = {hf_rate_limit_policy(limit), hf_retry_policy(retry), hf_bulkhead_policy(full)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 3, NULL), 0);
    hf_retry_free(retry);
    assert_int_equal(begin(0, NULL, 1, HF_NEVER), HF_STEP_START);
    assert_int_equal(hf_call_report(&s.call, 1, hf_failure(1), 0), 0);
    assert_int_equal(hf_bulkhead_resize(full, 0), 0);
    assert_int_equal(stepper_next(&s), HF_STEP_DONE);
    (void)stepper_end(&s, &result);
    assert_int_equal(hf_result_reason(&result), HF_REASON_FULL);
    assert_int_equal(hf_rate_limit_available(limit, NULL, 0), 4);
}

static void a_throttled_answer_drains(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(100, 50, 1000);
    build(&c, NULL);
    assert_int_equal(begin(0, NULL, 1, HF_NEVER), HF_STEP_START);
    finish(hf_throttled(429, 3 * HF_SECOND));
    refused(0, NULL, 1, 3 * HF_SECOND);
    refused(3 * HF_SECOND - 1, NULL, 1, 3 * HF_SECOND);
    admitted(3 * HF_SECOND, NULL, 1);
    refused(3 * HF_SECOND, NULL, 1, 3010 * MS); /* and no burst */
    assert_int_equal(begin(100 * HF_SECOND, NULL, 1, HF_NEVER), HF_STEP_START);
    finish(hf_throttled(429, 0)); /* no hint: the burst is gone */
    refused(100 * HF_SECOND, NULL, 1, 100 * HF_SECOND + 10 * MS);
    (void)teardown(NULL);
    c.drain_on_throttled = 0;
    build(&c, NULL);
    assert_int_equal(begin(0, NULL, 1, HF_NEVER), HF_STEP_START);
    finish(hf_throttled(429, 3 * HF_SECOND));
    admitted(0, NULL, 1);
    hf_rate_limit_drain(limit, NULL, 5 * HF_SECOND, 0);
    refused(0, NULL, 1, 5 * HF_SECOND);
    hf_rate_limit_drain(limit, NULL, HF_NEVER, 0); /* not for ever */
    refused(0, NULL, 1, 86400 * HF_SECOND);
}

static void a_throttled_key_drains_alone(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(100, 50, 1000);
    c.max_keys = 2;
    build(&c, NULL);
    admitted(0, "b", 1);
    assert_int_equal(begin(0, "a", 1, HF_NEVER), HF_STEP_START);
    finish(hf_throttled(429, 3 * HF_SECOND));
    refused(0, "a", 1, 3 * HF_SECOND);
    admitted(0, "b", 49);
    hf_rate_limit_drain(limit, "c", HF_SECOND, 0); /* also makes room */
    assert_int_equal(hf_rate_limit_evictions(limit), 1);
    refused(0, "c", 1, HF_SECOND);
}

static void limits_change_while_calls_go_on(void **state) {
    (void)state;
    for (uint32_t keys = 0; keys <= 4; keys += 4) {
        hf_rate_limit_config c = rate(1, 10, 1000);
        c.max_keys = keys;
        build(&c, NULL);
        for (int i = 0; i < 10; i++) admitted(0, "a", 1);
        hf_rate_tier faster = {1000, 100, 1000};
        hf_error error;
        assert_int_equal(hf_rate_limit_set(limit, 0, &faster, 0, &error), 0);
        refused(0, "a", 1, MS);
        admitted(MS, "a", 1);
        assert_int_equal(hf_rate_limit_available(limit, "a", 60 * HF_SECOND), 100);
        faster.burst = 0;
        assert_int_equal(hf_rate_limit_set(limit, 0, &faster, 0, &error), HF_E_INVALID);
        assert_non_null(strstr(hf_error_text(&error), "burst"));
        assert_int_equal(hf_rate_limit_set(limit, 1, &faster, 0, &error), HF_E_INVALID);
        (void)teardown(NULL);
    }
}

static void instances_with_a_phase_do_not_call_in_step(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(10, 1, 1000);
    c.phase_ppm = HF_RATE_PHASE_RANDOM;
    hf_time seen[8], different = 0;
    for (int i = 0; i < 8; i++) {
        build(&c, NULL);
        admitted(0, NULL, 1);
        assert_int_equal(begin(0, NULL, 1, HF_NEVER), HF_STEP_DONE);
        (void)stepper_end(&s, &result);
        seen[i] = hf_result_retry_at(&result);
        assert_in_range(seen[i], 100 * MS, 200 * MS);
        different += i > 0 && seen[i] != seen[0];
        admitted(seen[i], NULL, 1);
        refused(seen[i], NULL, 1, seen[i] + 100 * MS); /* once only */
        (void)teardown(NULL);
    }
    assert_true(different >= 6);
}

static void bad_configurations_are_sentences(void **state) {
    (void)state;
    hf_error error;
    hf_rate_limit_config c;
    hf_rate_limit_config_init(&c);
    assert_int_equal(hf_rate_limit_new(&limit, "x", NULL, &error), HF_E_INVALID); /* there is no default rate */
    assert_non_null(strstr(hf_error_text(&error), "permits is 0, expected 1 to 10000000"));
    c = rate(1, 100000, 86400000);
    assert_int_equal(hf_rate_limit_new(&limit, "x", &c, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "31 days"));
    c = rate(20000, 1, 1);
    assert_int_equal(hf_rate_limit_new(&limit, "x", &c, &error), HF_E_INVALID);
    c = rate(1, 1, 1000);
    c.tiers = 5;
    assert_int_equal(hf_rate_limit_new(&limit, "x", &c, &error), HF_E_INVALID);
    c.tiers = 2; /* the second has no rate */
    assert_int_equal(hf_rate_limit_new(&limit, "x", &c, &error), HF_E_INVALID);
    c = rate(1, 1, 1000);
    c.max_wait_ms = -1;
    assert_int_equal(hf_rate_limit_new(&limit, "x", &c, &error), HF_E_INVALID);
    assert_null(limit);
    assert_int_equal(hf_rate_limit_new(NULL, "x", &c, &error), HF_E_INVALID);
}

/* ---- keys ---- */

struct evictions {
    hf_rate_eviction last;
    char for_key[32];
    int told;
};

static void on_evict(void *arg, const hf_rate_eviction *event) {
    struct evictions *seen = arg;
    seen->last = *event;
    snprintf(seen->for_key, sizeof seen->for_key, "%s", event->for_key);
    seen->told++;
    (void)hf_rate_limit_available(limit, event->for_key, 0); /* no lock is held: it may call back */
}

static void the_least_recently_used_key_makes_room(void **state) {
    (void)state;
    struct evictions seen = {.told = 0};
    hf_rate_limit_config c = rate(1, 2, 1000);
    c.max_keys = 3;
    c.on_evict = on_evict;
    c.on_evict_arg = &seen;
    build(&c, NULL);
    for (const char *k = "abc"; *k != '\0'; k++) {
        char key[] = {*k, '\0'};
        admitted(0, key, 2);
        refused(0, key, 1, HF_SECOND);
    }
    refused(0, "a", 1, HF_SECOND); /* asking is using: b is now the oldest */
    admitted(500 * MS, "d", 1);
    assert_int_equal(seen.told, 1);
    assert_string_equal(seen.for_key, "d");
    assert_string_equal(seen.last.limit, "quota");
    assert_int_equal(seen.last.forgotten_ns, 1500 * MS); /* what b would still have lacked */
    assert_int_equal(hf_rate_limit_keys(limit), 3);
    refused(500 * MS, "a", 1, HF_SECOND);
    assert_int_equal(hf_rate_limit_available(limit, "b", 500 * MS), 2);
    refused(500 * MS, "c", 1, HF_SECOND);
    admitted(500 * MS, NULL, 1); /* no key is a key */
    assert_int_equal(hf_rate_limit_evictions(limit), 2);
}

/* A table against the plainest model of one: a list of (key, number) from the newest to the oldest. */
static void the_table_is_a_list_that_forgets_its_end(void **state) {
    (void)state;
    enum { CAPACITY = 17, KEYS = 40 };
    struct hf__keyed_table *table = hf__keyed_table_new(CAPACITY, 2);
    assert_non_null(table);
    int order[CAPACITY] = {0}, held = 0;
    int64_t value[KEYS] = {0};
    uint64_t rng = 4;
    for (int step = 0; step < 50000; step++) {
        int k = (int)hf__rng_between(hf__rng_next(&rng), 0, KEYS - 1), at = 0;
        bool make = hf__rng_next(&rng) % 3 != 0;
        char key[16];
        snprintf(key, sizeof key, "key %d", k);
        while (at < held && order[at] != k) at++;
        bool there = at < held;
        struct hf__keyed_slot slot = hf__keyed_open(table, key, make);
        assert_int_equal(slot.numbers != NULL, there || make);
        assert_int_equal(slot.evicted, make && !there && held == CAPACITY);
        if (there) assert_int_equal(slot.numbers[1], value[k]);
        if (slot.evicted) assert_int_equal(slot.lost[1], value[order[CAPACITY - 1]]);
        if (make) {
            if (!there) assert_int_equal(slot.numbers[1], 0);
            value[k] = slot.numbers[1] = step + 1;
            if (!there && held < CAPACITY) held++;
            if (!there) at = held - 1;
            memmove(&order[1], &order[0], (size_t)at * sizeof order[0]);
            order[0] = k;
        }
        hf__keyed_close(table, &slot);
        assert_int_equal(hf__keyed_count(table), held);
    }
    hf__keyed_table_free(table);
}

static void a_million_keys_fit_in_64_mib(void **state) {
    (void)state;
    for (uint32_t tiers = 1; tiers <= HF_RATE_TIERS_MAX; tiers += 3) {
        struct hf__keyed_table *table = hf__keyed_table_new(1000000, tiers);
        assert_non_null(table);
        assert_true(hf__keyed_bytes(table) <= 64u << 20);
        uint32_t evicted = 0;
        for (int i = 0; i < 1000000; i++) {
            char key[32];
            snprintf(key, sizeof key, "user-%d@example.com", i);
            struct hf__keyed_slot slot = hf__keyed_open(table, key, true);
            slot.numbers[tiers - 1] = i;
            evicted += slot.evicted;
            hf__keyed_close(table, &slot);
        }
        /* The shards fill unevenly: a few keys have gone before the last had come. */
        assert_int_equal(hf__keyed_count(table) + evicted, 1000000);
        assert_true(evicted < 10000);
        hf__keyed_table_free(table);
    }
}

static void *use_keys(void *arg) {
    uint64_t rng = (uintptr_t)arg;
    uintptr_t granted = 0;
    for (int i = 0; i < 20000; i++) {
        char key[8];
        int k = (int)(hf__rng_next(&rng) % 16);
        snprintf(key, sizeof key, "%d", k);
        hf_rate_ticket ticket;
        if (hf_rate_limit_take(limit, &ticket, key, 1, 0, 0) == 0) granted++;
    }
    return (void *)granted;
}

static void threads_share_keys(void **state) {
    (void)state;
    hf_rate_limit_config c = rate(1, 1000, 1000);
    c.max_keys = 2000;
    build(&c, NULL);
    pthread_t threads[4];
    uintptr_t granted = 0;
    for (uintptr_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, use_keys, (void *)i), 0);
    for (int i = 0; i < 4; i++) {
        void *mine;
        pthread_join(threads[i], &mine);
        granted += (uintptr_t)mine;
    }
    assert_int_equal(granted, 16 * 1000);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_refusal_says_when),
        TEST(all_tiers_or_none),
        TEST(a_call_waits_for_its_permit_and_no_longer),
        TEST(who_leaves_gives_the_permit_back),
        TEST(what_is_turned_back_further_in_costs_nothing),
        TEST(a_permit_that_was_used_is_not_given_back),
        TEST(a_throttled_answer_drains),
        TEST(a_throttled_key_drains_alone),
        TEST(limits_change_while_calls_go_on),
        TEST(instances_with_a_phase_do_not_call_in_step),
        TEST(bad_configurations_are_sentences),
        TEST(the_least_recently_used_key_makes_room),
        TEST(the_table_is_a_list_that_forgets_its_end),
        TEST(a_million_keys_fit_in_64_mib),
        TEST(threads_share_keys),
    };
    return cmocka_run_group_tests_name("rate limit", tests, NULL, NULL);
}
