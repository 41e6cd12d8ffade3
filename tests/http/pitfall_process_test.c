/* SPDX-License-Identifier: MIT */
/* Pitfalls of the process around libcurl: signals, fork, environment, versions, and of several attempts at once
 * (tests/http/pitfalls.md). */
#include "support/pitfall_bench.h"

#include "http/classify.h"
#include "http/libcurl_ready.h"

#include <holdfast/adapters/epoll.h>
#include <holdfast/holdfast.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define FORKS false /* its run time refuses threads in a child of a program with threads */
#else
#define FORKS true
#endif

/* OS_ERRNO stays on the handle: what it says goes with a failed connect only. */
PITFALL(09, errno_is_sticky) {
    (void)b;
    struct hf__ending ending = {.code = CURLE_GOT_NOTHING, .reached = true, .attempt = 1, .os_errno = EMFILE};
    if (hf__classify(NULL, &ending).kind != HF_FAILURE) return false;
    ending.code = CURLE_COULDNT_CONNECT;
    return hf__classify(NULL, &ending).kind == HF_NEUTRAL;
}

static volatile sig_atomic_t pipes;
static void count_pipe(int signal_number) {
    (void)signal_number;
    pipes++;
}

static int ended;
static void raise_pipe(void *arg, hf_response *response) {
    (void)arg;
    hf_response_free(response);
    (void)raise(SIGPIPE); /* as OpenSSL does when it says goodbye to a peer that has gone */
    ended++;
}

/* In the program's own thread: what comes up while libcurl works must not reach it. */
PITFALL(11, sigpipe_stays_inside) {
    hf_epoll loop;
    assert_int_equal(hf_epoll_init(&loop), 0);
    hf_client_hooks hooks = hf_epoll_hooks(&loop);
    b->config.hooks = &hooks;
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    loop.client = b->client;
    struct sigaction count = {.sa_handler = count_pipe}, before;
    assert_int_equal(sigaction(SIGPIPE, &count, &before), 0);
    pipes = 0;
    ended = 0;
    b->request.url = "/ok";
    assert_int_equal(hf_client_submit(b->client, &b->request, raise_pipe, NULL, NULL), 0);
    for (int i = 0; i < 100 && ended == 0; i++) hf_epoll_run(&loop, 100);
    int seen = pipes;
    assert_int_equal(ended, 1);
    assert_int_equal(raise(SIGPIPE), 0); /* the program's own still arrives */
    assert_int_equal(pipes, seen + 1);
    assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
    hf_client_free(b->client);
    b->client = NULL;
    hf_epoll_fini(&loop);
    return seen == 0;
}

/* A child that used what it inherited would wait for threads that are not there. */
PITFALL(12, a_child_starts_afresh) {
    int status;
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    pid_t child = fork();
    if (child == 0) {
        b->request.timeout_ms = 1500;
        int rc = hf_client_request(b->client, &b->request, NULL, NULL);
        _exit(rc == HF_OK ? 0 : 1);
    }
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* libcurl takes anything but 0 from a socket callback for "abort them all". */
PITFALL(19, callbacks_return_what_they_must) {
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    b->request.timeout_ms = 500;
    return client_bench_ask(b, "/ok") == HF_OK;
}

struct sink {
    char text[512];
    size_t bytes;
};

static int on_body(void *arg, const hf_response *from, const void *data, size_t bytes) {
    struct sink *sink = arg;
    (void)from;
    if (sink->bytes + bytes > sizeof sink->text) return 1;
    memcpy(sink->text + sink->bytes, data, bytes);
    sink->bytes += bytes;
    return 0;
}

/* Two attempts that answer at the same time, byte by byte: each has its own handle and buffers, one may speak. */
PITFALL(22, attempts_share_nothing) {
    hf_hedge_config config;
    hf_hedge *hedge;
    hf_pipeline *pipeline;
    hf_client *client;
    struct sink sink = {.bytes = 0};
    hf_hedge_config_init(&config);
    config.delay_ms = 20;
    client_bench_serve(b, "[route /x]\nbody_bytes = 100\ndrip = 100\ndrip_ms = 5\nlatency = fixed 60\n");
    assert_int_equal(hf_hedge_new(&hedge, "hedge", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_hedge_policy(hedge)};
    assert_int_equal(hf_pipeline_new(&pipeline, "hedged", order, 1, NULL), 0);
    assert_int_equal(hf_client_new(&client, "hedged", pipeline, &b->config, NULL), 0);
    b->request.url = "/x";
    b->request.on_body = on_body;
    b->request.on_body_arg = &sink;
    int rc = hf_client_request(client, &b->request, NULL, NULL);
    b->request.on_body_arg = NULL;
    hf_client_free(client);
    hf_pipeline_free(pipeline);
    hf_hedge_free(hedge);
    bool right = rc == HF_OK && sink.bytes == 100;
    for (size_t i = 0; i < sink.bytes; i++) right = right && sink.text[i] == 'a' + (int)(i % 26);
    return right;
}

PITFALL(25, an_old_libcurl_is_refused) {
    hf_error error;
    (void)b;
    if (hf__libcurl_check_version("hf_client_new", 0x075300, "7.83.0", &error) != HF_E_UNSUPPORTED) return false;
    return strstr(hf_error_text(&error), "libcurl 7.83.0 found, 7.84.0 or later expected") != NULL &&
           hf__libcurl_check_version("hf_client_new", 0x075400, "7.84.0", &error) == 0;
}

/* A proxy of the environment would be what the breaker measures. */
PITFALL(27, environment_proxies_are_ignored) {
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    int rc = client_bench_ask(b, "/ok");
    assert_int_equal(unsetenv("http_proxy"), 0);
    return rc == HF_OK;
}

/* ---- without a switch: what fails then is not a result but a race or a crash ---- */

/* libcurl is initialised once and never cleaned up: the program's own handles go on when clients come and go. */
static void pitfall_13_global_init(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    for (int i = 0; i < 3; i++) {
        hf_client *client;
        assert_int_equal(hf_client_new(&client, "short", b->door.pipeline, &b->config, NULL), 0);
        assert_int_equal(hf_client_get(client, "/ok", NULL, NULL), HF_OK);
        hf_client_free(client);
        assert_int_equal(door_bench_get(&b->door, "/ok"), CURLE_OK);
    }
}

/* Lanes share names and TLS sessions, never connections: under the thread sanitizer this is clean. */
static void pitfall_23_connections_are_not_shared(void **state) {
    struct client_bench *b = *state;
    hf_completions *queue;
    hf_response *response;
    void *tag;
    int ok = 0;
    b->config.threads = 4;
    client_bench_serve(b, "[route /ok]\nstatus = 200\n");
    assert_int_equal(hf_completions_new(&queue, NULL), 0);
    b->request.url = "/ok";
    for (int i = 0; i < 200; i++)
        assert_int_equal(hf_client_submit_queued(b->client, &b->request, queue, NULL, NULL), 0);
    while (hf_client_in_flight(b->client) > 0) client_bench_sleep_ms(5);
    client_bench_sleep_ms(20);
    for (; hf_completions_next(queue, &tag, &response); hf_response_free(response))
        ok += hf_response_status(response) == 200;
    hf_completions_free(queue);
    assert_int_equal(ok, 200);
}

static void pitfall_12_where_threads_may_fork(void **state) {
    if (!FORKS) skip();
    pitfall_12_a_child_starts_afresh(state);
}

#define B(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pitfall_09_errno_is_sticky),
        cmocka_unit_test(pitfall_11_sigpipe_stays_inside),
        cmocka_unit_test(pitfall_12_where_threads_may_fork),
        B(pitfall_13_global_init),
        cmocka_unit_test(pitfall_19_callbacks_return_what_they_must),
        cmocka_unit_test(pitfall_22_attempts_share_nothing),
        B(pitfall_23_connections_are_not_shared),
        cmocka_unit_test(pitfall_25_an_old_libcurl_is_refused),
        cmocka_unit_test(pitfall_27_environment_proxies_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
