/* SPDX-License-Identifier: MIT */
/* Pitfalls of what is sent, how often, and what comes back (tests/http/pitfalls.md). */
#include "support/h2_refuser.h"
#include "support/pitfall_bench.h"

#include <holdfast/holdfast.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool echoed(const struct client_bench *b, const char *text) {
    return strstr(hf_response_body(b->response, NULL), text) != NULL;
}

/* The kept-alive connection dies just as the POST has arrived; libcurl would send it again by itself. */
PITFALL(01, silent_resend) {
    client_bench_serve(b, "[route /ok]\nstatus = 200\n[route /pay]\nstale = 100\n");
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    b->request.method = "POST";
    b->request.body = "amount=1";
    b->request.body_bytes = 8;
    int rc = client_bench_ask(b, "/pay");
    return rc == HF_E_FAILED && client_bench_code(b) == 42 && client_bench_seen(b, "/pay") == 1;
}

/* REFUSED_STREAM: libcurl sends six times without any pause. */
PITFALL(02, refused_stream) {
    struct h2_refuser server;
    assert_true(h2_refuser_start(&server, H2_RESET, 7));
    b->door.attempts = 1;
    b->config.http_version = HF_HTTP_2_PRIOR;
    client_bench_open(b, server.url);
    int rc = client_bench_ask(b, "/");
    h2_refuser_stop(&server);
    return rc == HF_E_FAILED && atomic_load(&server.requests) == 1;
}

/* A POST that never got a connection is safe to repeat; code 28 alone does not say that it did not. */
PITFALL(05, what_timed_out) {
    b->door.attempt_ms = 50;
    client_bench_open_blackhole(b);
    b->request.method = "POST";
    b->request.body = "amount=1";
    b->request.body_bytes = 8;
    int rc = client_bench_ask(b, "/");
    return rc == HF_E_TIMEOUT && client_bench_attempts(b) == 3;
}

/* Longer than any deadline; CURLINFO_RETRY_AFTER wraps and reads it as nothing. */
PITFALL(07, retry_after) {
    client_bench_serve(b, "[route /x]\nstatus = 503\nheader = Retry-After: 99999999999999999999\n");
    int rc = client_bench_ask(b, "/x");
    return rc == HF_E_FAILED && client_bench_attempts(b) == 1 &&
           hf_result_reason(hf_response_result(b->response)) == HF_REASON_HINT_TOO_LONG;
}

PITFALL(08, cut_headers_are_no_success) {
    client_bench_serve(b, "[route /x]\ncut_headers = 100\n");
    int rc = client_bench_ask(b, "/x");
    return rc == HF_E_FAILED && client_bench_code(b) == 18 && hf_response_status(b->response) == 0;
}

/* The second attempt must send the body from its start. */
PITFALL(16, uploads_begin_anew) {
    char path[] = "/tmp/hf_pitfall_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "0123456789", 10), 10);
    close(file);
    client_bench_serve(b,
                       "[route /x]\necho = on\n[rule one /x]\nwhen_header = Host\nwhen_nth = 1\nlose_answer = 100\n");
    b->door.attempts = 2;
    b->request.method = "PUT";
    b->request.body_file = path;
    b->request.timeout_ms = 2000;
    int rc = client_bench_ask(b, "/x");
    unlink(path);
    return rc == HF_OK && client_bench_attempts(b) == 2 && echoed(b, "0123456789");
}

PITFALL(17, no_expect_100) {
    size_t bytes = 1100000;
    char *body = calloc(1, bytes);
    assert_non_null(body);
    client_bench_serve(b, "[route /x]\necho = on\n");
    b->request.method = "PUT";
    b->request.body = body;
    b->request.body_bytes = bytes;
    int rc = client_bench_ask(b, "/x");
    b->request.body = NULL;
    free(body);
    return rc == HF_OK && !echoed(b, "Expect:");
}

/* Half a body of the first attempt in front of the second's. */
PITFALL(18, failed_attempts_do_not_leak) {
    client_bench_serve(
        b, "[route /x]\nbody_bytes = 100\n[rule one /x]\nwhen_header = Host\nwhen_nth = 1\ntruncate = 100\n");
    size_t bytes;
    int rc = client_bench_ask(b, "/x");
    (void)hf_response_body(b->response, &bytes);
    return rc == HF_OK && client_bench_attempts(b) == 2 && bytes == 100;
}

/* The error buffer belongs to the attempt, and is the only place that says what was wrong. */
PITFALL(21, error_text) {
    client_bench_serve(b, "[route /x]\ngarbage_status = 100\n");
    int rc = client_bench_ask(b, "/x");
    return rc == HF_E_FAILED && client_bench_code(b) == 1 && strstr(hf_response_text(b->response), "HTTP/0.9") != NULL;
}

PITFALL(24, secrets_do_not_follow_redirects) {
    static const char *const names[] = {"X-Api-Key", NULL};
    static const hf_header secret = {"X-Api-Key", "tell-nobody"};
    char text[200];
    b->config.max_redirects = 3;
    b->config.secret_headers = names;
    client_bench_serve(b, "[route /echo]\necho = on\n");
    snprintf(text, sizeof text, "[route /away]\nstatus = 302\nheader = Location: http://localhost:%d/echo\n",
             b->door.mockd.port);
    assert_int_equal(hf_client_post(b->client, "/_control", NULL, text, strlen(text), NULL, NULL), HF_OK);
    b->request.headers = &secret;
    b->request.header_count = 1;
    int rc = client_bench_ask(b, "/away");
    return rc == HF_OK && echoed(b, "GET /echo") && !echoed(b, "tell-nobody");
}

/* Another caller's cookie on the same handle. */
PITFALL(26, no_cookies_cross) {
    client_bench_serve(b, "[route /login]\nheader = Set-Cookie: session=abc\n[route /echo]\necho = on\n");
    assert_int_equal(client_bench_ask(b, "/login"), HF_OK);
    int rc = client_bench_ask(b, "/echo");
    return rc == HF_OK && !echoed(b, "session=abc");
}

/* ---- what HTTP/2 says when it refuses: no cure to switch off, the classification itself ---- */

static uint32_t attempts_of(struct client_bench *b, enum h2_refusal how, uint32_t code, const char *method,
                            int *out_kind) {
    struct h2_refuser server;
    hf_attempt_record record;
    assert_true(h2_refuser_start(&server, how, code));
    b->config.http_version = HF_HTTP_2_PRIOR;
    client_bench_open(b, server.url);
    b->request.method = method;
    assert_int_equal(client_bench_ask(b, "/"), HF_E_FAILED);
    assert_true(hf_result_attempt(hf_response_result(b->response), 1, &record));
    *out_kind = record.kind;
    uint32_t attempts = client_bench_attempts(b);
    print_message("           %s, HTTP/2 error %u: code %d, %s\n", method, code, client_bench_code(b),
                  hf_response_text(b->response));
    assert_int_equal(atomic_load(&server.requests), attempts);
    h2_refuser_stop(&server);
    return attempts;
}

static void http2_refusals_are_told_apart(void **state) {
    struct client_bench *b = *state;
    int kind;
    assert_int_equal(attempts_of(b, H2_RESET, 11, "GET", &kind), 3); /* ENHANCE_YOUR_CALM */
    assert_int_equal(kind, HF_THROTTLED);
    assert_int_equal(attempts_of(b, H2_RESET, 2, "GET", &kind), 3); /* INTERNAL_ERROR */
    assert_int_equal(kind, HF_FAILURE);
    assert_int_equal(attempts_of(b, H2_RESET, 2, "POST", &kind), 1);
    assert_int_equal(attempts_of(b, H2_GOAWAY, 0, "GET", &kind), 3);
    assert_int_equal(kind, HF_FAILURE);
    assert_int_equal(attempts_of(b, H2_GOAWAY, 0, "POST", &kind), 1);
}

#define T(name) cmocka_unit_test(name)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(pitfall_01_silent_resend),
        T(pitfall_02_refused_stream),
        T(pitfall_05_what_timed_out),
        T(pitfall_07_retry_after),
        T(pitfall_08_cut_headers_are_no_success),
        T(pitfall_16_uploads_begin_anew),
        T(pitfall_17_no_expect_100),
        T(pitfall_18_failed_attempts_do_not_leak),
        T(pitfall_21_error_text),
        T(pitfall_24_secrets_do_not_follow_redirects),
        T(pitfall_26_no_cookies_cross),
        cmocka_unit_test_setup_teardown(http2_refusals_are_told_apart, client_bench_setup, client_bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
