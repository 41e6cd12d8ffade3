/* SPDX-License-Identifier: MIT */
/* The CURLcode that each fault of mockd produces, and that none of them holds up anybody else. */
#include "support/cmocka_all.h"
#include "support/mockd_client.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *fault;
    CURLcode code; /* on a fresh connection */
    long status;
    size_t bytes; /* of a body of 100 */
};

static const struct row rows[] = {
    {"reset", CURLE_RECV_ERROR, 0, 0},
    {"lose_answer", CURLE_RECV_ERROR, 0, 0},
    {"drop", CURLE_GOT_NOTHING, 0, 0},
    {"stale", CURLE_OK, 200, 100}, /* it needs a reused connection */
    {"reset_after_headers", CURLE_RECV_ERROR, 200, 0},
    {"truncate", CURLE_PARTIAL_FILE, 200, 50},
    {"cut_headers", CURLE_OK, 200, 0},   /* libcurl does not notice: the body is empty */
    {"length_short", CURLE_OK, 200, 50}, /* nor here: the rest of the body is ignored */
    {"length_long", CURLE_OPERATION_TIMEDOUT, 200, 100},
    {"length_garbage", CURLE_WEIRD_SERVER_REPLY, 200, 0},
    {"garbage_status", CURLE_UNSUPPORTED_PROTOCOL, 0, 0}, /* taken for HTTP/0.9 */
    {"storm_1xx", CURLE_OK, 200, 100},
    {"drip", CURLE_OPERATION_TIMEDOUT, 200, 0}, /* a byte in 50 ms: checked below */
    {"hang", CURLE_OPERATION_TIMEDOUT, 0, 0},
};

static void check_row(const struct row *row) {
    struct answer a = ask_once("/x", NULL, NULL, 400);
    bool drips = strcmp(row->fault, "drip") == 0;
    bool bytes_ok = drips ? a.bytes >= 1 && a.bytes <= 8 : a.bytes == row->bytes;
    if (a.code != row->code || a.status != row->status || !bytes_ok) {
        fail_msg("%s: code %d, status %ld, %zu bytes; expected %d, %ld, %zu", row->fault, (int)a.code, a.status,
                 a.bytes, (int)row->code, row->status, row->bytes);
    }
    char path[64];
    snprintf(path, sizeof path, "/x total %s", row->fault);
    assert_int_equal(mockd_count(&mockd, "/x total requests"), 1);
    assert_int_equal(mockd_count(&mockd, path), strcmp(row->fault, "stale") == 0 ? 0 : 1);
    assert_int_equal(ask_once("/ok", NULL, NULL, 2000).status, 200); /* it stalls no other */
}

static void every_fault_has_its_curlcode(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char scenario[256];
        snprintf(scenario, sizeof scenario,
                 "[route /x]\nbody_bytes = 100\ndrip_ms = 50\nstorm_count = 20\n%s = 100\n[route /ok]\nstatus = 200\n",
                 rows[i].fault);
        start_mockd(scenario, NULL);
        check_row(&rows[i]);
        assert_int_equal(mockd_stop(&mockd), 0);
    }
}

/* The same bytes inside a TLS session: libcurl says the same, but for what a reset does to it. */
static void every_fault_has_its_curlcode_under_tls_too(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char scenario[256];
        snprintf(scenario, sizeof scenario,
                 "[route /x]\nbody_bytes = 100\ndrip_ms = 50\nstorm_count = 20\n%s = 100\n[route /ok]\nstatus = 200\n",
                 rows[i].fault);
        assert_true(mockd_start_tls(&mockd, HF_MOCKD_PATH, scenario, "good"));
        check_row(&rows[i]);
        assert_int_equal(mockd_stop(&mockd), 0);
    }
}

/* libcurl sends again by itself when a reused connection dies: the reason for the veto in the door. */
static void a_drop_on_a_reused_connection_is_resent_by_libcurl(void **state) {
    (void)state;
    start_mockd("[route /ok]\nstatus = 200\n[route /pay]\ndrop = 100\n", NULL);
    CURL *easy = curl_easy_init();
    assert_int_equal(ask(easy, "/ok", NULL, NULL, 2000).status, 200);
    struct answer a = ask(easy, "/pay", "x=1", NULL, 2000);
    assert_int_equal(a.code, CURLE_GOT_NOTHING);
    assert_int_equal(mockd_count(&mockd, "/pay total requests"), 2);
    curl_easy_cleanup(easy);
}

/* The race of a server that closes an idle connection just when the next request arrives: here it is certain. */
static void a_stale_connection_dies_with_the_next_request_on_it(void **state) {
    (void)state;
    start_mockd("[route /ok]\nstatus = 200\n[route /pay]\nstale = 100\n", NULL);
    CURL *easy = curl_easy_init();
    assert_int_equal(ask(easy, "/pay", "x=1", NULL, 2000).status, 200); /* the first on its connection */
    struct answer a = ask(easy, "/pay", "x=1", NULL, 2000);
    assert_int_equal(a.code, CURLE_OK); /* a silent resend on a fresh connection, which is not stale */
    assert_int_equal(a.connects, 1);
    assert_int_equal(mockd_count(&mockd, "/pay total stale"), 1);
    assert_int_equal(mockd_count(&mockd, "/pay total requests"), 3);
    assert_int_equal(mockd_count(&mockd, "/pay total served"), 2);
    curl_easy_cleanup(easy);
}

static void a_drip_arrives_whole_for_who_waits(void **state) {
    (void)state;
    start_mockd("[route /x]\ndrip = 100\ndrip_ms = 5\nbody_bytes = 30\n[route /none]\ndrip = 100\nbody_bytes = 0\n",
                NULL);
    struct answer a = ask_once("/x", NULL, NULL, 20000);
    assert_int_equal(a.code, CURLE_OK);
    assert_string_equal(a.body, "abcdefghijklmnopqrstuvwxyzabcd");
    assert_int_equal(ask_once("/none", NULL, NULL, 20000).code, CURLE_OK);
}

static void a_storm_ends_with_the_real_answer_and_keeps_the_connection(void **state) {
    (void)state;
    start_mockd("[route /x]\nstorm_1xx = 100\nstorm_count = 50\nstatus = 503\nretry_after = seconds 3\n", NULL);
    CURL *easy = curl_easy_init();
    struct answer a = ask(easy, "/x", NULL, NULL, 20000);
    assert_int_equal(a.status, 503);
    assert_string_equal(a.retry_after, "3"); /* each of the storm says 55 */
    assert_int_equal(ask(easy, "/x", NULL, NULL, 20000).connects, 0);
    assert_int_equal(mockd_count(&mockd, "/x total answered"), 2);
    curl_easy_cleanup(easy);
}

static void an_endless_storm_is_a_timeout(void **state) {
    (void)state;
    start_mockd("[route /x]\nstorm_1xx = 100\nstorm_count = 0\n", NULL);
    assert_int_equal(ask_once("/x", NULL, NULL, 300).code, CURLE_OPERATION_TIMEDOUT);
}

struct asker {
    const char *path;
    struct answer answer;
};

static void *ask_in_thread(void *arg) {
    struct asker *a = arg;
    a->answer = ask_once(a->path, NULL, NULL, 3000);
    return NULL;
}

/* Fifty that hang, drip, wait for a length that never comes or stand in a storm; meanwhile others are served at once. */
static void slow_faults_stall_nobody_else(void **state) {
    (void)state;
    static const char *const paths[] = {"/hang", "/drip", "/long", "/storm", "/slow"};
    start_mockd("[route /hang]\nhang = 100\n[route /drip]\ndrip = 100\ndrip_ms = 40\nbody_bytes = 1000\n"
                "[route /long]\nlength_long = 100\n[route /storm]\nstorm_1xx = 100\nstorm_count = 0\n"
                "[route /slow]\nlatency = fixed 60000\n[route /ok]\nstatus = 200\n",
                NULL);
    pthread_t threads[50];
    struct asker askers[50];
    for (int i = 0; i < 50; i++) {
        askers[i] = (struct asker){.path = paths[i % 5]};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_in_thread, &askers[i]), 0);
    }
    sleep_ms(200);
    for (int i = 0; i < 20; i++) {
        struct answer a = ask_once("/ok", NULL, NULL, 1500);
        assert_int_equal(a.code, CURLE_OK);
        assert_int_equal(a.status, 200);
    }
    for (int i = 0; i < 50; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].answer.code, CURLE_OPERATION_TIMEDOUT);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, stop_mockd)
    const struct CMUnitTest tests[] = {
        TEST(every_fault_has_its_curlcode),
        TEST(every_fault_has_its_curlcode_under_tls_too),
        TEST(a_drop_on_a_reused_connection_is_resent_by_libcurl),
        TEST(a_stale_connection_dies_with_the_next_request_on_it),
        TEST(a_drip_arrives_whole_for_who_waits),
        TEST(a_storm_ends_with_the_real_answer_and_keeps_the_connection),
        TEST(an_endless_storm_is_a_timeout),
        TEST(slow_faults_stall_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
