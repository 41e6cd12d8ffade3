/* SPDX-License-Identifier: MIT */
#include "support/cmocka_all.h"

#include <holdfast/breaker_admin.h>
#include <holdfast/holdfast.h>

#define MS HF_MILLISECOND

static hf_breaker *breaker;
static hf_time now, ask_at;

static void build(void) {
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.consecutive_failures = 3;
    config.open_ms = 1000;
    config.open_jitter_ppm = 0;
    config.probes = 2;
    config.probe_lease_ms = 500;
    config.slow_call_ms = 100;
    assert_int_equal(hf_breaker_new(&breaker, "b", &config, NULL), 0);
    now = HF_SECOND;
}

static hf_reason ask(hf_breaker_ticket *ticket) { return hf_breaker_admit(breaker, ticket, &ask_at, now); }

static void attempt(hf_outcome outcome, int64_t takes) {
    hf_breaker_ticket ticket;
    assert_int_equal(ask(&ticket), HF_REASON_NONE);
    now += takes;
    hf_breaker_settle(breaker, &ticket, outcome, now);
}

static hf_breaker_info info(void) {
    hf_breaker_info out = {.struct_size = sizeof out};
    assert_int_equal(hf_breaker_snapshot(breaker, &out, now), 0);
    return out;
}

static void results_are_counted_once(void **state) {
    (void)state;
    build();
    hf_breaker_ticket ticket;
    assert_int_equal(ask(&ticket), HF_REASON_NONE);
    hf_breaker_settle(breaker, &ticket, hf_failure(1), now);
    hf_breaker_settle(breaker, &ticket, hf_failure(1), now);
    assert_int_equal(info().total, 1);
    assert_int_equal(info().failures, 1);
    attempt(hf_success(), 100 * MS);
    assert_int_equal(info().slow, 1);
    attempt(hf_neutral(0), 0); /* was not made after all */
    assert_int_equal(info().total, 2);
    hf_outcome odd = hf_success();
    odd.kind = 9;
    attempt(odd, 0);
    assert_int_equal(info().failures, 2);
    hf_breaker_free(breaker);
}

static void it_opens_probes_and_closes(void **state) {
    (void)state;
    build();
    hf_breaker_ticket late, first, second, third;
    assert_int_equal(ask(&late), HF_REASON_NONE);
    for (int i = 0; i < 3; i++) attempt(hf_failure(1), 0);
    assert_int_equal(ask(&first), HF_REASON_OPEN);
    assert_int_equal(ask_at, now + 1000 * MS);
    assert_int_equal(hf_breaker_admit(breaker, &first, NULL, now), HF_REASON_OPEN);
    hf_breaker_settle(breaker, &first, hf_failure(1), now); /* nothing to settle: does nothing */
    now = ask_at;
    assert_int_equal(ask(&first), HF_REASON_NONE);
    assert_int_equal(ask(&second), HF_REASON_NONE);
    assert_int_equal(ask(&third), HF_REASON_PROBING);
    assert_int_equal(ask_at, now + 500 * MS); /* the leases end then */
    hf_breaker_settle(breaker, &late, hf_success(), now);
    hf_breaker_settle(breaker, &first, hf_success(), now);
    assert_int_equal(info().state, HF_BREAKER_HALF_OPEN);
    hf_breaker_settle(breaker, &second, hf_success(), now);
    assert_int_equal(info().state, HF_BREAKER_CLOSED);
    assert_int_equal(info().total, 0); /* what was admitted before the outage is dropped */
    hf_breaker_free(breaker);
}

static void switches_hold_for_it_too(void **state) {
    (void)state;
    build();
    hf_switches *switches;
    hf_breaker_ticket ticket;
    assert_int_equal(hf_switches_new(&switches, NULL), 0);
    assert_int_equal(hf_switches_add(switches, hf_breaker_policy(breaker), NULL, NULL), 0);
    assert_int_equal(hf_switches_set(switches, "b", HF_SWITCH_FORCED_OPEN), 1);
    assert_int_equal(ask(&ticket), HF_REASON_FORCED_OPEN);
    assert_int_equal(ask_at, HF_NEVER);
    assert_int_equal(hf_switches_set(switches, "b", HF_SWITCH_DISABLED), 1);
    attempt(hf_failure(1), 0);
    assert_int_equal(info().total, 0);
    assert_int_equal(hf_switches_set(switches, "b", HF_SWITCH_METRICS_ONLY), 1);
    for (int i = 0; i < 3; i++) attempt(hf_failure(1), 0);
    assert_int_equal(info().state, HF_BREAKER_OPEN);
    attempt(hf_success(), 0); /* decides and counts, and lets it pass */
    assert_int_equal(info().rejected, 1);
    hf_switches_free(switches);
    hf_breaker_free(breaker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_counted_once),
        cmocka_unit_test(it_opens_probes_and_closes),
        cmocka_unit_test(switches_hold_for_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
