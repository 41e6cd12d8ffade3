/* SPDX-License-Identifier: MIT */
/* The budget's word against an obvious model: whole numbers that never wrap, moved one event at a time. */
#include "support/cmocka_all.h"

#include "base/rng.h"
#include "core/budget.h"

#include <string.h>

#define WRAP_MS (INT64_C(1) << 38)
#define YEAR_MS (INT64_C(365) * 86400000)

/* What a bucket is. Instants are true ones, 64 bits wide. */
struct model {
    int64_t missing; /* thousandths */
    int64_t since_ms;
};

static void model_refill(struct model *m, const struct hf__budget_rules *rules, int64_t now_ms) {
    if (m->missing == 0) m->since_ms = now_ms; /* full: nothing to remember */
    if (now_ms <= m->since_ms) return;
    __int128 credit = (__int128)(now_ms - m->since_ms) * rules->per_ms;
    m->missing = credit >= m->missing ? 0 : m->missing - (int64_t)credit;
    m->since_ms = now_ms;
}

static int64_t at_most(int64_t value, int64_t most) { return value < most ? value : most; }

static void check(uint64_t word, const struct model *m, const struct hf__budget_rules *rules, int64_t now_ms) {
    struct model then = *m;
    model_refill(&then, rules, now_ms);
    int64_t left = rules->capacity > then.missing ? rules->capacity - then.missing : 0;
    assert_int_equal(hf__budget_available(word, rules, now_ms), left);
}

/* One random event on both. */
static void event(uint64_t *word, struct model *m, const struct hf__budget_rules *rules, int64_t now_ms,
                  uint64_t dice) {
    uint64_t next = UINT64_MAX;
    switch (dice % 4) {
    case 0:
        *word = hf__budget_deposit(*word, rules);
        m->missing = m->missing > rules->deposit ? m->missing - rules->deposit : 0;
        break;
    case 1: {
        struct model then = *m;
        model_refill(&then, rules, now_ms);
        bool granted = hf__budget_withdraw(*word, rules, now_ms, &next);
        assert_int_equal(granted, then.missing + 1000 <= rules->capacity);
        if (!granted) {
            assert_true(next == UINT64_MAX); /* untouched: the refill is credited by whoever gets something */
            return;
        }
        *word = next;
        *m = then;
        m->missing += 1000;
        break;
    }
    case 2: {
        uint32_t tokens = (uint32_t)(dice >> 8) % 5;
        model_refill(m, rules, now_ms);
        *word = hf__budget_charge(*word, rules, tokens, now_ms);
        m->missing = at_most(m->missing + tokens * INT64_C(1000), rules->capacity);
        break;
    }
    default: *word = hf__budget_refund(*word, rules); m->missing = m->missing > 1000 ? m->missing - 1000 : 0;
    }
}

static void the_word_does_what_the_model_does(void **state) {
    (void)state;
    static const int64_t steps_ms[] = {0, 1, 1, 7, 333, 5000, 86400000, YEAR_MS, 3 * YEAR_MS, -1, -500, -86400000};
    uint64_t rng = 7;
    for (int run = 0; run < 400; run++) {
        hf_budget_config config;
        hf_budget_config_init(&config);
        config.ratio_ppm = (uint32_t)(hf__rng_next(&rng) % 1001) * 1000;
        config.min_per_second = (uint32_t)(hf__rng_next(&rng) % 3 == 0 ? 0 : hf__rng_next(&rng) % 10001);
        config.burst = 1 + (uint32_t)(hf__rng_next(&rng) % (run % 2 ? 10000 : 5));
        struct hf__budget_rules rules = hf__budget_rules(&config);
        uint64_t word = 0;
        struct model m = {0, 0};
        int64_t now_ms = run % 3 == 0 ? 0 : WRAP_MS - 5000 + (int64_t)(hf__rng_next(&rng) % 10000);
        int64_t latest_ms = now_ms;
        for (int i = 0; i < 300; i++) {
            int64_t step = steps_ms[hf__rng_next(&rng) % (sizeof steps_ms / sizeof steps_ms[0])];
            if (now_ms + step >= 0 && now_ms + step < latest_ms + 4 * YEAR_MS) now_ms += step;
            if (now_ms > latest_ms) latest_ms = now_ms;
            /* More than half of 2^38 ms from the word's own instant the direction is lost: 4.3 years. */
            if (now_ms - m.since_ms > WRAP_MS / 2 - 1 || m.since_ms - now_ms > WRAP_MS / 2 - 1) now_ms = m.since_ms;
            event(&word, &m, &rules, now_ms, hf__rng_next(&rng));
            check(word, &m, &rules, now_ms);
        }
    }
}

static struct hf__budget_rules rules_of(uint32_t per_second, uint32_t burst) {
    hf_budget_config config;
    hf_budget_config_init(&config);
    config.ratio_ppm = 0;
    config.min_per_second = per_second;
    config.burst = burst;
    return hf__budget_rules(&config);
}

static void time_wraps_without_a_step(void **state) {
    (void)state;
    struct hf__budget_rules rules = rules_of(1, 10);
    uint64_t word = hf__budget_charge(0, &rules, 10, WRAP_MS - 500);
    assert_int_equal(hf__budget_available(word, &rules, WRAP_MS - 500), 0);
    assert_int_equal(hf__budget_available(word, &rules, WRAP_MS - 1), 499);
    assert_int_equal(hf__budget_available(word, &rules, WRAP_MS), 500);
    assert_int_equal(hf__budget_available(word, &rules, WRAP_MS + 500), 1000);
}

static void a_clock_that_goes_back_credits_nothing_and_costs_nothing(void **state) {
    (void)state;
    struct hf__budget_rules rules = rules_of(1000, 10);
    uint64_t word = hf__budget_charge(0, &rules, 10, 1000000);
    assert_int_equal(hf__budget_available(word, &rules, 999999), 0);
    assert_int_equal(hf__budget_available(word, &rules, 0), 0);
    uint64_t after = hf__budget_charge(word, &rules, 0, 5); /* somebody with an older clock looks */
    assert_int_equal(hf__budget_available(after, &rules, 1000001), 1000);
    assert_int_equal(hf__budget_available(after, &rules, 1000010), 10000);
}

static void the_extremes_of_a_configuration(void **state) {
    (void)state;
    struct hf__budget_rules rules = rules_of(10000, 10000);
    uint64_t word = hf__budget_charge(0, &rules, UINT32_MAX, 1), out;
    assert_int_equal(hf__budget_available(word, &rules, 1), 0);
    assert_false(hf__budget_withdraw(word, &rules, 1, &out));
    assert_int_equal(hf__budget_available(word, &rules, 1001), 10000 * 1000);
    assert_int_equal(hf__budget_available(word, &rules, WRAP_MS / 2), 10000 * 1000);
    rules = rules_of(0, 1);
    word = hf__budget_charge(0, &rules, 1, 1);
    assert_int_equal(hf__budget_available(word, &rules, 4 * YEAR_MS), 0); /* nothing fills it */
    assert_int_equal(hf__budget_available(hf__budget_refund(word, &rules), &rules, 1), 1000);
    assert_int_equal(hf__budget_refund(0, &rules), 0); /* never more than full */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_does_what_the_model_does),
        cmocka_unit_test(time_wraps_without_a_step),
        cmocka_unit_test(a_clock_that_goes_back_credits_nothing_and_costs_nothing),
        cmocka_unit_test(the_extremes_of_a_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
