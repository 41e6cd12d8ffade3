/* SPDX-License-Identifier: MIT */
/* The door against mockd: what the caller gets, what the server saw, and what the result says. Real time; the
 * medians and bounds of what must be prompt are in door_time_test.c. */
#include "support/cmocka_all.h"
#include "support/door_bench.h"

#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_OK "[route /ok]\nstatus = 200\nbody_bytes = 10\n"

static void a_success_passes(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, SERVER_OK);
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_OK);
    assert_int_equal(b->status, 200);
    assert_int_equal(b->bytes, 10);
    assert_int_equal(hf_result_status(&b->result), HF_OK);
    assert_int_equal(hf_result_attempts(&b->result), 1);
    hf_outcome outcome;
    assert_true(hf_result_outcome(&b->result, &outcome));
    assert_int_equal(outcome.code, 200);
}

/* 4xx is an answer: delivered, not repeated, and a success of the server. */
static void a_404_is_delivered(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nstatus = 404\nbody_bytes = 5\n");
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(b->status, 404);
    assert_int_equal(b->bytes, 5);
    assert_int_equal(hf_result_status(&b->result), HF_OK);
    assert_int_equal(door_bench_seen(b, "/x"), 1);
}

static void a_503_is_repeated_and_its_body_kept_back(void **state) {
    struct door_bench *b = *state;
    b->attempts = 29;
    door_bench_serve(b, "[route /x]\nstatus = 503\nbody_bytes = 50\n[phase bad]\nseconds = 0.05\n[phase good]\n"
                        "seconds = 100\n[phase good /x]\nstatus = 200\n");
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(b->status, 200);
    assert_int_equal(b->bytes, 50); /* those of the 200 and no other */
    assert_true(hf_result_attempts(&b->result) > 1);
    assert_int_equal(door_bench_seen(b, "/x"), hf_result_attempts(&b->result));
}

static void the_last_503_is_delivered(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nstatus = 503\nbody_bytes = 50\n");
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(b->status, 503);
    assert_int_equal(b->bytes, 50);
    assert_int_equal(hf_result_status(&b->result), HF_E_FAILED);
    assert_int_equal(hf_result_reason(&b->result), HF_REASON_ATTEMPTS);
    assert_int_equal(hf_result_attempts(&b->result), 3);
    assert_int_equal(door_bench_seen(b, "/x"), 3);
}

static void a_500_is_repeated_for_get_only(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nstatus = 500\n");
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(hf_result_attempts(&b->result), 3);
    b->options.idempotency_key = "k";
    b->options.body = HF_CURL_BODY_MEMORY;
    assert_int_equal(door_bench_post(b, "/x"), CURLE_OK);
    assert_int_equal(hf_result_attempts(&b->result), 1);
}

static void what_was_begun_is_not_repeated_unless_buffered(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nbody_bytes = 100\ntruncate = 100\n");
    assert_int_equal(door_bench_get(b, "/x"), CURLE_PARTIAL_FILE);
    assert_true(b->bytes > 0 && b->bytes < 100);
    assert_int_equal(door_bench_seen(b, "/x"), 1);
    b->options.buffer_max_bytes = 1000;
    assert_int_equal(door_bench_get(b, "/x"), CURLE_PARTIAL_FILE);
    assert_int_equal(b->bytes, 0);
    assert_int_equal(hf_result_attempts(&b->result), 3);
    assert_int_equal(door_bench_seen(b, "/x"), 1 + 3);
}

static void a_buffered_body_comes_in_one_piece(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nbody_bytes = 100000\n");
    b->options.buffer_max_bytes = 100000;
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(b->bytes, 100000);
    assert_int_equal(b->pieces, 1);
    b->options.buffer_max_bytes = 99999;
    assert_int_equal(door_bench_get(b, "/x"), CURLE_FILESIZE_EXCEEDED);
    assert_int_equal(b->bytes, 0);
    assert_int_equal(hf_result_attempts(&b->result), 1);
    /* afterwards the handle has its own write function again */
    hf_curl_options_init(&b->options);
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(b->bytes, 100000);
    assert_true(b->pieces > 1);
}

static void a_refused_post_is_repeated(void **state) {
    struct door_bench *b = *state;
    door_bench_nobody(b);
    assert_int_equal(door_bench_post(b, "/x"), CURLE_COULDNT_CONNECT);
    assert_int_equal(hf_result_attempts(&b->result), 3);
    assert_int_equal(hf_result_status(&b->result), HF_E_FAILED);
}

static void a_post_is_repeated_after_a_reset_only_with_a_key(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nlose_answer = 100\nledger = Idempotency-Key\nidempotent = on\n");
    assert_int_equal(door_bench_post(b, "/x"), CURLE_RECV_ERROR);
    assert_int_equal(door_bench_seen(b, "/x"), 1);
    b->options.make_key = 1;
    assert_int_equal(door_bench_post(b, "/x"), CURLE_RECV_ERROR); /* a body that libcurl may have consumed */
    assert_int_equal(door_bench_seen(b, "/x"), 2);
    b->options.body = HF_CURL_BODY_MEMORY;
    assert_int_equal(door_bench_post(b, "/x"), CURLE_RECV_ERROR);
    assert_int_equal(door_bench_seen(b, "/x"), 2 + 3);
    assert_int_equal(mockd_count(&b->mockd, "/x ledger duplicates"), 0); /* one key for all three */
    assert_int_equal(mockd_count(&b->mockd, "/x ledger ids"), 2);
}

static void a_put_from_a_callback_needs_a_rewind(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nlose_answer = 100\n");
    assert_int_equal(door_bench_put(b, "/x"), CURLE_RECV_ERROR);
    assert_int_equal(door_bench_seen(b, "/x"), 1);
    b->options.body = HF_CURL_BODY_REWIND;
    b->options.rewind = door_bench_rewind;
    b->options.rewind_arg = b;
    assert_int_equal(door_bench_put(b, "/x"), CURLE_RECV_ERROR);
    assert_int_equal(door_bench_seen(b, "/x"), 1 + 3);
    assert_int_equal(b->uploaded, 3 * DOOR_BENCH_PUT_BYTES);
    assert_int_equal(b->rewinds, 2);
    b->rewind_fails = true;
    assert_int_equal(door_bench_put(b, "/x"), CURLE_SEND_FAIL_REWIND);
    assert_int_equal(door_bench_seen(b, "/x"), 1 + 3 + 1);
}

/* libcurl sends a POST again by itself when the kept-alive connection turns out dead. */
static void the_hidden_resend_of_a_post_is_vetoed(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, SERVER_OK "[route /x]\ndrop = 100\n");
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_OK);
    assert_int_equal(door_bench_post(b, "/x"), CURLE_ABORTED_BY_CALLBACK);
    assert_int_equal(door_bench_seen(b, "/x"), 1);
    assert_int_equal(hf_result_attempts(&b->result), 1);
    assert_int_equal(hf_result_status(&b->result), HF_E_FAILED);
    hf_outcome outcome;
    assert_true(hf_result_outcome(&b->result, &outcome));
    assert_int_equal(outcome.kind, HF_NEUTRAL);
}

static void the_hidden_resend_of_a_get_is_counted_and_charged(void **state) {
    struct door_bench *b = *state;
    b->attempts = 1;
    door_bench_serve(b, SERVER_OK "[route /x]\ndrop = 100\n");
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_OK);
    uint32_t before = hf_budget_available(hf_retry_budget(b->retry), hf_clock_now(NULL));
    assert_int_equal(door_bench_get(b, "/x"), CURLE_GOT_NOTHING);
    hf_outcome outcome;
    assert_true(hf_result_outcome(&b->result, &outcome));
    assert_int_equal(outcome.resends, 1);
    assert_int_equal(door_bench_seen(b, "/x"), 2);
    assert_true(hf_budget_available(hf_retry_budget(b->retry), hf_clock_now(NULL)) < before);
}

static void cut_headers_are_no_success(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\ncut_headers = 100\n");
    assert_int_equal(door_bench_get(b, "/x"), CURLE_PARTIAL_FILE);
    assert_int_equal(hf_result_attempts(&b->result), 3);
    assert_int_equal(door_bench_post(b, "/x"), CURLE_PARTIAL_FILE);
    assert_int_equal(hf_result_attempts(&b->result), 1);
}

static void retry_after_is_obeyed_or_too_long(void **state) {
    struct door_bench *b = *state;
    static const char *const forms[] = {"seconds 1", "date 2"}; /* a date has whole seconds: 1 to 2 from now */
    for (size_t i = 0; i < 2; i++) {
        char scenario[200];
        snprintf(scenario, sizeof scenario,
                 "[route /x]\nstatus = 503\nretry_after = %s\n[phase bad]\nseconds = 0.4\n[phase good]\nseconds = 100\n"
                 "[phase good /x]\nstatus = 200\n",
                 forms[i]);
        door_bench_serve(b, scenario);
        hf_time began_at = hf_clock_now(NULL);
        assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
        assert_int_equal(b->status, 200);
        assert_int_equal(hf_result_attempts(&b->result), 2);
        assert_true(hf_clock_now(NULL) - began_at >= HF_SECOND - HF_MILLISECOND);
    }
    door_bench_serve(b, "[route /x]\nstatus = 429\nretry_after = seconds 4000\nbody_bytes = 3\n");
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(b->status, 429);
    assert_int_equal(b->bytes, 3);
    assert_int_equal(hf_result_reason(&b->result), HF_REASON_HINT_TOO_LONG);
    assert_true(hf_result_retry_at(&b->result) > hf_clock_now(NULL) + 3900 * HF_SECOND);
}

static void a_rejection_is_couldnt_connect_and_sends_nothing(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, SERVER_OK);
    assert_int_equal(hf_breaker_set(b->breaker, HF_BREAKER_FORCED_OPEN, hf_clock_now(NULL)), 0);
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_COULDNT_CONNECT);
    assert_int_equal(hf_result_status(&b->result), HF_E_REJECTED);
    assert_int_equal(hf_result_reason(&b->result), HF_REASON_FORCED_OPEN);
    assert_string_equal(hf_result_policy(&b->result), "breaker");
    assert_int_equal(hf_result_attempts(&b->result), 0);
    assert_int_equal(door_bench_seen(b, "/ok"), 0);
}

/* What the server did not say whole opens the breaker; what it answered does not. */
static void the_breaker_counts_by_the_table(void **state) {
    struct door_bench *b = *state;
    b->attempts = 1;
    door_bench_serve(b, "[route /404]\nstatus = 404\n[route /503]\nstatus = 503\n[route /501]\nstatus = 501\n");
    for (int i = 0; i < 20; i++) assert_int_equal(door_bench_get(b, i % 2 ? "/404" : "/501"), CURLE_OK);
    hf_breaker_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_breaker_snapshot(b->breaker, &info, hf_clock_now(NULL)), 0);
    assert_int_equal(info.total, 10); /* 501 is neutral */
    assert_int_equal(info.failures, 0);
    for (int i = 0; i < DOOR_BENCH_CONSECUTIVE; i++) assert_int_equal(door_bench_get(b, "/503"), CURLE_OK);
    assert_int_equal(door_bench_get(b, "/503"), CURLE_COULDNT_CONNECT);
    assert_int_equal(door_bench_seen(b, "/503"), DOOR_BENCH_CONSECUTIVE);
}

static void a_fallback_is_ok(void **state) {
    struct door_bench *b = *state;
    b->with_fallback = true;
    door_bench_serve(b, "[route /x]\nstatus = 503\nbody_bytes = 50\n");
    int value = 0;
    b->options.fallback_arg = &value;
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(value, 42);
    assert_int_equal(b->bytes, 0); /* the body of the 503 was kept back for it */
    assert_true(hf_result_flags(&b->result) & HF_RESULT_FALLBACK);
    hf_outcome outcome;
    assert_true(hf_result_outcome(&b->result, &outcome));
    assert_int_equal(outcome.code, 503);
}

static size_t count_line(char *line, size_t size, size_t count, void *arg) {
    (void)line;
    ++*(int *)arg;
    return size * count;
}

static int count_prereq(void *arg, char *their_ip, char *our_ip, int their_port, int our_port) {
    (void)our_ip, (void)their_port, (void)our_port;
    assert_string_equal(their_ip, "127.0.0.1");
    return ++*(int *)arg > 2 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static void the_callers_callbacks_are_chained(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, SERVER_OK);
    int lines = 0, requests = 0;
    b->options.header_function = count_line;
    b->options.header_data = &lines;
    b->options.prereq_function = count_prereq;
    b->options.prereq_data = &requests;
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_OK);
    assert_true(lines >= 3); /* status, a header, the blank line */
    assert_int_equal(requests, 1);
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_OK);
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_ABORTED_BY_CALLBACK); /* the caller's own veto */
    assert_int_equal(hf_result_attempts(&b->result), 1);
    assert_int_equal(door_bench_seen(b, "/ok"), 2);
    hf_curl_options_init(&b->options);
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_OK); /* and gone with the options */
    assert_int_equal(requests, 3);
}

static void the_callers_headers_go_along_and_stay_as_they_are(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nledger = X-Order\n[route /y]\nledger = Idempotency-Key\n");
    struct curl_slist *headers = curl_slist_append(NULL, "X-Order: 7");
    b->options.headers = headers;
    b->options.make_key = 1;
    b->options.body = HF_CURL_BODY_MEMORY;
    assert_int_equal(door_bench_post(b, "/x"), CURLE_OK);
    assert_int_equal(mockd_count(&b->mockd, "/x ledger ids"), 1);
    assert_int_equal(door_bench_post(b, "/y"), CURLE_OK);
    assert_int_equal(door_bench_post(b, "/y"), CURLE_OK);
    assert_int_equal(mockd_count(&b->mockd, "/y ledger ids"), 2); /* a key of its own for each call */
    assert_null(headers->next);
    /* the list is on the handle still, as if set by hand, and without our key */
    assert_int_equal(curl_easy_perform(b->easy), CURLE_OK);
    assert_int_equal(mockd_count(&b->mockd, "/y ledger ids"), 2);
    curl_easy_setopt(b->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
}

static void connections_are_kept(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, SERVER_OK);
    long connects = -1;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(door_bench_get(b, "/ok"), CURLE_OK);
        curl_easy_getinfo(b->easy, CURLINFO_NUM_CONNECTS, &connects);
        assert_int_equal(connects, i == 0 ? 1 : 0);
    }
}

/* A budget that was there at the blank line is gone at the end: the response is withheld, and not OK. */
static void a_withheld_response_is_never_ok(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nstatus = 503\nbody_bytes = 50\n");
    hf_cancel *cancel;
    assert_int_equal(hf_cancel_new(&cancel, NULL), 0);
    b->options.cancel = cancel;
    b->cancel_in_header = cancel; /* raised at the blank line */
    CURLcode code = door_bench_get(b, "/x");
    assert_true(code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_HTTP_RETURNED_ERROR);
    assert_int_equal(b->bytes, 0);
    assert_int_not_equal(hf_result_status(&b->result), HF_OK);
    hf_cancel_free(cancel);
}

static void a_replaced_rule_counts(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, "[route /x]\nstatus = 404\n[route /y]\nreset = 100\n");
    hf_curl_rule rule = hf_curl_status_rule(b->door, 404);
    assert_int_equal(rule.kind, HF_SUCCESS);
    rule.kind = HF_FAILURE;
    rule.repeat = HF_CURL_REPEAT_ANY;
    rule.max_repeats = 1;
    assert_int_equal(hf_curl_set_status_rule(b->door, 404, &rule, NULL), 0);
    assert_int_equal(door_bench_get(b, "/x"), CURLE_OK);
    assert_int_equal(hf_result_status(&b->result), HF_E_FAILED);
    assert_int_equal(hf_result_attempts(&b->result), 2);
    rule = hf_curl_code_rule(b->door, CURLE_RECV_ERROR, true);
    rule.repeat = HF_CURL_REPEAT_NEVER;
    assert_int_equal(hf_curl_set_code_rule(b->door, CURLE_RECV_ERROR, true, &rule, NULL), 0);
    assert_int_equal(door_bench_get(b, "/y"), CURLE_RECV_ERROR);
    assert_int_equal(hf_result_attempts(&b->result), 1);
    assert_int_equal(hf_curl_status_rule(NULL, 404).kind, HF_SUCCESS); /* the default is untouched */
}

static void bad_arguments_are_named(void **state) {
    struct door_bench *b = *state;
    door_bench_serve(b, SERVER_OK);
    hf_error error;
    hf_curl *door = b->door;
    assert_int_equal(hf_curl_new(&door, NULL, &error), HF_E_INVALID);
    assert_null(door);
    assert_non_null(strstr(hf_error_text(&error), "pipeline"));
    assert_int_equal(hf_curl_new(NULL, b->pipeline, &error), HF_E_INVALID);
    hf_curl_rule rule = {.kind = 9};
    assert_int_equal(hf_curl_set_status_rule(b->door, 503, &rule, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "rule.kind is 9"));
    rule.kind = HF_FAILURE;
    rule.repeat = 7;
    assert_int_equal(hf_curl_set_code_rule(b->door, CURLE_RECV_ERROR, true, &rule, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "rule.repeat is 7"));
    rule.repeat = 0;
    assert_int_equal(hf_curl_set_status_rule(b->door, 100, &rule, &error), HF_E_INVALID);
    assert_non_null(strstr(hf_error_text(&error), "200 to 999"));
    assert_int_equal(hf_curl_set_code_rule(b->door, CURLE_OK, true, &rule, &error), HF_E_INVALID);
    int rc = 0;
    for (long status = 200; rc == 0; status++) rc = hf_curl_set_status_rule(b->door, status, &rule, &error);
    assert_int_equal(rc, HF_E_STATE);
    hf_curl_free(NULL);

    assert_int_equal(hf_curl_perform(NULL, b->easy, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
    assert_int_equal(hf_curl_perform(b->door, NULL, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
    static const char *const bad_keys[] = {"", "a\"b", "a\\b", "a\nb", "\x80"};
    for (size_t i = 0; i < 5; i++) {
        b->options.idempotency_key = bad_keys[i];
        assert_int_equal(door_bench_get(b, "/ok"), CURLE_BAD_FUNCTION_ARGUMENT);
        assert_int_equal(hf_result_status(&b->result), HF_E_INVALID);
    }
    b->options.idempotency_key = NULL;
    b->options.body = HF_CURL_BODY_REWIND; /* without a rewind */
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_BAD_FUNCTION_ARGUMENT);
    b->options.body = 0;
    b->options.struct_size = 0;
    assert_int_equal(door_bench_get(b, "/ok"), CURLE_BAD_FUNCTION_ARGUMENT);
    assert_int_equal(door_bench_seen(b, "/ok"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, door_bench_setup, door_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_success_passes),
        T(a_404_is_delivered),
        T(a_503_is_repeated_and_its_body_kept_back),
        T(the_last_503_is_delivered),
        T(a_500_is_repeated_for_get_only),
        T(what_was_begun_is_not_repeated_unless_buffered),
        T(a_buffered_body_comes_in_one_piece),
        T(a_refused_post_is_repeated),
        T(a_post_is_repeated_after_a_reset_only_with_a_key),
        T(a_put_from_a_callback_needs_a_rewind),
        T(the_hidden_resend_of_a_post_is_vetoed),
        T(the_hidden_resend_of_a_get_is_counted_and_charged),
        T(cut_headers_are_no_success),
        T(retry_after_is_obeyed_or_too_long),
        T(a_rejection_is_couldnt_connect_and_sends_nothing),
        T(the_breaker_counts_by_the_table),
        T(a_fallback_is_ok),
        T(the_callers_callbacks_are_chained),
        T(the_callers_headers_go_along_and_stay_as_they_are),
        T(connections_are_kept),
        T(a_withheld_response_is_never_ok),
        T(a_replaced_rule_counts),
        T(bad_arguments_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
