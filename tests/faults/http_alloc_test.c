/* SPDX-License-Identifier: MIT */
/* HTTP while allocations fail: every one of a door's request once, libcurl's own included, and for a client every
 * k-th of ours on all threads (libcurl 7.88 divides by zero when its hash of sockets gets no memory). Never a success
 * without its response, nothing left over, and afterwards all is well. */
#include "support/alloc_fault.h"
#include "support/cmocka_all.h"
#include "support/mockd_process.h"

#include <holdfast/client.h>
#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

#define BODY 10

static struct mockd mockd;
static hf_pipeline *pipeline;

/* ---- the door ---- */

struct request {
    CURL *easy;
    hf_curl *door;
    hf_result result;
    size_t bytes;
    CURLcode code;
    long status;
};

static size_t take(char *data, size_t size, size_t count, void *arg) {
    (void)data;
    ((struct request *)arg)->bytes += size * count;
    return size * count;
}

enum how { GET, GET_BUFFERED, POST_WITH_KEY };

/* One request with the n-th allocation failing; false when it takes fewer than n. */
static bool perform(struct request *r, uint64_t n, enum how how) {
    memset(r, 0, sizeof *r);
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok", mockd.port);
    assert_int_equal(hf_curl_new(&r->door, pipeline, NULL), 0);
    r->easy = curl_easy_init();
    assert_non_null(r->easy);
    curl_easy_setopt(r->easy, CURLOPT_URL, url);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    hf_curl_options options;
    hf_curl_options_init(&options);
    options.out_result = &r->result;
    options.timeout_ns = 5 * HF_SECOND;
    struct curl_slist *headers = NULL;
    if (how == GET_BUFFERED) {
        options.buffer_max_bytes = 1000;
        options.write_function = take;
        options.write_data = r;
    }
    if (how == POST_WITH_KEY) {
        headers = curl_slist_append(NULL, "X-Test: 1");
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, "body");
        options.headers = headers;
        options.make_key = 1;
    }
    alloc_fault_arm(n, false);
    r->code = hf_curl_perform(r->door, r->easy, &options);
    bool failed = alloc_fault_disarm();
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(headers);
    hf_curl_free(r->door);
    return failed;
}

static void each_allocation_fails_once(enum how how) {
    struct request r;
    for (int warm_up = 0; warm_up < 2; warm_up++) {
        perform(&r, 0, how);
        assert_int_equal(r.code, CURLE_OK);
        assert_int_equal(r.bytes, BODY);
    }
    for (uint64_t n = 1; perform(&r, n, how); n++) continue; /* some error paths allocate once for the process */
    int told = 0;
    bool failed = true;
    uint64_t n = 0;
    while (failed) {
        int64_t before = alloc_fault_live();
        failed = perform(&r, ++n, how);
        int64_t more = alloc_fault_live() - before;
        if (more != 0) fail_msg("allocation %d: %d blocks more than before", (int)n, (int)more);
        if (r.code == CURLE_OK) {
            assert_int_equal(r.bytes, BODY);
            assert_int_equal(r.status, 200);
            assert_int_equal(hf_result_status(&r.result), 0);
        } else {
            assert_true(failed);
            if (hf_result_status(&r.result) == 0) fail_msg("allocation %d: code %d, status 0", (int)n, r.code);
            told++;
        }
    }
    print_message("%d allocations, %d failed the request\n", (int)n - 1, told);
    assert_true(told > 0);
}

static void every_allocation_of_a_get(void **state) {
    (void)state;
    each_allocation_fails_once(GET);
}

static void every_allocation_of_a_buffered_get(void **state) {
    (void)state;
    each_allocation_fails_once(GET_BUFFERED);
}

static void every_allocation_of_a_post_with_a_key(void **state) {
    (void)state;
    each_allocation_fails_once(POST_WITH_KEY);
}

/* ---- the client ---- */

static void get(hf_client *client, int *delivered, int *refused) {
    hf_error error = {{0}};
    hf_response *response = NULL;
    hf_request request;
    hf_request_init(&request);
    request.url = "/ok";
    request.timeout_ms = 300;
    int rc = hf_client_request(client, &request, &response, &error);
    if (response == NULL) {
        assert_true(rc < 0);
        assert_true(strlen(hf_error_text(&error)) > 10);
        ++*refused;
        return;
    }
    assert_int_equal(rc, hf_result_status(hf_response_result(response)));
    if (rc == 0) {
        size_t bytes = 0;
        hf_response_body(response, &bytes);
        assert_int_equal(hf_response_status(response), 200);
        assert_int_equal(bytes, BODY);
        ++*delivered;
    }
    hf_response_free(response);
}

static void use_client_without_memory(hf_client *client) {
    static const uint32_t periods[] = {97, 41, 17, 7, 3, 2};
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        int delivered = 0, refused = 0;
        alloc_fault_every(periods[i]);
        for (int n = 0; n < 8; n++) get(client, &delivered, &refused);
        alloc_fault_every(0);
        print_message("every %u. fails: %d of 8 delivered, %d refused\n", (unsigned)periods[i], delivered, refused);
    }
}

static void a_client_outlives_a_want_of_memory(void **state) {
    (void)state;
    char base[64];
    snprintf(base, sizeof base, "http://127.0.0.1:%d", mockd.port);
    hf_client_config config;
    hf_client_config_init(&config);
    config.base_url = base;
    int64_t before = 0;
    for (int round = 0; round < 2; round++) { /* the first warms up: libcurl, thread stacks */
        before = alloc_fault_live();
        hf_client *client;
        assert_int_equal(hf_client_new(&client, "c", pipeline, &config, NULL), 0);
        use_client_without_memory(client);
        int delivered = 0, refused = 0;
        for (int n = 0; n < 3; n++) get(client, &delivered, &refused);
        assert_int_equal(delivered, 3);
        hf_client_free(client);
    }
    assert_int_equal(alloc_fault_live(), before);
}

/* ---- around them ---- */

static int setup(void **state) {
    (void)state;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    static const char scenario[] = "[route /ok]\nstatus = 200\nbody_bytes = 10\n";
    if (!mockd_start(&mockd, HF_MOCKD_PATH, NULL, scenario, NULL)) return -1;
    return hf_pipeline_new(&pipeline, "some", NULL, 0, NULL);
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(pipeline);
    return mockd_stop(&mockd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_get),
        cmocka_unit_test(every_allocation_of_a_buffered_get),
        cmocka_unit_test(every_allocation_of_a_post_with_a_key),
        cmocka_unit_test(a_client_outlives_a_want_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
