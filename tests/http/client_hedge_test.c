/* SPDX-License-Identifier: MIT */
/* Two attempts of one call in the same loop: the first success wins, nothing mixes, and what must not be sent twice is
 * not. Attempt 1 is slow by a rule of mockd's, attempt 2 is not. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

#define DELAY_MS 30
#define ROUTES \
    "[route /slow]\necho = on\n[route /both]\nstatus = 200\n[route /early]\necho = on\n[route /bad]\nstatus = 200\n"
#define RULES                                                                                                   \
    "[rule one /slow]\nwhen_header = X-Attempt\nwhen_value = 1\nlatency = fixed 2000\n"                         \
    "[rule two /both]\nwhen_header = X-Attempt\nwhen_value = 1\nlatency = fixed 60\nbody_bytes = 101\ndrip = "  \
    "100\ndrip_ms = 2\n"                                                                                        \
    "[rule three /both]\nwhen_header = X-Attempt\nwhen_value = 2\nlatency = fixed 40\nbody_bytes = 77\ndrip = " \
    "100\ndrip_ms = 2\n"                                                                                        \
    "[rule four /early]\nwhen_header = X-Attempt\nwhen_value = 1\ndrip = 100\ndrip_ms = 2\n"                    \
    "[rule five /bad]\nwhen_header = X-Attempt\nwhen_value = 1\nlatency = fixed 200\n"                          \
    "[rule six /bad]\nwhen_header = X-Attempt\nwhen_value = 2\nreset = 100\n"

static hf_hedge *hedge;
static hf_pipeline *pipeline;
static hf_client *client;
static hf_request request;
static hf_response *response;

static int setup(void **state) {
    if (client_bench_setup(state) != 0) return -1;
    struct client_bench *b = *state;
    hf_hedge_config config;
    hf_hedge_config_init(&config);
    config.delay_ms = DELAY_MS;
    client_bench_serve(b, ROUTES RULES);
    b->config.attempt_header = "X-Attempt";
    b->config.threads = 1;
    assert_int_equal(hf_hedge_new(&hedge, "hedge", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_hedge_policy(hedge)};
    assert_int_equal(hf_pipeline_new(&pipeline, "hedged", order, 1, NULL), 0);
    assert_int_equal(hf_client_new(&client, "hedged", pipeline, &b->config, NULL), 0);
    hf_request_init(&request);
    response = NULL;
    return 0;
}

static int teardown(void **state) {
    hf_response_free(response);
    hf_client_free(client);
    hf_pipeline_free(pipeline);
    hf_hedge_free(hedge);
    return client_bench_teardown(state);
}

static int ask(const char *path) {
    hf_response_free(response);
    request.url = path;
    return hf_client_request(client, &request, &response, NULL);
}

static uint32_t attempts(void) { return hf_result_attempts(hf_response_result(response)); }

static bool echoed(const char *text) { return strstr(hf_response_body(response, NULL), text) != NULL; }

static void the_second_attempt_wins(void **state) {
    struct client_bench *b = *state;
    hf_time begin = hf_clock_now(NULL);
    assert_int_equal(ask("/slow"), HF_OK);
    assert_true(client_bench_ms_since(begin) < 1000);
    assert_int_equal(attempts(), 2);
    assert_true(echoed("X-Attempt: 2"));
    assert_string_equal(hf_response_text(response), "");
    assert_int_equal(client_bench_seen(b, "/slow"), 2);
    hf_hedge_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_hedge_snapshot(hedge, &info), 0);
    assert_int_equal(info.won, 1);
}

static void what_must_not_be_sent_twice_is_not(void **state) {
    struct client_bench *b = *state;
    request.method = "POST";
    assert_int_equal(ask("/slow"), HF_OK);
    assert_int_equal(attempts(), 1);
    request.method = "PUT";
    request.idempotent = HF_REQUEST_NOT_IDEMPOTENT;
    assert_int_equal(ask("/slow"), HF_OK);
    assert_int_equal(attempts(), 1);
    assert_int_equal(client_bench_seen(b, "/slow"), 2);
}

/* Both attempts carry the same key. */
static void a_post_with_a_key_is_hedged(void **state) {
    struct client_bench *b = *state;
    request.method = "POST";
    request.idempotency_key = "order-7";
    assert_int_equal(ask("/slow"), HF_OK);
    assert_int_equal(attempts(), 2);
    assert_true(echoed("Idempotency-Key: \"order-7\""));
    assert_int_equal(client_bench_seen(b, "/slow"), 2);
}

static void a_failed_hedge_does_not_beat_a_running_attempt(void **state) {
    (void)state;
    assert_int_equal(ask("/bad"), HF_OK);
    assert_int_equal(attempts(), 2);
    assert_int_equal(hf_response_status(response), 200);
}

/* ---- streaming ---- */

struct sink {
    char text[4096];
    size_t bytes;
};

static int on_body(void *arg, const hf_response *from, const void *data, size_t bytes) {
    struct sink *sink = arg;
    (void)from;
    if (sink->bytes + bytes >= sizeof sink->text) return 1;
    memcpy(sink->text + sink->bytes, data, bytes);
    sink->bytes += bytes;
    return 0;
}

/* Both answers come at nearly the same time, byte by byte. */
static void streamed_bodies_never_interleave(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct sink sink = {.bytes = 0};
        request.on_body = on_body;
        request.on_body_arg = &sink;
        assert_int_equal(ask("/both"), HF_OK);
        char length[24];
        snprintf(length, sizeof length, "%zu", sink.bytes);
        assert_string_equal(hf_response_header(response, "Content-Length"), length);
        assert_true(sink.bytes == 101 || sink.bytes == 77); /* of one attempt, all of it, in order */
        for (size_t at = 0; at < sink.bytes; at++) assert_int_equal(sink.text[at], 'a' + (int)(at % 26));
    }
}

static void the_first_byte_ends_hedging(void **state) {
    struct client_bench *b = *state;
    struct sink sink = {.bytes = 0};
    request.on_body = on_body;
    request.on_body_arg = &sink;
    assert_int_equal(ask("/early"), HF_OK); /* takes far longer than the delay, but has begun */
    assert_int_equal(attempts(), 1);
    assert_int_equal(client_bench_seen(b, "/early"), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(the_second_attempt_wins),          T(what_must_not_be_sent_twice_is_not),
        T(a_post_with_a_key_is_hedged),      T(a_failed_hedge_does_not_beat_a_running_attempt),
        T(streamed_bodies_never_interleave), T(the_first_byte_ends_hedging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
