/* SPDX-License-Identifier: MIT */
/* The bulkhead and its line: through the engine in virtual time, against a model, and by many threads. */
#include "base/rng.h"
#include "support/bulkhead_model.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <holdfast/testing.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define MS HF_MILLISECOND

/* ---- a bulkhead, and calls that want its slots ---- */

#define CALLS 6

struct bench {
    hf_bulkhead *bulkhead;
    hf_pipeline *pipeline;
    struct stepper calls[CALLS];
    int wakes[CALLS];
};

static struct bench bench;

static hf_bulkhead_config config_of(uint32_t slots, uint32_t waiting, int64_t wait_ms) {
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = slots;
    config.max_waiting = waiting;
    config.max_wait_ms = wait_ms;
    return config;
}

static void build_of(const hf_bulkhead_config *config) {
    assert_int_equal(hf_bulkhead_new(&bench.bulkhead, "slots", config, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(bench.bulkhead)};
    assert_int_equal(hf_pipeline_new(&bench.pipeline, "p", order, 1, NULL), 0);
}

static void build(uint32_t slots, uint32_t waiting, int64_t wait_ms) {
    hf_bulkhead_config config = config_of(slots, waiting, wait_ms);
    build_of(&config);
}

static int setup(void **state) {
    (void)state;
    memset(&bench, 0, sizeof bench);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(bench.pipeline);
    hf_bulkhead_free(bench.bulkhead);
    return 0;
}

static void count_wake(void *arg) { ++*(int *)arg; }

static uint32_t priority = HF_PRIORITY_NORMAL; /* of the next call */

static int begin(int i, hf_time now, hf_time deadline_at) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = deadline_at;
    options.priority = priority;
    options.tag = &bench.calls[i];
    options.wake = count_wake;
    options.wake_arg = &bench.wakes[i];
    stepper_begin(&bench.calls[i], bench.pipeline, &options, now);
    return stepper_step(&bench.calls[i]);
}

static int step(int i, hf_time now) {
    bench.calls[i].now = now;
    return stepper_step(&bench.calls[i]);
}

static void report(int i, hf_time now) {
    struct stepper *s = &bench.calls[i];
    assert_int_equal(hf_call_report(&s->call, s->step.attempt, hf_success(), now), 0);
    assert_int_equal(step(i, now), HF_STEP_DONE);
    assert_int_equal(stepper_end(s, NULL), 0);
}

static void ends(int i, int status, hf_reason reason) {
    hf_result result;
    assert_int_equal(bench.calls[i].step.kind, HF_STEP_DONE);
    assert_int_equal(stepper_end(&bench.calls[i], &result), status);
    assert_int_equal(hf_result_reason(&result), reason);
    assert_string_equal(hf_result_policy(&result), status == HF_E_REJECTED ? "slots" : "");
}

static void the_first_in_line_gets_the_slot(void **state) {
    (void)state;
    build(1, 2, 1000);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(begin(1, 1, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(bench.calls[1].step.at, HF_SECOND + 1);
    assert_int_equal(begin(2, 2, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(begin(3, 3, HF_NEVER), HF_STEP_DONE);
    ends(3, HF_E_REJECTED, HF_REASON_FULL);
    report(0, 5);
    assert_int_equal(bench.wakes[1], 1);
    assert_int_equal(bench.wakes[2], 0);
    assert_int_equal(hf_bulkhead_in_flight(bench.bulkhead), 1); /* handed over, never free in between */
    assert_int_equal(step(2, 6), HF_STEP_WAIT);
    assert_int_equal(begin(3, 6, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(step(1, 7), HF_STEP_START);
    report(1, 8);
    assert_int_equal(step(2, 8), HF_STEP_START);
    report(2, 9);
    assert_int_equal(step(3, 9), HF_STEP_START);
    report(3, 9);
    assert_int_equal(hf_bulkhead_in_flight(bench.bulkhead), 0);
    assert_int_equal(hf_bulkhead_rejected(bench.bulkhead), 1);
}

static void a_driver_that_cannot_be_woken_does_not_wait(void **state) {
    (void)state;
    build(1, 2, HF_NEVER);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    stepper_begin(&bench.calls[1], bench.pipeline, NULL, 0);
    assert_int_equal(stepper_step(&bench.calls[1]), HF_STEP_DONE);
    ends(1, HF_E_REJECTED, HF_REASON_FULL);
    report(0, 0);
}

static void who_waited_long_enough_is_turned_back(void **state) {
    (void)state;
    build(1, 3, 10);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(begin(1, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(step(1, 10 * MS - 1), HF_STEP_WAIT);
    assert_int_equal(step(1, 10 * MS), HF_STEP_DONE);
    ends(1, HF_E_REJECTED, HF_REASON_QUEUE_TIMEOUT);
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 0);
    report(0, 10 * MS);
    assert_int_equal(bench.wakes[1], 0);
    assert_int_equal(begin(2, 10 * MS, HF_NEVER), HF_STEP_START); /* the slot did not go to the one who left */
    report(2, 10 * MS);
}

/* The slot came before its owner looked: it is used, not thrown away. */
static void a_slot_that_came_in_time_is_taken_late(void **state) {
    (void)state;
    build(1, 3, 10);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(begin(1, 0, HF_NEVER), HF_STEP_WAIT);
    report(0, 5 * MS);
    assert_int_equal(step(1, HF_SECOND), HF_STEP_START);
    report(1, HF_SECOND);
}

/* A slot granted to a call that is over goes on to the next. */
static void what_is_granted_to_the_dead_is_handed_on(void **state) {
    (void)state;
    build(1, 4, HF_NEVER);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(begin(1, 0, 5 * MS), HF_STEP_WAIT); /* will be past its deadline */
    assert_int_equal(bench.calls[1].step.at, 5 * MS);
    assert_int_equal(begin(2, 0, HF_NEVER), HF_STEP_WAIT); /* will be cancelled */
    assert_int_equal(begin(3, 0, HF_NEVER), HF_STEP_WAIT); /* will be given up */
    assert_int_equal(begin(4, 0, HF_NEVER), HF_STEP_WAIT);
    report(0, 4 * MS);
    assert_int_equal(step(1, 6 * MS), HF_STEP_DONE);
    ends(1, HF_E_TIMEOUT, HF_REASON_DEADLINE);
    assert_int_equal(bench.wakes[2], 1);
    hf_call_cancel(&bench.calls[2].call);
    assert_int_equal(step(2, 6 * MS), HF_STEP_DONE);
    ends(2, HF_E_CANCELLED, HF_REASON_CANCELLED);
    assert_int_equal(bench.wakes[3], 1);
    assert_int_equal(stepper_end(&bench.calls[3], NULL), HF_E_CANCELLED);
    assert_int_equal(bench.wakes[4], 1);
    assert_int_equal(step(4, 6 * MS), HF_STEP_START);
    report(4, 7 * MS);
    assert_int_equal(hf_bulkhead_in_flight(bench.bulkhead), 0);
}

static void more_slots_go_to_those_who_wait(void **state) {
    (void)state;
    build(0, 4, HF_NEVER);
    for (int i = 0; i < 4; i++) assert_int_equal(begin(i, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_resize(bench.bulkhead, 3), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(bench.wakes[i], i < 3);
    assert_int_equal(hf_bulkhead_resize(bench.bulkhead, 1), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(step(i, 0), HF_STEP_START);
    report(0, 0);
    report(1, 0);
    assert_int_equal(bench.wakes[3], 0);
    report(2, 0);
    assert_int_equal(step(3, 0), HF_STEP_START);
    report(3, 0);
    assert_int_equal(hf_bulkhead_resize(bench.bulkhead, 1000001), HF_E_INVALID);
    assert_int_equal(hf_bulkhead_set_max_wait(bench.bulkhead, 0), HF_E_INVALID);
    assert_int_equal(hf_bulkhead_set_max_wait(bench.bulkhead, 3600001), HF_E_INVALID);
}

static void a_retry_waits_in_line_anew(void **state) {
    (void)state;
    build(1, 1, 10);
    hf_retry_config config;
    hf_retry_config_init(&config);
    config.retry_rejected = 1;
    config.backoff.kind = HF_BACKOFF_CONSTANT;
    config.backoff.jitter = HF_JITTER_NONE;
    hf_retry *retry;
    assert_int_equal(hf_retry_new(&retry, "retry", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_retry_policy(retry), hf_bulkhead_policy(bench.bulkhead)};
    hf_pipeline *outer;
    assert_int_equal(hf_pipeline_new(&outer, "outer", order, 2, NULL), 0);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    hf_call_options options;
    hf_call_options_init(&options);
    options.wake = count_wake;
    options.wake_arg = &bench.wakes[1];
    stepper_begin(&bench.calls[1], outer, &options, 0);
    assert_int_equal(stepper_step(&bench.calls[1]), HF_STEP_WAIT);
    assert_int_equal(step(1, 10 * MS), HF_STEP_WAIT); /* turned back: the back-off */
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 0);
    assert_int_equal(step(1, 110 * MS), HF_STEP_WAIT); /* in line again */
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 1);
    report(0, 111 * MS);
    assert_int_equal(step(1, 111 * MS), HF_STEP_START);
    report(1, 111 * MS);
    hf_pipeline_free(outer);
    hf_retry_free(retry);
}

/* A hedge outside: the second attempt waits in line for the slot of the first, and both belong to one call. */
static hf_pipeline *hedged(hf_hedge **hedge) {
    hf_hedge_config config;
    hf_hedge_config_init(&config);
    config.delay_ms = 10;
    hf_pipeline *outer;
    assert_int_equal(hf_hedge_new(hedge, "hedge", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_hedge_policy(*hedge), hf_bulkhead_policy(bench.bulkhead)};
    assert_int_equal(hf_pipeline_new(&outer, "hedged", order, 2, NULL), 0);
    return outer;
}

static void both_attempts_of_a_hedge_stand_in_line(void **state) {
    (void)state;
    build(1, 2, HF_NEVER);
    hf_hedge *hedge;
    hf_pipeline *outer = hedged(&hedge);
    hf_call_options options;
    hf_call_options_init(&options);
    options.flags = HF_CALL_OVERLAP;
    options.wake = count_wake;
    options.wake_arg = &bench.wakes[0];
    struct stepper *s = &bench.calls[0];
    /* The first succeeds: its slot goes to the second, which has lost, and at once on to the next. */
    stepper_begin(s, outer, &options, 0);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(step(0, 10 * MS), HF_STEP_WAIT); /* hedged, in line */
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 1);
    assert_int_equal(begin(1, 10 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_call_report(&s->call, 1, hf_success(), 11 * MS), 0);
    assert_int_equal(step(0, 11 * MS), HF_STEP_DONE);
    assert_int_equal(stepper_end(s, NULL), 0);
    assert_int_equal(bench.wakes[0] + bench.wakes[1], 2); /* the first of them inside the call's own step */
    assert_int_equal(step(1, 11 * MS), HF_STEP_START);
    report(1, 11 * MS);
    /* The first fails: the second takes its slot, in the very same step. */
    stepper_begin(s, outer, &options, 20 * MS);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(step(0, 30 * MS), HF_STEP_WAIT);
    assert_int_equal(hf_call_report(&s->call, 1, hf_failure(1), 31 * MS), 0);
    assert_int_equal(step(0, 31 * MS), HF_STEP_START);
    assert_int_equal(hf_bulkhead_in_flight(bench.bulkhead), 1);
    assert_int_equal(hf_call_report(&s->call, s->step.attempt, hf_success(), 32 * MS), 0);
    assert_int_equal(step(0, 32 * MS), HF_STEP_DONE);
    assert_int_equal(stepper_end(s, NULL), 0);
    /* Given up with one running and one in line. */
    stepper_begin(s, outer, &options, 40 * MS);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(step(0, 50 * MS), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 1);
    stepper_end(s, NULL);
    assert_int_equal(hf_bulkhead_in_flight(bench.bulkhead), 0);
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 0);
    hf_pipeline_free(outer);
    hf_hedge_free(hedge);
}

/* ---- priorities, shares, disciplines ---- */

static int begin_as(int i, uint32_t as, hf_time now) {
    priority = as;
    int kind = begin(i, now, HF_NEVER);
    priority = HF_PRIORITY_NORMAL;
    return kind;
}

static void the_most_important_come_first(void **state) {
    (void)state;
    build(1, 5, HF_NEVER);
    const uint32_t as[] = {3, 5, 3, 1, 3, 1};
    const int turns[] = {3, 5, 2, 4, 1};
    assert_int_equal(begin_as(0, as[0], 0), HF_STEP_START);
    for (int i = 1; i < 6; i++) assert_int_equal(begin_as(i, as[i], 0), HF_STEP_WAIT);
    int holder = 0;
    for (int i = 0; i < 5; i++) {
        report(holder, 0);
        holder = turns[i];
        assert_int_equal(step(holder, 0), HF_STEP_START);
    }
    report(holder, 0);
}

static void in_a_full_line_the_least_important_makes_room(void **state) {
    (void)state;
    build(1, 2, HF_NEVER);
    assert_int_equal(begin_as(0, HF_PRIORITY_NORMAL, 0), HF_STEP_START);
    assert_int_equal(begin_as(1, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_WAIT);
    assert_int_equal(begin_as(2, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_WAIT);
    assert_int_equal(begin_as(3, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_DONE); /* no more important than those */
    ends(3, HF_E_REJECTED, HF_REASON_FULL);
    assert_int_equal(begin_as(3, HF_PRIORITY_CRITICAL, 0), HF_STEP_WAIT);
    assert_int_equal(bench.wakes[2], 1); /* of two the one that had waited less */
    assert_int_equal(step(2, 0), HF_STEP_DONE);
    ends(2, HF_E_REJECTED, HF_REASON_SHED);
    assert_int_equal(begin_as(4, HF_PRIORITY_NORMAL, 0), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 2);
    /* Pushed out, and cancelled before it knows: nothing is given back that it never had. */
    hf_call_cancel(&bench.calls[1].call);
    assert_int_equal(step(1, 0), HF_STEP_DONE);
    ends(1, HF_E_CANCELLED, HF_REASON_CANCELLED);
    assert_int_equal(hf_bulkhead_in_flight(bench.bulkhead), 1);
    report(0, 0);
    assert_int_equal(step(3, 0), HF_STEP_START);
    report(3, 0);
    assert_int_equal(step(4, 0), HF_STEP_START);
    report(4, 0);
    hf_bulkhead_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_bulkhead_snapshot(bench.bulkhead, &info), 0);
    assert_int_equal(info.shed, 1); /* the other was cancelled, not turned back */
    assert_int_equal(info.rejected, 2);
}

/* Four slots of which the sheddable are guaranteed one: others borrow it, and give it back first. */
static void what_is_guaranteed_comes_back(void **state) {
    (void)state;
    hf_bulkhead_config config = config_of(3, 2, HF_NEVER);
    config.guaranteed[HF_PRIORITY_SHEDDABLE] = 1;
    build_of(&config);
    for (int i = 0; i < 3; i++) assert_int_equal(begin_as(i, HF_PRIORITY_CRITICAL, 0), HF_STEP_START); /* borrowed */
    assert_int_equal(begin_as(3, HF_PRIORITY_CRITICAL, 0), HF_STEP_WAIT);
    assert_int_equal(begin_as(4, HF_PRIORITY_CRITICAL, 0), HF_STEP_WAIT);
    assert_int_equal(begin_as(5, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_WAIT); /* the line is full, but it has a right */
    assert_int_equal(step(4, 0), HF_STEP_DONE);
    ends(4, HF_E_REJECTED, HF_REASON_SHED);
    assert_int_equal(begin_as(4, HF_PRIORITY_CRITICAL, 0), HF_STEP_DONE); /* and is not pushed out */
    ends(4, HF_E_REJECTED, HF_REASON_FULL);
    report(0, 0);
    assert_int_equal(step(3, 0), HF_STEP_WAIT);
    assert_int_equal(step(5, 0), HF_STEP_START);
    /* It has what is its own: from now on it is the least important again. */
    assert_int_equal(begin_as(0, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_WAIT);
    report(1, 0);
    assert_int_equal(step(3, 0), HF_STEP_START);
    for (int i = 2; i < 6; i++) {
        if (i != 4) report(i, 0);
    }
    assert_int_equal(step(0, 0), HF_STEP_START);
    report(0, 0);
}

static void a_line_that_does_not_drain_serves_the_newest(void **state) {
    (void)state;
    hf_bulkhead_config config = config_of(1, 5, 1000);
    config.discipline = HF_QUEUE_ADAPTIVE;
    build_of(&config); /* 100 ms, 5 ms */
    hf_bulkhead_info info = {.struct_size = sizeof info};
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(begin(1, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(begin(2, 99 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(bench.calls[2].step.at, 1099 * MS); /* the line is young: it may wait */
    assert_int_equal(begin(3, 100 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(bench.calls[3].step.at, 105 * MS); /* it does not drain: for a moment only */
    assert_int_equal(begin(4, 101 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_snapshot(bench.bulkhead, &info), 0);
    assert_int_equal(info.overloaded, 1);
    report(0, 102 * MS);
    assert_int_equal(step(4, 102 * MS), HF_STEP_START); /* the newest */
    assert_int_equal(step(3, 105 * MS), HF_STEP_DONE);
    ends(3, HF_E_REJECTED, HF_REASON_QUEUE_TIMEOUT);
    report(4, 110 * MS);
    assert_int_equal(step(2, 110 * MS), HF_STEP_START); /* then what is left, from behind */
    report(2, 120 * MS);
    assert_int_equal(step(1, 120 * MS), HF_STEP_START);
    /* It has been empty: all is well again, and who comes first is first. */
    assert_int_equal(hf_bulkhead_snapshot(bench.bulkhead, &info), 0);
    assert_int_equal(info.overloaded, 0);
    assert_int_equal(begin(2, 150 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(bench.calls[2].step.at, 1150 * MS);
    assert_int_equal(begin(3, 150 * MS, HF_NEVER), HF_STEP_WAIT);
    report(1, 160 * MS);
    assert_int_equal(step(2, 160 * MS), HF_STEP_START);
    report(2, 160 * MS);
    assert_int_equal(step(3, 160 * MS), HF_STEP_START);
    report(3, 160 * MS);
}

static void you_are_in_line(void **state) {
    (void)state;
    build(1, 4, HF_NEVER);
    hf_line_place place = {.struct_size = sizeof place};
    assert_int_equal(hf_bulkhead_end_of_line(bench.bulkhead, HF_PRIORITY_NORMAL, &place), 0);
    assert_int_equal(place.place, 0); /* at once */
    assert_int_equal(place.estimate_ns, 0);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    for (int i = 1; i < 4; i++) assert_int_equal(begin(i, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_line(bench.bulkhead, &bench.calls[3], &place), 0);
    assert_int_equal(place.place, 3);
    assert_int_equal(place.waiting, 3);
    assert_true(place.estimate_ns == HF_NEVER); /* nobody's turn has come yet */
    report(0, 30 * MS);
    assert_int_equal(hf_bulkhead_line(bench.bulkhead, &bench.calls[3], &place), 0);
    assert_int_equal(place.place, 2);
    assert_int_equal(place.estimate_ns, 60 * MS);                                            /* two turns of 30 ms */
    assert_int_equal(hf_bulkhead_line(bench.bulkhead, &bench.calls[1], &place), HF_E_STATE); /* has its slot */
    assert_int_equal(step(1, 30 * MS), HF_STEP_START);
    report(1, 110 * MS); /* 80 ms: an eighth of the difference more */
    assert_int_equal(hf_bulkhead_end_of_line(bench.bulkhead, HF_PRIORITY_NORMAL, &place), 0);
    assert_int_equal(place.place, 2);
    assert_int_equal(place.estimate_ns, 2 * (30 * MS + 50 * MS / 8));
    assert_int_equal(hf_bulkhead_end_of_line(bench.bulkhead, HF_PRIORITY_CRITICAL, &place), 0);
    assert_int_equal(place.place, 1);
    for (int i = 1; i < 6; i++) {
        if (i == 2 || i == 3) continue;
        assert_int_equal(begin(i, 110 * MS, HF_NEVER), HF_STEP_WAIT);
        if (hf_bulkhead_waiting(bench.bulkhead) == 4) break;
    }
    assert_int_equal(hf_bulkhead_end_of_line(bench.bulkhead, HF_PRIORITY_NORMAL, &place), 0);
    assert_int_equal(place.place, 5); /* no room */
    assert_true(place.estimate_ns == HF_NEVER);
    assert_int_equal(hf_bulkhead_end_of_line(bench.bulkhead, HF_PRIORITIES, &place), HF_E_INVALID);
    assert_int_equal(hf_bulkhead_line(bench.bulkhead, NULL, &place), HF_E_INVALID);
    for (int i = 1; i < 6; i++) stepper_end(&bench.calls[i], NULL);
    hf_bulkhead_info info = {.struct_size = 4};
    assert_int_equal(hf_bulkhead_snapshot(bench.bulkhead, &info), HF_E_INVALID);
}

static void configurations_are_checked(void **state) {
    (void)state;
    const struct {
        uint32_t slots, waiting;
        int64_t wait_ms;
        const char *named;
    } wrong[] = {{1000001, 0, 1, "max_concurrent is 1000001, expected 0 to 1000000"},
                 {1, 1000001, 1, "max_waiting is 1000001, expected 0 to 1000000"},
                 {1, 1, 0, "max_wait_ms is 0, expected 1 to 3600000 or HF_NEVER"},
                 {1, 1, 3600001, "max_wait_ms is 3600001"}};
    hf_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        hf_bulkhead_config config = config_of(wrong[i].slots, wrong[i].waiting, wrong[i].wait_ms);
        assert_int_equal(hf_bulkhead_new(&bench.bulkhead, "wrong", &config, &error), HF_E_INVALID);
        assert_null(bench.bulkhead);
        assert_non_null(strstr(hf_error_text(&error), wrong[i].named));
    }
    hf_bulkhead_config config = config_of(4, 1, 1);
    config.guaranteed[0] = 3;
    config.guaranteed[7] = 2;
    assert_int_equal(hf_bulkhead_new(&bench.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "guaranteed adds up to 5, expected at most max_concurrent, 4"));
    config.guaranteed[7] = 1;
    config.max_waiting = 0;
    assert_int_equal(hf_bulkhead_new(&bench.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "max_waiting is 0"));
    config = config_of(1, 1, 1);
    config.discipline = 2;
    assert_int_equal(hf_bulkhead_new(&bench.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "discipline is 2, expected 0 to 1"));
    config.discipline = HF_QUEUE_ADAPTIVE;
    config.overload_after_ms = 0;
    assert_int_equal(hf_bulkhead_new(&bench.bulkhead, "b", &config, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "overload_after_ms is 0"));
}

static void random_operations_agree_with_a_model(void **state) {
    (void)state;
    uint64_t rng = 7;
    uint8_t data[300];
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)hf__rng_next(&rng);
        bulkhead_model_play(data, sizeof data);
    }
}

/* ---- hf_run: a thread that waits ---- */

static void sleep_ms(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static hf_outcome succeeds(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return hf_success();
}

struct waiting_thread {
    pthread_t thread;
    hf_run_options options;
    int status;
    hf_result result;
    hf_time ended_at;
};

static void *run_one(void *arg) {
    struct waiting_thread *w = arg;
    w->status = hf_run(bench.pipeline, succeeds, NULL, &w->options, &w->result);
    w->ended_at = hf_clock_now(NULL);
    return NULL;
}

static void start_waiting(struct waiting_thread *w) {
    assert_int_equal(pthread_create(&w->thread, NULL, run_one, w), 0);
    while (hf_bulkhead_waiting(bench.bulkhead) == 0) sleep_ms(1);
}

static void a_thread_in_line_is_woken_promptly(void **state) {
    (void)state;
    build(1, 1, HF_NEVER);
    for (int round = 0; round < 20; round++) {
        struct waiting_thread w;
        hf_run_options_init(&w.options);
        assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
        start_waiting(&w);
        hf_time before = hf_clock_now(NULL);
        report(0, 0);
        pthread_join(w.thread, NULL);
        assert_int_equal(w.status, 0);
        assert_true(w.ended_at - before < 2 * HF_SECOND);
    }
}

static void a_thread_in_line_is_cancelled_promptly(void **state) {
    (void)state;
    build(1, 1, HF_NEVER);
    struct waiting_thread w;
    hf_run_options_init(&w.options);
    assert_int_equal(hf_cancel_new(&w.options.cancel, NULL), 0);
    assert_int_equal(begin(0, 0, HF_NEVER), HF_STEP_START);
    start_waiting(&w);
    hf_cancel_raise(w.options.cancel);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.status, HF_E_CANCELLED);
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 0);
    report(0, 0);
    hf_cancel_free(w.options.cancel);
}

/* On a virtual clock a wait that has an end is over at once, and one that has none is a real one. */
static void waits_in_line_on_a_virtual_clock(void **state) {
    (void)state;
    build(1, 1, 50);
    hf_test_clock *clock;
    assert_int_equal(hf_test_clock_new(&clock, HF_SECOND, NULL), 0);
    struct waiting_thread w;
    hf_run_options_init(&w.options);
    w.options.clock = hf_test_clock_clock(clock);
    assert_int_equal(begin(0, HF_SECOND, HF_NEVER), HF_STEP_START);
    run_one(&w);
    assert_int_equal(w.status, HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&w.result), HF_REASON_QUEUE_TIMEOUT);
    assert_int_equal(hf_clock_now(w.options.clock), HF_SECOND + 50 * MS);
    assert_int_equal(hf_bulkhead_set_max_wait(bench.bulkhead, HF_NEVER), 0);
    start_waiting(&w);
    assert_int_equal(hf_clock_now(w.options.clock), HF_SECOND + 50 * MS);
    report(0, HF_SECOND);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.status, 0);
    assert_int_equal(hf_clock_now(w.options.clock), HF_SECOND + 50 * MS);
    hf_test_clock_free(clock);
}

/* While one attempt of a hedge runs and the other is in line, others join the line behind it and leave. */
static _Atomic int visits;

static void *come_and_go(void *arg) {
    (void)arg;
    for (int i = 0; i < 500; i++) {
        atomic_fetch_add_explicit(&visits, 1, memory_order_relaxed);
        (void)begin(2, 10 * MS, HF_NEVER);
        stepper_end(&bench.calls[2], NULL);
    }
    return NULL;
}

static void peeking_leaves_the_line_alone(void **state) {
    (void)state;
    build(1, 3, HF_NEVER);
    hf_hedge *hedge;
    hf_pipeline *outer = hedged(&hedge);
    hf_call_options options;
    hf_call_options_init(&options);
    options.flags = HF_CALL_OVERLAP;
    options.wake = count_wake;
    options.wake_arg = &bench.wakes[0];
    struct stepper *s = &bench.calls[0];
    stepper_begin(s, outer, &options, 0);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(step(0, 10 * MS), HF_STEP_WAIT);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, NULL), 0);
    while (atomic_load_explicit(&visits, memory_order_relaxed) < 500)
        assert_false(hf_call_would_end(&s->call, 1, hf_failure(1), 10 * MS));
    pthread_join(thread, NULL);
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 1);
    stepper_end(s, NULL);
    hf_pipeline_free(outer);
    hf_hedge_free(hedge);
}

/* ---- many threads ---- */

#define THREADS 8
#define ROUNDS 400
#define MOST_SLOTS 3

static _Atomic int inside, most_inside;
static _Atomic int done, full, late, shed, cancelled;
static hf_cancel *cancels[THREADS][ROUNDS / 10];

static hf_outcome occupies(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    int now = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&most_inside);
    while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now)) continue;
    uint64_t *rng = arg;
    for (uint64_t i = hf__rng_next(rng) % 8; i > 0; i--) sched_yield(); /* so that others come and find it full */
    atomic_fetch_sub(&inside, 1);
    return hf_success();
}

static void *customer(void *arg) {
    size_t me = (size_t)(uintptr_t)arg;
    uint64_t rng = me;
    for (int round = 0; round < ROUNDS; round++) {
        hf_run_options options;
        hf_run_options_init(&options);
        options.priority = (uint32_t)(hf__rng_next(&rng) % HF_PRIORITIES);
        if (round % 10 == 0) options.cancel = cancels[me][round / 10];
        if (round % 7 == 0) options.timeout_ns = (int64_t)(hf__rng_next(&rng) % 200) * HF_MICROSECOND;
        hf_result result;
        switch (hf_run(bench.pipeline, occupies, &rng, &options, &result)) {
        case HF_OK: atomic_fetch_add(&done, 1); break;
        case HF_E_CANCELLED: atomic_fetch_add(&cancelled, 1); break;
        case HF_E_TIMEOUT: atomic_fetch_add(&late, 1); break;
        default:
            if (hf_result_reason(&result) == HF_REASON_FULL) atomic_fetch_add(&full, 1);
            else if (hf_result_reason(&result) == HF_REASON_QUEUE_TIMEOUT) atomic_fetch_add(&late, 1);
            else if (hf_result_reason(&result) == HF_REASON_SHED) atomic_fetch_add(&shed, 1);
        }
    }
    return NULL;
}

static _Atomic bool closing;

static void *manager(void *arg) {
    (void)arg;
    uint64_t rng = 99;
    for (int i = 0; !atomic_load(&closing); i++) {
        (void)hf_bulkhead_resize(bench.bulkhead, (uint32_t)(hf__rng_next(&rng) % (MOST_SLOTS + 1)));
        uint64_t victim = hf__rng_next(&rng);
        hf_cancel_raise(cancels[victim % THREADS][victim / THREADS % (ROUNDS / 10)]);
        if (i % 16 == 0) sleep_ms(1);
    }
    return NULL;
}

static void many_threads_lose_no_slot(void **state) {
    (void)state;
    hf_bulkhead_config config = config_of(MOST_SLOTS, 5, 1);
    config.discipline = HF_QUEUE_ADAPTIVE;
    config.overload_after_ms = 1;
    config.guaranteed[7] = 1;
    build_of(&config);
    pthread_t threads[THREADS], boss;
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < ROUNDS / 10; j++) assert_int_equal(hf_cancel_new(&cancels[i][j], NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, customer, (void *)(uintptr_t)i), 0);
    }
    assert_int_equal(pthread_create(&boss, NULL, manager, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    atomic_store(&closing, true);
    pthread_join(boss, NULL);
    print_message("           %d done, %d full, %d too late, %d shed, %d cancelled, at most %d inside\n", done, full,
                  late, shed, cancelled, most_inside);
    assert_int_equal(done + full + late + shed + cancelled, THREADS * ROUNDS);
    assert_true(done > 0);
    assert_true(most_inside <= MOST_SLOTS);
    assert_int_equal(hf_bulkhead_in_flight(bench.bulkhead), 0);
    assert_int_equal(hf_bulkhead_waiting(bench.bulkhead), 0);
    /* All of them are still there. */
    assert_int_equal(hf_bulkhead_resize(bench.bulkhead, MOST_SLOTS), 0);
    for (int i = 0; i < MOST_SLOTS; i++) assert_int_equal(begin(i, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(begin(MOST_SLOTS, 0, HF_NEVER), HF_STEP_WAIT);
    for (int i = MOST_SLOTS; i >= 0; i--) stepper_end(&bench.calls[i], NULL);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < ROUNDS / 10; j++) hf_cancel_free(cancels[i][j]);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_in_line_gets_the_slot),
        TEST(a_driver_that_cannot_be_woken_does_not_wait),
        TEST(who_waited_long_enough_is_turned_back),
        TEST(a_slot_that_came_in_time_is_taken_late),
        TEST(what_is_granted_to_the_dead_is_handed_on),
        TEST(more_slots_go_to_those_who_wait),
        TEST(a_retry_waits_in_line_anew),
        TEST(both_attempts_of_a_hedge_stand_in_line),
        TEST(the_most_important_come_first),
        TEST(in_a_full_line_the_least_important_makes_room),
        TEST(what_is_guaranteed_comes_back),
        TEST(a_line_that_does_not_drain_serves_the_newest),
        TEST(you_are_in_line),
        TEST(configurations_are_checked),
        TEST(random_operations_agree_with_a_model),
        TEST(a_thread_in_line_is_woken_promptly),
        TEST(a_thread_in_line_is_cancelled_promptly),
        TEST(waits_in_line_on_a_virtual_clock),
        TEST(peeking_leaves_the_line_alone),
        TEST(many_threads_lose_no_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
