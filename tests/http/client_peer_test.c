/* SPDX-License-Identifier: MIT */
/* The client against servers that are not ours (nginx, nghttpd), and over TLS. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"
#include "support/real_server.h"

#include <holdfast/holdfast.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- TLS ---- */

/* What a request to a mockd with this certificate comes to. */
static int ask_tls(struct client_bench *b, const char *certificate, bool trust) {
    client_bench_open_tls(b, "[route /ok]\nbody_bytes = 10\n", certificate, trust);
    return client_bench_ask(b, "/ok");
}

static void a_good_certificate_is_accepted(void **state) {
    struct client_bench *b = *state;
    assert_int_equal(ask_tls(b, "good", true), HF_OK);
    assert_int_equal(hf_response_status(b->response), 200);
}

/* Verification is on by default; what fails it is not tried again at the same peer. */
static void others_are_refused_at_once(void **state) {
    struct client_bench *b = *state;
    static const char *const certificates[] = {"expired", "wrong-host", "unknown-ca"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(i < 3 ? ask_tls(b, certificates[i], true) : ask_tls(b, "good", false), HF_E_FAILED);
        assert_int_equal(client_bench_code(b), 60);
        assert_int_equal(client_bench_attempts(b), 1);
        assert_int_equal(hf_response_status(b->response), 0);
        assert_true(strlen(hf_response_text(b->response)) > 0);
    }
}

/* ---- what must not be told ---- */

static void credentials_are_in_no_text(void **state) {
    struct client_bench *b = *state;
    static const hf_header secret = {"Authorization", "Bearer hunter2"};
    char said[400];
    client_bench_open_nobody(b);
    char url[100];
    snprintf(url, sizeof url, "http://me:hunter2@%s/?token=hunter2", b->door.url + 7);
    b->request.headers = &secret;
    b->request.header_count = 1;
    assert_int_equal(client_bench_ask(b, url), HF_E_FAILED);
    (void)hf_result_describe(hf_response_result(b->response), said, sizeof said);
    assert_null(strstr(said, "hunter2"));
    assert_null(strstr(hf_response_text(b->response), "hunter2"));
    const char *bad[] = {"ftp://me:hunter2@host/", "http://me:hunter2@[::/", "http://me:hunter2@host:99999/",
                         "http://me:hunter2 @h"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int rc = client_bench_ask(b, bad[i]);
        assert_true(rc == HF_E_INVALID || rc == HF_E_FAILED);
        assert_null(strstr(rc == HF_E_INVALID ? hf_error_text(&b->error) : hf_response_text(b->response), "hunter2"));
    }
}

/* ---- nginx: it closes kept-alive connections whenever it is told to read its configuration again ---- */

#define POSTERS 8
#define RELOADS 10

static atomic_bool enough;
static atomic_int made, failed;

static void *post_often(void *arg) {
    struct client_bench *b = arg;
    while (!atomic_load(&enough)) {
        char id[16];
        hf_header header = {"X-Id", id};
        hf_request request;
        hf_request_init(&request);
        request.method = "POST";
        request.url = "/";
        request.body = "amount=1";
        request.body_bytes = 8;
        request.headers = &header;
        request.header_count = 1;
        snprintf(id, sizeof id, "%d", atomic_fetch_add(&made, 1));
        if (hf_client_request(b->client, &request, NULL, NULL) != HF_OK) atomic_fetch_add(&failed, 1);
    }
    return NULL;
}

/* How many ids stand in the log more than once; `*out_lines` is how many there are. */
static int count_duplicates(const struct real_server *server, int *out_lines) {
    char path[96], line[64];
    int duplicates = 0, limit = atomic_load(&made);
    unsigned char *seen = calloc((size_t)limit, 1);
    snprintf(path, sizeof path, "%s/log", server->directory);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(seen);
    for (*out_lines = 0; fgets(line, sizeof line, file) != NULL; ++*out_lines) {
        long id = strtol(line, NULL, 10);
        assert_true(id >= 0 && id < limit);
        duplicates += seen[id]++ > 0;
    }
    fclose(file);
    free(seen);
    return duplicates;
}

static void no_post_is_doubled_when_connections_die(void **state) {
    struct client_bench *b = *state;
    struct real_server nginx;
    char base[64];
    pthread_t posters[POSTERS];
    if (!real_nginx_start(&nginx, true)) skip();
    snprintf(base, sizeof base, "http://127.0.0.1:%d", nginx.port);
    client_bench_open(b, base);
    atomic_store(&enough, false);
    for (int i = 0; i < POSTERS; i++) assert_int_equal(pthread_create(&posters[i], NULL, post_often, b), 0);
    for (int i = 0; i < RELOADS; i++) {
        client_bench_sleep_ms(60);
        assert_int_equal(kill(nginx.pid, SIGHUP), 0);
    }
    client_bench_sleep_ms(60);
    atomic_store(&enough, true);
    for (int i = 0; i < POSTERS; i++) pthread_join(posters[i], NULL);
    int lines, duplicates = count_duplicates(&nginx, &lines);
    print_message("           %d POSTs, %d reached nginx, %d failed, %d doubled\n", atomic_load(&made), lines,
                  atomic_load(&failed), duplicates);
    real_server_stop(&nginx, SIGTERM);
    assert_true(lines > 100);
    assert_int_equal(duplicates, 0);
}

/* ---- HTTP/2 with a server that does it well ---- */

#define STREAMS 50

/* libcurl 7.88 fails a request with code 16 on a connection where a stream was reset before, as nghttpd does after its
 * 404. So all streams must be under way before the first is answered: the thread sanitizer is too slow for that. */
static void many_streams_share_a_connection(void **state) {
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    struct client_bench *b = *state;
    struct real_server nghttpd;
    hf_completions *queue;
    hf_response *response;
    void *tag;
    int answered = 0;
    char base[64];
    if (!real_nghttpd_start(&nghttpd, 0)) skip();
    snprintf(base, sizeof base, "http://127.0.0.1:%d", nghttpd.port);
    b->config.http_version = HF_HTTP_2_PRIOR;
    b->config.threads = 1;
    client_bench_open(b, base);
    assert_int_equal(hf_completions_new(&queue, NULL), 0);
    b->request.url = "/none";
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(hf_client_submit_queued(b->client, &b->request, queue, NULL, NULL), 0);
    }
    while (hf_client_in_flight(b->client) > 0) client_bench_sleep_ms(5);
    client_bench_sleep_ms(20);
    for (; hf_completions_next(queue, &tag, &response); hf_response_free(response)) {
        answered += hf_response_status(response) == 404;
    }
    hf_completions_free(queue);
    assert_int_equal(answered, STREAMS);
    /* Killed, it is gone; started again, the client finds it. */
    int port = nghttpd.port;
    real_server_stop(&nghttpd, SIGKILL);
    assert_int_equal(client_bench_ask(b, "/none"), HF_E_FAILED);
    assert_int_equal(client_bench_attempts(b), 3);
    assert_true(real_nghttpd_start(&nghttpd, port));
    assert_int_equal(client_bench_ask(b, "/none"), HF_OK);
    assert_int_equal(hf_response_status(b->response), 404);
    real_server_stop(&nghttpd, SIGTERM);
}

#define T(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_good_certificate_is_accepted),          T(others_are_refused_at_once),      T(credentials_are_in_no_text),
        T(no_post_is_doubled_when_connections_die), T(many_streams_share_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
