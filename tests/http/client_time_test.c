/* SPDX-License-Identifier: MIT */
/* What the client does promptly, whatever the network, the name service and others in its loop do. Real time: medians of
 * 20 against a generous bound, and a hard failure of any single one beyond ten times that. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"
#include "support/stalling_getaddrinfo.h"

#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <pthread.h>
#include <stdio.h>

#define ROUNDS 20
#define SERVER "[route /hang]\nhang = 100\n[route /ok]\nbody_bytes = 10\n[route /503]\nstatus = 503\n"

/* Asks `rounds` times with a deadline in 30 ms and collects how late each came back. */
static void deadline_rounds(struct client_bench *b, const char *url) {
    double late_ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        hf_time deadline_at = b->request.deadline_at = hf_clock_now(NULL) + 30 * HF_MILLISECOND;
        assert_int_equal(client_bench_ask(b, url), HF_E_TIMEOUT);
        late_ms[i] = client_bench_ms_since(deadline_at);
        assert_int_equal(hf_result_reason(hf_response_result(b->response)), HF_REASON_DEADLINE);
    }
    b->request.deadline_at = HF_NEVER;
    client_bench_check_median(late_ms, ROUNDS, 20);
}

static void a_hanging_server_is_left_at_the_deadline(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER);
    deadline_rounds(b, "/hang");
}

static void a_stalled_look_up_is_left_at_the_deadline(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER);
    deadline_rounds(b, "http://stalled.test/");
    assert_int_equal(client_bench_attempts(b), 1);
    assert_int_equal(atomic_load(&getaddrinfo_stalled), 1); /* one look-up for all who asked */
}

/* The same loop thread goes on with other names meanwhile. */
static void a_stalled_look_up_delays_nobody_else(void **state) {
    struct client_bench *b = *state;
    char url[64];
    b->config.threads = 1;
    client_bench_serve(b, SERVER);
    b->request.timeout_ms = 20;
    assert_int_equal(client_bench_ask(b, "http://stalled-too.test/"), HF_E_TIMEOUT);
    hf_request_init(&b->request);
    snprintf(url, sizeof url, "http://good.test:%d/ok", b->door.mockd.port);
    double took_ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        hf_time begin = hf_clock_now(NULL);
        assert_int_equal(client_bench_ask(b, url), HF_OK);
        took_ms[i] = client_bench_ms_since(begin);
    }
    assert_true(atomic_load(&getaddrinfo_stalled) >= 1);
    client_bench_check_median(took_ms, ROUNDS, 20);
}

static void a_name_that_does_not_exist_fails_at_once(void **state) {
    struct client_bench *b = *state;
    b->door.attempts = 5;
    client_bench_serve(b, SERVER);
    assert_int_equal(client_bench_ask(b, "http://nowhere.test/"), HF_E_FAILED);
    assert_int_equal(client_bench_code(b), 6);
    assert_int_equal(client_bench_attempts(b), 3); /* the rule grants two further ones */
}

static void an_answer_is_used_again_until_it_is_too_old(void **state) {
    struct client_bench *b = *state;
    char url[64];
    b->config.resolver_ttl_ms = 200;
    client_bench_serve(b, SERVER);
    snprintf(url, sizeof url, "http://cached.test:%d/ok", b->door.mockd.port);
    int before = atomic_load(&getaddrinfo_calls);
    for (int i = 0; i < 5; i++) assert_int_equal(client_bench_ask(b, url), HF_OK);
    int first = atomic_load(&getaddrinfo_calls) - before;
    client_bench_sleep_ms(250);
    assert_int_equal(client_bench_ask(b, url), HF_OK);
    assert_true(first == 1 || first == 2); /* a slow machine may take longer than 200 ms for five */
    assert_true(atomic_load(&getaddrinfo_calls) - before > first);
}

/* ---- a loop that is stuck ---- */

static int sleep_in_callback(void *arg, const hf_response *response, const void *data, size_t bytes) {
    (void)arg, (void)response, (void)data, (void)bytes;
    client_bench_sleep_ms(1000);
    return 0;
}

static void ignore(void *arg, hf_response *response) {
    (void)arg;
    hf_response_free(response);
}

static void a_stuck_loop_does_not_hold_its_callers(void **state) {
    struct client_bench *b = *state;
    b->config.threads = 1;
    client_bench_serve(b, SERVER);
    hf_request blocking;
    hf_request_init(&blocking);
    blocking.url = "/ok";
    blocking.on_body = sleep_in_callback;
    assert_int_equal(hf_client_submit(b->client, &blocking, ignore, NULL, NULL), 0);
    client_bench_sleep_ms(100); /* it sleeps now */
    hf_cancel *token;
    assert_int_equal(hf_cancel_new(&token, NULL), 0);
    b->request.cancel = token;
    double late_ms[5];
    for (int i = 0; i < 5; i++) {
        hf_time deadline_at = b->request.deadline_at = hf_clock_now(NULL) + 30 * HF_MILLISECOND;
        assert_int_equal(client_bench_ask(b, "/ok"), HF_E_TIMEOUT);
        late_ms[i] = client_bench_ms_since(deadline_at);
        assert_int_equal(hf_result_reason(hf_response_result(b->response)), HF_REASON_DEADLINE);
    }
    hf_cancel_free(token); /* nobody waits with it any more */
    b->request.cancel = NULL;
    client_bench_check_median(late_ms, 5, 20);
    b->request.deadline_at = HF_NEVER;
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK); /* and the loop goes on */
}

/* ---- cancel ---- */

struct canceller {
    hf_cancel *cancel;
    hf_time raised_at;
};

static void *cancel_later(void *arg) {
    struct canceller *c = arg;
    client_bench_sleep_ms(15);
    c->raised_at = hf_clock_now(NULL);
    hf_cancel_raise(c->cancel);
    return NULL;
}

static void cancel_rounds(struct client_bench *b, const char *url) {
    double late_ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        struct canceller c;
        pthread_t thread;
        assert_int_equal(hf_cancel_new(&c.cancel, NULL), 0);
        b->request.cancel = c.cancel;
        assert_int_equal(pthread_create(&thread, NULL, cancel_later, &c), 0);
        assert_int_equal(client_bench_ask(b, url), HF_E_CANCELLED);
        hf_time ended_at = hf_clock_now(NULL);
        pthread_join(thread, NULL);
        late_ms[i] = (double)(ended_at - c.raised_at) / 1e6;
        assert_int_equal(client_bench_ask(b, "/ok"), HF_E_CANCELLED); /* stays raised */
        assert_int_equal(client_bench_attempts(b), 0);
        hf_cancel_free(c.cancel);
    }
    b->request.cancel = NULL;
    client_bench_check_median(late_ms, ROUNDS, 10);
}

static void a_cancel_ends_a_transfer(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER);
    cancel_rounds(b, "/hang");
}

static void a_cancel_ends_a_back_off(void **state) {
    struct client_bench *b = *state;
    b->door.backoff_ms = 60000;
    client_bench_serve(b, SERVER);
    cancel_rounds(b, "/503");
}

static void a_cancel_ends_a_look_up(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER);
    cancel_rounds(b, "http://stalled-three.test/");
}

/* ---- freeing, virtual time ---- */

static void freeing_does_not_wait_for_a_look_up(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER);
    b->request.timeout_ms = 20;
    assert_int_equal(client_bench_ask(b, "http://stalled-four.test/"), HF_E_TIMEOUT);
    hf_time begin = hf_clock_now(NULL);
    hf_client_free(b->client);
    b->client = NULL;
    assert_true(client_bench_ms_since(begin) < 500);
}

static void back_offs_pass_at_once_on_a_virtual_clock(void **state) {
    struct client_bench *b = *state;
    hf_test_clock *clock;
    b->door.backoff_ms = 60000;
    b->config.threads = 1;
    assert_int_equal(hf_test_clock_new(&clock, HF_SECOND, NULL), 0);
    hf_test_install(clock, 1);
    client_bench_serve(b, SERVER);
    assert_int_equal(client_bench_ask(b, "/503"), HF_E_FAILED);
    assert_int_equal(client_bench_attempts(b), 3);
    assert_true(hf_clock_now(NULL) == HF_SECOND + 120 * HF_SECOND);
    hf_client_free(b->client);
    b->client = NULL;
    hf_test_uninstall();
    hf_test_clock_free(clock);
}

#define T(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_hanging_server_is_left_at_the_deadline),
        T(a_stalled_look_up_is_left_at_the_deadline),
        T(a_stalled_look_up_delays_nobody_else),
        T(a_name_that_does_not_exist_fails_at_once),
        T(an_answer_is_used_again_until_it_is_too_old),
        T(a_stuck_loop_does_not_hold_its_callers),
        T(a_cancel_ends_a_transfer),
        T(a_cancel_ends_a_back_off),
        T(a_cancel_ends_a_look_up),
        T(freeing_does_not_wait_for_a_look_up),
        T(back_offs_pass_at_once_on_a_virtual_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
