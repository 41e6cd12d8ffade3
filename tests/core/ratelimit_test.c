/* SPDX-License-Identifier: MIT */
/* The rate limit as words: the bound over any interval, and several tiers as one decision whatever the order in which
 * their words are moved. */
#include "base/num.h"
#include "base/rng.h"
#include "core/ratelimit.h"
#include "policy/ratelimit_words.h"
#include "support/cmocka_all.h"
#include "support/rate_model.h"

#include <pthread.h>
#include <string.h>

#define MS HF_MILLISECOND

static uint64_t rng;

static int64_t between(int64_t low, int64_t high) { return hf__rng_between(hf__rng_next(&rng), low, high); }

static uint32_t random_tiers(hf_rate_tier *tier, struct hf__rate_words *words, uint32_t count) {
    uint32_t least = UINT32_MAX;
    memset(words, 0, sizeof *words);
    words->count = count;
    for (uint32_t i = 0; i < count; i++) {
        tier[i].permits = (uint32_t)between(1, 9);
        tier[i].burst = (uint32_t)between(1, 12);
        tier[i].period_ms = between(1, i == 0 ? 5 : 200);
        least = tier[i].burst < least ? tier[i].burst : least;
        words->rules[i] = hf__rate_rules(&tier[i]);
    }
    return least;
}

static void play_random(void (*play)(const void *, size_t), int runs, size_t size) {
    static uint8_t bytes[4096];
    for (int run = 0; run < runs; run++) {
        rng = (uint64_t)run;
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)hf__rng_next(&rng);
        play(bytes, size);
    }
}

static void at_most_burst_and_rate_in_any_time(void **state) {
    (void)state;
    memset(&rate_model_seen, 0, sizeof rate_model_seen);
    play_random(rate_model_play, 600, 700);
    assert_true(rate_model_seen.granted > 10000 && rate_model_seen.refused > 5000 && rate_model_seen.given_back > 1000);
}

static void tiers_are_one_decision_in_any_interleaving(void **state) {
    (void)state;
    memset(&rate_model_seen, 0, sizeof rate_model_seen);
    play_random(rate_model_interleave, 1500, 1500);
    assert_true(rate_model_seen.granted > 20000 && rate_model_seen.deaths > 10000);
}

/* What was refused can be had at the instant named, and not a nanosecond earlier. */
static void the_instant_of_a_refusal_is_exact(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        hf_rate_tier tier[HF_RATE_TIERS_MAX];
        struct hf__rate_words words, again;
        int64_t taken[HF_RATE_TIERS_MAX], at;
        bool first;
        rng = seed;
        uint32_t count = (uint32_t)between(1, HF_RATE_TIERS_MAX);
        uint32_t weight = random_tiers(tier, &words, count);
        int64_t now = between(0, HF_SECOND);
        while (hf__rate_words_take(&words, now, 1, now, taken, &at, &first)) continue;
        if (hf__rate_words_take(&words, now, weight, now, taken, &at, &first)) fail();
        memcpy(&again, &words, sizeof words);
        int64_t ignored;
        assert_false(hf__rate_words_take(&again, at - 1, weight, at - 1, taken, &ignored, &first));
        assert_true(hf__rate_words_take(&words, at, weight, at, taken, &ignored, &first));
        assert_int_equal(ignored, at);
    }
}

static void an_idle_limit_is_full_however_long(void **state) {
    (void)state;
    const hf_rate_tier tier = {.permits = 1000, .burst = 50, .period_ms = 3600000};
    for (uint32_t count = 1; count <= 2; count++) {
        struct hf__rate_words words = {.count = count, .rules = {hf__rate_rules(&tier), hf__rate_rules(&tier)}};
        int64_t taken[HF_RATE_TIERS_MAX], at, now = 5;
        bool first;
        for (int64_t idle = 1; idle < 700 * 86400 * HF_SECOND; idle = idle * 3 + 1) {
            now += idle + 180 * HF_SECOND;
            for (int i = 0; i < 50; i++) assert_true(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
            assert_false(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
            assert_int_equal(hf__rate_words_available(&words, now), 0);
        }
    }
}

static void changed_limits_keep_full_full_and_empty_empty(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= 2; count++) {
        const hf_rate_tier slow = {10, 20, 1000}, fast = {1000, 200, 1000}, slower = {1, 5, 1000};
        struct hf__rate_words words = {.count = count, .rules = {hf__rate_rules(&slow), hf__rate_rules(&fast)}};
        int64_t taken[HF_RATE_TIERS_MAX], at, now = HF_SECOND;
        bool first;
        for (int i = 0; i < 20; i++) assert_true(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
        hf__rate_words_set(&words, 0, hf__rate_rules(&fast), now);
        assert_false(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
        now += MS; /* one permit of the new rate, not of the old */
        assert_true(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
        hf__rate_words_set(&words, 0, hf__rate_rules(&slower), now);
        assert_false(hf__rate_words_take(&words, now + 900 * MS, 1, now + 900 * MS, taken, &at, &first));
        assert_true(hf__rate_words_take(&words, now + 1100 * MS, 1, now + 1100 * MS, taken, &at, &first));
        now += 100 * HF_SECOND;
        hf__rate_words_set(&words, 0, hf__rate_rules(&slow), now);
        assert_int_equal(hf__rate_words_available(&words, now), 20);
    }
}

static void foreign_bytes_neither_hang_nor_wedge(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        hf_rate_tier tier[HF_RATE_TIERS_MAX];
        struct hf__rate_words words;
        int64_t taken[HF_RATE_TIERS_MAX], at, now = HF_SECOND;
        bool first;
        rng = seed;
        uint32_t count = (uint32_t)between(2, HF_RATE_TIERS_MAX);
        (void)random_tiers(tier, &words, count);
        words.head = hf__rng_next(&rng);
        for (uint32_t i = 0; i < count; i++) words.tier[i] = hf__rng_next(&rng);
        (void)hf__rate_words_take(&words, now, 1, now, taken, &at, &first);
        for (uint32_t i = 0; i < count; i++) words.tier[i] &= UINT64_MAX >> between(0, 40); /* from years to minutes */
        int hours = 0;
        while (!hf__rate_words_take(&words, now, 1, now, taken, &at, &first)) {
            now += 3600 * HF_SECOND;
            hours++;
        }
        assert_true(hours <= 25 * (int)count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal((words.head >> 18 & 0xf), words.tier[i] & 0xf); /* mended */
        }
    }
}

/* ---- threads ---- */

#define THREADS 4

static struct hf__rate_words shared;

static void *hammer(void *arg) {
    uintptr_t granted = 0;
    int64_t taken[HF_RATE_TIERS_MAX], at, now = HF_SECOND + (int64_t)(uintptr_t)arg; /* clocks differ a little */
    bool first;
    for (int i = 0; i < 20000; i++) {
        if (!hf__rate_words_take(&shared, now, 1, now, taken, &at, &first)) continue;
        if (i % 5 != 0 || !hf__rate_words_refund(&shared, now, 1, taken)) granted++;
    }
    return (void *)granted;
}

/* While the clock stands still exactly the smaller burst is granted, whatever the threads do. */
static void threads_take_no_more_than_there_is(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= 2; count++) {
        const hf_rate_tier tier[] = {{10, 9000, 60000}, {10, 7000, 86400}};
        memset(&shared, 0, sizeof shared);
        shared.count = count;
        for (uint32_t i = 0; i < count; i++) shared.rules[i] = hf__rate_rules(&tier[i]);
        pthread_t threads[THREADS];
        uintptr_t granted = 0;
        for (uintptr_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            void *mine;
            pthread_join(threads[i], &mine);
            granted += (uintptr_t)mine;
        }
        /* With tiers a helper's later clock, may cost a few; never a permit more. */
        assert_true(granted <= tier[count - 1].burst);
        assert_true(granted + (count == 1 ? 2 : 20) >= tier[count - 1].burst);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_burst_and_rate_in_any_time),
        cmocka_unit_test(the_instant_of_a_refusal_is_exact),
        cmocka_unit_test(an_idle_limit_is_full_however_long),
        cmocka_unit_test(changed_limits_keep_full_full_and_empty_empty),
        cmocka_unit_test(tiers_are_one_decision_in_any_interleaving),
        cmocka_unit_test(foreign_bytes_neither_hang_nor_wedge),
        cmocka_unit_test(threads_take_no_more_than_there_is),
    };
    return cmocka_run_group_tests_name("rate limit, words", tests, NULL, NULL);
}
