/* SPDX-License-Identifier: MIT */
#include <holdfast/client.h>
#include <holdfast/client_loop.h>

#include "http/client_core.h"
#include "http/cures.h"
#include "os/error_text.h"
#include "os/sigpipe.h"

#include <assert.h>
#include <string.h>

/* The least busy lane; of equals the first, so that a lone caller keeps using one connection. */
static struct hf__lane *choose_lane(const struct hf__core *core) {
    struct hf__lane *best = core->lanes[0];
    uint32_t fewest = atomic_load_explicit(&best->in_flight, memory_order_relaxed);
    for (uint32_t i = 1; i < core->lane_count && fewest > 0; i++) {
        uint32_t count = atomic_load_explicit(&core->lanes[i]->in_flight, memory_order_relaxed);
        if (count >= fewest) continue;
        best = core->lanes[i];
        fewest = count;
    }
    return best;
}

static int make_job(struct hf__job **out, hf_client *client, const hf_request *request, hf_error *error) {
    struct hf__request *copy;
    hf_curl_options options;
    int rc = hf__request_copy(&copy, &options, &client->setup, request, error);
    if (rc < 0) return rc;
    *out = hf__job_new(copy, &options);
    return *out != NULL ? 0
                        : hf__error_set(error, HF_E_NOMEM, "client \"%s\": no memory for a call", client->setup.name);
}

static bool is_lane_of(const struct hf__core *core, const struct hf__lane *lane) {
    for (uint32_t i = 0; i < core->lane_count; i++) {
        if (core->lanes[i] == lane) return true;
    }
    return false;
}

/* Nothing would drive the call while this thread waits for it. */
static int check_waitable(const hf_client *client, const struct hf__core *core, hf_error *error) {
    const char *why = client->setup.config.hooks != NULL     ? "it is driven by a loop of yours: use hf_client_submit"
                      : is_lane_of(core, hf__lane_current()) ? "this is one of its loop threads: use hf_client_submit"
                                                             : NULL;
    return why == NULL ? 0
                       : hf__error_set(error, HF_E_STATE, "client \"%s\": cannot wait, %s", client->setup.name, why);
}

static int check_client(const hf_client *client, hf_error *error) {
    return client != NULL ? 0 : hf__error_set(error, HF_E_INVALID, "client: it is NULL");
}

int hf_client_request(hf_client *client, const hf_request *request, hf_response **out_response, hf_error *error) {
    struct hf__job *job = NULL;
    if (out_response != NULL) *out_response = NULL;
    int rc = check_client(client, error);
    struct hf__core *core = rc == 0 ? hf__client_core(client, error) : NULL;
    if (core == NULL) return rc < 0 ? rc : HF_E_SYSTEM;
    rc = check_waitable(client, core, error);
    if (rc == 0) rc = make_job(&job, client, request, error);
    if (rc < 0) return rc;
    assert(job != NULL);
    job->kind = HF__JOB_WAITED;
    hf__job_submit(job, choose_lane(core), client->pipeline);
    hf_response *response = hf__job_wait(job);
    hf__job_unref(job);
    if (response == NULL) return hf__error_set(error, HF_E_NOMEM, "client \"%s\": no memory", client->setup.name);
    rc = hf_result_status(hf_response_result(response));
    if (out_response != NULL) *out_response = response;
    else hf_response_free(response);
    return rc;
}

/* Takes the reference to `job`. */
static int give_to_lane(hf_client *client, struct hf__core *core, struct hf__job *job, hf_error *error) {
    bool open = hf__core_enter(core);
    if (open) {
        hf__job_submit(job, choose_lane(core), client->pipeline);
        hf__core_leave(core);
    }
    hf__job_unref(job);
    return open ? 0 : hf__error_set(error, HF_E_STATE, "client \"%s\": it is being freed", client->setup.name);
}

static int submit(hf_client *client, const hf_request *request, enum hf__job_kind kind, hf_client_done *done, void *arg,
                  hf_completions *queue, hf_error *error) {
    struct hf__job *job = NULL;
    struct hf__core *core = hf__client_core(client, error);
    if (core == NULL) return HF_E_SYSTEM;
    int rc = make_job(&job, client, request, error);
    if (rc < 0) return rc;
    job->kind = kind;
    job->done = done;
    job->done_arg = arg;
    job->queue = queue;
    return give_to_lane(client, core, job, error);
}

int hf_client_submit(hf_client *client, const hf_request *request, hf_client_done *done, void *arg, hf_error *error) {
    int rc = check_client(client, error);
    if (rc == 0 && done == NULL) rc = hf__error_set(error, HF_E_INVALID, "hf_client_submit: done is NULL");
    return rc < 0 ? rc : submit(client, request, HF__JOB_CALLBACK, done, arg, NULL, error);
}

int hf_client_submit_queued(hf_client *client, const hf_request *request, hf_completions *queue, void *tag,
                            hf_error *error) {
    int rc = check_client(client, error);
    if (rc == 0 && queue == NULL) rc = hf__error_set(error, HF_E_INVALID, "hf_client_submit_queued: queue is NULL");
    return rc < 0 ? rc : submit(client, request, HF__JOB_QUEUED, NULL, tag, queue, error);
}

/* ---- short forms ---- */

static int brief(hf_client *client, const char *method, const char *url, hf_response **out_response, hf_error *error) {
    hf_request request;
    hf_request_init(&request);
    request.method = method;
    request.url = url;
    return hf_client_request(client, &request, out_response, error);
}

int hf_client_get(hf_client *client, const char *url, hf_response **out_response, hf_error *error) {
    return brief(client, "GET", url, out_response, error);
}

int hf_client_delete(hf_client *client, const char *url, hf_response **out_response, hf_error *error) {
    return brief(client, "DELETE", url, out_response, error);
}

static int with_body(hf_client *client, const char *method, const char *url, const char *content_type, const void *body,
                     size_t bytes, hf_response **out_response, hf_error *error) {
    hf_request request;
    hf_request_init(&request);
    request.method = method;
    request.url = url;
    request.content_type = content_type;
    request.body = body;
    request.body_bytes = bytes;
    return hf_client_request(client, &request, out_response, error);
}

int hf_client_post(hf_client *client, const char *url, const char *content_type, const void *body, size_t bytes,
                   hf_response **out_response, hf_error *error) {
    return with_body(client, "POST", url, content_type, body, bytes, out_response, error);
}

int hf_client_put(hf_client *client, const char *url, const char *content_type, const void *body, size_t bytes,
                  hf_response **out_response, hf_error *error) {
    return with_body(client, "PUT", url, content_type, body, bytes, out_response, error);
}

/* ---- the user's loop ---- */

/* After a fork the loop may still know descriptors of the parent's: they are not touched. */
static int enter_loop(hf_client *client, struct hf__lane **out_lane) {
    if (client == NULL || client->setup.config.hooks == NULL) return HF_E_INVALID;
    struct hf__core *core = hf__client_core(client, NULL);
    if (core == NULL) return HF_E_SYSTEM;
    *out_lane = core->lanes[0];
    return hf__lane_current() == *out_lane ? HF_E_STATE : 0;
}

int hf_client_on_event(hf_client *client, int fd, uint32_t events) {
    struct hf__lane *lane;
    struct hf__sigpipe pipe;
    int rc = enter_loop(client, &lane);
    if (rc < 0) return rc;
    if (HF__CURED(11)) hf__sigpipe_block(&pipe);
    hf__lane_event(lane, fd, events);
    hf__lane_turn(lane);
    if (HF__CURED(11)) hf__sigpipe_restore(&pipe);
    return 0;
}

int hf_client_on_timer(hf_client *client) {
    struct hf__lane *lane;
    struct hf__sigpipe pipe;
    int rc = enter_loop(client, &lane);
    if (rc < 0) return rc;
    if (HF__CURED(11)) hf__sigpipe_block(&pipe);
    hf__lane_timer(lane);
    hf__lane_turn(lane);
    if (HF__CURED(11)) hf__sigpipe_restore(&pipe);
    return 0;
}
