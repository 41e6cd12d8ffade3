/* SPDX-License-Identifier: MIT */
/* Whose turn it is in the line of a bulkhead: priorities, guaranteed shares, disciplines, and the place in line. */
#include "support/bulkhead_rig.h"
#include "support/cmocka_all.h"

#define MS HF_MILLISECOND

static void the_most_important_come_first(void **state) {
    (void)state;
    line_build(1, 5, HF_NEVER);
    const uint32_t as[] = {3, 5, 3, 1, 3, 1};
    const int turns[] = {3, 5, 2, 4, 1};
    assert_int_equal(line_begin_as(0, as[0], 0), HF_STEP_START);
    for (int i = 1; i < 6; i++) assert_int_equal(line_begin_as(i, as[i], 0), HF_STEP_WAIT);
    int holder = 0;
    for (int i = 0; i < 5; i++) {
        line_report(holder, 0);
        holder = turns[i];
        assert_int_equal(line_step(holder, 0), HF_STEP_START);
    }
    line_report(holder, 0);
}

static void in_a_full_line_the_least_important_makes_room(void **state) {
    (void)state;
    line_build(1, 2, HF_NEVER);
    assert_int_equal(line_begin_as(0, HF_PRIORITY_NORMAL, 0), HF_STEP_START);
    assert_int_equal(line_begin_as(1, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_WAIT);
    assert_int_equal(line_begin_as(2, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_WAIT);
    assert_int_equal(line_begin_as(3, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_DONE); /* no more important than those */
    line_ends(3, HF_E_REJECTED, HF_REASON_FULL);
    assert_int_equal(line_begin_as(3, HF_PRIORITY_CRITICAL, 0), HF_STEP_WAIT);
    assert_int_equal(line.wakes[2], 1); /* of two the one that had waited less */
    assert_int_equal(line_step(2, 0), HF_STEP_DONE);
    line_ends(2, HF_E_REJECTED, HF_REASON_SHED);
    assert_int_equal(line_begin_as(4, HF_PRIORITY_NORMAL, 0), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 2);
    /* Pushed out, and cancelled before it knows: nothing is given back that it never had. */
    hf_call_cancel(&line.calls[1].call);
    assert_int_equal(line_step(1, 0), HF_STEP_DONE);
    line_ends(1, HF_E_CANCELLED, HF_REASON_CANCELLED);
    assert_int_equal(hf_bulkhead_in_flight(line.bulkhead), 1);
    line_report(0, 0);
    assert_int_equal(line_step(3, 0), HF_STEP_START);
    line_report(3, 0);
    assert_int_equal(line_step(4, 0), HF_STEP_START);
    line_report(4, 0);
    hf_bulkhead_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_bulkhead_snapshot(line.bulkhead, &info), 0);
    assert_int_equal(info.shed, 1); /* the other was cancelled, not turned back */
    assert_int_equal(info.rejected, 2);
}

/* Four slots of which the sheddable are guaranteed one: others borrow it, and give it back first. */
static void what_is_guaranteed_comes_back(void **state) {
    (void)state;
    hf_bulkhead_config config = line_config_of(3, 2, HF_NEVER);
    config.guaranteed[HF_PRIORITY_SHEDDABLE] = 1;
    line_build_of(&config);
    for (int i = 0; i < 3; i++)
        assert_int_equal(line_begin_as(i, HF_PRIORITY_CRITICAL, 0), HF_STEP_START); /* borrowed */
    assert_int_equal(line_begin_as(3, HF_PRIORITY_CRITICAL, 0), HF_STEP_WAIT);
    assert_int_equal(line_begin_as(4, HF_PRIORITY_CRITICAL, 0), HF_STEP_WAIT);
    assert_int_equal(line_begin_as(5, HF_PRIORITY_SHEDDABLE, 0),
                     HF_STEP_WAIT); /* the line is full, but it has a right */
    assert_int_equal(line_step(4, 0), HF_STEP_DONE);
    line_ends(4, HF_E_REJECTED, HF_REASON_SHED);
    assert_int_equal(line_begin_as(4, HF_PRIORITY_CRITICAL, 0), HF_STEP_DONE); /* and is not pushed out */
    line_ends(4, HF_E_REJECTED, HF_REASON_FULL);
    line_report(0, 0);
    assert_int_equal(line_step(3, 0), HF_STEP_WAIT);
    assert_int_equal(line_step(5, 0), HF_STEP_START);
    /* It has what is its own: from now on it is the least important again. */
    assert_int_equal(line_begin_as(0, HF_PRIORITY_SHEDDABLE, 0), HF_STEP_WAIT);
    line_report(1, 0);
    assert_int_equal(line_step(3, 0), HF_STEP_START);
    for (int i = 2; i < 6; i++) {
        if (i != 4) line_report(i, 0);
    }
    assert_int_equal(line_step(0, 0), HF_STEP_START);
    line_report(0, 0);
}

static void a_line_that_does_not_drain_serves_the_newest(void **state) {
    (void)state;
    hf_bulkhead_config config = line_config_of(1, 5, 1000);
    config.discipline = HF_QUEUE_ADAPTIVE;
    line_build_of(&config); /* 100 ms, 5 ms */
    hf_bulkhead_info info = {.struct_size = sizeof info};
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(line_begin(1, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line_begin(2, 99 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line.calls[2].step.at, 1099 * MS); /* the line is young: it may wait */
    assert_int_equal(line_begin(3, 100 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line.calls[3].step.at, 105 * MS); /* it does not drain: for a moment only */
    assert_int_equal(line_begin(4, 101 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_snapshot(line.bulkhead, &info), 0);
    assert_int_equal(info.overloaded, 1);
    line_report(0, 102 * MS);
    assert_int_equal(line_step(4, 102 * MS), HF_STEP_START); /* the newest */
    assert_int_equal(line_step(3, 105 * MS), HF_STEP_DONE);
    line_ends(3, HF_E_REJECTED, HF_REASON_QUEUE_TIMEOUT);
    line_report(4, 110 * MS);
    assert_int_equal(line_step(2, 110 * MS), HF_STEP_START); /* then what is left, from behind */
    line_report(2, 120 * MS);
    assert_int_equal(line_step(1, 120 * MS), HF_STEP_START);
    /* It has been empty: all is well again, and who comes first is first. */
    assert_int_equal(hf_bulkhead_snapshot(line.bulkhead, &info), 0);
    assert_int_equal(info.overloaded, 0);
    assert_int_equal(line_begin(2, 150 * MS, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(line.calls[2].step.at, 1150 * MS);
    assert_int_equal(line_begin(3, 150 * MS, HF_NEVER), HF_STEP_WAIT);
    line_report(1, 160 * MS);
    assert_int_equal(line_step(2, 160 * MS), HF_STEP_START);
    line_report(2, 160 * MS);
    assert_int_equal(line_step(3, 160 * MS), HF_STEP_START);
    line_report(3, 160 * MS);
}

static void you_are_in_line(void **state) {
    (void)state;
    line_build(1, 4, HF_NEVER);
    hf_line_place place = {.struct_size = sizeof place};
    assert_int_equal(hf_bulkhead_end_of_line(line.bulkhead, HF_PRIORITY_NORMAL, &place), 0);
    assert_int_equal(place.place, 0); /* at once */
    assert_int_equal(place.estimate_ns, 0);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    for (int i = 1; i < 4; i++) assert_int_equal(line_begin(i, 0, HF_NEVER), HF_STEP_WAIT);
    assert_int_equal(hf_bulkhead_line(line.bulkhead, &line.calls[3], &place), 0);
    assert_int_equal(place.place, 3);
    assert_int_equal(place.waiting, 3);
    assert_true(place.estimate_ns == HF_NEVER); /* nobody's turn has come yet */
    line_report(0, 30 * MS);
    assert_int_equal(hf_bulkhead_line(line.bulkhead, &line.calls[3], &place), 0);
    assert_int_equal(place.place, 2);
    assert_int_equal(place.estimate_ns, 60 * MS);                                          /* two turns of 30 ms */
    assert_int_equal(hf_bulkhead_line(line.bulkhead, &line.calls[1], &place), HF_E_STATE); /* has its slot */
    assert_int_equal(line_step(1, 30 * MS), HF_STEP_START);
    line_report(1, 110 * MS); /* 80 ms: an eighth of the difference more */
    assert_int_equal(hf_bulkhead_end_of_line(line.bulkhead, HF_PRIORITY_NORMAL, &place), 0);
    assert_int_equal(place.place, 2);
    assert_int_equal(place.estimate_ns, 2 * (30 * MS + 50 * MS / 8));
    assert_int_equal(hf_bulkhead_end_of_line(line.bulkhead, HF_PRIORITY_CRITICAL, &place), 0);
    assert_int_equal(place.place, 1);
    for (int i = 1; i < 6; i++) {
        if (i == 2 || i == 3) continue;
        assert_int_equal(line_begin(i, 110 * MS, HF_NEVER), HF_STEP_WAIT);
        if (hf_bulkhead_waiting(line.bulkhead) == 4) break;
    }
    assert_int_equal(hf_bulkhead_end_of_line(line.bulkhead, HF_PRIORITY_NORMAL, &place), 0);
    assert_int_equal(place.place, 5); /* no room */
    assert_true(place.estimate_ns == HF_NEVER);
    assert_int_equal(hf_bulkhead_end_of_line(line.bulkhead, HF_PRIORITIES, &place), HF_E_INVALID);
    assert_int_equal(hf_bulkhead_line(line.bulkhead, NULL, &place), HF_E_INVALID);
    for (int i = 1; i < 6; i++) stepper_end(&line.calls[i], NULL);
    hf_bulkhead_info info = {.struct_size = 4};
    assert_int_equal(hf_bulkhead_snapshot(line.bulkhead, &info), HF_E_INVALID);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, line_setup, line_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_most_important_come_first),
        TEST(in_a_full_line_the_least_important_makes_room),
        TEST(what_is_guaranteed_comes_back),
        TEST(a_line_that_does_not_drain_serves_the_newest),
        TEST(you_are_in_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
