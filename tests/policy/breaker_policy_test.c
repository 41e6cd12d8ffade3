/* SPDX-License-Identifier: MIT */
/* The breaker through its handle and the engine, in virtual time: transitions, probes, leases, stale results,
 * and the exact window against a list of all results. */
#include "support/breaker_rig.h"

#include "base/rng.h"
#include "core/breaker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MS HF_MILLISECOND
#define MAX_OPEN_CALLS 64

static void trips_when_the_rate_is_reached_on_any_record(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(100, 5, 500000);
    rig_build(&config);
    assert_int_equal(rig_play("FFFS"), HF_BREAKER_CLOSED);
    assert_int_equal(rig_play("S"), HF_BREAKER_OPEN); /* a success brings it to min_calls: 3 of 5 */
    hf_breaker_info i = rig_info();
    assert_int_equal(i.total, 5);
    assert_int_equal(i.failures, 3);
    assert_int_equal(rig.events, 1);
    assert_int_equal(rig.last_info.failures, 3);
    hf_result result = rig_rejected();
    assert_int_equal(hf_result_reason(&result), HF_REASON_OPEN);
    assert_int_equal(hf_result_retry_at(&result), rig.now + 5 * HF_SECOND);
    assert_int_equal(rig_info().rejected, 1);
}

static void equality_trips_and_below_does_not(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 10, 100000);
    rig_build(&config);
    assert_int_equal(rig_play("SSSSSSSSSS"), HF_BREAKER_CLOSED);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN); /* 1 of 10 */
}

static void consecutive_failures_trip_whatever_min_calls_says(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(100, 100, HF_BREAKER_OFF);
    config.consecutive_failures = 3;
    rig_build(&config);
    assert_int_equal(rig_play("FFSFF"), HF_BREAKER_CLOSED);
    assert_int_equal(rig_play("TX"), HF_BREAKER_CLOSED); /* neither breaks nor lengthens the run */
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    assert_int_equal(rig.last_info.consecutive, 3);
}

static void throttled_counts_in_the_rate(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(4, 4, 500000);
    rig_build(&config);
    assert_int_equal(rig_play("SSTX"), HF_BREAKER_CLOSED);
    assert_int_equal(rig_info().total, 3);
    assert_int_equal(rig_play("T"), HF_BREAKER_OPEN);
}

static void slow_calls_trip_by_their_own_rate(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(4, 4, HF_BREAKER_OFF);
    config.slow_rate_ppm = 500000;
    config.slow_call_ms = 100;
    rig_build(&config);
    for (int i = 0; i < 4; i++) {
        struct stepper s;
        assert_int_equal(rig_info().state, HF_BREAKER_CLOSED);
        assert_true(rig_begin(&s));
        rig.now += i < 2 ? 99 * MS : 100 * MS;
        rig_finish(&s, hf_success());
    }
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    assert_int_equal(rig.last_info.slow, 2);
}

static void admits_exactly_when_the_open_time_is_over(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(1, 1, HF_PPM);
    config.probes = 1;
    rig_build(&config);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    rig.now += 5 * HF_SECOND - 1;
    (void)rig_rejected();
    rig.now += 1;
    struct stepper first, second;
    assert_true(rig_begin(&first));
    assert_int_equal(rig_info().state, HF_BREAKER_HALF_OPEN);
    assert_false(rig_begin(&second));
    hf_result result;
    stepper_end(&second, &result);
    assert_int_equal(hf_result_reason(&result), HF_REASON_PROBING);
    assert_int_equal(hf_result_retry_at(&result), rig.now + 15 * HF_SECOND);
    rig_finish(&first, hf_success());
    assert_int_equal(rig_info().state, HF_BREAKER_CLOSED);
    assert_int_equal(rig_info().total, 0); /* a fresh window */
    assert_int_equal(rig.events, 3);
}

/* Half-open rows: probes, failures allowed, results, state after each. */
static void half_open_decides_as_soon_as_it_is_certain(void **state) {
    (void)state;
    static const struct {
        uint32_t probes, allowed;
        const char *play;
        int after;
    } rows[] = {
        {4, 1, "FSF", HF_BREAKER_OPEN},        {4, 1, "FSSS", HF_BREAKER_CLOSED}, {4, 1, "FSS", HF_BREAKER_HALF_OPEN},
        {3, 0, "SSS", HF_BREAKER_CLOSED},      {3, 0, "SSF", HF_BREAKER_OPEN},    {1, 0, "F", HF_BREAKER_OPEN},
        {1, 0, "S", HF_BREAKER_CLOSED},        {4, 1, "SFSF", HF_BREAKER_OPEN},   {4, 1, "SFSS", HF_BREAKER_CLOSED},
        {3, 1, "FSS", HF_BREAKER_CLOSED},      {3, 1, "FSF", HF_BREAKER_OPEN},    {2, 0, "S", HF_BREAKER_HALF_OPEN},
        {2, 0, "XXXXXSXS", HF_BREAKER_CLOSED}, {1, 0, "T", HF_BREAKER_OPEN},      {2, 0, "s", HF_BREAKER_OPEN},
        {5, 0, "F", HF_BREAKER_OPEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hf_breaker_config config = rig_config(1, 1, HF_PPM);
        config.probes = rows[i].probes;
        config.probe_failures_allowed = rows[i].allowed;
        rig_build(&config);
        assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
        rig.now += 5 * HF_SECOND;
        assert_int_equal(rig_play(rows[i].play), rows[i].after);
        rig_teardown(NULL);
    }
}

static void the_open_time_doubles_up_to_its_cap_and_closing_resets_it(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(1, 1, HF_PPM);
    config.open_ms = 1000;
    config.open_max_ms = 5000;
    config.probes = 1;
    rig_build(&config);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    static const int waits[] = {1, 2, 4, 5, 5};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_info().retry_at, rig.now + waits[i] * HF_SECOND);
        rig.now = rig_info().retry_at;
        assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    }
    rig.now = rig_info().retry_at;
    assert_int_equal(rig_play("S"), HF_BREAKER_CLOSED);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    assert_int_equal(rig_info().retry_at, rig.now + HF_SECOND);
}

static void a_hint_lengthens_the_open_time_up_to_its_cap(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(1, 1, HF_PPM);
    config.open_ms = 1000;
    config.open_max_ms = 5000;
    rig_build(&config);
    struct stepper s;
    assert_true(rig_begin(&s));
    rig_finish(&s, hf_throttled(429, 3 * HF_SECOND));
    assert_int_equal(rig_info().retry_at, rig.now + 3 * HF_SECOND);
    hf_breaker_set(rig.breaker, HF_BREAKER_CLOSED, rig.now);
    assert_true(rig_begin(&s));
    rig_finish(&s, hf_throttled(429, 300 * HF_SECOND));
    assert_int_equal(rig_info().retry_at, rig.now + 5 * HF_SECOND);
}

static void results_of_another_generation_are_dropped(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(2, 2, HF_PPM);
    config.probes = 1;
    rig_build(&config);
    struct stepper old[8];
    for (int i = 0; i < 8; i++) assert_true(rig_begin(&old[i]));
    assert_int_equal(rig_play("FF"), HF_BREAKER_OPEN);
    rig_finish(&old[0], hf_success());
    rig_finish(&old[1], hf_failure(1));
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    rig.now += 5 * HF_SECOND;
    struct stepper probe, more;
    assert_true(rig_begin(&probe));
    rig_finish(&old[2], hf_success()); /* no probe: closes nothing, gives no permit */
    assert_int_equal(rig_info().state, HF_BREAKER_HALF_OPEN);
    assert_false(rig_begin(&more));
    stepper_end(&more, NULL);
    rig_finish(&old[3], hf_failure(1));
    assert_int_equal(rig_info().state, HF_BREAKER_HALF_OPEN);
    rig_finish(&probe, hf_success());
    rig_finish(&old[4], hf_failure(1));
    rig_finish(&old[5], hf_failure(1));
    assert_int_equal(rig_info().state, HF_BREAKER_CLOSED);
    assert_int_equal(rig_info().total, 0);
    rig_finish(&old[6], hf_failure(1));
    rig_finish(&old[7], hf_neutral(0));
}

static void a_lost_probe_counts_as_failed_when_its_lease_ends(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(1, 1, HF_PPM);
    config.probes = 1;
    rig_build(&config);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    rig.now += 5 * HF_SECOND;
    struct stepper lost;
    assert_true(rig_begin(&lost));
    rig.now += 15 * HF_SECOND - 1;
    (void)rig_rejected();
    rig.now += 1;
    (void)rig_rejected(); /* the lease is over: open again, twice as long */
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    assert_int_equal(rig_info().retry_at, rig.now + 10 * HF_SECOND);
    rig_finish(&lost, hf_success()); /* late: dropped */
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    rig.now += 10 * HF_SECOND;
    assert_int_equal(rig_play("S"), HF_BREAKER_CLOSED);
}

static void probes_never_exceed_their_number_across_rounds(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(1, 1, HF_PPM);
    config.probes = 2;
    config.open_ms = 1;
    config.open_max_ms = 1;
    rig_build(&config);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    rig.now += MS;
    struct stepper flying, failing, next, third;
    assert_true(rig_begin(&flying));
    assert_true(rig_begin(&failing));
    rig_finish(&failing, hf_failure(1));
    assert_int_equal(rig_info().state, HF_BREAKER_OPEN);
    rig.now += MS;
    assert_true(rig_begin(&next)); /* the old one still flies: one slot is left */
    assert_false(rig_begin(&third));
    stepper_end(&third, NULL);
    rig_finish(&flying, hf_success()); /* of an older round: frees its slot, counts nothing */
    assert_int_equal(rig_info().probes_ok, 0);
    assert_true(rig_begin(&third));
    rig_finish(&next, hf_success());
    rig_finish(&third, hf_success());
    assert_int_equal(rig_info().state, HF_BREAKER_CLOSED);
}

static void a_cancelled_probe_gives_its_permit_back(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(1, 1, HF_PPM);
    config.probes = 1;
    rig_build(&config);
    assert_int_equal(rig_play("F"), HF_BREAKER_OPEN);
    rig.now += 5 * HF_SECOND;
    for (int i = 0; i < 3; i++) {
        struct stepper s;
        assert_true(rig_begin(&s));
        hf_call_cancel(&s.call);
        rig_finish(&s, hf_failure(1));
        assert_int_equal(rig_info().state, HF_BREAKER_HALF_OPEN);
        assert_int_equal(rig_info().probes_flying, 0);
        assert_true(rig_begin(&s));
        hf_call_end(&s.call, NULL); /* abandoned */
    }
    assert_int_equal(rig_play("S"), HF_BREAKER_CLOSED);
}

static void states_are_set_by_hand(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(2, 2, HF_PPM);
    rig_build(&config);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_HALF_OPEN, rig.now), HF_E_STATE);
    assert_int_equal(hf_breaker_set(rig.breaker, (hf_breaker_state)7, rig.now), HF_E_INVALID);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_FORCED_OPEN, rig.now), 0);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_FORCED_OPEN, rig.now), 0);
    assert_int_equal(rig.events, 1);
    rig.now += 3600 * HF_SECOND;
    hf_result result = rig_rejected();
    (void)rig_rejected();
    assert_int_equal(hf_result_reason(&result), HF_REASON_FORCED_OPEN);
    assert_int_equal(hf_result_retry_at(&result), HF_NEVER);
    assert_int_equal(rig_info().rejected, 2);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_DISABLED, rig.now), 0);
    assert_int_equal(rig_play("FFFFFF"), HF_BREAKER_DISABLED);
    assert_int_equal(rig_info().total, 0);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_CLOSED, rig.now), 0);
    assert_int_equal(rig_play("FS"), HF_BREAKER_CLOSED);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_CLOSED, rig.now), 0); /* a reset */
    assert_int_equal(rig_info().total, 0);
    assert_int_equal(rig.events, 3);
    assert_int_equal(hf_breaker_set(rig.breaker, HF_BREAKER_OPEN, rig.now), 0);
    assert_int_equal(rig_info().retry_at, rig.now + 5 * HF_SECOND);
}

static void the_callers_short_deadline_says_nothing_about_the_dependency(void **state) {
    (void)state;
    hf_breaker_config config = rig_config(10, 10, HF_PPM);
    config.slow_call_ms = 100;
    rig_build(&config);
    hf_call_options options;
    hf_call_options_init(&options);
    for (int i = 0; i < 2; i++) {
        options.deadline_at = rig.now + (i == 0 ? 99 : 100) * MS;
        struct stepper s;
        stepper_begin(&s, rig.pipeline, &options, rig.now);
        assert_int_equal(stepper_step(&s), HF_STEP_START);
        stepper_finish(&s, hf_failure(1), HF_SECOND, true);
        assert_int_equal(stepper_next(&s), HF_STEP_DONE);
        assert_int_equal(stepper_end(&s, NULL), HF_E_TIMEOUT);
        assert_int_equal(rig_info().total, (unsigned)i);
    }
}

/* The model: a list of all results since the last reset, looked at from the end. */
static void the_window_is_exact(void **state) {
    (void)state;
    static char all[400000];
    static const uint32_t sizes[] = {1, 2, 15, 16, 17, 31, 100, 128, 1024};
    uint64_t rng = 5;
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        uint32_t size = sizes[n];
        hf_breaker_config config = rig_config(size, size, HF_PPM);
        config.slow_rate_ppm = HF_BREAKER_OFF;
        rig_build(&config);
        size_t count = 0;
        for (int step = 0; step < 30000; step++) {
            /* Long healthy stretches make the window clean, bursts make it dirty. */
            uint64_t mood = (uint64_t)step / 700 % 3, dice = hf__rng_next(&rng) % 100;
            char c = mood == 0 || dice < 40 ? 'S' : dice < 60 ? 'F' : dice < 75 ? 's' : dice < 90 ? 'T' : 'X';
            struct stepper s;
            if (!rig_begin(&s)) fail();
            rig_finish(&s, rig_outcome(c));
            if (c != 'X') all[count++] = c;
            uint32_t total = 0, failures = 0, slow = 0, run = 0;
            bool running = true;
            for (size_t i = count; i-- > 0 && total < size; total++) {
                failures += all[i] == 'F' || all[i] == 'T';
                slow += all[i] == 's';
                if (running && all[i] == 'F') run++;
                if (all[i] == 'S' || all[i] == 's') running = false;
            }
            bool trips = total == size && failures == size;
            hf_breaker_info i = rig_info();
            assert_int_equal(i.total, total);
            assert_int_equal(i.failures, failures);
            assert_int_equal(i.slow, slow);
            assert_int_equal(i.consecutive, run);
            assert_int_equal(i.state, trips ? HF_BREAKER_OPEN : HF_BREAKER_CLOSED);
            if (trips) {
                hf_breaker_set(rig.breaker, HF_BREAKER_CLOSED, rig.now);
                count = 0;
            }
        }
        rig_teardown(NULL);
    }
}

/* ---- threads ---- */

static void *hammer(void *arg) {
    uint64_t rng = (uint64_t)(uintptr_t)arg;
    hf_time mine = 1000 * HF_SECOND;
    for (int i = 0; i < 20000; i++) {
        mine += 300 * HF_MICROSECOND;
        struct stepper s;
        stepper_begin(&s, rig.pipeline, NULL, mine);
        if (stepper_step(&s) == HF_STEP_START) {
            uint64_t dice = hf__rng_next(&rng) % 100;
            if (dice < 3) { /* abandoned */
                hf_call_end(&s.call, NULL);
                continue;
            }
            bool bad_times = i / 2000 % 2 == 1;
            hf_call_report(&s.call, s.step.attempt, dice < (bad_times ? 80u : 10u) ? hf_failure(1) : hf_success(),
                           mine);
            stepper_step(&s);
        }
        hf_call_end(&s.call, NULL);
    }
    return NULL;
}

static _Atomic int changes;

static void count_event(void *arg, const hf_breaker_event *event) {
    (void)arg, (void)event;
    atomic_fetch_add(&changes, 1);
}

static void threads_lose_no_probe_and_leave_no_wedge(void **state) {
    (void)state;
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.open_ms = 5;
    config.open_max_ms = 20;
    config.on_change = count_event;
    assert_int_equal(hf_breaker_new(&rig.breaker, "b", &config, NULL), 0);
    hf_policy *order[] = {hf_breaker_policy(rig.breaker)};
    assert_int_equal(hf_pipeline_new(&rig.pipeline, "p", order, 1, NULL), 0);
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_true(atomic_load(&changes) > 0);
    rig.now = 2000 * HF_SECOND;
    assert_int_equal(rig_info().probes_flying, 0);
    struct stepper s;
    assert_true(rig_begin(&s)); /* admitted again once the open time is over */
    rig_finish(&s, hf_success());
}

/* ---- words ---- */

static void words_round_trip_and_saturate(void **state) {
    (void)state;
    struct hf__control c = {
        .ms = HF__MS_NEVER - 1, .generation = 0x7fff, .streak = 15, .state = HF_BREAKER_FORCED_OPEN};
    struct hf__control back = hf__control_unpack(hf__control_pack(c));
    assert_int_equal(back.ms, c.ms);
    assert_int_equal(back.generation, c.generation);
    assert_int_equal(back.streak, c.streak);
    assert_int_equal(back.state, c.state);
    assert_int_equal(hf__word_ms_up(HF_NEVER), HF__MS_NEVER);
    assert_int_equal(hf__word_time(HF__MS_NEVER), HF_NEVER);
    assert_int_equal(hf__word_ms_up(1), 1);
    assert_int_equal(hf__word_ms_down(MS - 1), 0);
    assert_int_equal(hf__word_ms_down(-5), 0);
    struct hf__control zero = hf__control_unpack(0); /* zero-filled is a closed breaker */
    assert_int_equal(zero.state, HF_BREAKER_CLOSED);
    struct hf__open_rules rules = {.open_ns = 5 * HF_SECOND, .open_max_ns = 5 * HF_SECOND, .probes = 1};
    uint64_t open = hf__control_trip(0, &rules, HF_NEVER - 1, 0, 0);
    assert_int_equal(hf__control_unpack(open).ms, HF__MS_NEVER);
    assert_int_equal(hf__control_admit(open, &rules, HF_NEVER - 1).verdict, HF__ADMIT_REJECT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(trips_when_the_rate_is_reached_on_any_record),
        TEST(equality_trips_and_below_does_not),
        TEST(consecutive_failures_trip_whatever_min_calls_says),
        TEST(throttled_counts_in_the_rate),
        TEST(slow_calls_trip_by_their_own_rate),
        TEST(admits_exactly_when_the_open_time_is_over),
        TEST(half_open_decides_as_soon_as_it_is_certain),
        TEST(the_open_time_doubles_up_to_its_cap_and_closing_resets_it),
        TEST(a_hint_lengthens_the_open_time_up_to_its_cap),
        TEST(results_of_another_generation_are_dropped),
        TEST(a_lost_probe_counts_as_failed_when_its_lease_ends),
        TEST(probes_never_exceed_their_number_across_rounds),
        TEST(a_cancelled_probe_gives_its_permit_back),
        TEST(states_are_set_by_hand),
        TEST(the_callers_short_deadline_says_nothing_about_the_dependency),
        TEST(the_window_is_exact),
        TEST(threads_lose_no_probe_and_leave_no_wedge),
        TEST(words_round_trip_and_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
