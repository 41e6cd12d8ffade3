/* SPDX-License-Identifier: MIT */
/* Pitfalls of time, waiting and connections (tests/http/pitfalls.md). */
#include "support/pitfall_bench.h"
#include "support/stalling_getaddrinfo.h"

#include <holdfast/holdfast.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static double ask_ms(struct client_bench *b, const char *url, int *out_rc) {
    hf_time begin = hf_clock_now(NULL);
    *out_rc = client_bench_ask(b, url);
    return client_bench_ms_since(begin);
}

/* No time is no time, and connecting has a limit of its own: libcurl takes 0 for infinite, and connects for 300 s. */
PITFALL(03, zero_is_not_infinite) {
    int rc;
    b->config.connect_timeout_ms = 200;
    b->door.attempts = 1;
    client_bench_open_blackhole(b);
    b->request.timeout_ms = 0;
    if (ask_ms(b, "/", &rc) > 200 || rc != HF_E_TIMEOUT || client_bench_attempts(b) != 0) return false;
    b->request.timeout_ms = 1500;
    return ask_ms(b, "/", &rc) < 1200 && rc == HF_E_FAILED && client_bench_code(b) == 28;
}

/* libcurl's own resolver: giving one transfer up would hold the loop until getaddrinfo returns. */
PITFALL(04, a_stalled_name_stalls_nobody) {
    int rc;
    b->config.threads = 1;
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    b->request.timeout_ms = 50;
    (void)client_bench_ask(b, "http://stalled.test/");
    b->request.timeout_ms = 1000;
    return ask_ms(b, "/ok", &rc) < 500 && rc == HF_OK;
}

static void *raise_soon(void *cancel) {
    client_bench_sleep_ms(20);
    hf_cancel_raise(cancel);
    return NULL;
}

/* Noticed at once, not at the next look. */
PITFALL(10, cancel_is_prompt) {
    pthread_t thread;
    hf_cancel *cancel;
    int rc;
    client_bench_serve(b, "[route /hang]\nhang = 100\n");
    assert_int_equal(hf_cancel_new(&cancel, NULL), 0);
    b->request.cancel = cancel;
    b->request.timeout_ms = 800;
    assert_int_equal(pthread_create(&thread, NULL, raise_soon, cancel), 0);
    double ms = ask_ms(b, "/hang", &rc);
    pthread_join(thread, NULL);
    hf_cancel_free(cancel);
    return rc == HF_E_CANCELLED && ms < 400;
}

/* An old idle connection is where silent resends come from, and never sees that DNS has changed. */
PITFALL(14, old_connections_are_not_used) {
    b->config.idle_timeout_ms = 1000;
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    long before = mockd_count(&b->door.mockd, "connections");
    client_bench_sleep_ms(2200);
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    long after = mockd_count(&b->door.mockd, "connections");
    return after - before == 2; /* the request's own and this look at the counters */
}

/* Behind a limit of libcurl's a transfer waits while its time runs. */
PITFALL(15, nothing_waits_inside_libcurl) {
    hf_completions *queue;
    hf_response *response;
    void *tag;
    int ok = 0;
    b->config.threads = 1;
    client_bench_serve(b, "[route /x]\nlatency = fixed 300\n");
    assert_int_equal(hf_completions_new(&queue, NULL), 0);
    b->request.url = "/x";
    b->request.timeout_ms = 1000;
    for (int i = 0; i < 6; i++) assert_int_equal(hf_client_submit_queued(b->client, &b->request, queue, NULL, NULL), 0);
    while (hf_client_in_flight(b->client) > 0) client_bench_sleep_ms(10);
    client_bench_sleep_ms(10);
    while (hf_completions_next(queue, &tag, &response)) {
        ok += hf_response_status(response) == 200;
        hf_response_free(response);
    }
    hf_completions_free(queue);
    return ok == 6;
}

/* A loop that does not call libcurl when its timer is due never starts anything. */
PITFALL(20, the_timer_is_honoured) {
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    b->request.timeout_ms = 300;
    return client_bench_ask(b, "/ok") == HF_OK;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pitfall_03_zero_is_not_infinite),
        cmocka_unit_test(pitfall_04_a_stalled_name_stalls_nobody),
        cmocka_unit_test(pitfall_10_cancel_is_prompt),
        cmocka_unit_test(pitfall_14_old_connections_are_not_used),
        cmocka_unit_test(pitfall_15_nothing_waits_inside_libcurl),
        cmocka_unit_test(pitfall_20_the_timer_is_honoured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
