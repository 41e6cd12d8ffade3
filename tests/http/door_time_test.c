/* SPDX-License-Identifier: MIT */
/* What the door does promptly, and from many threads. Real time: medians of 20 against a generous bound, and a
 * hard failure of any single one beyond ten times that. */
#include "support/cmocka_all.h"
#include "support/door_bench.h"

#include <holdfast/testing.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 20
#define BOUND_MS 20.0
#define HANG "[route /hang]\nhang = 100\n[route /ok]\nstatus = 200\n[route /503]\nstatus = 503\n"

static void sleep_ms(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_median(double *ms) {
    qsort(ms, ROUNDS, sizeof *ms, by_value);
    print_message("           median %.2f ms, slowest %.2f ms\n", ms[ROUNDS / 2], ms[ROUNDS - 1]);
    assert_true(ms[0] >= 0);
    assert_true(ms[ROUNDS / 2] <= BOUND_MS);
    assert_true(ms[ROUNDS - 1] <= 10 * BOUND_MS);
}

static double ms_since(hf_time at) { return (double)(hf_clock_now(NULL) - at) / 1e6; }

static void a_hanging_server_is_left_at_the_deadline(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, HANG);
    double late_ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        hf_time deadline_at = b->options.deadline_at = hf_clock_now(NULL) + 30 * HF_MILLISECOND;
        assert_int_equal(door_bench_get(b, "/hang"), CURLE_OPERATION_TIMEDOUT);
        late_ms[i] = ms_since(deadline_at);
        assert_int_equal(hf_result_status(&b->result), HF_E_TIMEOUT);
        assert_int_equal(hf_result_reason(&b->result), HF_REASON_DEADLINE);
    }
    check_median(late_ms);
}

/* A deadline that has passed sends nothing at all. */
static void a_passed_deadline_sends_nothing(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, HANG);
    b->options.timeout_ns = 0;
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_OPERATION_TIMEDOUT);
    assert_int_equal(hf_result_attempts(&b->result), 0);
    assert_int_equal(door_bench_seen(b, "/ok"), 0);
}

static void an_attempt_timeout_makes_room_for_the_next_attempt(void **state) {
    struct door_bench *b = *state;
    b->attempt_ms = 30;
    door_bench_serve(b, HANG);
    assert_int_equal(door_bench_get(b, "/hang"), CURLE_OPERATION_TIMEDOUT);
    assert_int_equal(hf_result_attempts(&b->result), 3);
    assert_int_equal(hf_result_reason(&b->result), HF_REASON_TIMEOUT);
    assert_string_equal(hf_result_policy(&b->result), "attempt");
    assert_int_equal(door_bench_post(b, "/hang"), CURLE_OPERATION_TIMEDOUT);
    assert_int_equal(hf_result_attempts(&b->result), 1); /* it may be executing */
}

struct canceller {
    hf_cancel *cancel;
    long after_ms;
    hf_time raised_at;
};

static void *cancel_later(void *arg) {
    struct canceller *c = arg;
    sleep_ms(c->after_ms);
    c->raised_at = hf_clock_now(NULL);
    hf_cancel_raise(c->cancel);
    return NULL;
}

/* In the transfer (/hang) and in the back-off between two (/503). */
static void cancel_rounds(struct door_bench *b, const char *path) {
    double late_ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        struct canceller c = {.after_ms = 15};
        assert_int_equal(hf_cancel_new(&c.cancel, NULL), 0);
        b->options.cancel = c.cancel;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, cancel_later, &c), 0);
        assert_int_equal(door_bench_get(b, path), CURLE_ABORTED_BY_CALLBACK);
        hf_time ended_at = hf_clock_now(NULL);
        pthread_join(thread, NULL);
        late_ms[i] = (double)(ended_at - c.raised_at) / 1e6;
        assert_int_equal(hf_result_status(&b->result), HF_E_CANCELLED);
        assert_int_equal(door_bench_get(b, "/ok"), CURLE_ABORTED_BY_CALLBACK); /* stays raised */
        assert_int_equal(hf_result_attempts(&b->result), 0);
        hf_cancel_free(c.cancel);
    }
    b->options.cancel = NULL;
    check_median(late_ms);
}

static void a_cancel_ends_a_transfer(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, HANG);
    cancel_rounds(b, "/hang");
    hf_breaker_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_breaker_snapshot(b->breaker, &info, hf_clock_now(NULL)), 0);
    assert_int_equal(info.total, 0); /* a cancel says nothing about the server */
}

static void a_cancel_ends_a_back_off(void **state) {
    struct door_bench *b = *state;
    b->backoff_ms = 60000;
    door_bench_serve(b, HANG);
    cancel_rounds(b, "/503");
}

/* A slot that comes back wakes the transfer that waits for it in line. */
struct visitor {
    struct door_bench *bench;
    hf_curl *door;
    hf_time answered_at;
};

static void *visit(void *arg) {
    struct visitor *v = arg;
    hf_curl *own = v->bench->door;
    v->bench->door = v->door;
    assert_int_equal(door_bench_get(v->bench, "/ok"), CURLE_OK);
    v->answered_at = hf_clock_now(NULL);
    v->bench->door = own;
    return NULL;
}

static void a_slot_wakes_who_waits_for_it(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /ok]\nstatus = 200\n");
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = config.max_waiting = 1;
    config.max_wait_ms = HF_NEVER;
    hf_bulkhead *bulkhead;
    assert_int_equal(hf_bulkhead_new(&bulkhead, "slots", &config, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(bulkhead)};
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "line", order, 1, NULL), 0);
    struct visitor v = {.bench = b};
    assert_int_equal(hf_curl_new(&v.door, pipeline, NULL), 0);
    double late_ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        hf_call holder;
        hf_step step;
        assert_int_equal(hf_call_begin(&holder, pipeline, NULL, hf_clock_now(NULL)), 0);
        assert_int_equal(hf_call_step(&holder, &step, hf_clock_now(NULL)), HF_STEP_START);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, visit, &v), 0);
        while (hf_bulkhead_waiting(bulkhead) == 0) sleep_ms(1);
        sleep_ms(i % 4); /* before the wait in libcurl has begun, and within it */
        hf_time before = hf_clock_now(NULL);
        assert_int_equal(hf_call_end(&holder, NULL), HF_E_CANCELLED);
        pthread_join(thread, NULL);
        late_ms[i] = (double)(v.answered_at - before) / 1e6;
    }
    check_median(late_ms);
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
    hf_curl_free(v.door);
    hf_pipeline_free(pipeline);
    hf_bulkhead_free(bulkhead);
}

/* A virtual clock: the requests are real, the minutes between them are not. */
static void back_offs_pass_at_once_on_a_virtual_clock(void **state) {
    struct door_bench *b = *state;
    b->backoff_ms = 60000;
    door_bench_serve(b, HANG);
    hf_test_clock *clock;
    assert_int_equal(hf_test_clock_new(&clock, HF_SECOND, NULL), 0);
    hf_test_install(clock, 1);
    assert_int_equal(door_bench_get(b, "/503"), CURLE_OK);
    assert_int_equal(hf_result_attempts(&b->result), 3);
    assert_true(hf_clock_now(NULL) == HF_SECOND + 120 * HF_SECOND);
    hf_test_uninstall();
    hf_test_clock_free(clock);
}

/* Many threads through one door: every request is answered, counted once, and nothing is left in flight. */
#define THREADS 8
#define REQUESTS 40

struct client {
    hf_curl *door;
    const char *url;
    int answered;
};

static void *ask_often(void *arg) {
    struct client *client = arg;
    CURL *easy = curl_easy_init();
    char url[64];
    strcpy(url, client->url);
    strcat(url, "/ok");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    for (int i = 0; i < REQUESTS; i++) {
        long status = 0;
        if (hf_curl_perform(client->door, easy, NULL) != CURLE_OK) continue;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        client->answered += status == 200;
    }
    curl_easy_cleanup(easy);
    return NULL;
}

static void many_threads_share_a_door(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /ok]\nstatus = 200\nbody_bytes = 0\n");
    pthread_t threads[THREADS];
    struct client clients[THREADS];
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.door = b->door, .url = b->url};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &clients[i]), 0);
    }
    int answered = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        answered += clients[i].answered;
    }
    assert_int_equal(answered, THREADS * REQUESTS);
    assert_int_equal(door_bench_seen(b, "/ok"), THREADS * REQUESTS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, door_bench_setup, door_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_hanging_server_is_left_at_the_deadline),
        T(a_passed_deadline_sends_nothing),
        T(an_attempt_timeout_makes_room_for_the_next_attempt),
        T(a_cancel_ends_a_transfer),
        T(a_cancel_ends_a_back_off),
        T(a_slot_wakes_who_waits_for_it),
        T(back_offs_pass_at_once_on_a_virtual_clock),
        T(many_threads_share_a_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
