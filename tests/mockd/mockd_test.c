/* SPDX-License-Identifier: MIT */
/* mockd as plain libcurl sees it: statuses, the capacity model, the ledger, phases, and how it stops. Real time, with
 * generous bounds. */
#include "support/cmocka_all.h"
#include "support/mockd_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void retry_after_comes_in_both_forms(void **state) {
    (void)state;
    start_mockd("[route /s]\nstatus = 429\nretry_after = seconds 7\n[route /d]\nstatus = 503\nretry_after = date 7\n"
                "[route /ok]\nstatus = 200\nretry_after = seconds 7\n",
                NULL);
    struct answer a = ask_once("/s", NULL, NULL, 2000);
    assert_int_equal(a.status, 429);
    assert_string_equal(a.retry_after, "7");
    a = ask_once("/d", NULL, NULL, 2000);
    assert_int_equal(a.status, 503);
    long ahead = (long)(curl_getdate(a.retry_after, NULL) - time(NULL));
    assert_in_range(ahead, 4, 7);
    assert_string_equal(ask_once("/ok", NULL, NULL, 2000).retry_after, "");
}

static void statuses_are_mixed_by_weight_and_seed(void **state) {
    (void)state;
    long first = 0;
    for (int run = 0; run < 2; run++) {
        start_mockd("[route /x]\nstatus = 200:3 500:1\n", NULL);
        CURL *easy = curl_easy_init();
        for (int i = 0; i < 200; i++) (void)ask(easy, "/x", NULL, NULL, 2000);
        curl_easy_cleanup(easy);
        long bad = mockd_count(&mockd, "/x total status_5xx");
        assert_in_range(bad, 25, 80);
        assert_int_equal(mockd_count(&mockd, "/x total status_2xx"), 200 - bad);
        if (run == 0) first = bad;
        else assert_int_equal(bad, first);
        assert_int_equal(mockd_stop(&mockd), 0);
    }
}

struct asker {
    const char *path, *header;
    long timeout_ms;
    struct answer answer;
};

static void *ask_in_thread(void *arg) {
    struct asker *a = arg;
    a->answer = ask_once(a->path, "x=1", a->header, a->timeout_ms);
    return NULL;
}

static void overload_is_real_and_abandoned_work_goes_on(void **state) {
    (void)state;
    start_mockd("[route /pay]\nworkers = 2\nservice = fixed 1000\nqueue = 3\nledger = X-Order\n", NULL);
    pthread_t threads[8];
    struct asker askers[8];
    char headers[8][32];
    for (int i = 0; i < 8; i++) {
        snprintf(headers[i], sizeof headers[i], "X-Order: %d", i);
        /* The first five leave long before their turn is over. */
        askers[i] = (struct asker){.path = "/pay", .header = headers[i], .timeout_ms = i < 5 ? 60 : 5000};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_in_thread, &askers[i]), 0);
        sleep_ms(5);
    }
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 5; i++) assert_int_equal(askers[i].answer.code, CURLE_OPERATION_TIMEDOUT);
    for (int i = 5; i < 8; i++) assert_int_equal(askers[i].answer.status, 503); /* two work, three wait: full */
    assert_int_equal(mockd_count(&mockd, "/pay total overloaded"), 3);
    assert_int_equal(mockd_count(&mockd, "/pay total max_queue"), 3);
    for (int i = 0; i < 200 && mockd_count(&mockd, "/pay total served") < 5; i++) sleep_ms(50);
    assert_int_equal(mockd_count(&mockd, "/pay total served"), 5); /* for clients who had gone */
    assert_int_equal(mockd_count(&mockd, "/pay ledger effects"), 5);
    assert_int_equal(mockd_count(&mockd, "/pay busy"), 0);
}

static void the_ledger_counts_effects_and_idempotent_routes_do_not_repeat_them(void **state) {
    (void)state;
    start_mockd("[route /a]\nledger = on\n[route /b]\nledger = on\nidempotent = on\n"
                "[route /lost]\nledger = on\nlose_answer = 100\n[route /bad]\nstatus = 500\nledger = on\n",
                NULL);
    for (int i = 0; i < 3; i++) {
        (void)ask_once("/a", "x", "Idempotency-Key: \"k1\"", 2000);
        (void)ask_once("/b", "x", "Idempotency-Key: \"k1\"", 2000);
        (void)ask_once("/lost", "x", "Idempotency-Key: \"k1\"", 2000);
        (void)ask_once("/bad", "x", "Idempotency-Key: \"k1\"", 2000);
    }
    (void)ask_once("/a", "x", "Idempotency-Key: \"k2\"", 2000);
    (void)ask_once("/a", "x", NULL, 2000); /* no key: nothing to count by */
    char *json = mockd_get(&mockd, "/_control");
    assert_int_equal(mockd_number(json, "/a ledger ids"), 2);
    assert_int_equal(mockd_number(json, "/a ledger effects"), 4);
    assert_int_equal(mockd_number(json, "/a ledger duplicates"), 1);
    assert_int_equal(mockd_number(json, "/b ledger effects"), 1);
    assert_int_equal(mockd_number(json, "/b ledger duplicates"), 0);
    assert_int_equal(mockd_number(json, "/lost ledger effects"), 3);
    assert_int_equal(mockd_number(json, "/bad ledger effects"), 0);
    assert_int_equal(mockd_number(json, "/nowhere ledger"), -1);
    free(json);
}

static void phases_change_the_behaviour_and_are_counted(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n[phase one]\nseconds = 0.4\n[phase one /x]\nstatus = 500\n", "--wait-start");
    assert_int_equal(ask_once("/x", NULL, NULL, 2000).status, 500);
    sleep_ms(450);
    assert_int_equal(ask_once("/x", NULL, NULL, 2000).status, 500); /* the clock waits to be started */
    free(mockd_get(&mockd, "/_control/start"));
    sleep_ms(450);
    assert_int_equal(ask_once("/x", NULL, NULL, 2000).status, 200);
    assert_int_equal(mockd_count(&mockd, "/x phases one requests"), 2);
    assert_int_equal(mockd_count(&mockd, "/x phases after requests"), 1);
    assert_int_equal(ask_once("/unknown", NULL, NULL, 2000).status, 404);
}

static void it_stops_cleanly_while_requests_hang_and_wait(void **state) {
    (void)state;
    static const char *const paths[] = {"/hang", "/slow", "/drip", "/storm", "/long"};
    start_mockd(
        "[route /hang]\nhang = 100\n[route /slow]\nworkers = 1\nservice = fixed 60000\nlatency = fixed 60000\n"
        "[route /drip]\ndrip = 100\nbody_bytes = 10000\ndrip_ms = 1\n[route /storm]\nstorm_1xx = 100\nstorm_count = 0\n"
        "[route /long]\nlength_long = 100\n",
        NULL);
    pthread_t threads[10];
    struct asker askers[10];
    for (int i = 0; i < 10; i++) {
        askers[i] = (struct asker){.path = paths[i % 5], .timeout_ms = 10000};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_in_thread, &askers[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s total requests", paths[i]);
        for (int n = 0; n < 100 && mockd_count(&mockd, path) < 2; n++) sleep_ms(20);
    }
    assert_int_equal(mockd_stop(&mockd), 0);
    for (int i = 0; i < 10; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 10; i++) assert_int_not_equal(askers[i].answer.code, CURLE_OPERATION_TIMEDOUT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, stop_mockd)
    const struct CMUnitTest tests[] = {
        TEST(retry_after_comes_in_both_forms),
        TEST(statuses_are_mixed_by_weight_and_seed),
        TEST(overload_is_real_and_abandoned_work_goes_on),
        TEST(the_ledger_counts_effects_and_idempotent_routes_do_not_repeat_them),
        TEST(phases_change_the_behaviour_and_are_counted),
        TEST(it_stops_cleanly_while_requests_hang_and_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
