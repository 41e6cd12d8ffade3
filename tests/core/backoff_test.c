/* SPDX-License-Identifier: MIT */
#include "base/fixed.h"
#include "base/rng.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>

#include <math.h>
#include <string.h>

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
    for (int jitter = HF_JITTER_NONE; jitter <= HF_JITTER_POLLY_V2; jitter++) {
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
    for (int jitter = HF_JITTER_FULL; jitter <= HF_JITTER_POLLY_V2; jitter++) {
        hf_backoff_config c = make(HF_BACKOFF_EXPONENTIAL, jitter, 100, 5000);
        c.floor_ms = 50;
        int64_t memory = 0, low = HF_NEVER, high = 0;
        for (uint32_t n = 1; n < 3000; n++) {
            int64_t d = hf_backoff_delay(&c, n, &memory, hf__rng_next(&rng));
            assert_in_range(d, 50 * MS, 5000 * MS);
            if (n > 20 && d < low) low = d;
            if (n > 20 && d > high) high = d;
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
    int64_t memory = 1500 * MS; /* the delay before */
    assert_int_equal(hf_backoff_delay(&c, 2, &memory, UINT64_MAX), 4500 * MS);
    assert_int_equal(memory, 4500 * MS);
    assert_int_equal(hf_backoff_delay(&c, 3, &memory, UINT64_MAX), 5000 * MS);
    c.cap_ms = 1000; /* an empty range gives the base, not nothing */
    assert_int_equal(hf_backoff_delay(&c, 2, &memory, 5), 1000 * MS);
}

static void nothing_overflows(void **state) {
    (void)state;
    static const uint32_t attempts[] = {1, 2, 62, 63, 64, 65, 1000, 1024, 1025, 0x7fffffff, UINT32_MAX};
    for (int kind = HF_BACKOFF_NONE; kind <= HF_BACKOFF_TABLE; kind++) {
        for (int jitter = HF_JITTER_NONE; jitter <= HF_JITTER_POLLY_V2; jitter++) {
            hf_backoff_config c = make(kind, jitter, 86400000, 86400000);
            c.factor_ppm = 100 * HF_PPM;
            c.table_count = 2;
            c.table_ms[1] = 86400000;
            if (jitter >= HF_JITTER_DECORRELATED && kind != HF_BACKOFF_EXPONENTIAL) {
                assert_int_equal(hf_backoff_delay(&c, 1, 0, 0), HF_NEVER); /* an invalid configuration */
                continue;
            }
            for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
                int64_t memory = i % 2 == 0 ? HF_NEVER : 0;
                int64_t d = hf_backoff_delay(&c, attempts[i], &memory, UINT64_MAX);
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

static void a_table_is_followed_and_its_last_entry_repeated(void **state) {
    (void)state;
    hf_backoff_config c = make(HF_BACKOFF_TABLE, HF_JITTER_NONE, 0, 50);
    static const int64_t table[] = {10, 0, 30, 99};
    c.table_count = 4;
    memcpy(c.table_ms, table, sizeof table);
    static const int64_t want[] = {10, 0, 30, 50, 50, 50}; /* the cap holds for it too */
    for (uint32_t n = 1; n <= 6; n++) assert_int_equal(delay_ms(&c, n, 7), want[n - 1]);
    assert_int_equal(delay_ms(&c, UINT32_MAX, 7), 50);
    c.jitter = HF_JITTER_EQUAL;
    assert_int_equal(delay_ms(&c, 3, 0), 15);
    c.table_ms[2] = 86400001;
    assert_int_equal(hf_backoff_delay(&c, 1, NULL, 0), HF_NEVER);
    c.table_count = 0;
    assert_int_equal(hf_backoff_delay(&c, 1, NULL, 0), HF_NEVER);
    c.table_count = 17;
    assert_int_equal(hf_backoff_delay(&c, 1, NULL, 0), HF_NEVER);
}

/* Polly's formula in floating point. */
static double polly(uint32_t n, double r, double base, double *before) {
    double t = n - 1 + r, at = pow(2, t) * tanh(sqrt(4 * t));
    double delay = (at - *before) * base / 1.4;
    *before = at;
    return delay;
}

static void polly_v2_is_the_peers_curve(void **state) {
    (void)state;
    uint64_t rng = 7;
    for (int run = 0; run < 20000; run++) {
        hf_backoff_config c =
            make(HF_BACKOFF_EXPONENTIAL, HF_JITTER_POLLY_V2, run % 4 == 0 ? 86400000 : 1000, 86400000);
        double before = 0;
        int64_t memory = 0;
        for (uint32_t n = 1; n <= 15; n++) {
            uint64_t random = run == 0 ? 0 : run == 1 ? UINT64_MAX : run == 2 ? n % 2 * UINT64_MAX : hf__rng_next(&rng);
            double r = (double)(random >> 32) / 4294967296.0, base = 1e6 * (double)c.base_ms;
            double want = polly(n, r, base, &before);
            int64_t got = hf_backoff_delay(&c, n, &memory, random);
            if (want > 86400e9 - 1e6) break; /* at the cap it is another formula */
            assert_true(fabs((double)got - want) <= base * pow(2, n) * 1e-8 + 2);
        }
    }
    hf_backoff_config c = make(HF_BACKOFF_EXPONENTIAL, HF_JITTER_POLLY_V2, 1000, 86400000);
    static const double published[] = {0.897405, 1.093004, 2.035748, 4.045979, 8.083632, 16.163663}; /* r = 0.5 */
    int64_t memory = 0;
    for (uint32_t n = 1; n <= 6; n++) {
        double got = (double)hf_backoff_delay(&c, n, &memory, UINT64_C(1) << 63) / 1e9;
        assert_true(fabs(got - published[n - 1]) < 1e-6);
    }
}

static void fixed_point_functions_are_as_exact_as_they_say(void **state) {
    (void)state;
    uint64_t rng = 3;
    for (int i = 0; i < 100000; i++) {
        uint64_t random = i < 3 ? (uint64_t)i * (UINT64_MAX / 2) : hf__rng_next(&rng);
        uint32_t root = hf__isqrt(random);
        assert_true((uint64_t)root * root <= random);
        assert_true(root == UINT32_MAX || ((uint64_t)root + 1) * ((uint64_t)root + 1) > random);
        uint32_t f = (uint32_t)random;
        double power = (double)hf__exp2_fraction(f) / 4611686018427387904.0;
        assert_true(fabs(power - exp2(f / 4294967296.0)) < 1e-15);
        uint64_t t = random >> (26 + i % 38);
        double curve = hf__tanh_2_sqrt(t) / 2147483648.0;
        assert_true(fabs(curve - tanh(2 * sqrt((double)t / 4294967296.0))) < 1.0 / (1 << 27));
    }
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
        cmocka_unit_test(a_table_is_followed_and_its_last_entry_repeated),
        cmocka_unit_test(polly_v2_is_the_peers_curve),
        cmocka_unit_test(fixed_point_functions_are_as_exact_as_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
