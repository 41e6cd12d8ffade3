/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "base/rng.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

static void sums_saturate_and_never_stays(void **state) {
    (void)state;
    assert_int_equal(hf__add(1, 2), 3);
    assert_int_equal(hf__add(HF_NEVER - 1, 1), HF_NEVER);
    assert_int_equal(hf__add(HF_NEVER - 1, 2), HF_NEVER);
    assert_int_equal(hf__add(HF_NEVER, -5), HF_NEVER);
    assert_int_equal(hf__add(-7, HF_NEVER), HF_NEVER);
    assert_int_equal(hf__add(-7, 3), -4);
    assert_true(hf__add(INT64_MIN, -1) == INT64_MIN);
}

static void what_is_left_is_never_negative(void **state) {
    (void)state;
    assert_int_equal(hf__left(10, 3), 7);
    assert_int_equal(hf__left(3, 10), 0);
    assert_int_equal(hf__left(3, 3), 0);
    assert_int_equal(hf__left(HF_NEVER, 3), HF_NEVER);
    assert_int_equal(hf__left(5, INT64_MIN + 1), HF_NEVER);
    assert_int_equal(hf__left(5, -5), 10);
}

static void products_and_ratios_saturate(void **state) {
    (void)state;
    assert_int_equal(hf__mul(0, HF_NEVER), 0);
    assert_int_equal(hf__mul(HF_NEVER, 2), HF_NEVER);
    assert_int_equal(hf__mul(HF_NEVER / 2, 3), HF_NEVER);
    assert_int_equal(hf__mul(3, 4), 12);
    assert_int_equal(hf__ppm(HF_NEVER, 1), HF_NEVER);
    assert_int_equal(hf__ppm(10, 500000), 5);
    assert_int_equal(hf__ppm(3, 333333), 0);
    assert_int_equal(hf__ppm(HF_NEVER - 1, HF_PPM), HF_NEVER - 1);
    assert_int_equal(hf__ppm(HF_NEVER - 1, 2 * HF_PPM), HF_NEVER);
    assert_int_equal(hf__ms_to_ns(HF_NEVER), HF_NEVER);
    assert_int_equal(hf__ns_to_ms_up(1), 1);
    assert_int_equal(hf__ns_to_ms_up(HF_MILLISECOND), 1);
    assert_int_equal(hf__ns_to_ms_down(HF_MILLISECOND - 1), 0);
    assert_int_equal(hf__ns_to_ms_up(HF_NEVER), HF_NEVER);
}

static void ranges_include_both_ends_and_may_be_empty(void **state) {
    (void)state;
    assert_int_equal(hf__rng_between(0, 500, 500), 500);
    assert_int_equal(hf__rng_between(UINT64_MAX, 500, 500), 500);
    assert_int_equal(hf__rng_between(0, -3, 3), -3);
    assert_int_equal(hf__rng_between(UINT64_MAX, -3, 3), 3);
    assert_int_equal(hf__rng_between(UINT64_MAX, 0, HF_NEVER), HF_NEVER);
    assert_true(hf__rng_between(17, INT64_MIN, INT64_MAX) == 17);
    uint64_t rng = 1, seen[7] = {0};
    for (int i = 0; i < 70000; i++) seen[hf__rng_between(hf__rng_next(&rng), 0, 6)]++;
    for (int i = 0; i < 7; i++) assert_in_range(seen[i], 9500, 10500);
}

/* Reference values of SplitMix64 for seed 1234567, from its authors' page (prng.di.unimi.it). */
static void the_generator_is_splitmix64(void **state) {
    (void)state;
    uint64_t rng = 1234567;
    assert_true(hf__rng_next(&rng) == UINT64_C(6457827717110365317));
    assert_true(hf__rng_next(&rng) == UINT64_C(3203168211198807973));
}

static void every_error_has_a_name_and_a_sentence(void **state) {
    (void)state;
    assert_string_equal(hf_errname(0), "HF_E_OK");
    for (int code = -9; code <= 0; code++) {
        assert_string_not_equal(hf_errname(code), "unknown");
        assert_true(strlen(hf_strerror(code)) > 5);
        for (int other = -9; other < code; other++) assert_string_not_equal(hf_strerror(code), hf_strerror(other));
    }
    assert_string_equal(hf_errname(1), "unknown");
    assert_string_equal(hf_errname(-10), "unknown");
    assert_string_equal(hf_strerror(-10), "unknown error code");
    assert_string_equal(hf_error_text(NULL), "");
    assert_int_equal(hf_error_code(NULL), 0);
    assert_string_equal(hf_version(), HF_VERSION);
    char built[32];
    snprintf(built, sizeof built, "%d.%d.%d", HF_VERSION_MAJOR, HF_VERSION_MINOR, HF_VERSION_PATCH);
    assert_string_equal(built, HF_VERSION);
    for (int reason = 0; reason <= HF_REASON_HINT_TOO_LONG; reason++) {
        assert_string_not_equal(hf_reason_text((hf_reason)reason), "unknown reason");
    }
    assert_string_equal(hf_reason_text((hf_reason)99), "unknown reason");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_saturate_and_never_stays), cmocka_unit_test(what_is_left_is_never_negative),
        cmocka_unit_test(products_and_ratios_saturate),  cmocka_unit_test(ranges_include_both_ends_and_may_be_empty),
        cmocka_unit_test(the_generator_is_splitmix64),   cmocka_unit_test(every_error_has_a_name_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
