/* SPDX-License-Identifier: MIT */
/* Threads that wait in the line of a bulkhead: woken, cancelled, and many at once. */
#include "base/rng.h"
#include "support/bulkhead_rig.h"
#include "support/cmocka_all.h"

#include <holdfast/testing.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#define MS HF_MILLISECOND

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
    w->status = hf_run(line.pipeline, succeeds, NULL, &w->options, &w->result);
    w->ended_at = hf_clock_now(NULL);
    return NULL;
}

static void start_waiting(struct waiting_thread *w) {
    assert_int_equal(pthread_create(&w->thread, NULL, run_one, w), 0);
    while (hf_bulkhead_waiting(line.bulkhead) == 0) sleep_ms(1);
}

static void a_thread_in_line_is_woken_promptly(void **state) {
    (void)state;
    line_build(1, 1, HF_NEVER);
    for (int round = 0; round < 20; round++) {
        struct waiting_thread w;
        hf_run_options_init(&w.options);
        assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
        start_waiting(&w);
        hf_time before = hf_clock_now(NULL);
        line_report(0, 0);
        pthread_join(w.thread, NULL);
        assert_int_equal(w.status, 0);
        assert_true(w.ended_at - before < 2 * HF_SECOND);
    }
}

static void a_thread_in_line_is_cancelled_promptly(void **state) {
    (void)state;
    line_build(1, 1, HF_NEVER);
    struct waiting_thread w;
    hf_run_options_init(&w.options);
    assert_int_equal(hf_cancel_new(&w.options.cancel, NULL), 0);
    assert_int_equal(line_begin(0, 0, HF_NEVER), HF_STEP_START);
    start_waiting(&w);
    hf_cancel_raise(w.options.cancel);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.status, HF_E_CANCELLED);
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 0);
    line_report(0, 0);
    hf_cancel_free(w.options.cancel);
}

/* On a virtual clock a wait that has an end is over at once, and one that has none is a real one. */
static void waits_in_line_on_a_virtual_clock(void **state) {
    (void)state;
    line_build(1, 1, 50);
    hf_test_clock *clock;
    assert_int_equal(hf_test_clock_new(&clock, HF_SECOND, NULL), 0);
    struct waiting_thread w;
    hf_run_options_init(&w.options);
    w.options.clock = hf_test_clock_clock(clock);
    assert_int_equal(line_begin(0, HF_SECOND, HF_NEVER), HF_STEP_START);
    run_one(&w);
    assert_int_equal(w.status, HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&w.result), HF_REASON_QUEUE_TIMEOUT);
    assert_int_equal(hf_clock_now(w.options.clock), HF_SECOND + 50 * MS);
    assert_int_equal(hf_bulkhead_set_max_wait(line.bulkhead, HF_NEVER), 0);
    start_waiting(&w);
    assert_int_equal(hf_clock_now(w.options.clock), HF_SECOND + 50 * MS);
    line_report(0, HF_SECOND);
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
        (void)line_begin(2, 10 * MS, HF_NEVER);
        stepper_end(&line.calls[2], NULL);
    }
    return NULL;
}

static void peeking_leaves_the_line_alone(void **state) {
    (void)state;
    line_build(1, 3, HF_NEVER);
    hf_hedge *hedge;
    hf_pipeline *outer = line_hedged(&hedge);
    hf_call_options options;
    hf_call_options_init(&options);
    options.flags = HF_CALL_OVERLAP;
    options.wake = line_count_wake;
    options.wake_arg = &line.wakes[0];
    struct stepper *s = &line.calls[0];
    stepper_begin(s, outer, &options, 0);
    assert_int_equal(stepper_step(s), HF_STEP_START);
    assert_int_equal(line_step(0, 10 * MS), HF_STEP_WAIT);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, NULL), 0);
    while (atomic_load_explicit(&visits, memory_order_relaxed) < 500)
        assert_false(hf_call_would_end(&s->call, 1, hf_failure(1), 10 * MS));
    pthread_join(thread, NULL);
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 1);
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
        switch (hf_run(line.pipeline, occupies, &rng, &options, &result)) {
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
        (void)hf_bulkhead_resize(line.bulkhead, (uint32_t)(hf__rng_next(&rng) % (MOST_SLOTS + 1)));
        uint64_t victim = hf__rng_next(&rng);
        hf_cancel_raise(cancels[victim % THREADS][victim / THREADS % (ROUNDS / 10)]);
        if (i % 16 == 0) sleep_ms(1);
    }
    return NULL;
}

static void many_threads_lose_no_slot(void **state) {
    (void)state;
    hf_bulkhead_config config = line_config_of(MOST_SLOTS, 5, 1);
    config.discipline = HF_QUEUE_ADAPTIVE;
    config.overload_after_ms = 1;
    config.guaranteed[7] = 1;
    line_build_of(&config);
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
    assert_int_equal(hf_bulkhead_in_flight(line.bulkhead), 0);
    assert_int_equal(hf_bulkhead_waiting(line.bulkhead), 0);
    /* All of them are still there. */
    assert_int_equal(hf_bulkhead_resize(line.bulkhead, MOST_SLOTS), 0);
    for (int i = 0; i < MOST_SLOTS; i++) assert_int_equal(line_begin(i, 0, HF_NEVER), HF_STEP_START);
    assert_int_equal(line_begin(MOST_SLOTS, 0, HF_NEVER), HF_STEP_WAIT);
    for (int i = MOST_SLOTS; i >= 0; i--) stepper_end(&line.calls[i], NULL);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < ROUNDS / 10; j++) hf_cancel_free(cancels[i][j]);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, line_setup, line_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_thread_in_line_is_woken_promptly), TEST(a_thread_in_line_is_cancelled_promptly),
        TEST(waits_in_line_on_a_virtual_clock),   TEST(peeking_leaves_the_line_alone),
        TEST(many_threads_lose_no_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
