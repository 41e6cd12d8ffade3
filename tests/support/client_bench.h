/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_CLIENT_BENCH_H
#define HF_TESTS_SUPPORT_CLIENT_BENCH_H

/* A client with the policies and the server of a door_bench, for tests of the client. */

#include "support/door_bench.h"

#include <holdfast/client.h>

struct client_bench {
    struct door_bench door;  /* its policies and its server; set attempts, backoff_ms ... there */
    hf_client_config config; /* to be changed before the server starts; base_url is set from it */
    hf_client *client;
    hf_request request;    /* made anew by client_bench_serve */
    hf_response *response; /* of the last client_bench_ask; freed by the bench */
    hf_error error;
};

int client_bench_setup(void **state);
int client_bench_teardown(void **state);

/* Starts a mockd with this scenario, in place of an earlier one, with a fresh client. */
void client_bench_serve(struct client_bench *bench, const char *scenario);

/* A client to a base URL, with fresh policies and no server. */
void client_bench_open(struct client_bench *bench, const char *base_url);

/* A client to a mockd with this certificate (mockd_start_tls), whose authority it trusts or not. */
void client_bench_open_tls(struct client_bench *bench, const char *scenario, const char *certificate, bool trust);

/* A client to a port where nobody listens. */
void client_bench_open_nobody(struct client_bench *bench);

/* A client to a port that never answers a connect. */
void client_bench_open_blackhole(struct client_bench *bench);

/* Makes bench->request to `path`; the response is in bench->response. */
int client_bench_ask(struct client_bench *bench, const char *path);

/* The code of the last outcome. */
int client_bench_code(const struct client_bench *bench);

uint32_t client_bench_attempts(const struct client_bench *bench);

/* Requests that the server saw on a route. */
long client_bench_seen(const struct client_bench *bench, const char *path);

/* Milliseconds since `at`, and a check of the median of `count` of them. */
double client_bench_ms_since(hf_time at);
void client_bench_check_median(double *ms, int count, double bound_ms);

void client_bench_sleep_ms(long ms);

#endif
