/* SPDX-License-Identifier: MIT */
/* Redirects: off by default, bounded when on, and nothing secret goes to another origin. localhost and 127.0.0.1 are two
 * origins of one mockd. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

#define SERVER                                                                                                      \
    "[route /echo]\necho = on\n"                                                                                    \
    "[route /here]\nstatus = 302\nheader = Location: /echo\n[route /307]\nstatus = 307\nheader = Location: /echo\n" \
    "[route /303]\nstatus = 303\nheader = Location: /echo\n[route /loop]\nstatus = 302\nheader = Location: /loop\n" \
    "[route /file]\nstatus = 302\nheader = Location: file:///etc/passwd\n[route /none]\nstatus = 302\n"             \
    "[route /bad]\nstatus = 302\nheader = Location: http://\n"

static const hf_header secrets[] = {{"Authorization", "Bearer tell-nobody"},
                                    {"Cookie", "session=tell-nobody"},
                                    {"X-Api-Key", "tell-nobody"},
                                    {"X-Plain", "told"}};
static const char *const secret_names[] = {"X-Api-Key", NULL};

static void serve(struct client_bench *b, uint32_t redirects) {
    b->config.max_redirects = redirects;
    b->config.secret_headers = secret_names;
    client_bench_serve(b, SERVER);
    b->request.headers = secrets;
    b->request.header_count = 4;
}

/* A route that sends on to `path` at localhost. */
static void add_route_to_localhost(struct client_bench *b, const char *route, int status, const char *path) {
    char text[300];
    snprintf(text, sizeof text, "[route %s]\nstatus = %d\nheader = Location: http://localhost:%d%s\n", route, status,
             b->door.mockd.port, path);
    assert_int_equal(hf_client_post(b->client, "/_control", NULL, text, strlen(text), NULL, &b->error), HF_OK);
}

static bool echoed(const struct client_bench *b, const char *text) {
    return strstr(hf_response_body(b->response, NULL), text) != NULL;
}

static void they_are_off_by_default(void **state) {
    struct client_bench *b = *state;
    hf_client_config config;
    hf_client_config_init(&config);
    serve(b, config.max_redirects);
    assert_int_equal(client_bench_ask(b, "/here"), HF_OK);
    assert_int_equal(hf_response_status(b->response), 302);
    assert_string_equal(hf_response_header(b->response, "Location"), "/echo");
    assert_int_equal(client_bench_seen(b, "/echo"), 0);
}

static void one_to_the_same_origin_takes_everything_along(void **state) {
    struct client_bench *b = *state;
    serve(b, 3);
    assert_int_equal(client_bench_ask(b, "/here"), HF_OK);
    assert_int_equal(hf_response_status(b->response), 200);
    assert_int_equal(client_bench_attempts(b), 1);
    assert_true(echoed(b, "Bearer tell-nobody") && echoed(b, "X-Api-Key: tell-nobody") && echoed(b, "X-Plain: told"));
    assert_null(hf_response_header(b->response, "Location")); /* headers of the last response only */
}

static void nothing_secret_goes_to_another_origin(void **state) {
    struct client_bench *b = *state;
    serve(b, 3);
    add_route_to_localhost(b, "/away", 307, "/echo");
    assert_int_equal(client_bench_ask(b, "/away"), HF_OK);
    assert_int_equal(hf_response_status(b->response), 200);
    assert_true(echoed(b, "Host: localhost"));
    assert_true(echoed(b, "X-Plain: told"));
    assert_false(echoed(b, "tell-nobody"));
    add_route_to_localhost(b, "/back", 302, "/here"); /* nor on the way back, behind a stranger */
    assert_int_equal(client_bench_ask(b, "/back"), HF_OK);
    assert_false(echoed(b, "tell-nobody"));
}

static void methods_change_as_everywhere(void **state) {
    struct client_bench *b = *state;
    serve(b, 3);
    b->request.method = "POST";
    b->request.body = "amount=1";
    b->request.body_bytes = 8;
    b->request.content_type = "text/plain";
    assert_int_equal(client_bench_ask(b, "/307"), HF_OK);
    assert_true(echoed(b, "POST /echo") && echoed(b, "text/plain") && echoed(b, "amount=1"));
    const char *paths[] = {"/here", "/303"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_bench_ask(b, paths[i]), HF_OK);
        assert_true(echoed(b, "GET /echo"));
        assert_false(echoed(b, "text/plain") || echoed(b, "amount=1"));
    }
}

static void their_number_is_bounded(void **state) {
    struct client_bench *b = *state;
    serve(b, 5);
    assert_int_equal(client_bench_ask(b, "/loop"), HF_E_FAILED);
    assert_int_equal(client_bench_code(b), 47);
    assert_int_equal(client_bench_attempts(b), 1);
    assert_int_equal(client_bench_seen(b, "/loop"), 6);
}

static void other_protocols_are_refused(void **state) {
    struct client_bench *b = *state;
    serve(b, 3);
    assert_int_equal(client_bench_ask(b, "/file"), HF_E_FAILED);
    assert_int_equal(client_bench_code(b), 1);
    assert_int_equal(client_bench_ask(b, "/none"), HF_OK); /* a 302 that points nowhere is an answer */
    assert_int_equal(hf_response_status(b->response), 302);
}

static void its_body_is_not_streamed(void **state) {
    struct client_bench *b = *state;
    serve(b, 3);
    assert_int_equal(client_bench_ask(b, "/here"), HF_OK);
    size_t bytes;
    assert_non_null(strstr(hf_response_body(b->response, &bytes), "GET /echo"));
    assert_true(strncmp(hf_response_body(b->response, NULL), "GET /echo", 9) == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(they_are_off_by_default),
        T(one_to_the_same_origin_takes_everything_along),
        T(nothing_secret_goes_to_another_origin),
        T(methods_change_as_everywhere),
        T(their_number_is_bounded),
        T(other_protocols_are_refused),
        T(its_body_is_not_streamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
