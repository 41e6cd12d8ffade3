/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "support/client_bench.h"

#include "support/cmocka_all.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int client_bench_setup(void **state) {
    struct client_bench *b = calloc(1, sizeof *b);
    void *door;
    assert_non_null(b);
    assert_int_equal(door_bench_setup(&door), 0);
    memcpy(&b->door, door, sizeof b->door);
    free(door);
    hf_client_config_init(&b->config);
    *state = b;
    return 0;
}

static void close_client(struct client_bench *b) {
    hf_response_free(b->response);
    b->response = NULL;
    hf_client_free(b->client);
    b->client = NULL;
}

int client_bench_teardown(void **state) {
    struct client_bench *b = *state;
    close_client(b);
    door_bench_close(&b->door);
    free(b);
    return 0;
}

static void open_client(struct client_bench *b, const char *base_url) {
    b->config.base_url = base_url;
    int rc = hf_client_new(&b->client, "bench", b->door.pipeline, &b->config, &b->error);
    if (rc < 0) fail_msg("%s", hf_error_text(&b->error));
    hf_request_init(&b->request);
}

void client_bench_serve(struct client_bench *b, const char *scenario) {
    close_client(b);
    door_bench_serve(&b->door, scenario);
    open_client(b, b->door.url);
}

void client_bench_open(struct client_bench *b, const char *base_url) {
    close_client(b);
    door_bench_open(&b->door);
    open_client(b, base_url);
}

void client_bench_open_tls(struct client_bench *b, const char *scenario, const char *certificate, bool trust) {
    close_client(b);
    door_bench_open(&b->door);
    assert_true(mockd_start_tls(&b->door.mockd, HF_MOCKD_PATH, scenario, certificate));
    b->config.ca_file = trust ? b->door.mockd.ca_file : NULL;
    open_client(b, b->door.mockd.url);
}

void client_bench_open_nobody(struct client_bench *b) {
    close_client(b);
    door_bench_nobody(&b->door);
    open_client(b, b->door.url);
}

/* A listener whose short queue is full drops further attempts to connect. */
void client_bench_open_blackhole(struct client_bench *b) {
    static char url[48];
    static int listener = -1;
    if (listener < 0) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof address;
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(listener, 0), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
        snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
        for (int i = 0; i < 4; i++) {
            int filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            (void)connect(filler, (struct sockaddr *)&address, sizeof address);
        }
        client_bench_sleep_ms(20);
    }
    client_bench_open(b, url);
}

int client_bench_ask(struct client_bench *b, const char *path) {
    hf_response_free(b->response);
    b->request.url = path;
    return hf_client_request(b->client, &b->request, &b->response, &b->error);
}

int client_bench_code(const struct client_bench *b) {
    hf_outcome outcome;
    assert_true(hf_result_outcome(hf_response_result(b->response), &outcome));
    return outcome.code;
}

uint32_t client_bench_attempts(const struct client_bench *b) {
    return hf_result_attempts(hf_response_result(b->response));
}

long client_bench_seen(const struct client_bench *b, const char *path) { return door_bench_seen(&b->door, path); }

double client_bench_ms_since(hf_time at) { return (double)(hf_clock_now(NULL) - at) / 1e6; }

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void client_bench_check_median(double *ms, int count, double bound_ms) {
    qsort(ms, (size_t)count, sizeof *ms, by_value);
    print_message("           median %.2f ms, slowest %.2f ms\n", ms[count / 2], ms[count - 1]);
    assert_true(ms[0] >= 0);
    assert_true(ms[count / 2] <= bound_ms);
    assert_true(ms[count - 1] <= 10 * bound_ms);
}

void client_bench_sleep_ms(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}
