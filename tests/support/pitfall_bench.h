/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_PITFALL_BENCH_H
#define HF_TESTS_SUPPORT_PITFALL_BENCH_H

/* The pitfalls of libcurl, by the numbers of tests/http/pitfalls.md. What a pitfall's test asks must hold with its cure, and
 * must not hold without: a test that cannot fail proves nothing. Include once, in a program tests/http/pitfall_*_test.c. */

#include "support/client_bench.h"
#include "support/cmocka_all.h"

#include "http/cures.h"

#include <stdatomic.h>

_Atomic uint32_t hf__cures_off;

typedef bool pitfall_question(struct client_bench *bench);

static bool pitfall_ask(pitfall_question *holds, uint32_t off) {
    void *bench;
    assert_int_equal(client_bench_setup(&bench), 0);
    atomic_store(&hf__cures_off, off);
    bool held = holds(bench);
    assert_int_equal(client_bench_teardown(&bench), 0);
    atomic_store(&hf__cures_off, 0);
    return held;
}

static void pitfall_check(int number, pitfall_question *holds) {
    assert_true(pitfall_ask(holds, 0));
    if (pitfall_ask(holds, UINT32_C(1) << number)) fail_msg("pitfall %d is not seen without its cure", number);
}

/* PITFALL(01, silent_resend) { ... return what must hold; } defines the test pitfall_01_silent_resend. */
#define PITFALL(number, name)                                    \
    static bool holds_##number##_##name(struct client_bench *b); \
    static void pitfall_##number##_##name(void **state) {        \
        (void)state;                                             \
        pitfall_check(1##number - 100, holds_##number##_##name); \
    }                                                            \
    static bool holds_##number##_##name(struct client_bench *b)

#endif
