/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pthread_getname_np */
/* The pool with real threads. Nothing here waits for a fixed time where a gate will do; bounds are generous. */
#include "support/cmocka_all.h"

#include "base/rng.h"

#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS HF_MILLISECOND
#define LONG (20 * HF_SECOND) /* never reached unless something hangs */

/* ---- gates ---- */

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool open;
};

static void gate_make(struct gate *g) {
    pthread_mutex_init(&g->mutex, NULL);
    pthread_cond_init(&g->condition, NULL);
    g->open = false;
}

static void gate_open(struct gate *g) {
    pthread_mutex_lock(&g->mutex);
    g->open = true;
    pthread_cond_broadcast(&g->condition);
    pthread_mutex_unlock(&g->mutex);
}

static void gate_pass(struct gate *g) {
    pthread_mutex_lock(&g->mutex);
    while (!g->open) pthread_cond_wait(&g->condition, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
}

static void nap(void) {
    struct timespec little = {0, 1000000};
    nanosleep(&little, NULL);
}

/* Waits until it holds; the test hangs, and is killed, if it never does. */
#define UNTIL(condition) \
    while (!(condition)) nap()

/* ---- the stage ---- */

/* What operations share. Attempt n waits at gate[n] when it is told to, then comes to outcome[n]. */
struct play {
    struct gate gate[4];
    bool waits[4], looks[4]; /* looks: ends when it is told to stop */
    hf_outcome outcome[4];
    atomic_uint ran, ended, destroyed;
    bool names;
    char thread_name[16];
};

static struct play play;
static hf_pool *pool;

static hf_outcome perform(const void *arg, void *output, const hf_attempt *attempt) {
    assert_ptr_equal(arg, &play);
    uint32_t n = attempt->number < 4 ? attempt->number : 3;
    atomic_fetch_add(&play.ran, 1);
    if (play.names) pthread_getname_np(pthread_self(), play.thread_name, sizeof play.thread_name);
    if (play.waits[n]) gate_pass(&play.gate[n]);
    while (play.looks[n] && !hf_attempt_cancelled(attempt)) nap();
    memcpy(output, &n, sizeof n);
    atomic_fetch_add(&play.ended, 1);
    return play.outcome[n];
}

static void destroy(void *arg) {
    assert_ptr_equal(arg, &play);
    atomic_fetch_add(&play.destroyed, 1);
}

static void set_stage(uint32_t core, uint32_t most, uint32_t queue) {
    memset(&play, 0, sizeof play);
    for (int i = 0; i < 4; i++) {
        gate_make(&play.gate[i]);
        play.outcome[i] = hf_success();
    }
    hf_pool_config config;
    hf_pool_config_init(&config);
    config.core_threads = core;
    config.max_threads = most;
    config.queue = queue;
    config.idle_ms = 30;
    hf_error error;
    if (hf_pool_new(&pool, "vendor", &config, &error) < 0) fail_msg("%s", hf_error_text(&error));
}

static void strike_stage(void) {
    for (int i = 0; i < 4; i++) gate_open(&play.gate[i]);
    assert_int_equal(hf_pool_shutdown(pool, LONG), 0);
    assert_int_equal(play.ran, play.ended);
    hf_pool_free(pool);
}

static hf_pool_info info(void) {
    hf_pool_info out = {.struct_size = sizeof out};
    assert_int_equal(hf_pool_snapshot(pool, &out), 0);
    return out;
}

static hf_result result;
static uint32_t output;

static int run_for(hf_pipeline *pipeline, int64_t timeout_ns) {
    hf_pool_work work;
    hf_pool_work_init(&work);
    work.operation = perform;
    work.arg = &play;
    work.destroy = destroy;
    work.out_output = &output;
    work.output_size = sizeof output;
    hf_run_options options;
    hf_run_options_init(&options);
    options.timeout_ns = timeout_ns;
    output = 77;
    return hf_pool_run(pool, pipeline, &work, &options, &result);
}

static hf_pipeline *make(hf_policy *const *policies, size_t count) {
    hf_pipeline *made;
    hf_error error;
    if (hf_pipeline_new(&made, "p", policies, count, &error) < 0) fail_msg("%s", hf_error_text(&error));
    return made;
}

static hf_bulkhead *make_bulkhead(void) {
    hf_bulkhead *made;
    assert_int_equal(hf_bulkhead_new(&made, "slots", NULL, NULL), 0);
    return made;
}

static hf_timeout *make_timeout(int64_t ms) {
    hf_timeout *made;
    hf_timeout_config config;
    hf_timeout_config_init(&config);
    config.timeout_ms = ms;
    assert_int_equal(hf_timeout_new(&made, "timeout", &config, NULL), 0);
    return made;
}

static hf_retry *make_retry(void) {
    hf_retry *made;
    hf_retry_config config;
    hf_retry_config_init(&config);
    config.max_attempts = 2;
    config.backoff.kind = HF_BACKOFF_NONE;
    assert_int_equal(hf_retry_new(&made, "retry", &config, NULL, NULL), 0);
    return made;
}

static hf_hedge *make_hedge(int64_t delay_ms) {
    hf_hedge *made;
    hf_hedge_config config;
    hf_hedge_config_init(&config);
    config.delay_ms = delay_ms;
    assert_int_equal(hf_hedge_new(&made, "hedge", &config, NULL, NULL), 0);
    return made;
}

/* ---- calls ---- */

static void an_operation_runs_on_a_named_thread_and_its_output_comes_back(void **state) {
    (void)state;
    set_stage(1, 2, 4);
    hf_pipeline *empty = make(NULL, 0);
    play.names = true;
    assert_int_equal(run_for(empty, HF_NEVER), 0);
    assert_int_equal(output, 1);
    assert_int_equal(play.destroyed, 1);
    assert_string_equal(play.thread_name, "vendor");
    play.outcome[1] = hf_failure(5);
    assert_int_equal(run_for(empty, HF_NEVER), HF_E_FAILED);
    assert_int_equal(output, 77); /* no value, no output */
    assert_int_equal(play.destroyed, 2);
    hf_pipeline_free(empty);
    strike_stage();
}

static void the_caller_is_released_and_the_slot_stays_taken(void **state) {
    (void)state;
    set_stage(1, 1, 4);
    hf_bulkhead *slots = make_bulkhead();
    hf_policy *order[] = {hf_bulkhead_policy(slots)};
    hf_pipeline *pipeline = make(order, 1);
    play.waits[1] = true;
    assert_int_equal(run_for(pipeline, 50 * MS), HF_E_TIMEOUT);
    assert_int_equal(play.ended, 0);
    assert_int_equal(play.destroyed, 0);
    assert_int_equal(hf_bulkhead_in_flight(slots), 1);
    assert_int_equal(info().abandoned, 1);
    hf_pipeline_free(pipeline); /* what is kept keeps it */
    gate_open(&play.gate[1]);
    UNTIL(play.destroyed == 1);
    assert_int_equal(hf_bulkhead_in_flight(slots), 0); /* given back before the argument */
    UNTIL(info().abandoned == 0);
    assert_int_equal(info().abandoned_total, 1);
    hf_bulkhead_free(slots);
    strike_stage();
}

static void each_abandoned_attempt_keeps_its_own_slot(void **state) {
    (void)state;
    set_stage(2, 2, 0);
    hf_bulkhead *slots = make_bulkhead();
    hf_retry *retry = make_retry();
    hf_timeout *attempt = make_timeout(40);
    hf_policy *order[] = {hf_retry_policy(retry), hf_bulkhead_policy(slots), hf_timeout_policy(attempt)};
    hf_pipeline *pipeline = make(order, 3);
    play.waits[1] = play.waits[2] = true;
    play.outcome[1] = play.outcome[2] = hf_failure(1);
    assert_int_equal(run_for(pipeline, LONG), HF_E_TIMEOUT);
    assert_int_equal(hf_result_attempts(&result), 2);
    assert_int_equal(hf_bulkhead_in_flight(slots), 2);
    gate_open(&play.gate[2]); /* the later ends first: its slot is free, and no other */
    UNTIL(hf_bulkhead_in_flight(slots) == 1);
    UNTIL(info().abandoned == 1);
    assert_int_equal(play.destroyed, 0);
    gate_open(&play.gate[1]);
    UNTIL(play.destroyed == 1);
    assert_int_equal(hf_bulkhead_in_flight(slots), 0);
    hf_pipeline_free(pipeline);
    hf_bulkhead_free(slots);
    hf_retry_free(retry);
    hf_timeout_free(attempt);
    strike_stage();
}

static void a_slot_that_attempts_share_is_free_when_the_last_has_ended(void **state) {
    (void)state;
    set_stage(2, 2, 0);
    hf_bulkhead *slots = make_bulkhead();
    hf_retry *retry = make_retry();
    hf_timeout *attempt = make_timeout(40);
    hf_policy *order[] = {hf_bulkhead_policy(slots), hf_retry_policy(retry), hf_timeout_policy(attempt)};
    hf_pipeline *pipeline = make(order, 3);
    play.waits[1] = play.waits[2] = true;
    assert_int_equal(run_for(pipeline, LONG), HF_E_TIMEOUT);
    assert_int_equal(hf_bulkhead_in_flight(slots), 1);
    gate_open(&play.gate[1]);
    UNTIL(info().abandoned == 1);
    assert_int_equal(hf_bulkhead_in_flight(slots), 1);
    gate_open(&play.gate[2]);
    UNTIL(play.destroyed == 1);
    assert_int_equal(hf_bulkhead_in_flight(slots), 0);
    hf_pipeline_free(pipeline);
    hf_bulkhead_free(slots);
    hf_retry_free(retry);
    hf_timeout_free(attempt);
    strike_stage();
}

static void a_hedge_wins_and_the_loser_runs_on(void **state) {
    (void)state;
    set_stage(2, 2, 0);
    hf_bulkhead *outside = make_bulkhead(), *inside = make_bulkhead();
    hf_hedge *hedge = make_hedge(20);
    hf_policy *order[] = {hf_bulkhead_policy(outside), hf_hedge_policy(hedge), hf_bulkhead_policy(inside)};
    hf_pipeline *pipeline = make(order, 3);
    play.waits[1] = true;
    assert_int_equal(run_for(pipeline, LONG), 0);
    assert_int_equal(output, 2);
    assert_int_equal(hf_result_attempts(&result), 2);
    assert_int_equal(hf_bulkhead_in_flight(outside), 1);
    assert_int_equal(hf_bulkhead_in_flight(inside), 1);
    gate_open(&play.gate[1]);
    UNTIL(play.destroyed == 1);
    assert_int_equal(hf_bulkhead_in_flight(outside), 0);
    assert_int_equal(hf_bulkhead_in_flight(inside), 0);
    assert_int_equal(output, 2); /* the loser's own output went nowhere */
    hf_pipeline_free(pipeline);
    hf_bulkhead_free(outside);
    hf_bulkhead_free(inside);
    hf_hedge_free(hedge);
    strike_stage();
}

static void what_is_past_its_deadline_never_starts(void **state) {
    (void)state;
    set_stage(1, 1, 4);
    hf_breaker *breaker;
    assert_int_equal(hf_breaker_new(&breaker, "breaker", NULL, NULL), 0);
    hf_policy *order[] = {hf_breaker_policy(breaker)};
    hf_pipeline *pipeline = make(order, 1), *empty = make(NULL, 0);
    play.waits[1] = true;
    assert_int_equal(run_for(empty, 20 * MS), HF_E_TIMEOUT); /* takes the only thread */
    assert_int_equal(run_for(pipeline, 30 * MS), HF_E_TIMEOUT);
    assert_int_equal(play.ran, 1);
    assert_int_equal(play.destroyed, 1);
    assert_int_equal(hf_result_attempts(&result), 0);
    assert_int_equal(info().expired, 1);
    hf_breaker_info seen = {.struct_size = sizeof seen};
    hf_breaker_snapshot(breaker, &seen, hf_clock_now(NULL));
    assert_int_equal(seen.total, 0); /* it says nothing about the dependency */
    gate_open(&play.gate[1]);
    UNTIL(info().busy == 0);
    assert_int_equal(play.ran, 1);
    hf_pipeline_free(pipeline);
    hf_pipeline_free(empty);
    hf_breaker_free(breaker);
    strike_stage();
}

static void a_full_pool_turns_back_at_once(void **state) {
    (void)state;
    set_stage(0, 1, 0);
    hf_pipeline *empty = make(NULL, 0);
    play.waits[1] = true;
    assert_int_equal(run_for(empty, 20 * MS), HF_E_TIMEOUT);
    assert_int_equal(run_for(empty, LONG), HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&result), HF_REASON_POOL_FULL);
    assert_int_equal(hf_result_attempts(&result), 0);
    assert_int_equal(info().refused, 1);
    assert_int_equal(play.destroyed, 1);
    hf_pipeline_free(empty);
    strike_stage();
}

static void *raise_later(void *arg) {
    UNTIL(play.ran == 1);
    hf_cancel_raise(arg);
    return NULL;
}

static void a_cancel_releases_the_caller_and_is_seen_by_the_operation(void **state) {
    (void)state;
    set_stage(1, 1, 0);
    hf_pipeline *empty = make(NULL, 0);
    play.looks[1] = true;
    hf_pool_work work;
    hf_pool_work_init(&work);
    work.operation = perform;
    work.arg = &play;
    work.output_size = sizeof output;
    hf_run_options options;
    hf_run_options_init(&options);
    assert_int_equal(hf_cancel_new(&options.cancel, NULL), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, raise_later, options.cancel), 0);
    assert_int_equal(hf_pool_run(pool, empty, &work, &options, &result), HF_E_CANCELLED);
    pthread_join(thread, NULL);
    UNTIL(play.ended == 1);
    hf_cancel_free(options.cancel);
    hf_pipeline_free(empty);
    strike_stage();
}

/* ---- threads ---- */

static void *run_one(void *pipeline) {
    hf_pool_work work;
    hf_pool_work_init(&work);
    work.operation = perform;
    work.arg = &play;
    work.output_size = sizeof output;
    return (void *)(intptr_t)hf_pool_run(pool, pipeline, &work, NULL, NULL);
}

static void threads_come_when_they_are_needed_and_go_when_not(void **state) {
    (void)state;
    set_stage(1, 3, 5);
    hf_pipeline *empty = make(NULL, 0);
    play.waits[1] = true;
    pthread_t callers[5];
    for (int i = 0; i < 5; i++) assert_int_equal(pthread_create(&callers[i], NULL, run_one, empty), 0);
    UNTIL(info().busy == 3 && info().queued == 2);
    assert_int_equal(info().threads, 3);
    gate_open(&play.gate[1]);
    for (int i = 0; i < 5; i++) {
        void *status;
        pthread_join(callers[i], &status);
        assert_null(status);
    }
    UNTIL(info().threads == 1);
    assert_int_equal(info().started, 5);
    hf_pipeline_free(empty);
    strike_stage();
}

static void shutdown_is_bounded_and_drops_what_waits(void **state) {
    (void)state;
    set_stage(1, 1, 4);
    hf_pipeline *empty = make(NULL, 0);
    play.waits[1] = true;
    pthread_t running, waiting;
    assert_int_equal(pthread_create(&running, NULL, run_one, empty), 0);
    UNTIL(info().busy == 1);
    assert_int_equal(pthread_create(&waiting, NULL, run_one, empty), 0);
    UNTIL(info().queued == 1);
    assert_int_equal(hf_pool_shutdown(pool, 20 * MS), HF_E_TIMEOUT);
    void *status;
    pthread_join(waiting, &status);
    assert_int_equal((intptr_t)status, HF_E_REJECTED);
    assert_int_equal(run_for(empty, LONG), HF_E_STATE);
    assert_int_equal(hf_result_status(&result), HF_E_STATE);
    assert_int_equal(play.destroyed, 1);
    gate_open(&play.gate[1]);
    pthread_join(running, &status);
    assert_null(status);
    assert_int_equal(hf_pool_shutdown(pool, LONG), 0);
    assert_int_equal(play.ran, 1);
    hf_pipeline_free(empty);
    strike_stage();
}

static void a_pool_is_freed_while_a_function_hangs(void **state) {
    (void)state;
    set_stage(1, 1, 0);
    hf_pipeline *empty = make(NULL, 0);
    play.waits[1] = true;
    assert_int_equal(run_for(empty, 20 * MS), HF_E_TIMEOUT);
    hf_pipeline_free(empty);
    hf_pool_free(pool); /* returns at once */
    assert_int_equal(play.destroyed, 0);
    gate_open(&play.gate[1]);
    UNTIL(play.destroyed == 1);
    hf_pool_free(NULL);
}

static void a_child_has_no_pool(void **state) {
    (void)state;
    set_stage(1, 1, 0);
    hf_pipeline *empty = make(NULL, 0);
    pid_t child = fork();
    if (child == 0) {
        bool right = run_for(empty, LONG) == HF_E_STATE && play.destroyed == 1 && hf_pool_shutdown(pool, LONG) == 0;
        hf_pool_free(pool);
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(run_for(empty, LONG), 0);
    hf_pipeline_free(empty);
    strike_stage();
}

/* ---- bad arguments ---- */

static void bad_arguments_are_named(void **state) {
    (void)state;
    hf_error error;
    hf_pool_config config;
    hf_pool_config_init(&config);
    config.core_threads = 17;
    assert_int_equal(hf_pool_new(&pool, "vendor", &config, &error), HF_E_INVALID);
    assert_null(pool);
    assert_string_equal(hf_error_text(&error), "pool \"vendor\": core_threads is 17, expected 0 to 16");
    hf_pool_config_init(&config);
    config.struct_size = 500;
    assert_int_equal(hf_pool_new(&pool, "vendor", &config, &error), HF_E_INVALID);
    assert_int_equal(hf_pool_new(&pool, "", NULL, &error), HF_E_INVALID);
    assert_int_equal(hf_pool_new(NULL, "vendor", NULL, &error), HF_E_INVALID);
    set_stage(0, 1, 0);
    hf_pipeline *empty = make(NULL, 0);
    hf_pool_work work;
    hf_pool_work_init(&work);
    work.arg = &play;
    work.destroy = destroy;
    assert_int_equal(hf_pool_run(pool, empty, &work, NULL, &result), HF_E_INVALID); /* no operation */
    assert_int_equal(play.destroyed, 1);
    work.operation = perform;
    work.output_size = 257;
    assert_int_equal(hf_pool_run(pool, empty, &work, NULL, &result), HF_E_INVALID);
    assert_int_equal(hf_pool_run(pool, NULL, &work, NULL, NULL), HF_E_INVALID);
    assert_int_equal(hf_pool_run(pool, empty, NULL, NULL, NULL), HF_E_INVALID);
    hf_pool_info small = {.struct_size = 4};
    assert_int_equal(hf_pool_snapshot(pool, &small), HF_E_INVALID);
    hf_pipeline_free(empty);
    strike_stage();
}

/* ---- all at once ---- */

#define CALLERS 6
#define CALLS 250

static atomic_uint made, given_back;

struct order {
    uint32_t number;
    atomic_uint users;
    atomic_bool destroyed;
};

static hf_outcome deliver(const void *arg, void *output_, const hf_attempt *attempt) {
    struct order *order = (struct order *)(uintptr_t)arg;
    assert_false(order->destroyed);
    atomic_fetch_add(&order->users, 1);
    uint64_t rng = order->number * 977u + attempt->number;
    struct timespec little = {0, (long)(hf__rng_next(&rng) % 3000000)};
    if (hf__rng_next(&rng) % 3 == 0) nanosleep(&little, NULL);
    memcpy(output_, &order->number, sizeof order->number);
    assert_false(order->destroyed);
    atomic_fetch_sub(&order->users, 1);
    return hf__rng_next(&rng) % 5 == 0 ? hf_failure(1) : hf_success();
}

static void give_back(void *arg) {
    struct order *order = arg;
    assert_false(atomic_exchange(&order->destroyed, true));
    assert_int_equal(order->users, 0);
    atomic_fetch_add(&given_back, 1);
    free(order);
}

static void *call_often(void *pipeline) {
    for (int i = 0; i < CALLS; i++) {
        struct order *order = calloc(1, sizeof *order);
        uint32_t number = order->number = atomic_fetch_add(&made, 1), got = UINT32_MAX;
        uint64_t rng = number;
        hf_pool_work work;
        hf_pool_work_init(&work);
        work.operation = deliver;
        work.arg = order;
        work.destroy = give_back;
        work.out_output = &got;
        work.output_size = sizeof got;
        hf_run_options options;
        hf_run_options_init(&options);
        if (hf__rng_next(&rng) % 2 == 0) options.timeout_ns = (int64_t)(hf__rng_next(&rng) % 3000000);
        if (hf_pool_run(pool, pipeline, &work, &options, NULL) == 0) assert_int_equal(got, number);
    }
    return NULL;
}

static void nothing_is_lost_whatever_happens(void **state) {
    (void)state;
    set_stage(2, 5, 3);
    hf_bulkhead *outside = make_bulkhead(), *inside = make_bulkhead();
    hf_retry *retry = make_retry();
    hf_hedge *hedge = make_hedge(1);
    hf_timeout *attempt = make_timeout(2);
    hf_policy *order[] = {hf_bulkhead_policy(outside), hf_retry_policy(retry), hf_hedge_policy(hedge),
                          hf_bulkhead_policy(inside), hf_timeout_policy(attempt)};
    hf_pipeline *pipeline = make(order, 5);
    pthread_t callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) assert_int_equal(pthread_create(&callers[i], NULL, call_often, pipeline), 0);
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
    assert_int_equal(hf_pool_shutdown(pool, LONG), 0);
    assert_int_equal(made, CALLERS * CALLS);
    assert_int_equal(given_back, CALLERS * CALLS);
    assert_int_equal(hf_bulkhead_in_flight(outside), 0);
    assert_int_equal(hf_bulkhead_in_flight(inside), 0);
    hf_pool_info seen = info();
    assert_int_equal(seen.threads + seen.busy + seen.queued + seen.abandoned, 0);
    assert_true(seen.abandoned_total > 0 && seen.refused > 0);
    hf_pipeline_free(pipeline);
    hf_bulkhead_free(outside);
    hf_bulkhead_free(inside);
    hf_retry_free(retry);
    hf_hedge_free(hedge);
    hf_timeout_free(attempt);
    hf_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_runs_on_a_named_thread_and_its_output_comes_back),
        cmocka_unit_test(the_caller_is_released_and_the_slot_stays_taken),
        cmocka_unit_test(each_abandoned_attempt_keeps_its_own_slot),
        cmocka_unit_test(a_slot_that_attempts_share_is_free_when_the_last_has_ended),
        cmocka_unit_test(a_hedge_wins_and_the_loser_runs_on),
        cmocka_unit_test(what_is_past_its_deadline_never_starts),
        cmocka_unit_test(a_full_pool_turns_back_at_once),
        cmocka_unit_test(a_cancel_releases_the_caller_and_is_seen_by_the_operation),
        cmocka_unit_test(threads_come_when_they_are_needed_and_go_when_not),
        cmocka_unit_test(shutdown_is_bounded_and_drops_what_waits),
        cmocka_unit_test(a_pool_is_freed_while_a_function_hangs),
        cmocka_unit_test(a_child_has_no_pool),
        cmocka_unit_test(bad_arguments_are_named),
        cmocka_unit_test(nothing_is_lost_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
