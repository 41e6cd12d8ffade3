/* SPDX-License-Identifier: MIT */
#include "core/hedge.h"
#include "support/cmocka_all.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

static uint32_t done[HF__AGE_BUCKETS], cut_off[HF__AGE_BUCKETS];

static void forget(void) {
    memset(done, 0, sizeof done);
    memset(cut_off, 0, sizeof cut_off);
}

static void a_bucket_holds_its_ages(void **state) {
    (void)state;
    assert_int_equal(hf__age_bucket(0), 0);
    assert_int_equal(hf__age_bucket(-5), 0);
    assert_int_equal(hf__age_bucket(1023), 0);
    assert_int_equal(hf__age_bucket(INT64_MAX), HF__AGE_BUCKETS - 1);
    for (uint32_t i = 0; i + 1 < HF__AGE_BUCKETS; i++) {
        int64_t end = hf__age_bucket_end(i);
        assert_int_equal(hf__age_bucket(end - 1), i);
        assert_int_equal(hf__age_bucket(end), i + 1);
        assert_true(hf__age_bucket_end(i + 1) - end <= end / 8); /* within 12.5 % */
    }
}

static void nothing_seen_is_no_estimate(void **state) {
    (void)state;
    forget();
    assert_int_equal(hf__age_quantile(done, cut_off, 950000), HF_NEVER);
    cut_off[17] = 1000; /* all were cut off: none says how long they take */
    assert_int_equal(hf__age_quantile(done, cut_off, 950000), HF_NEVER);
}

static void without_losers_it_is_the_percentile(void **state) {
    (void)state;
    forget();
    for (uint32_t i = 0; i < 100; i++) done[i] = 1;
    assert_int_equal(hf__age_quantile(done, cut_off, 500000), hf__age_bucket_end(49));
    assert_int_equal(hf__age_quantile(done, cut_off, 950000), hf__age_bucket_end(94));
    assert_int_equal(hf__age_quantile(done, cut_off, 990000), hf__age_bucket_end(98));
}

static void a_loser_counts_up_to_its_age(void **state) {
    (void)state;
    forget(); /* ten ended at 10, ten were cut off at 20, ten ended at 30: S = 20/30 from 10 on, 0 from 30 on */
    done[10] = cut_off[20] = done[30] = 10;
    assert_int_equal(hf__age_quantile(done, cut_off, 300000), hf__age_bucket_end(10));
    assert_int_equal(hf__age_quantile(done, cut_off, 500000), hf__age_bucket_end(30));
    cut_off[30] = 10; /* of 20 still under way half end: S = 1/2 * 3/4 */
    assert_int_equal(hf__age_quantile(done, cut_off, 600000), hf__age_bucket_end(30));
    assert_int_equal(hf__age_quantile(done, cut_off, 700000), HF_NEVER);
}

/* The definition, in floating point. */
static int64_t quantile_by_definition(double share, double *distance) {
    double at_risk = 0, surviving = 1;
    *distance = 1;
    for (uint32_t i = 0; i < HF__AGE_BUCKETS; i++) at_risk += (double)done[i] + (double)cut_off[i];
    for (uint32_t i = 0; i < HF__AGE_BUCKETS && at_risk > 0; i++) {
        surviving *= 1 - done[i] / at_risk;
        if (done[i] > 0) *distance = fmin(*distance, fabs(surviving - (1 - share)));
        if (done[i] > 0 && surviving <= 1 - share) return hf__age_bucket_end(i);
        at_risk -= (double)done[i] + (double)cut_off[i];
    }
    return HF_NEVER;
}

static void it_is_kaplan_and_meiers(void **state) {
    (void)state;
    uint64_t rng = 7;
    int compared = 0;
    for (int round = 0; round < 20000; round++) {
        forget();
        uint32_t places = 1 + (uint32_t)(hf__rng_next(&rng) % 60);
        for (uint32_t i = 0; i < places; i++) {
            uint32_t scale = round % 2 ? 5 : 5000000;
            done[hf__rng_next(&rng) % HF__AGE_BUCKETS] = (uint32_t)(hf__rng_next(&rng) % scale);
            cut_off[hf__rng_next(&rng) % HF__AGE_BUCKETS] = (uint32_t)(hf__rng_next(&rng) % scale);
        }
        uint32_t share = 500000 + (uint32_t)(hf__rng_next(&rng) % 500000);
        double distance;
        int64_t expected = quantile_by_definition(share / 1e6, &distance);
        if (distance < 1e-7) continue; /* too close for either to be right */
        assert_int_equal(hf__age_quantile(done, cut_off, share), expected);
        compared++;
    }
    assert_true(compared > 15000);
}

/* A dependency of which 10 % takes 100 ms to 1 s and the rest 10 ms to 20 ms. What takes longer than the present
 * estimate is hedged: the loser is cut off when the other ends. The estimate of the 95th percentile must stay
 * where it is without hedges; with losers left out it sinks to what the fast ones take. */
static int64_t draw_latency(uint64_t *rng) {
    bool slow = hf__rng_next(rng) % 10 == 0;
    return slow ? hf__rng_between(hf__rng_next(rng), 100 * HF_MILLISECOND, HF_SECOND)
                : hf__rng_between(hf__rng_next(rng), 10 * HF_MILLISECOND, 20 * HF_MILLISECOND);
}

enum loser { COUNTED_AS_CUT_OFF, LEFT_OUT };

static int64_t estimate_after(enum loser loser, int calls) {
    forget();
    uint64_t rng = 11;
    int64_t delay = HF_NEVER;
    for (int i = 0; i < calls; i++) {
        int64_t first = draw_latency(&rng), second = draw_latency(&rng);
        if (first <= delay) {
            done[hf__age_bucket(first)]++;
        } else {
            bool first_wins = first <= delay + second;
            done[hf__age_bucket(first_wins ? first : second)]++;
            int64_t age = first_wins ? first - delay : delay + second;
            if (loser == COUNTED_AS_CUT_OFF) cut_off[hf__age_bucket(age)]++;
        }
        if (i % 100 == 99) delay = hf__age_quantile(done, cut_off, 950000);
    }
    return delay;
}

static void hedging_does_not_pull_the_estimate_down(void **state) {
    (void)state;
    /* Half of the slow tenth is above the 95th percentile: 550 ms. */
    int64_t honest = estimate_after(COUNTED_AS_CUT_OFF, 100000);
    assert_true(honest > 480 * HF_MILLISECOND && honest < 620 * HF_MILLISECOND);
    assert_true(estimate_after(LEFT_OUT, 100000) < 30 * HF_MILLISECOND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_its_ages),
        cmocka_unit_test(nothing_seen_is_no_estimate),
        cmocka_unit_test(without_losers_it_is_the_percentile),
        cmocka_unit_test(a_loser_counts_up_to_its_age),
        cmocka_unit_test(it_is_kaplan_and_meiers),
        cmocka_unit_test(hedging_does_not_pull_the_estimate_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
