/* SPDX-License-Identifier: MIT */
/* The client in the program's own loop. Everything happens on the test's thread. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"

#include <holdfast/adapters/epoll.h>
#include <holdfast/holdfast.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER "[route /ok]\nbody_bytes = 10\n[route /hang]\nhang = 100\n[route /503]\nstatus = 503\n"

static hf_epoll loop;
static hf_client_hooks hooks;
static pthread_t loop_thread;
static int ended, ok, cancelled, timed_out;

static int setup(void **state) {
    if (client_bench_setup(state) != 0 || hf_epoll_init(&loop) != 0) return -1;
    struct client_bench *b = *state;
    hooks = hf_epoll_hooks(&loop);
    b->config.hooks = &hooks;
    loop_thread = pthread_self();
    ended = ok = cancelled = timed_out = 0;
    return 0;
}

static int teardown(void **state) {
    int rc = client_bench_teardown(state);
    hf_epoll_fini(&loop);
    return rc;
}

static void serve(struct client_bench *b, const char *scenario) {
    client_bench_serve(b, scenario);
    loop.client = b->client;
}

static void count(void *arg, hf_response *response) {
    (void)arg;
    assert_true(pthread_equal(pthread_self(), loop_thread));
    int rc = hf_result_status(hf_response_result(response));
    ended++;
    ok += rc == HF_OK;
    cancelled += rc == HF_E_CANCELLED;
    timed_out += rc == HF_E_TIMEOUT;
    hf_response_free(response);
}

static void submit(struct client_bench *b, const char *path) {
    b->request.url = path;
    assert_int_equal(hf_client_submit(b->client, &b->request, count, NULL, &b->error), 0);
}

/* Runs the loop until `calls` have ended, or fails after 30 s. */
static void run_until(int calls) {
    hf_time limit = hf_clock_now(NULL) + 30 * HF_SECOND;
    while (ended < calls) {
        assert_true(hf_clock_now(NULL) < limit);
        hf_epoll_run(&loop, 1000);
    }
}

static long threads_now(void) {
    char line[128];
    long threads = -1;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Threads:", 8) == 0) threads = strtol(line + 8, NULL, 10);
    }
    fclose(file);
    return threads;
}

static void calls_end_inside_the_loop(void **state) {
    struct client_bench *b = *state;
    serve(b, SERVER);
    for (int i = 0; i < 50; i++) submit(b, "/ok");
    run_until(50);
    assert_int_equal(ok, 50);
    assert_int_equal(hf_client_in_flight(b->client), 0);
    assert_int_equal(client_bench_seen(b, "/ok"), 50);
}

static void deadlines_are_kept_by_the_one_timer(void **state) {
    struct client_bench *b = *state;
    double late_ms[20];
    serve(b, SERVER);
    for (int i = 0; i < 20; i++) {
        hf_time deadline_at = b->request.deadline_at = hf_clock_now(NULL) + 30 * HF_MILLISECOND;
        submit(b, "/hang");
        run_until(i + 1);
        late_ms[i] = client_bench_ms_since(deadline_at);
    }
    assert_int_equal(timed_out, 20);
    client_bench_check_median(late_ms, 20, 20);
}

static void names_are_looked_up_beside_the_loop(void **state) {
    struct client_bench *b = *state;
    char url[64];
    serve(b, SERVER);
    snprintf(url, sizeof url, "http://localhost:%d/ok", b->door.mockd.port);
    submit(b, url);
    run_until(1);
    assert_int_equal(ok, 1);
}

static void *raise_soon(void *cancel) {
    client_bench_sleep_ms(20);
    hf_cancel_raise(cancel);
    return NULL;
}

static void another_thread_cancels_and_submits(void **state) {
    struct client_bench *b = *state;
    pthread_t thread;
    hf_cancel *cancel;
    serve(b, SERVER);
    assert_int_equal(hf_cancel_new(&cancel, NULL), 0);
    b->request.cancel = cancel;
    submit(b, "/hang");
    assert_int_equal(pthread_create(&thread, NULL, raise_soon, cancel), 0);
    run_until(1);
    pthread_join(thread, NULL);
    assert_int_equal(cancelled, 1);
    hf_cancel_free(cancel);
}

static void waiting_is_refused(void **state) {
    struct client_bench *b = *state;
    serve(b, SERVER);
    assert_int_equal(client_bench_ask(b, "/ok"), HF_E_STATE);
    assert_int_equal(hf_client_on_event(NULL, 0, 0), HF_E_INVALID);
}

static void freeing_ends_what_is_under_way(void **state) {
    struct client_bench *b = *state;
    serve(b, SERVER);
    for (int i = 0; i < 5; i++) submit(b, "/hang");
    hf_epoll_run(&loop, 20);
    hf_client_free(b->client);
    b->client = NULL;
    assert_int_equal(cancelled, 5);
}

static void count_attempt(void *arg, hf_sending *sending) {
    (void)sending;
    ++*(int *)arg;
}

/* Nobody listens, so every first attempt fails at once, and the second comes after 3 s. */
static void ten_thousand_calls_wait_in_back_off_on_one_thread(void **state) {
    enum { CALLS = 10000 };
    struct client_bench *b = *state;
    int attempts = 0;
    b->door.attempts = 2;
    b->door.backoff_ms = 3000;
    b->door.unlimited_budget = true;
    client_bench_open_nobody(b);
    assert_int_equal(hf_breaker_set(b->door.breaker, HF_BREAKER_DISABLED, hf_clock_now(NULL)), 0);
    loop.client = b->client;
    b->request.hook = count_attempt;
    b->request.hook_arg = &attempts;
    long threads = threads_now();
    for (int i = 0; i < CALLS; i++) submit(b, "/x");
    hf_time limit = hf_clock_now(NULL) + 20 * HF_SECOND;
    while (attempts < CALLS && hf_clock_now(NULL) < limit) hf_epoll_run(&loop, 100);
    assert_true(attempts >= CALLS);
    assert_int_equal(threads_now(), threads);
    print_message("           %u calls in flight, %d attempts, %ld threads\n", hf_client_in_flight(b->client), attempts,
                  threads_now());
    run_until(CALLS);
    assert_int_equal(attempts, 2 * CALLS);
    assert_int_equal(hf_client_in_flight(b->client), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(calls_end_inside_the_loop),
        T(deadlines_are_kept_by_the_one_timer),
        T(names_are_looked_up_beside_the_loop),
        T(another_thread_cancels_and_submits),
        T(waiting_is_refused),
        T(freeing_ends_what_is_under_way),
        T(ten_thousand_calls_wait_in_back_off_on_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
