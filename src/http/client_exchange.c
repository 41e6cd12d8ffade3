/* SPDX-License-Identifier: MIT */
#include "http/client_exchange.h"

#include "base/num.h"
#include "http/client_redirect.h"
#include "http/cures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_MAX 256      /* handles that a lane keeps */
#define BUFFER_KEPT 65536 /* longer buffers are freed with the attempt */

/* ---- callbacks of libcurl ---- */

/* Keeps the headers of the latest response: interim ones and redirects come before it. */
static size_t on_header(char *line, size_t size, size_t count, void *arg) {
    struct hf__exchange *x = arg;
    size_t length = size * count;
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) x->head.length = x->head.count = 0;
    else if (!hf__head_add(&x->head, line, length)) return 0;
    return length;
}

/* The first byte commits the call: the response is this exchange's from here on, and its sibling, if there is one, has
 * lost; the call is stepped when libcurl is done here, and tells it. */
static bool commit(struct hf__exchange *x) {
    struct hf__job *job = x->job;
    if (job->committed == x->serial) return true;
    if (HF__CURED(22) && hf_call_commit(&job->call, x->serial) < 0) return false;
    if (job->exchange[0] != NULL && job->exchange[1] != NULL) hf__lane_post(job->lane, job);
    job->committed = x->serial;
    hf__response_clear(job->response);
    job->response->status = hf__transfer_status(&x->transfer);
    job->response->head = x->head;
    x->head = (struct hf__head){0};
    return true;
}

static size_t on_write(char *data, size_t size, size_t count, void *arg) {
    struct hf__exchange *x = arg;
    const hf_request *given = &x->job->request->given;
    if (hf__redirect_is_due(x)) return size * count;
    if (given->on_body == NULL) return hf__transfer_on_body(data, size, count, &x->transfer);
    if (!hf__job_enter_user(x->job)) return 0;
    bool taken = commit(x) && given->on_body(given->on_body_arg, x->job->response, data, size * count) == 0;
    hf__job_leave_user(x->job);
    return taken ? size * count : 0;
}

static size_t read_file(struct hf__exchange *x, char *out, size_t size) {
    ssize_t got = pread(x->job->request->file, out, size, (off_t)x->offset);
    if (got < 0) return CURL_READFUNC_ABORT;
    x->offset += (uint64_t)got;
    return (size_t)got;
}

static size_t on_read(char *out, size_t size, size_t count, void *arg) {
    struct hf__exchange *x = arg;
    const struct hf__request *request = x->job->request;
    if (request->body == HF__BODY_FILE) return read_file(x, out, size * count);
    if (!hf__job_enter_user(x->job)) return CURL_READFUNC_ABORT;
    x->job->body_read = true;
    size_t got = request->given.body_read(request->given.body_arg, out, size * count);
    hf__job_leave_user(x->job);
    if (got > size * count) return CURL_READFUNC_ABORT;
    x->offset += got;
    return got;
}

/* A body from a callback can only begin anew. */
static bool rewind_callback(struct hf__job *job) {
    const hf_request *given = &job->request->given;
    if (!job->body_read) return true;
    if (given->body_rewind == NULL || !hf__job_enter_user(job)) return false;
    bool ok = given->body_rewind(given->body_arg) == 0;
    hf__job_leave_user(job);
    if (ok) job->body_read = false;
    return ok;
}

bool hf__exchange_rewind(struct hf__exchange *x) {
    if (HF__CURED(16)) x->offset = 0;
    return x->job->request->body != HF__BODY_CALLBACK || rewind_callback(x->job);
}

static int on_seek(void *arg, curl_off_t offset, int origin) {
    struct hf__exchange *x = arg;
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
    if (x->job->request->body == HF__BODY_CALLBACK && (offset != 0 || !rewind_callback(x->job)))
        return CURL_SEEKFUNC_FAIL;
    x->offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- handles ---- */

static long http_version_of(int32_t version) {
    switch ((hf_http_version)version) {
    case HF_HTTP_AUTO: return CURL_HTTP_VERSION_2TLS;
    case HF_HTTP_1_1: return CURL_HTTP_VERSION_1_1;
    case HF_HTTP_2_PRIOR: return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    }
    return CURL_HTTP_VERSION_2TLS;
}

/* What is the same for every request. An option that an older libcurl does not know is left out: what matters is
 * checked by ourselves too. */
static bool set_up_for_good(struct hf__exchange *x, struct hf__lane *lane) {
    const hf_client_config *c = &lane->setup->config;
    CURL *easy = x->transfer.easy;
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http_version_of(c->http_version));
    if (HF__CURED(3)) (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    if (HF__CURED(14)) (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)(c->idle_timeout_ms / 1000));
    (void)curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)(c->connection_lifetime_ms / 1000));
    if (HF__CURED(21)) (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->error_text);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    (void)curl_easy_setopt(easy, CURLOPT_SHARE, lane->share);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, hf__transfer_on_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &x->transfer);
    hf__transfer_attach(&x->transfer);
    if (lane->on_close != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, lane->on_close);
        (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, lane->hooks.arg);
    }
    if (!HF__CURED(26)) (void)curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
    /* These are copied by libcurl. */
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_USERAGENT, c->user_agent);
    if (rc == CURLE_OK && !c->proxy_from_environment && HF__CURED(27)) {
        rc = curl_easy_setopt(easy, CURLOPT_PROXY, c->proxy != NULL ? c->proxy : "");
    }
    if (rc == CURLE_OK && c->ca_file != NULL) rc = curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
    if (rc == CURLE_OK && c->cert_file != NULL) rc = curl_easy_setopt(easy, CURLOPT_SSLCERT, c->cert_file);
    const char *key = c->key_file != NULL ? c->key_file : c->cert_file;
    if (rc == CURLE_OK && key != NULL) rc = curl_easy_setopt(easy, CURLOPT_SSLKEY, key);
    return rc == CURLE_OK;
}

struct hf__exchange *hf__exchange_take(struct hf__lane *lane) {
    struct hf__exchange *x = lane->idle;
    if (x != NULL) {
        lane->idle = x->next_idle;
        lane->idle_count--;
        lane->exchanges++;
        return x;
    }
    x = calloc(1, sizeof *x);
    if (x == NULL) return NULL;
    x->transfer.easy = curl_easy_init();
    if (x->transfer.easy == NULL || !set_up_for_good(x, lane)) {
        hf__exchange_destroy(x);
        return NULL;
    }
    lane->exchanges++;
    return x;
}

static void free_added(struct hf__exchange *x) {
    for (struct hf__added_header *added = x->added, *next; added != NULL; added = next) {
        next = added->next;
        free(added);
    }
    x->added = NULL;
    x->headers = NULL;
}

void hf__exchange_destroy(struct hf__exchange *x) {
    curl_easy_cleanup(x->transfer.easy);
    free_added(x);
    hf__redirect_forget(x);
    free(x->head.data);
    hf__transfer_free(&x->transfer);
    free(x);
}

/* libcurl counts its silent resends for as long as a handle lives, not for each request, and the sixth fails with
 * "Connection died, tried 5 times" (55, seen with 7.88.1). */
static bool is_worn(const struct hf__exchange *x) { return x->transfer.resends > 0 || x->transfer.vetoed; }

void hf__exchange_give(struct hf__lane *lane, struct hf__exchange *x) {
    free_added(x);
    hf__redirect_forget(x);
    x->job = NULL;
    lane->exchanges--;
    if (lane->idle_count >= IDLE_MAX || is_worn(x)) {
        hf__exchange_destroy(x);
        return;
    }
    if (x->head.size > BUFFER_KEPT) {
        free(x->head.data);
        x->head = (struct hf__head){0};
    }
    if (x->transfer.body.size > BUFFER_KEPT) {
        hf__transfer_free(&x->transfer);
        x->transfer.body.data = NULL;
        x->transfer.body.size = 0;
    }
    x->next_idle = lane->idle;
    lane->idle = x;
    lane->idle_count++;
}

/* ---- headers of one attempt ---- */

/* Puts a header in front of the request's, which stay as they are: a sibling may be using them. */
static int add_header(struct hf__exchange *x, const char *name, const char *value) {
    size_t size = strlen(name) + strlen(value) + 3;
    struct hf__added_header *added = malloc(sizeof *added + size);
    if (added == NULL) return HF_E_NOMEM;
    snprintf(added->text, size, *value == '\0' ? "%s;" : "%s: %s", name, value);
    added->node.data = added->text;
    added->node.next = x->headers;
    x->headers = &added->node;
    added->next = x->added;
    x->added = added;
    return 0;
}

static struct hf__exchange *exchange_of(const hf_sending *sending) {
    return (struct hf__exchange *)(uintptr_t)sending; /* never const, see call_hook */
}

uint32_t hf_sending_number(const hf_sending *sending) { return exchange_of(sending)->transfer.attempt; }

int64_t hf_sending_remaining_ns(const hf_sending *sending) {
    const struct hf__exchange *x = exchange_of(sending);
    return x->deadline_at == HF_NEVER ? HF_NEVER : hf__left(x->deadline_at, hf_clock_now(x->options.clock));
}

int hf_sending_add(hf_sending *sending, const char *name, const char *value) {
    if (name == NULL || value == NULL || !hf__is_token(name) || !hf__is_field_value(value)) return HF_E_INVALID;
    return add_header(exchange_of(sending), name, value);
}

static CURLcode gather_headers(struct hf__exchange *x) {
    struct hf__job *job = x->job;
    const hf_client_config *c = &job->lane->setup->config;
    const hf_request *given = &job->request->given;
    char number[24];
    x->headers = job->request->headers;
    if (c->attempt_header != NULL) {
        snprintf(number, sizeof number, "%u", x->transfer.attempt);
        if (add_header(x, c->attempt_header, number) < 0) return CURLE_OUT_OF_MEMORY;
    }
    if (c->deadline_header != NULL && x->deadline_at != HF_NEVER) {
        int64_t left = hf__left(x->deadline_at, hf_clock_now(x->options.clock));
        snprintf(number, sizeof number, "%lld", (long long)(left / HF_MILLISECOND));
        if (add_header(x, c->deadline_header, number) < 0) return CURLE_OUT_OF_MEMORY;
    }
    if (c->priority_header != NULL) {
        snprintf(number, sizeof number, "%u", given->priority);
        if (add_header(x, c->priority_header, number) < 0) return CURLE_OUT_OF_MEMORY;
    }
    if (given->hook != NULL) {
        if (!hf__job_enter_user(job)) return CURLE_ABORTED_BY_CALLBACK;
        given->hook(given->hook_arg, (hf_sending *)x);
        hf__job_leave_user(job);
    }
    return CURLE_OK;
}

/* ---- one attempt ---- */

static void set_up_upload(CURL *easy, uint64_t bytes) {
    curl_off_t size = bytes == HF_BODY_UNKNOWN ? (curl_off_t)-1 : (curl_off_t)bytes;
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, size);
}

static void set_up_post(CURL *easy, const void *body, uint64_t bytes) {
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
}

/* Every option that depends on the request is set every time, so nothing is left of the request before. */
static CURLcode set_up_request(struct hf__exchange *x) {
    const struct hf__request *request = x->job->request;
    enum hf__body_kind body = x->target.with_body ? request->body : HF__BODY_NONE;
    const char *method = x->target.method, *own = method; /* what libcurl says by itself */
    CURL *easy = x->transfer.easy;
    (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* also takes back NOBODY, UPLOAD and POST */
    if (body == HF__BODY_FILE || body == HF__BODY_CALLBACK) {
        set_up_upload(easy, request->body_bytes);
        own = "PUT";
    } else if (body == HF__BODY_MEMORY) {
        set_up_post(easy, request->given.body, request->body_bytes);
        own = "POST";
    } else if (strcmp(method, "POST") == 0) {
        set_up_post(easy, "", 0);
    } else if (strcmp(method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        own = "GET";
    }
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, x->job->fresh ? 1L : 0L);
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, x->target.url);
    if (rc == CURLE_OK) rc = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, strcmp(method, own) == 0 ? NULL : method);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
    return rc;
}

/* No silent resend where it may be a refused stream, of which libcurl would make five without any delay; else one,
 * which gets an idempotent request past a connection that had died. */
static uint32_t resends_allowed(const struct hf__lane *lane) {
    return lane->http2_seen || lane->setup->config.http_version == HF_HTTP_2_PRIOR ? 0 : 1;
}

static CURLcode send_off(struct hf__exchange *x) {
    CURLcode rc = set_up_request(x);
    if (rc == CURLE_OK) rc = hf__lane_add(x->job->lane, x->transfer.easy);
    if (rc == CURLE_OK) x->state = HF__EXCHANGE_RUNNING;
    return rc;
}

static void on_looked_up(void *job) { hf__lane_post(((struct hf__job *)job)->lane, job); }

static CURLcode take_addresses(struct hf__exchange *x) {
    const struct hf__target *target = &x->target;
    x->state = HF__EXCHANGE_IDLE;
    if (x->lookup.code != 0) {
        snprintf(x->error_text, sizeof x->error_text, "Could not resolve host: %s (code %d)", target->host,
                 x->lookup.code);
        return CURLE_COULDNT_RESOLVE_HOST;
    }
    snprintf(x->resolve_text, sizeof x->resolve_text, "%s:%u:%s", target->host, target->port, x->lookup.addresses);
    x->resolve = (struct curl_slist){x->resolve_text, NULL};
    return curl_easy_setopt(x->transfer.easy, CURLOPT_RESOLVE, &x->resolve);
}

CURLcode hf__exchange_looked_up(struct hf__exchange *x) {
    CURLcode rc = take_addresses(x);
    return rc == CURLE_OK ? send_off(x) : rc;
}

static CURLcode look_up_and_send(struct hf__exchange *x) {
    if (x->target.host == NULL || !HF__CURED(4)) return send_off(x);
    x->lookup.ready = on_looked_up;
    x->lookup.arg = x->job;
    x->state = HF__EXCHANGE_LOOKING_UP;
    return hf__resolver_ask(x->job->lane->resolver, &x->lookup, x->target.host) ? hf__exchange_looked_up(x) : CURLE_OK;
}

CURLcode hf__exchange_start(struct hf__exchange *x, struct hf__job *job, uint32_t serial, uint32_t number,
                            hf_time deadline_at) {
    struct hf__lane *lane = job->lane;
    struct hf__transfer *t = &x->transfer;
    x->job = job;
    x->serial = serial;
    x->deadline_at = deadline_at;
    x->target = (struct hf__target){job->request->url, job->request->given.method, job->request->host,
                                    job->request->port, job->request->body != HF__BODY_NONE};
    x->head.length = x->head.count = 0;
    x->error_text[0] = '\0';
    x->options = job->options;
    x->options.header_function = on_header;
    x->options.header_data = x;
    t->call = &job->call;
    t->rules = &lane->setup->rules;
    t->options = &x->options;
    t->keyed = job->request->headers == &job->request->key && x->options.idempotent != HF_CURL_NOT_IDEMPOTENT;
    t->resends_allowed = resends_allowed(lane);
    t->error_text = x->error_text;
    t->via_proxy = lane->setup->has_proxy;
    t->redirected = false;
    (void)hf__transfer_begin(t, serial, number); /* rewinding is ours */
    if (!hf__exchange_rewind(x)) return CURLE_SEND_FAIL_REWIND;
    CURLcode rc = gather_headers(x);
    if (rc != CURLE_OK) return rc;
    return look_up_and_send(x);
}

bool hf__exchange_go_on(struct hf__exchange *x, CURLcode *code) {
    bool followed = false;
    if (*code != CURLE_OK || x->transfer.withheld) return false;
    CURLcode rc = hf__redirect_follow(x, &followed);
    if (rc == CURLE_OK && followed) {
        hf__exchange_stop(x);
        rc = look_up_and_send(x);
    }
    *code = rc;
    return rc == CURLE_OK && followed;
}

void hf__exchange_stop(struct hf__exchange *x) {
    if (x->state == HF__EXCHANGE_LOOKING_UP) hf__resolver_drop(x->job->lane->resolver, &x->lookup);
    if (x->state == HF__EXCHANGE_RUNNING) hf__lane_remove(x->job->lane, x->transfer.easy);
    x->state = HF__EXCHANGE_IDLE;
}
