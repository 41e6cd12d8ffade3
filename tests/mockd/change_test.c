/* SPDX-License-Identifier: MIT */
/* Rules for single requests, and changes at run time by POST to /_control. */
#include "support/cmocka_all.h"
#include "support/mockd_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long status_of(const char *header) { return ask_once("/x", "body", header, 2000).status; }

static void contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) fail_msg("expected \"%s\" in:\n%s", part, text);
}

static void change(const char *text) {
    char answer[8192];
    long status = mockd_change(&mockd, text, answer, sizeof answer);
    if (status != 200) fail_msg("status %ld: %s", status, answer);
}

/* ---- rules ---- */

static void a_rule_is_for_one_value_of_a_header(void **state) {
    (void)state;
    start_mockd(
        "[route /x]\nstatus = 200\n[rule one /x]\nwhen_header = Idempotency-Key\nwhen_value = k 7\nstatus = 409\n",
        NULL);
    assert_int_equal(status_of("Idempotency-Key: k 7"), 409);
    assert_int_equal(status_of("Idempotency-Key: k 77"), 200);
    assert_int_equal(status_of("Other: k 7"), 200);
    assert_int_equal(status_of(NULL), 200);
    assert_int_equal(mockd_count(&mockd, "rules one seen"), 1);
    assert_int_equal(mockd_count(&mockd, "rules one applied"), 1);
}

static void a_rule_counts_the_requests_of_each_value(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n[rule second /x]\nwhen_header = X-Order\nwhen_value = a*\nwhen_nth = "
                "2-3\nstatus = 500\n",
                NULL);
    static const long expected[] = {200, 500, 500, 200, 200};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(status_of("X-Order: a1"), expected[i]);
        assert_int_equal(status_of("X-Order: a2"), expected[i]);
        assert_int_equal(status_of("X-Order: b1"), 200);
    }
    assert_int_equal(mockd_count(&mockd, "rules second seen"), 10);
    assert_int_equal(mockd_count(&mockd, "rules second applied"), 4);
}

static void a_rule_without_a_header_is_for_the_nth_request_of_the_route(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n[rule third /x]\nwhen_nth = 3\nstatus = 503\nretry_after = seconds 9\n",
                NULL);
    for (int i = 1; i <= 4; i++) {
        struct answer a = ask_once("/x", NULL, NULL, 2000);
        assert_int_equal(a.status, i == 3 ? 503 : 200);
        assert_string_equal(a.retry_after, i == 3 ? "9" : "");
    }
}

/* The answer to the first attempt is lost, the second is answered: a retry with the key charges once. */
static void a_rule_with_a_fault_replaces_the_faults_of_the_route(void **state) {
    (void)state;
    start_mockd(
        "[route /x]\nhang = 100\nledger = on\nidempotent = on\n[rule first /x]\nwhen_header = Idempotency-Key\n"
        "when_nth = 1\nlose_answer = 100\n[rule later /x]\nwhen_header = Idempotency-Key\nwhen_nth = 2-\nhang = 0\n",
        NULL);
    assert_int_equal(ask_once("/x", "b", "Idempotency-Key: k", 2000).code, CURLE_RECV_ERROR);
    assert_int_equal(status_of("Idempotency-Key: k"), 200);
    assert_int_equal(ask_once("/x", "b", NULL, 200).code, CURLE_OPERATION_TIMEDOUT);
    assert_int_equal(mockd_count(&mockd, "/x ledger effects"), 1);
}

static void of_several_rules_the_last_one_holds(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n[rule a /x]\nstatus = 501\n[rule b /x]\nwhen_nth = 2\nstatus = 502\n", NULL);
    assert_int_equal(status_of(NULL), 501);
    assert_int_equal(status_of(NULL), 502);
    assert_int_equal(status_of(NULL), 501);
}

/* ---- changes at run time ---- */

static void a_route_is_changed_and_changed_back(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n[phase p]\nseconds = 600\n[phase p /x]\nstatus = 201\n", NULL);
    assert_int_equal(status_of(NULL), 201);
    change("[route /x]\nstatus = 503\nretry_after = seconds 4\n");
    struct answer a = ask_once("/x", NULL, NULL, 2000);
    assert_int_equal(a.status, 503); /* whatever the phase */
    assert_string_equal(a.retry_after, "4");
    change("[route /x]\nstatus = 429\n"); /* what is not mentioned stays */
    assert_string_equal(ask_once("/x", NULL, NULL, 2000).retry_after, "4");
    change("[control]\nundo = on\n");
    assert_int_equal(status_of(NULL), 201);
}

static void a_route_is_added(void **state) {
    (void)state;
    start_mockd("[route /y]\nstatus = 200\n", NULL);
    assert_int_equal(status_of(NULL), 404);
    change("[route /x]\nstatus = 204\n");
    assert_int_equal(status_of(NULL), 204);
}

static void rules_are_added_replaced_and_taken_back(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n[rule file /x]\nwhen_nth = 1\nstatus = 501\n", NULL);
    assert_int_equal(status_of(NULL), 501);
    change("[rule live /x]\nwhen_nth = 2\nstatus = 502\n");
    assert_int_equal(status_of(NULL), 200); /* the first since the rule is there */
    assert_int_equal(status_of(NULL), 502);
    change("[rule live /x]\nwhen_nth = 1\nstatus = 503\n");
    assert_int_equal(status_of(NULL), 503); /* counting began anew */
    assert_int_equal(status_of(NULL), 200);
    change("[control]\nundo = on\n[rule again /x]\nstatus = 504\n");
    assert_int_equal(status_of(NULL), 504);
    assert_int_equal(mockd_count(&mockd, "rules live seen"), -1);
    assert_int_equal(mockd_count(&mockd, "rules file seen"), 6);
}

static void the_phase_is_chosen_and_held(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n[phase one]\nseconds = 0.3\n[phase one /x]\nstatus = 501\n[phase "
                "two]\nseconds = 600\n"
                "[phase two /x]\nstatus = 502\n",
                "--wait-start");
    assert_int_equal(status_of(NULL), 501);
    change("[control]\nhold = one\n");
    sleep_ms(400);
    assert_int_equal(status_of(NULL), 501); /* though its time is over */
    change("[control]\nphase = one\n");
    sleep_ms(400);
    assert_int_equal(status_of(NULL), 502); /* its clock went on */
    change("[control]\nphase = after\n");
    assert_int_equal(status_of(NULL), 200);
    change("[control]\nphase = two\n");
    assert_int_equal(status_of(NULL), 502);
    assert_int_equal(mockd_count(&mockd, "/x phases two requests"), 2);
}

/* More workers, or none at all any more, begin with what waits in the queue. */
static void a_change_of_capacity_reaches_what_waits(void **state) {
    (void)state;
    start_mockd("[route /x]\nworkers = 1\nservice = fixed 300\nqueue = 10\n[route /ok]\nstatus = 200\n", NULL);
    CURLM *multi = curl_multi_init();
    CURL *easy[4];
    char url[96];
    snprintf(url, sizeof url, "%s/x", mockd.url);
    for (int i = 0; i < 4; i++) {
        easy[i] = curl_easy_init();
        curl_easy_setopt(easy[i], CURLOPT_URL, url);
        curl_easy_setopt(easy[i], CURLOPT_NOBODY, 1L);
        curl_multi_add_handle(multi, easy[i]);
    }
    int running = 4;
    for (int i = 0; i < 200 && mockd_count(&mockd, "/x queued") < 3; i++) {
        curl_multi_perform(multi, &running);
        curl_multi_poll(multi, NULL, 0, 10, NULL);
    }
    change("[route /x]\nworkers = 4\nservice = fixed 1\n");
    assert_int_equal(mockd_count(&mockd, "/x queued"), 0);
    while (running > 0 && curl_multi_perform(multi, &running) == CURLM_OK) curl_multi_poll(multi, NULL, 0, 50, NULL);
    for (int i = 0; i < 4; i++) {
        curl_multi_remove_handle(multi, easy[i]);
        curl_easy_cleanup(easy[i]);
    }
    curl_multi_cleanup(multi);
    assert_int_equal(mockd_count(&mockd, "/x total served"), 4);
}

static void a_bad_change_says_what_was_expected_and_changes_nothing(void **state) {
    (void)state;
    static const struct {
        const char *change, *says;
    } rows[] = {
        {"[route /x]\nstatus = 500\nlatency = soon\n", "line 3: latency = soon: expected fixed MS"},
        {"[route /x]\nstatus = 500\nhangs = 1\n", "line 3: unknown key \"hangs\""},
        {"[route /x]\nstatus = 500\n[route x]\nstatus = 1\n", "line 4: [route x]: expected a path"},
        {"[route /x]\nstatus = 500\n[phase p]\nseconds = 3\n",
         "line 4: [phase p]: expected [route /PATH], [rule NAME /PATH] or [control]"},
        {"[route /x]\nstatus = 500\n[control]\nphase = q\n",
         "line 4: phase = q: expected the name of a phase, or after"},
        {"[route /x]\nstatus = 500\n[control]\nundo = off\n", "line 4: undo = off: expected on"},
        {"[route /x]\nstatus = 500\n[control]\nredo = on\n", "line 4: unknown key \"redo\""},
        {"[route /x]\nstatus = 500\n[rule r /y]\nstatus = 200\n", "line 4: [rule r /y]: expected [route /y] above"},
        {"[route /x]\nstatus = 500\n[rule kept /x]\nstatus = 200\n", "line 4: [rule kept /x]: expected another name"},
        {"[route /x]\nstatus = 500\nhang = 60\nreset = 60\n",
         "route /x, phase p: the faults sum up to more than 100 percent"},
        {"status = 500\n", "line 1: status: expected a section above: [route /PATH]"},
        {"{\"status\", 500}", "line 1: expected [section]"},
        {"", "expected 1 to 65536 bytes"},
    };
    start_mockd("[route /x]\nstatus = 200\n[phase p]\nseconds = 600\n[phase p /x]\nstatus = 201\n[rule kept "
                "/x]\nwhen_nth = 1000\n"
                "status = 299\n",
                NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char answer[8192];
        long status = mockd_change(&mockd, rows[i].change, answer, sizeof answer);
        if (status != 400) fail_msg("row %zu: status %ld: %s", i, status, answer);
        contains(answer, rows[i].says);
        assert_int_equal(status_of(NULL), 201);
    }
}

static void a_change_that_is_too_large_is_refused(void **state) {
    (void)state;
    start_mockd("[route /x]\nstatus = 200\n", NULL);
    char *large = malloc(70001), answer[256];
    memset(large, ';', 70000);
    large[70000] = '\0';
    assert_int_equal(mockd_change(&mockd, large, answer, sizeof answer), 400);
    contains(answer, "65536 bytes");
    free(large);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, stop_mockd)
    const struct CMUnitTest tests[] = {
        TEST(a_rule_is_for_one_value_of_a_header),
        TEST(a_rule_counts_the_requests_of_each_value),
        TEST(a_rule_without_a_header_is_for_the_nth_request_of_the_route),
        TEST(a_rule_with_a_fault_replaces_the_faults_of_the_route),
        TEST(of_several_rules_the_last_one_holds),
        TEST(a_route_is_changed_and_changed_back),
        TEST(a_route_is_added),
        TEST(rules_are_added_replaced_and_taken_back),
        TEST(the_phase_is_chosen_and_held),
        TEST(a_change_of_capacity_reaches_what_waits),
        TEST(a_bad_change_says_what_was_expected_and_changes_nothing),
        TEST(a_change_that_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
