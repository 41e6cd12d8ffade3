/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_DOOR_BENCH_H
#define HF_TESTS_SUPPORT_DOOR_BENCH_H

/* A door, an easy handle and a mockd for tests of the door: fallback (on request), retry with a constant
 * back-off, breaker, attempt timeout (on request). Policies are made when the server starts, so that tests can
 * set what they want before. */

#include "support/mockd_process.h"

#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#define DOOR_BENCH_PUT_BYTES 5000
#define DOOR_BENCH_CONSECUTIVE 30

struct door_bench {
    struct mockd mockd;
    char url[48];
    hf_retry *retry;
    hf_breaker *breaker;
    hf_pipeline *pipeline;
    hf_curl *door;
    CURL *easy;
    /* to be set by tests */
    uint32_t attempts;     /* of the retry, 3 */
    bool with_fallback;    /* writes 42 to fallback_arg, an int */
    int64_t attempt_ms;    /* attempt timeout, HF_NEVER */
    bool unlimited_budget; /* of the retry */
    int64_t backoff_ms;    /* between attempts, 5 */
    hf_curl_options options;
    hf_cancel *cancel_in_header;
    bool rewind_fails;
    /* what came of the last request */
    hf_result result;
    long status;
    size_t bytes, pieces;
    size_t uploaded, upload_left;
    int rewinds;
};

int door_bench_setup(void **state);
int door_bench_teardown(void **state);

/* What setup and teardown do around a bench that lives elsewhere: fresh policies and a door, the end of them. */
void door_bench_open(struct door_bench *bench);
void door_bench_close(struct door_bench *bench);

/* Starts a mockd with this scenario, in place of an earlier one, with a fresh door. */
void door_bench_serve(struct door_bench *bench, const char *scenario);

/* A door to a port where nobody listens. */
void door_bench_nobody(struct door_bench *bench);

CURLcode door_bench_get(struct door_bench *bench, const char *path);
CURLcode door_bench_post(struct door_bench *bench, const char *path); /* POSTFIELDS */
CURLcode door_bench_put(struct door_bench *bench, const char *path);  /* READFUNCTION */
int door_bench_rewind(void *bench);

/* Requests that the server saw on a route. */
long door_bench_seen(const struct door_bench *bench, const char *path);

#endif
