/* SPDX-License-Identifier: MIT */
#include "http/client_request.h"

#include "base/given.h"
#include "base/num.h"
#include "drive/clock.h"
#include "http/client_setup.h"
#include "http/cures.h"
#include "os/error_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define METHOD_MAX 31
#define URL_MAX 8000
#define HEADERS_MAX 200
#define BODY_LIMIT_MAX ((uint64_t)1 << 40)

void hf_request_init(hf_request *request) {
    *request = (hf_request){
        .struct_size = (uint32_t)sizeof *request,
        .idempotent = HF_REQUEST_BY_METHOD,
        .method = "GET",
        .max_body_bytes = 16777216,
        .priority = HF_PRIORITY_NORMAL,
        .weight = 1,
        .timeout_ms = HF_NEVER,
        .deadline_at = HF_NEVER,
        .seed = HF_SEED_AUTO,
    };
}

bool hf__is_token(const char *text) {
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        char c = *text;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && strchr("!#$%&'*+-.^_`|~", c) == NULL) return false;
    }
    return true;
}

bool hf__is_field_value(const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

static bool is_url_text(const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= 0x20 || c == 0x7f) return false;
    }
    return true;
}

/* ---- checks: one sentence each, without the values of URLs and headers, which may hold secrets ---- */

static int bad(hf_error *error, const char *what) { return hf__error_set(error, HF_E_INVALID, "request: %s", what); }

static int check_body(const hf_request *r, hf_error *error) {
    int bodies = (r->body != NULL) + (r->body_file != NULL) + (r->body_read != NULL);
    if (bodies > 1) return bad(error, "more than one of body, body_file and body_read is not NULL");
    if (r->body == NULL && r->body_read == NULL && r->body_bytes != 0) {
        return bad(error, "body_bytes is not 0, but there is neither body nor body_read");
    }
    if (r->body != NULL && r->body_bytes > INT64_MAX / 2) return bad(error, "body_bytes is too large");
    if (r->body_rewind != NULL && r->body_read == NULL) return bad(error, "body_rewind without body_read");
    if (r->max_body_bytes < 1 || r->max_body_bytes > BODY_LIMIT_MAX) {
        return bad(error, "max_body_bytes is out of its range, 1 to 2^40");
    }
    return 0;
}

static int check_headers(const hf_request *r, hf_error *error) {
    if (r->header_count > HEADERS_MAX) return bad(error, "header_count is above 200");
    if (r->header_count > 0 && r->headers == NULL) return bad(error, "header_count is not 0, but headers is NULL");
    for (size_t i = 0; i < r->header_count; i++) {
        const hf_header *h = &r->headers[i];
        if (h->name == NULL || h->value == NULL || !hf__is_token(h->name) || !hf__is_field_value(h->value)) {
            return hf__error_set(error, HF_E_INVALID,
                                 "request: headers[%zu] is no name and value: NULL, a bad character, or a line break",
                                 i);
        }
    }
    if (r->content_type != NULL && !hf__is_field_value(r->content_type)) {
        return bad(error, "content_type has a control character");
    }
    return 0;
}

static int check(const struct hf__client_setup *setup, const hf_request *r, hf_error *error) {
    if (r->method == NULL || !hf__is_token(r->method) || strlen(r->method) > METHOD_MAX) {
        return bad(error, "method is no token of 1 to 31 bytes");
    }
    if (strcmp(r->method, "CONNECT") == 0) return bad(error, "method CONNECT is not for clients of HTTP servers");
    if (r->url == NULL) return bad(error, "url is NULL");
    if (!is_url_text(r->url) || strlen(r->url) > URL_MAX) {
        return bad(error, "url has blanks or control characters, or more than 8000 bytes");
    }
    bool whole = strncmp(r->url, "http://", 7) == 0 || strncmp(r->url, "https://", 8) == 0;
    if (!whole && (r->url[0] != '/' || setup->config.base_url == NULL)) {
        return bad(error, "url is neither http:// nor https:// nor a path that begins with / on the client's base_url");
    }
    int rc = check_headers(r, error);
    if (rc == 0) rc = check_body(r, error);
    if (rc == 0 && r->timeout_ms < 0) rc = bad(error, "timeout_ms is negative");
    if (rc == 0 && r->weight > HF_WEIGHT_MAX) rc = bad(error, "weight is above 131071");
    if (rc == 0 && r->priority > HF_PRIORITIES - 1) rc = bad(error, "priority is above 7");
    return rc;
}

/* What of that which the door checks is not as it should be. */
static const char *blame(const hf_request *r) {
    if (r->priority >= HF_PRIORITIES) return "priority is above 7";
    if (r->make_key > 1) return "make_key is neither 0 nor 1";
    if (r->idempotent < HF_REQUEST_BY_METHOD || r->idempotent > HF_REQUEST_NOT_IDEMPOTENT) {
        return "idempotent is no hf_request_idempotent, 0 to 2";
    }
    if (r->idempotency_key != NULL && r->make_key == 1) return "make_key is 1, but there is an idempotency_key";
    return "idempotency_key is not 1 to 200 printable ASCII characters without quote and backslash";
}

/* The same request as the door sees it. Its checks of keys and of `idempotent` are the door's too. */
static int resolve_options(hf_curl_options *out, const hf_request *r, hf_error *error) {
    _Static_assert((int)HF_REQUEST_IDEMPOTENT == (int)HF_CURL_IDEMPOTENT &&
                       (int)HF_REQUEST_NOT_IDEMPOTENT == (int)HF_CURL_NOT_IDEMPOTENT,
                   "the same numbers");
    hf_curl_options o;
    hf_curl_options_init(&o);
    o.idempotent = r->idempotent;
    o.make_key = r->make_key;
    o.idempotency_key = r->idempotency_key;
    o.deadline_at = r->deadline_at;
    o.timeout_ns = r->timeout_ms == HF_NEVER ? HF_NEVER : hf__mul(r->timeout_ms, HF_MILLISECOND);
    o.cancel = r->cancel;
    o.seed = r->seed;
    o.fallback_arg = r->fallback_arg;
    o.priority = r->priority;
    o.tag = r->tag;
    bool once = r->body_read != NULL && r->body_rewind == NULL;
    o.body = once ? HF_CURL_BODY_ONCE : HF_CURL_BODY_MEMORY;
    o.buffer_max_bytes = r->on_body != NULL ? 0 : (size_t)r->max_body_bytes;
    if (hf__curl_options_resolve(out, &o)) return 0;
    return bad(error, blame(r));
}

/* ---- the copy ---- */

static size_t bytes_of(const char *text) { return text == NULL ? 0 : strlen(text) + 1; }

struct writer {
    char *at;
};

static char *put(struct writer *w, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(w->at, text, bytes);
    w->at += bytes;
    return copy;
}

/* "name: value", or "name;" which is how libcurl wants a header without a value; both have the same size. */
static char *put_header(struct writer *w, const char *name, const char *value) {
    char *copy = w->at;
    w->at += sprintf(w->at, *value == '\0' ? "%s;" : "%s: %s", name, value) + 1;
    return copy;
}

static bool is_path(const hf_request *r) { return r->url[0] == '/'; }

static size_t size_of_copy(const struct hf__client_setup *setup, const hf_request *r) {
    size_t size = sizeof(struct hf__request) + (r->header_count + 2) * sizeof(struct curl_slist);
    size += bytes_of(r->method) + bytes_of(r->url) + bytes_of(r->key) + HF__HOST_SIZE;
    if (is_path(r)) size += strlen(setup->config.base_url);
    for (size_t i = 0; i < r->header_count; i++) size += strlen(r->headers[i].name) + strlen(r->headers[i].value) + 4;
    size += sizeof "Content-Type: " + bytes_of(r->content_type) + sizeof "Expect:";
    return size + (r->body != NULL ? (size_t)r->body_bytes : 0);
}

/* libcurl's own Content-Type for a POST is switched off, and its Expect, which costs up to a second. */
static void copy_headers(struct hf__request *copy, struct writer *w, struct curl_slist *nodes, const hf_request *r) {
    size_t count = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        nodes[count++].data = put_header(w, r->headers[i].name, r->headers[i].value);
    }
    if (copy->body != HF__BODY_NONE || strcmp(copy->given.method, "POST") == 0) {
        nodes[count++].data =
            r->content_type != NULL ? put_header(w, "Content-Type", r->content_type) : put(w, "Content-Type:");
        if (HF__CURED(17)) nodes[count++].data = put(w, "Expect:");
    }
    for (size_t i = 0; i < count; i++) nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
    copy->headers = count > 0 ? nodes : NULL;
}

static int find_host(struct hf__request *copy, struct writer *w, const struct hf__client_setup *setup,
                     hf_error *error) {
    const char *host = setup->host;
    char own[HF__HOST_SIZE];
    copy->port = setup->port;
    if (!setup->has_proxy && !(is_path(&copy->given) && setup->base_host_known)) {
        if (!hf__url_origin(copy->url, own, &copy->port)) return bad(error, "url cannot be parsed");
        host = own;
    }
    copy->host = host[0] == '\0' ? NULL : put(w, host);
    return 0;
}

static int open_file(struct hf__request *copy, const char *path, hf_error *error) {
    struct stat info;
    copy->file = open(path, O_RDONLY | O_CLOEXEC);
    if (copy->file < 0)
        return hf__error_set(error, HF_E_SYSTEM, "request: body_file cannot be opened: errno %d", errno);
    if (fstat(copy->file, &info) != 0 || !S_ISREG(info.st_mode)) {
        return hf__error_set(error, HF_E_SYSTEM, "request: body_file is no regular file");
    }
    copy->body_bytes = (uint64_t)info.st_size;
    return 0;
}

static int fill(struct hf__request *copy, const struct hf__client_setup *setup, const hf_request *r, hf_error *error) {
    struct curl_slist *nodes = (struct curl_slist *)(void *)(copy + 1);
    struct writer w = {(char *)(nodes + r->header_count + 2)};
    copy->given = *r;
    copy->body_bytes = r->body_bytes;
    copy->body = r->body != NULL        ? HF__BODY_MEMORY
                 : r->body_file != NULL ? HF__BODY_FILE
                 : r->body_read != NULL ? HF__BODY_CALLBACK
                                        : HF__BODY_NONE;
    int rc = copy->body == HF__BODY_FILE ? open_file(copy, r->body_file, error) : 0;
    if (rc < 0) return rc;
    copy->given.method = put(&w, r->method);
    if (r->key != NULL) copy->given.key = put(&w, r->key);
    char *url = w.at;
    if (is_path(r)) {
        size_t base = strlen(setup->config.base_url);
        memcpy(w.at, setup->config.base_url, base);
        w.at += base;
    }
    (void)put(&w, r->url);
    copy->url = url;
    copy_headers(copy, &w, nodes, r);
    rc = find_host(copy, &w, setup, error);
    if (r->body != NULL) copy->given.body = memcpy(w.at, r->body, (size_t)r->body_bytes);
    copy->given.headers = NULL;
    copy->given.header_count = 0;
    return rc;
}

int hf__request_copy(struct hf__request **out, hf_curl_options *out_options, const struct hf__client_setup *setup,
                     const hf_request *given, hf_error *error) {
    hf_request r;
    hf_request_init(&r);
    *out = NULL;
    if (given == NULL) return bad(error, "it is NULL");
    if (!hf__given_copy(&r, sizeof r, given)) {
        return bad(error, "struct_size is not set: fill it with hf_request_init first");
    }
    int rc = check(setup, &r, error);
    if (rc == 0) rc = resolve_options(out_options, &r, error);
    if (rc < 0) return rc;
    struct hf__request *copy = malloc(size_of_copy(setup, &r));
    if (copy == NULL) return hf__error_set(error, HF_E_NOMEM, "request: no memory");
    copy->file = -1;
    rc = fill(copy, setup, &r, error);
    if (rc < 0) {
        hf__request_free(copy);
        return rc;
    }
    if (hf__curl_key_header(copy->key_text, out_options)) {
        copy->key = (struct curl_slist){copy->key_text, copy->headers};
        copy->headers = &copy->key;
    }
    out_options->idempotency_key = NULL; /* the caller's memory */
    *out = copy;
    return 0;
}

void hf__request_free(struct hf__request *request) {
    if (request == NULL) return;
    if (request->file >= 0) (void)close(request->file);
    free(request);
}
