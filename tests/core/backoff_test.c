/* SPDX-License-Identifier: MIT */
#include "base/rng.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>

#define MS HF_MILLISECOND

static hf_backoff_config make(int kind, int jitter, int64_t base_ms, int64_t cap_ms) {
    hf_backoff_config c;
    hf_backoff_config_init(&c);
    c.kind = kind;
    c.jitter = jitter;
    c.base_ms = base_ms;
    c.cap_ms = cap_ms;
    return c;
}

static int64_t delay_ms(const hf_backoff_config *c, uint32_t n, uint64_t random) {
    return hf_backoff_delay(c, n, 0, random) / MS;
}

static void plain_delays_follow_their_formula(void **state) {
    (void)state;
    hf_backoff_config c = make(HF_BACKOFF_CONSTANT, HF_JITTER_NONE, 1000, 86400000);
    for (uint32_t n = 0; n < 4; n++) assert_int_equal(delay_ms(&c, n, 7), 1000);
    c.kind = HF_BACKOFF_LINEAR;
    for (uint32_t n = 1; n < 4; n++) assert_int_equal(delay_ms(&c, n, 7), 1000 * n);
    c.kind = HF_BACKOFF_EXPONENTIAL;
    for (uint32_t n = 1; n < 10; n++) assert_int_equal(delay_ms(&c, n, 7), INT64_C(1000) << (n - 1));
    c.kind = HF_BACKOFF_NONE;
    assert_int_equal(delay_ms(&c, 5, 7), 0);
    static const int64_t r31[] = {128, 256, 512, 1024, 2048, 4096, 8192, 16384, 30000, 30000};
    c = make(HF_BACKOFF_EXPONENTIAL, HF_JITTER_NONE, 128, 30000);
    for (uint32_t n = 1; n <= 10; n++) assert_int_equal(delay_ms(&c, n, 0), r31[n - 1]);
    c.factor_ppm = 1500000;
    assert_int_equal(delay_ms(&c, 3, 0), 288);
}

static void zero_is_a_delay_even_with_jitter(void **state) {
    (void)state;
    for (int jitter = HF_JITTER_NONE; jitter <= HF_JITTER_DECORRELATED; jitter++) {
        hf_backoff_config c = make(HF_BACKOFF_EXPONENTIAL, jitter, 0, 0);
        assert_int_equal(hf_backoff_delay(&c, 3, 0, UINT64_MAX), 0);
    }
}

/* The draw u in [0, 1] as 64 bits. */
static uint64_t u(double value) { return value >= 1 ? UINT64_MAX : (uint64_t)(value * 18446744073709551616.0); }

static void proportional_jitter_spreads_both_ways(void **state) {
    (void)state;
    hf_backoff_config c = make(HF_BACKOFF_CONSTANT, HF_JITTER_PROPORTIONAL, 1000, 10000);
    static const double r[] = {0, .4, .6, 1};
    static const int64_t want_us[] = {750000, 950000, 1050000, 1250000};
    for (int i = 0; i < 4; i++) {
        int64_t got = hf_backoff_delay(&c, 1, 0, u(r[i]));
        assert_in_range(got / 1000, want_us[i] - 1, want_us[i]);
    }
    c.cap_ms = 1000; /* never above the cap */
    assert_int_equal(hf_backoff_delay(&c, 1, 0, UINT64_MAX), 1000 * MS);
}

static void jitter_stays_in_its_range_and_spread_at_the_cap(void **state) {
    (void)state;
    uint64_t rng = 3;
    for (int jitter = HF_JITTER_FULL; jitter <= HF_JITTER_DECORRELATED; jitter++) {
        hf_backoff_config c = make(HF_BACKOFF_EXPONENTIAL, jitter, 100, 5000);
        c.floor_ms = 50;
        int64_t previous = 0, low = HF_NEVER, high = 0;
        for (uint32_t n = 1; n < 3000; n++) {
            int64_t d = hf_backoff_delay(&c, n, previous, hf__rng_next(&rng));
            assert_in_range(d, 50 * MS, 5000 * MS);
            if (n > 20 && d < low) low = d;
            if (n > 20 && d > high) high = d;
            previous = d;
        }
        /* The herd does not meet at the cap. */
        assert_true(low < 4000 * MS && high > 4500 * MS);
    }
}

static void full_equal_and_decorrelated_reach_their_ends(void **state) {
    (void)state;
    hf_backoff_config c = make(HF_BACKOFF_CONSTANT, HF_JITTER_FULL, 1000, 5000);
    assert_int_equal(hf_backoff_delay(&c, 1, 0, 0), 0);
    assert_int_equal(hf_backoff_delay(&c, 1, 0, UINT64_MAX), 1000 * MS);
    c.jitter = HF_JITTER_EQUAL;
    assert_int_equal(hf_backoff_delay(&c, 1, 0, 0), 500 * MS);
    assert_int_equal(hf_backoff_delay(&c, 1, 0, UINT64_MAX), 1000 * MS);
    c = make(HF_BACKOFF_EXPONENTIAL, HF_JITTER_DECORRELATED, 1000, 5000);
    assert_int_equal(hf_backoff_delay(&c, 1, 0, 0), 1000 * MS);
    assert_int_equal(hf_backoff_delay(&c, 1, 0, UINT64_MAX), 3000 * MS);
    assert_int_equal(hf_backoff_delay(&c, 2, 1500 * MS, UINT64_MAX), 4500 * MS);
    assert_int_equal(hf_backoff_delay(&c, 3, 4000 * MS, UINT64_MAX), 5000 * MS);
    c.cap_ms = 1000; /* an empty range gives the base, not nothing */
    assert_int_equal(hf_backoff_delay(&c, 2, 1000 * MS, 5), 1000 * MS);
}

static void nothing_overflows(void **state) {
    (void)state;
    static const uint32_t attempts[] = {1, 2, 62, 63, 64, 65, 1000, 1024, 1025, 0x7fffffff, UINT32_MAX};
    for (int kind = HF_BACKOFF_NONE; kind <= HF_BACKOFF_EXPONENTIAL; kind++) {
        for (int jitter = HF_JITTER_NONE; jitter <= HF_JITTER_DECORRELATED; jitter++) {
            hf_backoff_config c = make(kind, jitter, 86400000, 86400000);
            c.factor_ppm = 100 * HF_PPM;
            if (jitter == HF_JITTER_DECORRELATED && kind != HF_BACKOFF_EXPONENTIAL) {
                assert_int_equal(hf_backoff_delay(&c, 1, 0, 0), HF_NEVER); /* an invalid configuration */
                continue;
            }
            for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
                int64_t d = hf_backoff_delay(&c, attempts[i], HF_NEVER, UINT64_MAX);
                assert_in_range(d, 0, 86400000 * MS);
            }
        }
    }
    hf_backoff_config barely = make(HF_BACKOFF_EXPONENTIAL, HF_JITTER_NONE, 1, 86400000);
    barely.factor_ppm = HF_PPM + 1;
    int64_t d = hf_backoff_delay(&barely, 10, 0, 0); /* grows by nanoseconds, and ends */
    assert_in_range(d, MS, MS + 20);
    barely.factor_ppm = HF_PPM;
    assert_int_equal(hf_backoff_delay(&barely, UINT32_MAX, 0, 0), MS);
}

static void an_invalid_configuration_waits_for_ever(void **state) {
    (void)state;
    assert_int_equal(hf_backoff_delay(NULL, 1, 0, 0), HF_NEVER);
    hf_backoff_config c = make(9, HF_JITTER_NONE, 1, 2);
    assert_int_equal(hf_backoff_delay(&c, 1, 0, 0), HF_NEVER);
    c = make(HF_BACKOFF_CONSTANT, HF_JITTER_NONE, 3, 2);
    assert_int_equal(hf_backoff_delay(&c, 1, 0, 0), HF_NEVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_delays_follow_their_formula),
        cmocka_unit_test(zero_is_a_delay_even_with_jitter),
        cmocka_unit_test(proportional_jitter_spreads_both_ways),
        cmocka_unit_test(jitter_stays_in_its_range_and_spread_at_the_cap),
        cmocka_unit_test(full_equal_and_decorrelated_reach_their_ends),
        cmocka_unit_test(nothing_overflows),
        cmocka_unit_test(an_invalid_configuration_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
