/* SPDX-License-Identifier: MIT */
/* Calls that are overdue while they are under way, in virtual time. */
#include "support/breaker_rig.h"

#include "base/rng.h"
#include "core/breaker_overdue.h"

#include <stdlib.h>
#include <string.h>

#define MS HF_MILLISECOND

static hf_breaker_config slow_config(int64_t slow_ms) {
    hf_breaker_config config = rig_config(100, 20, HF_BREAKER_OFF);
    config.slow_rate_ppm = 500000;
    config.slow_call_ms = slow_ms;
    return config;
}

/* 100 quick calls, then one call each millisecond into a dependency that hangs. Returns how long after the first of
 * these the breaker opened; -1: not within `for_ms`. */
static int64_t opens_after(hf_breaker_config *config, int64_t for_ms, uint32_t every_ms) {
    int64_t found = -1;
    rig_build(config);
    for (int i = 0; i < 100; i++) rig_play("S"), rig.now += MS;
    hf_time begin = rig.now;
    struct stepper *calls = calloc((size_t)for_ms, sizeof *calls);
    assert_non_null(calls);
    int64_t n = 0;
    for (; n < for_ms && rig_begin(&calls[n]); n++) rig.now += every_ms * MS;
    if (n < for_ms) {
        assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
        assert_int_equal(rig.last_event.rules, HF_BREAKER_RULE_SLOW_RATE);
        assert_true(rig.last_info.overdue > 0);
        found = (rig.now - begin) / MS;
        n++; /* the one that was turned back ends too */
    }
    for (int64_t i = 0; i < n; i++) (void)hf_call_end(&calls[i].call, NULL);
    free(calls);
    return found;
}

static void a_hanging_dependency_is_noticed_within_the_threshold_and_a_tick(void **state) {
    (void)state;
    /* Half of the window must be overdue: 50 calls of 1000 a second take 50 ms to begin. */
    static const struct {
        int64_t slow_ms, latest_ms;
    } rows[] = {{1000, 1000 + 50 + 143}, {700, 700 + 50 + 100}, {101, 101 + 50 + 15}, {350, 350 + 50 + 50}};
    for (int kind = HF_BREAKER_BY_CALLS; kind <= HF_BREAKER_BY_TIME; kind++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            hf_breaker_config config = slow_config(rows[i].slow_ms);
            config.window_kind = kind;
            config.window_ms = 1000; /* of time: the quick calls are soon forgotten */
            int64_t after_ms = opens_after(&config, 3000, 1);
            if (kind == HF_BREAKER_BY_CALLS) assert_in_range(after_ms, rows[i].slow_ms + 49, rows[i].latest_ms);
            else assert_in_range(after_ms, rows[i].slow_ms + 1, rows[i].latest_ms + 50); /* the quick ones count */
            rig_teardown(NULL);
        }
    }
}

static void few_calls_that_hang_long_are_not_forgotten(void **state) {
    (void)state;
    hf_breaker_config config = slow_config(1000);
    config.window = 20;
    config.min_calls = 5;
    assert_in_range(opens_after(&config, 60, 3000), 27000, 33000); /* ten of twenty, one in three seconds */
}

static void what_takes_almost_as_long_is_not_overdue(void **state) {
    (void)state;
    hf_breaker_config config = slow_config(1000);
    config.window = config.min_calls = 10;
    config.slow_rate_ppm = 1;
    rig_build(&config);
    struct stepper calls[64];
    for (int i = 0; i < 4000; i++) {
        struct stepper *s = &calls[i % 64];
        if (i >= 64) rig_finish(s, hf_success());
        assert_true(rig_begin(s));
        rig.now += 999 * MS / 64;
        assert_int_equal(rig_info().overdue, 0);
    }
    for (int i = 0; i < 64; i++) (void)hf_call_end(&calls[i].call, NULL);
}

static void old_hangs_do_not_trip_a_recovery(void **state) {
    (void)state;
    hf_breaker_config config = slow_config(1000);
    config.min_calls = 10;
    config.probes = 1;
    rig_build(&config);
    struct stepper hanging[20];
    for (int i = 0; i < 20; i++) assert_true(rig_begin(&hanging[i]));
    rig.now += 1200 * MS;
    (void)rig_rejected(); /* the first of a tick looks, and is turned back itself */
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    rig.now += 5 * HF_SECOND;
    assert_int_equal(rig_play("S"), HF_BREAKER_CLOSED);
    for (int i = 0; i < 40; i++) {
        rig.now += 100 * MS;
        assert_int_equal(rig_play("S"), HF_BREAKER_CLOSED);
        assert_int_equal(rig_info().overdue, 0);
        if (i % 2 == 0) rig_finish(&hanging[i / 2], hf_failure(1)); /* late: dropped */
    }
    assert_int_equal(rig_info().failures, 0);
}

static void metrics_only_tells_of_overdue_calls(void **state) {
    (void)state;
    hf_breaker_config config = slow_config(1000);
    config.initial_state = HF_BREAKER_METRICS_ONLY;
    config.min_calls = 10;
    rig_build(&config);
    struct stepper hanging[10], next;
    for (int i = 0; i < 10; i++) assert_true(rig_begin(&hanging[i]));
    rig.now += 1200 * MS;
    assert_int_equal(rig_info().overdue, 10);
    assert_int_equal(rig.events, 0);
    assert_true(rig_begin(&next));
    assert_int_equal(rig.events, 1);
    hf_breaker_explanation why = {.struct_size = sizeof why};
    assert_int_equal(hf_breaker_explain(rig.breaker, &why, rig.now), 0);
    assert_string_equal(why.text, "breaker \"b\" is metrics-only: 10 calls are overdue, and 0 of the last 0 were slow "
                                  "(limit 50 %)");
    for (int i = 0; i < 10; i++) rig_finish(&hanging[i], hf_success());
    assert_int_equal(rig_info().overdue, 0);
    assert_int_equal(rig_info().slow, 10); /* now they are in the window */
    rig_finish(&next, hf_success());
}

static void a_threshold_that_the_wheel_cannot_tell_is_not_watched(void **state) {
    (void)state;
    hf_breaker_config config = slow_config(700);
    config.min_calls = 10;
    rig_build(&config);
    struct stepper hanging[20];
    for (int i = 0; i < 20; i++) assert_true(rig_begin(&hanging[i]));
    config.slow_call_ms = 1301;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    rig.now += 5000 * MS;
    assert_int_equal(rig_info().overdue, 0);
    config.slow_call_ms = 1300;
    assert_int_equal(hf_breaker_reconfigure(rig.breaker, &config, NULL), 0);
    assert_int_equal(rig_info().overdue, 20);
    for (int i = 0; i < 20; i++) rig_finish(&hanging[i], hf_success());
    assert_int_equal(rig_info().overdue, 0);
}

/* The wheel in several shards against a list of all calls: never early, at most one tick late, none lost. */
static void the_wheel_is_the_list(void **state) {
    (void)state;
    enum { SHARDS = 4, CALLS = 200 };
    const int64_t slow_ns = 700 * MS, tick_ns = hf__wheel_tick_ns(slow_ns);
    static uint64_t words[SHARDS * HF__WHEEL_WORDS];
    static struct {
        bool runs;
        uint32_t place, tick;
        hf_time at;
    } calls[CALLS];
    uint64_t rng = 11;
    hf_time now = 1000 * HF_SECOND;
    for (int step = 0; step < 100000; step++) {
        uint64_t dice = hf__rng_next(&rng);
        uint32_t i = (uint32_t)(dice % CALLS), left = 0;
        uint64_t head = hf__time_head(7, hf__time_epoch(now, tick_ns), HF__WHEEL_TICKS);
        if (!calls[i].runs) {
            uint32_t shard = (uint32_t)(dice >> 32) % SHARDS * HF__WHEEL_WORDS;
            calls[i].place = shard + hf__time_slot(head);
            calls[i].at = now;
            calls[i].runs = hf__wheel_enter(words[calls[i].place], head, &words[calls[i].place], &left);
            assert_true(calls[i].runs);
            calls[i].tick = hf__wheel_tick(words[calls[i].place]);
            words[shard + HF__WHEEL_OLD] = hf__wheel_old(words[shard + HF__WHEEL_OLD], 7, (int32_t)left);
        } else if (dice >> 40 & 3) { /* one in four goes on hanging */
            uint32_t place = calls[i].place, old = place - place % HF__WHEEL_WORDS + HF__WHEEL_OLD;
            if (!hf__wheel_leave(words[place], calls[i].tick, &words[place]))
                words[old] = hf__wheel_old(words[old], 7, -1);
            calls[i].runs = false;
        }
        now += (int64_t)(hf__rng_next(&rng) % (uint64_t)(step % 1000 == 0 ? 5 * HF_SECOND : 20 * MS));
        uint32_t found = hf__wheel_overdue(words, SHARDS, 7, tick_ns, slow_ns, now), most = 0, least = 0;
        for (int j = 0; j < CALLS; j++) {
            most += calls[j].runs && calls[j].at <= now - slow_ns;
            least += calls[j].runs && calls[j].at <= now - slow_ns - tick_ns;
        }
        assert_in_range(found, least, most);
        assert_int_equal(hf__wheel_overdue(words, SHARDS, 8, tick_ns, slow_ns, now), 0);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_hanging_dependency_is_noticed_within_the_threshold_and_a_tick),
        TEST(few_calls_that_hang_long_are_not_forgotten),
        TEST(what_takes_almost_as_long_is_not_overdue),
        TEST(old_hangs_do_not_trip_a_recovery),
        TEST(metrics_only_tells_of_overdue_calls),
        TEST(a_threshold_that_the_wheel_cannot_tell_is_not_watched),
        TEST(the_wheel_is_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
