/* SPDX-License-Identifier: MIT */
#include "support/door_bench.h"

#include "support/cmocka_all.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int door_bench_setup(void **state) {
    struct door_bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->attempts = 3;
    b->attempt_ms = HF_NEVER;
    b->backoff_ms = 5;
    hf_curl_options_init(&b->options);
    *state = b;
    return 0;
}

void door_bench_close(struct door_bench *b) {
    curl_easy_cleanup(b->easy);
    hf_curl_free(b->door);
    hf_pipeline_free(b->pipeline);
    hf_retry_free(b->retry);
    hf_breaker_free(b->breaker);
    if (b->mockd.pid > 0) assert_int_equal(mockd_stop(&b->mockd), 0);
    b->door = NULL;
}

int door_bench_teardown(void **state) {
    door_bench_close(*state);
    free(*state);
    return 0;
}

static hf_outcome fall_back(void *arg, const hf_result *failed) {
    (void)failed;
    if (arg != NULL) *(int *)arg = 42;
    return hf_success();
}

static size_t on_write(char *data, size_t size, size_t count, void *arg) {
    struct door_bench *b = arg;
    (void)data;
    b->bytes += size * count;
    b->pieces++;
    return size * count;
}

static void make_door(struct door_bench *b) {
    hf_retry_config retry;
    hf_retry_config_init(&retry);
    retry.max_attempts = b->attempts;
    retry.backoff.kind = HF_BACKOFF_CONSTANT;
    retry.backoff.jitter = HF_JITTER_NONE;
    retry.backoff.base_ms = b->backoff_ms;
    retry.backoff.cap_ms = 60000;
    hf_breaker_config breaker;
    hf_breaker_config_init(&breaker);
    breaker.min_calls = 100;
    breaker.consecutive_failures = DOOR_BENCH_CONSECUTIVE;
    hf_timeout_config timeout;
    hf_timeout_config_init(&timeout);
    timeout.timeout_ms = b->attempt_ms;
    hf_budget_config unlimited;
    hf_budget_config_init(&unlimited);
    unlimited.ratio_ppm = HF_BUDGET_UNLIMITED;
    hf_budget *budget = NULL;
    if (b->unlimited_budget) assert_int_equal(hf_budget_new(&budget, "unlimited", &unlimited, NULL), 0);
    hf_fallback *fallback;
    hf_timeout *attempt;
    assert_int_equal(hf_fallback_new(&fallback, "fallback", fall_back, NULL), 0);
    assert_int_equal(hf_retry_new(&b->retry, "retry", &retry, budget, NULL), 0);
    assert_int_equal(hf_breaker_new(&b->breaker, "breaker", &breaker, NULL), 0);
    assert_int_equal(hf_timeout_new(&attempt, "attempt", &timeout, NULL), 0);
    hf_policy *order[] = {hf_fallback_policy(fallback), hf_retry_policy(b->retry), hf_breaker_policy(b->breaker),
                          hf_timeout_policy(attempt)};
    size_t skip = b->with_fallback ? 0 : 1;
    assert_int_equal(hf_pipeline_new(&b->pipeline, "bench", order + skip, 4 - skip, NULL), 0);
    hf_budget_free(budget);
    hf_fallback_free(fallback);
    hf_timeout_free(attempt);
    assert_int_equal(hf_curl_new(&b->door, b->pipeline, NULL), 0);
    b->easy = curl_easy_init();
    assert_non_null(b->easy);
}

void door_bench_open(struct door_bench *b) {
    if (b->door != NULL) door_bench_close(b);
    make_door(b);
}

void door_bench_serve(struct door_bench *b, const char *scenario) {
    door_bench_open(b);
    assert_true(mockd_start(&b->mockd, HF_MOCKD_PATH, NULL, scenario, NULL));
    memcpy(b->url, b->mockd.url, sizeof b->url);
}

/* A port is free and stays so while a socket is bound to it that does not listen. */
void door_bench_nobody(struct door_bench *b) {
    static int holder = -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (holder < 0) {
        holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(holder, (struct sockaddr *)&address, sizeof address), 0);
    }
    assert_int_equal(getsockname(holder, (struct sockaddr *)&address, &length), 0);
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    door_bench_open(b);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg) {
    struct door_bench *b = arg;
    if (line[0] == '\r') hf_cancel_raise(b->cancel_in_header);
    return size * count;
}

static CURLcode perform(struct door_bench *b, const char *path) {
    char url[128];
    snprintf(url, sizeof url, "%s%s", b->url, path);
    b->bytes = b->pieces = 0;
    b->status = 0;
    b->options.out_result = &b->result;
    if (b->options.buffer_max_bytes > 0) {
        b->options.write_function = on_write;
        b->options.write_data = b;
    }
    if (b->cancel_in_header != NULL) {
        b->options.header_function = on_header;
        b->options.header_data = b;
    }
    curl_easy_setopt(b->easy, CURLOPT_URL, url);
    curl_easy_setopt(b->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(b->easy, CURLOPT_TIMEOUT_MS, 30000L); /* the caller's own: a test that hangs ends */
    curl_easy_setopt(b->easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(b->easy, CURLOPT_WRITEDATA, b);
    CURLcode code = hf_curl_perform(b->door, b->easy, &b->options);
    curl_easy_getinfo(b->easy, CURLINFO_RESPONSE_CODE, &b->status);
    return code;
}

CURLcode door_bench_get(struct door_bench *b, const char *path) {
    curl_easy_setopt(b->easy, CURLOPT_HTTPGET, 1L);
    return perform(b, path);
}

CURLcode door_bench_post(struct door_bench *b, const char *path) {
    curl_easy_setopt(b->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(b->easy, CURLOPT_POSTFIELDS, "amount=1");
    return perform(b, path);
}

static size_t on_read(char *out, size_t size, size_t count, void *arg) {
    struct door_bench *b = arg;
    size_t length = size * count < b->upload_left ? size * count : b->upload_left;
    memset(out, 'x', length);
    b->upload_left -= length;
    b->uploaded += length;
    return length;
}

int door_bench_rewind(void *arg) {
    struct door_bench *b = arg;
    b->rewinds++;
    b->upload_left = DOOR_BENCH_PUT_BYTES;
    return b->rewind_fails ? 1 : 0;
}

CURLcode door_bench_put(struct door_bench *b, const char *path) {
    b->uploaded = 0;
    b->upload_left = DOOR_BENCH_PUT_BYTES;
    b->rewinds = 0;
    curl_easy_setopt(b->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(b->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)DOOR_BENCH_PUT_BYTES);
    curl_easy_setopt(b->easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(b->easy, CURLOPT_READDATA, b);
    return perform(b, path);
}

long door_bench_seen(const struct door_bench *b, const char *path) {
    char key[80];
    snprintf(key, sizeof key, "%s total requests", path);
    return mockd_count(&b->mockd, key);
}
