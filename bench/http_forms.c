/* SPDX-License-Identifier: MIT */
#include "http_bench.h"

#include <holdfast/client.h>
#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const form_names[FORMS] = {
    "curl_easy_perform", "hf_curl_perform",         "hf_client_get",        "curl_multi, 64 in flight",
    "client async, 64",  "64 threads, easy handle", "64 threads, one door", "64 threads, one client",
};

static const char *url;
static hf_pipeline *pipeline;
static hf_curl *door;
static hf_client *client;
static CURLM *multi;
static CURL *easy[BENCH_IN_FLIGHT];

static void must(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "bench-http: %s\n", what);
    exit(2);
}

/* What every form does: the body is kept in memory of its own, and freed when it was seen. */
struct body {
    char *data;
    size_t length;
};
static struct body bodies[BENCH_IN_FLIGHT];

static size_t keep(char *data, size_t size, size_t count, void *arg) {
    struct body *body = arg;
    char *longer = realloc(body->data, body->length + size * count);
    if (longer == NULL) return 0;
    memcpy(longer + body->length, data, size * count);
    body->data = longer;
    body->length += size * count;
    return size * count;
}

static CURL *make_handle(struct body *body) {
    CURL *handle = curl_easy_init();
    must(handle != NULL, "no easy handle");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(handle, CURLOPT_PRIVATE, body);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "holdfast/" HF_VERSION); /* the same request in every form */
    return handle;
}

/* A new request: it could be another URL. */
static CURL *aim(CURL *handle) {
    curl_easy_setopt(handle, CURLOPT_URL, url);
    return handle;
}

static void check(CURL *handle, CURLcode code) {
    long status = 0;
    struct body *body = NULL;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, &body);
    must(body->length == 17, "not 17 bytes");
    free(body->data);
    *body = (struct body){0};
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    must(code == CURLE_OK && status == 200, curl_easy_strerror(code));
}

static void ask_easy(CURL *handle, uint64_t requests) {
    for (uint64_t i = 0; i < requests; i++) check(handle, curl_easy_perform(aim(handle)));
}

static void ask_door(CURL *handle, uint64_t requests) {
    for (uint64_t i = 0; i < requests; i++) check(handle, hf_curl_perform(door, aim(handle), NULL));
}

static void check_response(hf_response *response) {
    size_t bytes;
    (void)hf_response_body(response, &bytes);
    must(hf_response_status(response) == 200 && bytes == 17, "not 200 with 17 bytes");
    hf_response_free(response);
}

static void ask_client(uint64_t requests) {
    for (uint64_t i = 0; i < requests; i++) {
        hf_response *response;
        must(hf_client_get(client, "/", &response, NULL) == HF_OK, "a request of the client failed");
        check_response(response);
    }
}

/* ---- 64 in flight ---- */

static void ask_multi(uint64_t requests) {
    uint64_t begun = 0, ended = 0;
    int running, left;
    for (; begun < BENCH_IN_FLIGHT && begun < requests; begun++) curl_multi_add_handle(multi, aim(easy[begun]));
    while (ended < requests) {
        must(curl_multi_perform(multi, &running) == CURLM_OK, "curl_multi_perform");
        for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
            CURL *handle = message->easy_handle;
            CURLcode code = message->data.result;
            curl_multi_remove_handle(multi, handle);
            check(handle, code);
            ended++;
            if (begun++ < requests) curl_multi_add_handle(multi, aim(handle));
        }
        if (ended < requests) curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
}

static struct {
    atomic_ullong to_begin, to_end;
    sem_t done;
    hf_request request;
} async;

static void on_done(void *arg, hf_response *response) {
    (void)arg;
    check_response(response);
    unsigned long long left = atomic_load(&async.to_begin);
    while (left > 0 && !atomic_compare_exchange_weak(&async.to_begin, &left, left - 1)) continue;
    if (left > 0) must(hf_client_submit(client, &async.request, on_done, NULL, NULL) == 0, "submit");
    if (atomic_fetch_sub(&async.to_end, 1) == 1) sem_post(&async.done);
}

static void ask_async(uint64_t requests) {
    uint64_t first = requests < BENCH_IN_FLIGHT ? requests : BENCH_IN_FLIGHT;
    hf_request_init(&async.request);
    async.request.url = "/";
    sem_init(&async.done, 0, 0);
    atomic_store(&async.to_end, requests);
    atomic_store(&async.to_begin, requests - first);
    for (uint64_t i = 0; i < first; i++) {
        must(hf_client_submit(client, &async.request, on_done, NULL, NULL) == 0, "submit");
    }
    while (sem_wait(&async.done) != 0) continue;
    sem_destroy(&async.done);
}

/* ---- 64 threads ---- */

struct asker {
    pthread_t thread;
    enum form form;
    CURL *handle;
    uint64_t requests;
};

static void *ask(void *arg) {
    struct asker *asker = arg;
    if (asker->form == FORM_EASY_THREADS) ask_easy(asker->handle, asker->requests);
    if (asker->form == FORM_DOOR_THREADS) ask_door(asker->handle, asker->requests);
    if (asker->form == FORM_CLIENT_THREADS) ask_client(asker->requests);
    return NULL;
}

static uint64_t ask_from_threads(enum form form, uint64_t requests) {
    static struct asker askers[BENCH_IN_FLIGHT];
    uint64_t each = requests / BENCH_IN_FLIGHT + 1;
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) {
        askers[i] = (struct asker){.form = form, .handle = easy[i], .requests = each};
        must(pthread_create(&askers[i].thread, NULL, ask, &askers[i]) == 0, "no thread");
    }
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) pthread_join(askers[i].thread, NULL);
    return each * BENCH_IN_FLIGHT;
}

/* ---- forms ---- */

uint64_t bench_form_run(enum form form, uint64_t requests) {
    switch (form) {
    case FORM_EASY: ask_easy(easy[0], requests); return requests;
    case FORM_DOOR: ask_door(easy[0], requests); return requests;
    case FORM_CLIENT: ask_client(requests); return requests;
    case FORM_MULTI_64: ask_multi(requests); return requests;
    case FORM_ASYNC_64: ask_async(requests); return requests;
    case FORM_EASY_THREADS:
    case FORM_DOOR_THREADS:
    case FORM_CLIENT_THREADS: return ask_from_threads(form, requests);
    case FORMS: break;
    }
    return 0;
}

void bench_form_begin(enum form form, const char *given_url) {
    hf_client_config config;
    hf_client_config_init(&config);
    char base[64];
    snprintf(base, sizeof base, "%.*s", (int)strlen(given_url) - 1, given_url); /* without the last slash */
    config.base_url = base;
    url = given_url;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    must(hf_pipeline_standard(&pipeline, "bench", NULL) == 0, "no pipeline");
    bool uses_client = form == FORM_CLIENT || form == FORM_ASYNC_64 || form == FORM_CLIENT_THREADS;
    if (uses_client) must(hf_client_new(&client, "bench", pipeline, &config, NULL) == 0, "no client");
    else must(hf_curl_new(&door, pipeline, NULL) == 0, "no door");
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) easy[i] = make_handle(&bodies[i]);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)BENCH_IN_FLIGHT);
    (void)bench_form_run(form, (uint64_t)BENCH_IN_FLIGHT * 4);
}

void bench_form_end(enum form form) {
    (void)form;
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) curl_easy_cleanup(easy[i]);
    curl_multi_cleanup(multi);
    hf_curl_free(door);
    hf_client_free(client);
    hf_pipeline_free(pipeline);
    door = NULL;
    client = NULL;
}
