/* SPDX-License-Identifier: MIT */
#include "http/client_job.h"

#include "base/num.h"
#include "drive/clock.h"
#include "drive/seed.h"
#include "engine/result.h"
#include "http/classify.h"
#include "http/client_exchange.h"
#include "http/completions_queue.h"
#include "http/cures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A caller gives up this long after its deadline if the lane has not answered: a lane in good health answers well
 * before. */
#define GRACE_NS (5 * HF_MILLISECOND)

static hf_time now_of(const struct hf__job *job) { return job->options.clock->now(job->options.clock); }

static void wake_job(void *arg) { hf__lane_post(((struct hf__job *)arg)->lane, arg); }

static void cancel_job(void *arg) {
    struct hf__job *job = arg;
    atomic_store_explicit(&job->cancelled, 1, memory_order_release);
    if (HF__CURED(10)) wake_job(job);
}

struct hf__job *hf__job_new(struct hf__request *request, const hf_curl_options *options) {
    struct hf__job *job = calloc(1, sizeof *job);
    hf_response *response = hf__response_new();
    if (job == NULL || response == NULL) {
        free(job);
        free(response);
        hf__request_free(request);
        return NULL;
    }
    job->request = request;
    job->response = response;
    job->options = *options;
    job->timer_index = HF__NO_TIMER;
    atomic_init(&job->references, 1);
    return job;
}

void hf__job_ref(struct hf__job *job) { atomic_fetch_add_explicit(&job->references, 1, memory_order_relaxed); }

void hf__job_unref(struct hf__job *job) {
    if (atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) != 1) return;
    hf_response_free(job->response);
    hf__request_free(job->request);
    free(job);
}

/* Two attempts at once: only for what has no further effect, and never for a body with one reading position. */
static bool may_be_sent_twice(const struct hf__job *job) {
    const struct hf__request *request = job->request;
    if (request->body == HF__BODY_CALLBACK || job->options.idempotent == HF_CURL_NOT_IDEMPOTENT) return false;
    if (job->options.idempotent == HF_CURL_IDEMPOTENT || request->headers == &request->key) return true;
    return hf__method_of(request->given.method) != HF__METHOD_OTHER;
}

void hf__job_submit(struct hf__job *job, struct hf__lane *lane, hf_pipeline *pipeline) {
    hf_time now = now_of(job);
    hf_curl_options *o = &job->options;
    o->deadline_at = hf__min(o->deadline_at, hf__add(now, o->timeout_ns));
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = o->seed == HF_SEED_AUTO ? hf__seed_next() : o->seed;
    options.deadline_at = o->deadline_at;
    options.priority = o->priority;
    options.tag = o->tag;
    options.key = job->request->given.key;
    options.weight = job->request->given.weight;
    options.flags = HF_CALL_OVERLAP | (may_be_sent_twice(job) ? 0 : HF_CALL_ONCE);
    options.wake = wake_job;
    options.wake_arg = job;
    (void)hf_call_begin(&job->call, pipeline, &options, now); /* fails for bad arguments only */
    job->lane = lane;
    atomic_fetch_add_explicit(&lane->in_flight, 1, memory_order_relaxed);
    job->watch.wake = cancel_job;
    job->watch.arg = job;
    hf__job_ref(job);                             /* the lane's */
    hf__cancel_watch_add(o->cancel, &job->watch); /* before the lane can take it off again */
    hf__lane_post(lane, job);
}

/* ---- user code ---- */

enum { GATE_BUSY = 1, GATE_CLOSED = 2 };

bool hf__job_enter_user(struct hf__job *job) {
    uint32_t open = 0;
    return atomic_compare_exchange_strong(&job->gate, &open, GATE_BUSY);
}

void hf__job_leave_user(struct hf__job *job) {
    if (atomic_fetch_and(&job->gate, ~(uint32_t)GATE_BUSY) & GATE_CLOSED) hf__event_set(&job->event);
}

/* After it returned no callback of the user runs or will run. */
static void close_gate(struct hf__job *job) {
    (void)atomic_fetch_or(&job->gate, GATE_CLOSED);
    while (atomic_load(&job->gate) & GATE_BUSY) hf__event_wait(&job->event, HF_NEVER);
}

/* ---- attempts ---- */

static void report(struct hf__job *job, uint32_t serial, hf_outcome outcome) {
    if (atomic_load_explicit(&job->cancelled, memory_order_acquire)) hf_call_cancel(&job->call);
    (void)hf_call_report(&job->call, serial, outcome, now_of(job));
}

/* Moves what was delivered to the response; a streamed one is there already. */
static void take_response(struct hf__job *job, struct hf__exchange *x) {
    hf_response *response = job->response;
    struct hf__transfer *t = &x->transfer;
    long version = 0;
    if (job->committed == 0) {
        hf__response_clear(response);
        response->status = hf__transfer_status(t);
        response->head = x->head;
        x->head = (struct hf__head){0};
        if (t->body.length > 0) {
            response->body = t->body.data;
            response->body_bytes = t->body.length;
            response->body[response->body_bytes] = '\0';
            t->body.data = NULL;
            t->body.size = t->body.length = 0;
        }
    }
    (void)curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
    if (version >= CURL_HTTP_VERSION_2_0) job->lane->http2_seen = true;
}

static void take_text(struct hf__job *job, const struct hf__exchange *x) {
    const struct hf__transfer *t = &x->transfer;
    job->response->text[0] = '\0';
    if (t->code == CURLE_OK) return;
    const char *why = t->withheld                           ? "The response was not delivered: another attempt was due"
                      : t->code == CURLE_FILESIZE_EXCEEDED  ? "The response body is longer than max_body_bytes"
                      : t->code == CURLE_OPERATION_TIMEDOUT ? "Its time was up"
                      : t->vetoed ? "The connection was dead, or the stream refused: not sent again"
                      : t->code == CURLE_PARTIAL_FILE && t->in_headers ? "The headers of the response broke off"
                      : x->error_text[0] != '\0'                       ? x->error_text
                                                                       : curl_easy_strerror(t->code);
    snprintf(job->response->text, sizeof job->response->text, "%s", why);
}

static uint32_t slot_of(const struct hf__job *job, const struct hf__exchange *x) {
    uint32_t slot = 0;
    while (job->exchange[slot] != x) slot++;
    return slot;
}

/* libcurl keeps an HTTP/2 connection on which a stream was reset, and fails the next one on it (16, seen with 7.88.1); 408
 * and 421 speak of the connection (RFC 9110, 15.5.9 and 15.5.20). */
static bool wants_other_connection(const struct hf__transfer *t) {
    if (!t->delivered && !t->withheld) return true;
    long status = hf__transfer_status(t);
    return status == 408 || status == 421;
}

void hf__job_exchange_ended(struct hf__job *job, struct hf__exchange *x, CURLcode code) {
    hf__exchange_stop(x);
    hf_outcome outcome = hf__transfer_end(&x->transfer, code);
    job->fresh = wants_other_connection(&x->transfer);
    if (x->transfer.delivered) take_response(job, x);
    else if (job->committed == x->serial) job->response->status = 0; /* it broke off in the caller's hands */
    take_text(job, x);
    uint32_t serial = x->serial;
    job->exchange[slot_of(job, x)] = NULL;
    hf__exchange_give(job->lane, x);
    report(job, serial, outcome);
}

static void start(struct hf__job *job, const hf_step *step) {
    bool alone = job->exchange[0] == NULL && job->exchange[1] == NULL;
    uint32_t slot = job->exchange[0] == NULL ? 0 : 1;
    atomic_fetch_add_explicit(&job->attempts, 1, memory_order_relaxed);
    struct hf__exchange *x = hf__exchange_take(job->lane);
    if (x == NULL) {
        report(job, step->attempt, hf_neutral((int32_t)CURLE_OUT_OF_MEMORY));
        return;
    }
    if (alone) {
        hf__response_clear(job->response);
        job->response->text[0] = '\0';
    }
    job->exchange[slot] = x;
    CURLcode rc = hf__exchange_start(x, job, step->attempt, step->number, step->deadline_at);
    if (rc != CURLE_OK) hf__job_exchange_ended(job, x, rc);
}

static void stop(struct hf__job *job, uint32_t serial) {
    bool cancelled = atomic_load_explicit(&job->cancelled, memory_order_acquire) != 0;
    for (uint32_t i = 0; i < HF__JOB_EXCHANGES; i++) {
        struct hf__exchange *x = job->exchange[i];
        if (x == NULL || x->serial != serial) continue;
        hf__job_exchange_ended(job, x, cancelled ? CURLE_ABORTED_BY_CALLBACK : CURLE_OPERATION_TIMEDOUT);
    }
}

static void go_on_with_lookups(struct hf__job *job) {
    for (uint32_t i = 0; i < HF__JOB_EXCHANGES; i++) {
        struct hf__exchange *x = job->exchange[i];
        if (x == NULL || x->state != HF__EXCHANGE_LOOKING_UP) continue;
        if (!hf__resolver_done(job->lane->resolver, &x->lookup)) continue;
        CURLcode rc = hf__exchange_looked_up(x);
        if (rc != CURLE_OK) hf__job_exchange_ended(job, x, rc);
    }
}

static hf_outcome run_fallback(struct hf__job *job, const hf_step *step) {
    hf_result failed;
    if (!hf__job_enter_user(job)) return hf_neutral(0);
    hf_call_result(&job->call, &failed);
    hf_outcome outcome = hf_fallback_run(step->fallback, job->options.fallback_arg, &failed);
    hf__job_leave_user(job);
    return outcome;
}

/* ---- the end ---- */

static void hand_over(struct hf__job *job) {
    hf_response *response = job->response;
    switch (job->kind) {
    case HF__JOB_WAITED: /* the caller takes it */
        atomic_store_explicit(&job->end, HF__JOB_DONE, memory_order_release);
        hf__event_set(&job->event);
        return;
    case HF__JOB_CALLBACK:
        job->response = NULL;
        job->done(job->done_arg, response);
        return;
    case HF__JOB_QUEUED:
        job->response = NULL;
        hf__completions_put(job->queue, job->done_arg, response);
        return;
    }
}

static void finish(struct hf__job *job) {
    struct hf__lane *lane = job->lane;
    hf_response *response = job->response;
    job->ended = true;
    hf__job_timers_set(&lane->timers, job, HF_NEVER);
    int status = hf_call_end(&job->call, &response->result);
    bool replaced = (hf_result_flags(&response->result) & HF_RESULT_FALLBACK) != 0;
    if (status == HF_OK) response->text[0] = '\0'; /* a loser may have ended after the winner */
    if (job->committed == 0 && (replaced || (status != HF_OK && status != HF_E_FAILED))) hf__response_clear(response);
    hf__lane_forget(lane, job);
    uint32_t open = HF__JOB_OPEN;
    if (atomic_compare_exchange_strong(&job->end, &open, HF__JOB_ENDING)) {
        hf__cancel_watch_remove(job->options.cancel, &job->watch);
        hand_over(job);
    }
    hf__job_unref(job);
}

void hf__job_drive(struct hf__job *job) {
    if (job->ended) return;
    go_on_with_lookups(job);
    for (;;) {
        if (atomic_load_explicit(&job->cancelled, memory_order_acquire)) hf_call_cancel(&job->call);
        hf_step step;
        switch ((hf_step_kind)hf_call_step(&job->call, &step, now_of(job))) {
        case HF_STEP_START: start(job, &step); break;
        case HF_STEP_RUN: (void)hf_call_report(&job->call, step.attempt, run_fallback(job, &step), now_of(job)); break;
        case HF_STEP_CANCEL: stop(job, step.attempt); break;
        case HF_STEP_WAIT: hf__job_timers_set(&job->lane->timers, job, step.at); return;
        case HF_STEP_DONE: finish(job); return;
        }
    }
}

/* ---- the waiting caller ---- */

/* What the caller gets when the lane is stuck: the truth as far as it can be told without the lane. */
static hf_response *give_up(struct hf__job *job) {
    close_gate(job);
    hf__cancel_watch_remove(job->options.cancel, &job->watch);
    hf_response *response = hf__response_new();
    if (response == NULL) return NULL;
    hf__result_init(&response->result, HF_E_TIMEOUT);
    struct hf__result *result = (struct hf__result *)(void *)&response->result;
    result->reason = HF_REASON_DEADLINE;
    result->attempts = atomic_load_explicit(&job->attempts, memory_order_relaxed);
    snprintf(response->text, sizeof response->text, "Its time was up");
    return response;
}

hf_response *hf__job_wait(struct hf__job *job) {
    bool is_virtual = job->options.clock->wait != NULL;
    hf_time limit = is_virtual ? HF_NEVER : hf__add(job->options.deadline_at, GRACE_NS);
    while (atomic_load_explicit(&job->end, memory_order_acquire) != HF__JOB_DONE) {
        hf__event_wait(&job->event, limit);
        uint32_t open = HF__JOB_OPEN;
        if (limit == HF_NEVER || now_of(job) < limit) continue;
        if (atomic_compare_exchange_strong(&job->end, &open, HF__JOB_GIVEN_UP)) return give_up(job);
        limit = HF_NEVER; /* it is ending: that takes no time */
    }
    hf_response *response = job->response;
    job->response = NULL;
    return response;
}
