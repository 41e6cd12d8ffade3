/* SPDX-License-Identifier: MIT */
/* Policies that live in a region, as processes see them that share it. Time is a number that the test hands
 * on; nothing here waits. */
#include "support/child.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <string.h>

#define S HF_SECOND

/* One process's view: the same policies under the same names. */
struct view {
    hf_region *region;
    hf_breaker *breaker;
    hf_pipeline *pipeline;
    hf_rate_limit *limit;
    hf_budget *budget;
    struct stepper running; /* an attempt left running */
};

static hf_breaker_config breaker_config(hf_region *region) {
    hf_breaker_config c;
    hf_breaker_config_init(&c);
    c.consecutive_failures = 3;
    c.probes = 1;
    c.open_ms = 5000;
    c.open_jitter_ppm = 0;
    c.probe_lease_ms = 10000;
    c.region = region;
    return c;
}

static hf_rate_limit_config limit_config(hf_region *region) {
    hf_rate_limit_config c;
    hf_rate_limit_config_init(&c);
    c.tier[0] = (hf_rate_tier){.permits = 1, .burst = 3, .period_ms = 1000};
    c.region = region;
    return c;
}

static hf_budget_config budget_config(hf_region *region) {
    hf_budget_config c;
    hf_budget_config_init(&c);
    c.min_per_second = 0;
    c.ratio_ppm = 0;
    c.burst = 3;
    c.region = region;
    return c;
}

static void make(struct view *v) {
    memset(v, 0, sizeof *v);
    assert_int_equal(hf_region_new(&v->region, NULL, NULL), 0);
    hf_breaker_config breaker = breaker_config(v->region);
    hf_rate_limit_config limit = limit_config(v->region);
    hf_budget_config budget = budget_config(v->region);
    assert_int_equal(hf_breaker_new(&v->breaker, "shared", &breaker, NULL), 0);
    assert_int_equal(hf_rate_limit_new(&v->limit, "shared", &limit, NULL), 0);
    assert_int_equal(hf_budget_new(&v->budget, "shared", &budget, NULL), 0);
    hf_policy *order[] = {hf_breaker_policy(v->breaker)};
    assert_int_equal(hf_pipeline_new(&v->pipeline, "shared", order, 1, NULL), 0);
}

static void drop(struct view *v) {
    hf_pipeline_free(v->pipeline);
    hf_region_free(v->region); /* before its policies: they hold it */
    hf_breaker_free(v->breaker);
    hf_rate_limit_free(v->limit);
    hf_budget_free(v->budget);
}

static int call(struct view *v, hf_outcome outcome, hf_time now) {
    struct stepper s;
    return stepper_play(&s, v->pipeline, NULL, now, &outcome, NULL, 1, NULL, NULL);
}

static uint32_t state_of(struct view *v) {
    hf_breaker_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_breaker_snapshot(v->breaker, &info, 0), 0);
    return (uint32_t)info.state;
}

static bool permit(struct view *v) {
    hf_rate_ticket ticket;
    return hf_rate_limit_take(v->limit, &ticket, NULL, 1, 0, 0) == 0;
}

/* What a child is told to do. */
enum { FAIL_ONCE = 1, STATE, CALL_AT_5_S, HANG_AT_5_S, FAIL_LOCALLY, TAKE_PERMIT, BUDGET, LEAVE };

static uint32_t worker(void *arg, unsigned char order) {
    struct view *v = arg;
    switch (order) {
    case FAIL_ONCE: return (uint32_t)-call(v, hf_failure_final(7), 0);
    case CALL_AT_5_S: return (uint32_t)-call(v, hf_success(), 5 * S);
    case STATE: return state_of(v);
    case TAKE_PERMIT: return permit(v);
    case BUDGET: return hf_budget_available(v->budget, 0);
    case HANG_AT_5_S: stepper_begin(&v->running, v->pipeline, NULL, 5 * S); return (uint32_t)stepper_next(&v->running);
    case FAIL_LOCALLY: {
        hf_outcome local = hf_failure_final(7);
        local.flags |= HF_LOCAL;
        return (uint32_t)-call(v, local, 0);
    }
    case LEAVE: drop(v); return 1;
    }
    return UINT32_MAX;
}

static void failures_of_all_open_the_breaker_for_all(void **state) {
    (void)state;
    struct view v;
    make(&v);
    struct child one = child_start(worker, &v), two = child_start(worker, &v);
    assert_int_equal(child_order(&one, FAIL_ONCE), (uint32_t)-HF_E_FAILED);
    assert_int_equal(child_order(&two, FAIL_ONCE), (uint32_t)-HF_E_FAILED);
    assert_int_equal(state_of(&v), HF_BREAKER_CLOSED);
    assert_int_equal(call(&v, hf_failure_final(7), 0), HF_E_FAILED);
    assert_int_equal(child_order(&one, STATE), HF_BREAKER_OPEN);
    assert_int_equal(child_order(&two, FAIL_ONCE), (uint32_t)-HF_E_REJECTED);
    /* One probe for all of them. */
    assert_int_equal(child_order(&one, HANG_AT_5_S), HF_STEP_START);
    assert_int_equal(child_order(&two, CALL_AT_5_S), (uint32_t)-HF_E_REJECTED);
    assert_int_equal(call(&v, hf_success(), 5 * S), HF_E_REJECTED);
    /* Whoever probes is killed: its lease ends, and the round has failed. */
    child_kill(&one);
    assert_int_equal(call(&v, hf_success(), 14 * S), HF_E_REJECTED);
    assert_int_equal(call(&v, hf_success(), 15 * S), HF_E_REJECTED);
    assert_int_equal(child_order(&two, STATE), HF_BREAKER_OPEN);
    assert_int_equal(call(&v, hf_success(), 25 * S), 0); /* the open time has doubled */
    assert_int_equal(child_order(&two, STATE), HF_BREAKER_CLOSED);
    assert_int_equal(child_order(&two, LEAVE), 1); /* gives up its own references: ours go on */
    child_finish(&two);
    assert_int_equal(call(&v, hf_success(), 26 * S), 0);
    drop(&v);
}

static void faults_of_one_process_do_not_move_shared_state(void **state) {
    (void)state;
    struct view v;
    make(&v);
    for (int i = 0; i < 10; i++) assert_int_equal(worker(&v, FAIL_LOCALLY), (uint32_t)-HF_E_FAILED);
    assert_int_equal(state_of(&v), HF_BREAKER_CLOSED);
    /* A breaker of this process alone counts them: here it is the truth. */
    hf_breaker_config c = breaker_config(NULL);
    struct view own = v;
    assert_int_equal(hf_breaker_new(&own.breaker, "own", &c, NULL), 0);
    hf_policy *order[] = {hf_breaker_policy(own.breaker)};
    assert_int_equal(hf_pipeline_new(&own.pipeline, "own", order, 1, NULL), 0);
    for (int i = 0; i < 3; i++) (void)worker(&own, FAIL_LOCALLY);
    assert_int_equal(state_of(&own), HF_BREAKER_OPEN);
    hf_pipeline_free(own.pipeline);
    hf_breaker_free(own.breaker);
    drop(&v);
}

static void permits_and_retries_are_shared(void **state) {
    (void)state;
    struct view v;
    make(&v);
    struct child child = child_start(worker, &v);
    assert_int_equal(child_order(&child, TAKE_PERMIT), 1);
    assert_true(permit(&v));
    assert_int_equal(child_order(&child, TAKE_PERMIT), 1);
    assert_false(permit(&v)); /* a burst of three, over both */
    assert_int_equal(child_order(&child, TAKE_PERMIT), 0);
    assert_int_equal(hf_rate_limit_rejected(v.limit), 1); /* counted by each process for itself */
    /* A retry here draws on the budget that the child sees. */
    hf_retry_config retries;
    hf_retry_config_init(&retries);
    hf_retry *retry;
    hf_pipeline *pipeline;
    assert_int_equal(hf_retry_new(&retry, "retry", &retries, v.budget, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry)};
    assert_int_equal(hf_pipeline_new(&pipeline, "retry", order, 1, NULL), 0);
    assert_int_equal(child_order(&child, BUDGET), 3);
    struct stepper s;
    const hf_outcome outcomes[] = {hf_failure(1)};
    (void)stepper_play(&s, pipeline, NULL, 0, outcomes, NULL, 1, NULL, NULL);
    assert_int_equal(child_order(&child, BUDGET), 1);
    child_finish(&child);
    hf_pipeline_free(pipeline);
    hf_retry_free(retry);
    drop(&v);
}

static void everybody_must_configure_alike(void **state) {
    (void)state;
    struct view v;
    make(&v);
    hf_error error;
    hf_breaker_config breaker = breaker_config(v.region);
    breaker.window = 50;
    breaker.min_calls = 20;
    hf_breaker *again = v.breaker;
    assert_int_equal(hf_breaker_new(&again, "shared", &breaker, &error), HF_E_STATE);
    assert_null(again);
    assert_string_equal(hf_error_text(&error),
                        "breaker \"shared\": window is 50, but 100 where region \"(anonymous)\" has it already");
    breaker = breaker_config(v.region);
    breaker.slow_call_ms = 100;
    assert_int_equal(hf_breaker_new(&again, "shared", &breaker, &error), HF_E_STATE);
    assert_non_null(strstr(hf_error_text(&error), "slow_call_ms is 100, but 9223372036854775807"));
    hf_rate_limit_config limit = limit_config(v.region);
    limit.tier[0].burst = 4;
    hf_rate_limit *other_limit;
    assert_int_equal(hf_rate_limit_new(&other_limit, "shared", &limit, &error), HF_E_STATE);
    assert_non_null(strstr(hf_error_text(&error), "burst is 4, but 3"));
    limit = limit_config(v.region);
    limit.max_keys = 10;
    assert_int_equal(hf_rate_limit_new(&other_limit, "keys", &limit, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "max_keys is 10, expected 0 in a region"));
    hf_budget_config budget = budget_config(v.region);
    budget.burst = 5;
    hf_budget *other_budget;
    assert_int_equal(hf_budget_new(&other_budget, "shared", &budget, &error), HF_E_STATE);
    budget = budget_config(v.region);
    budget.kind = HF_BUDGET_BY_CONCURRENCY;
    assert_int_equal(hf_budget_new(&other_budget, "counts", &budget, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "expected by rate in a region"));
    breaker = breaker_config(v.region);
    assert_int_equal(hf_breaker_reconfigure(v.breaker, &breaker, &error), HF_E_STATE);
    assert_non_null(strstr(hf_error_text(&error), "lives in a region"));
    /* The same again is the same breaker. */
    assert_int_equal(hf_breaker_new(&again, "shared", &breaker, NULL), 0);
    assert_int_equal(hf_breaker_set(again, HF_BREAKER_FORCED_OPEN, 0), 0);
    assert_int_equal(state_of(&v), HF_BREAKER_FORCED_OPEN);
    hf_breaker_free(again);
    drop(&v);
}

static void an_initial_state_is_set_by_the_first_alone(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    hf_breaker_config c = breaker_config(region);
    c.initial_state = HF_BREAKER_METRICS_ONLY;
    struct view first = {.region = region}, second = {.region = region};
    assert_int_equal(hf_breaker_new(&first.breaker, "b", &c, NULL), 0);
    assert_int_equal(state_of(&first), HF_BREAKER_METRICS_ONLY);
    assert_int_equal(hf_breaker_set(first.breaker, HF_BREAKER_CLOSED, 0), 0);
    assert_int_equal(hf_breaker_new(&second.breaker, "b", &c, NULL), 0);
    assert_int_equal(state_of(&second), HF_BREAKER_CLOSED);
    hf_breaker_free(first.breaker);
    hf_breaker_free(second.breaker);
    hf_region_free(region);
}

static void what_stays_local_works_and_is_counted(void **state) {
    (void)state;
    hf_region_config config;
    hf_region_config_init(&config);
    config.on_mismatch = HF_REGION_LOCAL;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, &config, NULL), 0);
    hf_breaker_config c = breaker_config(region);
    c.initial_state = HF_BREAKER_FORCED_OPEN;
    struct view first = {.region = region}, second = {.region = region};
    assert_int_equal(hf_breaker_new(&first.breaker, "b", &c, NULL), 0);
    c.probes = 2;
    assert_int_equal(hf_breaker_new(&second.breaker, "b", &c, NULL), 0);
    assert_int_equal(state_of(&second), HF_BREAKER_FORCED_OPEN); /* its own initial state too */
    assert_int_equal(hf_breaker_set(second.breaker, HF_BREAKER_CLOSED, 0), 0);
    assert_int_equal(state_of(&first), HF_BREAKER_FORCED_OPEN);
    hf_region_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_region_inspect(region, &info), 0);
    assert_int_equal(info.fallbacks, 1);
    assert_int_equal(hf_breaker_reconfigure(second.breaker, &c, NULL), 0); /* it is local */
    hf_breaker_free(first.breaker);
    hf_breaker_free(second.breaker);
    hf_region_free(region);
}

/* ---- bulkhead: leases ---- */

struct slots {
    hf_bulkhead *bulkhead;
    hf_pipeline *pipeline;
    struct stepper held[8];
    int count;
};

static struct slots make_slots(hf_region *region, uint32_t max) {
    struct slots s = {.count = 0};
    hf_bulkhead_config c;
    hf_bulkhead_config_init(&c);
    c.max_concurrent = max;
    c.slot_lease_ms = 1000;
    c.region = region;
    assert_int_equal(hf_bulkhead_new(&s.bulkhead, "slots", &c, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(s.bulkhead)};
    assert_int_equal(hf_pipeline_new(&s.pipeline, "slots", order, 1, NULL), 0);
    return s;
}

static void drop_slots(struct slots *s) {
    hf_pipeline_free(s->pipeline);
    hf_bulkhead_free(s->bulkhead);
}

static bool hold(struct slots *s, hf_time now) {
    struct stepper *call = &s->held[s->count];
    stepper_begin(call, s->pipeline, NULL, now);
    if (stepper_next(call) == HF_STEP_START) {
        s->count++;
        return true;
    }
    (void)stepper_end(call, NULL);
    return false;
}

static void let_go(struct slots *s) {
    s->count--;
    stepper_finish(&s->held[s->count], hf_success(), 0, true);
    assert_int_equal(stepper_end(&s->held[s->count], NULL), 0);
}

enum { HOLD = 1, HOLD_AT_2_S, LET_GO, IN_FLIGHT };

static uint32_t slot_worker(void *arg, unsigned char order) {
    struct slots *s = arg;
    switch (order) {
    case HOLD: return hold(s, 0);
    case HOLD_AT_2_S: return hold(s, 2 * S);
    case LET_GO: let_go(s); return 1;
    default: return hf_bulkhead_in_flight(s->bulkhead);
    }
}

static void slots_are_counted_over_all_processes(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    struct slots s = make_slots(region, 3);
    struct child one = child_start(slot_worker, &s), two = child_start(slot_worker, &s);
    assert_true(hold(&s, 0));
    assert_int_equal(child_order(&one, HOLD), 1);
    assert_int_equal(child_order(&two, HOLD), 1);
    assert_int_equal(child_order(&two, HOLD), 0);
    assert_false(hold(&s, 0));
    assert_int_equal(hf_bulkhead_rejected(s.bulkhead), 2); /* counted together */
    assert_int_equal(child_order(&one, IN_FLIGHT), 3);
    assert_int_equal(child_order(&one, LET_GO), 1);
    assert_true(hold(&s, 0));
    let_go(&s);
    let_go(&s);
    assert_int_equal(child_order(&two, LET_GO), 1);
    assert_int_equal(hf_bulkhead_in_flight(s.bulkhead), 0);
    child_finish(&one);
    child_finish(&two);
    drop_slots(&s);
    hf_region_free(region);
}

static void slots_of_the_dead_come_back_and_those_of_the_living_do_not(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    struct slots s = make_slots(region, 2);
    struct child one = child_start(slot_worker, &s), two = child_start(slot_worker, &s);
    assert_int_equal(child_order(&one, HOLD), 1);
    assert_int_equal(child_order(&two, HOLD), 1);
    child_kill(&one);
    assert_false(hold(&s, S - 1)); /* its lease has not ended */
    assert_true(hold(&s, S));
    assert_false(hold(&s, 5 * S)); /* the other is slow, not dead: its lease is extended */
    assert_false(hold(&s, 100 * S));
    assert_int_equal(child_order(&two, LET_GO), 1); /* and the slot is still its own */
    assert_true(hold(&s, 100 * S));
    assert_int_equal(hf_bulkhead_in_flight(s.bulkhead), 2);
    let_go(&s);
    let_go(&s);
    assert_int_equal(hf_bulkhead_in_flight(s.bulkhead), 0);
    child_finish(&two);
    drop_slots(&s);
    hf_region_free(region);
}

static void a_smaller_limit_holds_for_all(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    struct slots s = make_slots(region, 3);
    struct child child = child_start(slot_worker, &s);
    for (int i = 0; i < 3; i++) assert_true(hold(&s, 0));
    assert_int_equal(hf_bulkhead_resize(s.bulkhead, 2), 0);
    let_go(&s);
    assert_int_equal(child_order(&child, HOLD), 0); /* two are in flight still */
    let_go(&s);
    assert_int_equal(child_order(&child, HOLD), 1);
    assert_false(hold(&s, 0));
    assert_int_equal(hf_bulkhead_resize(s.bulkhead, 4), HF_E_INVALID);
    assert_int_equal(hf_bulkhead_resize(s.bulkhead, 0), 0);
    let_go(&s);
    assert_false(hold(&s, 0));
    child_finish(&child);
    drop_slots(&s);
    hf_region_free(region);
}

/* A child has a copy of what its parent holds; giving it up must not free the parent's slot. */
static void a_forked_copy_of_a_ticket_frees_nothing(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    struct slots s = make_slots(region, 1);
    assert_true(hold(&s, 0));
    struct child child = child_start(slot_worker, &s);
    assert_int_equal(child_order(&child, LET_GO), 1);
    assert_int_equal(hf_bulkhead_in_flight(s.bulkhead), 1);
    child_finish(&child);
    let_go(&s);
    assert_int_equal(hf_bulkhead_in_flight(s.bulkhead), 0);
    drop_slots(&s);
    hf_region_free(region);
}

static void what_a_region_cannot_do_is_refused(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    hf_bulkhead_config c;
    hf_bulkhead_config_init(&c);
    c.region = region;
    c.max_waiting = 5;
    hf_bulkhead *bulkhead;
    hf_error error;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "b", &c, &error), HF_E_INVALID);
    assert_string_equal(hf_error_text(&error), "bulkhead \"b\": max_waiting is 5, expected 0 in a region");
    c.max_waiting = 0;
    c.max_concurrent = 1025;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "b", &c, &error), HF_E_INVALID);
    c.max_concurrent = 10;
    c.slot_lease_ms = 0;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "b", &c, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "slot_lease_ms is 0"));
    hf_region_free(region);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_of_all_open_the_breaker_for_all),
        cmocka_unit_test(faults_of_one_process_do_not_move_shared_state),
        cmocka_unit_test(permits_and_retries_are_shared),
        cmocka_unit_test(everybody_must_configure_alike),
        cmocka_unit_test(an_initial_state_is_set_by_the_first_alone),
        cmocka_unit_test(what_stays_local_works_and_is_counted),
        cmocka_unit_test(slots_are_counted_over_all_processes),
        cmocka_unit_test(slots_of_the_dead_come_back_and_those_of_the_living_do_not),
        cmocka_unit_test(a_smaller_limit_holds_for_all),
        cmocka_unit_test(a_forked_copy_of_a_ticket_frees_nothing),
        cmocka_unit_test(what_a_region_cannot_do_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
