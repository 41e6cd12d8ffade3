/* SPDX-License-Identifier: MIT */
#include "http/transfer.h"

#include "base/num.h"
#include "http/cures.h"
#include "http/retry_after.h"
#include "os/wall.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANNOUNCED_MAX (1 << 20) /* no more memory is taken on a server's word alone */

static hf_time now_of(const struct hf__transfer *t) { return hf_clock_now(t->options->clock); }

/* Before anything was sent libcurl still shows the transfer before, or what a proxy said to CONNECT; 1xx are
 * interim. */
long hf__transfer_status(const struct hf__transfer *t) {
    long status = 0;
    if (t->reached) (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status < 200 ? 0 : status;
}

static const char *header_of(const struct hf__transfer *t, const char *name, size_t index, size_t *out_count) {
    struct curl_header *header;
    if (curl_easy_header(t->easy, name, index, CURLH_HEADER, -1, &header) != CURLHE_OK) return NULL;
    if (out_count != NULL) *out_count = header->amount;
    return header->value;
}

/* What libcurl makes of it, for the test of pitfall 7. */
static bool libcurls_hint(const struct hf__transfer *t, int64_t *out_ns) {
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &seconds);
    *out_ns = hf__mul(hf__max(seconds, 0), HF_SECOND);
    return seconds != 0;
}

/* The longest Retry-After of the final response: of several, none is to be obeyed early. */
static bool read_hint(const struct hf__transfer *t, int64_t *out_ns) {
    size_t count = 1;
    bool found = false;
    if (!HF__CURED(7)) return libcurls_hint(t, out_ns);
    for (size_t i = 0; i < count; i++) {
        char value[128];
        const char *header = header_of(t, "Retry-After", i, &count);
        if (header == NULL || strlen(header) >= sizeof value) continue;
        memcpy(value, header, strlen(header) + 1); /* the next look-up may reuse libcurl's memory */
        int64_t ns;
        if (!hf__retry_after_parse(value, header_of(t, "Date", 0, NULL), hf__wall_seconds(), &ns)) continue;
        *out_ns = found ? hf__max(*out_ns, ns) : ns;
        found = true;
    }
    return found;
}

/* A body is there when the method says so or libcurl has or had something to upload. */
static bool has_request_body(const struct hf__transfer *t) {
    curl_off_t sent = 0, length = -1;
    const char *method = NULL;
    (void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_UPLOAD_T, &length);
    (void)curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_METHOD, &method);
    if (sent > 0 || length > 0 || method == NULL) return true;
    return strcmp(method, "DELETE") != 0 && hf__method_of(method) != HF__METHOD_SAFE;
}

/* libcurl names the error code of a reset stream only in its text: "HTTP/2 stream 1 was not closed cleanly:
 * REFUSED_STREAM (err 7)". */
static int http2_error_of(const char *text) {
    const char *at = strstr(text, "(err ");
    return at == NULL ? 0 : (int)strtol(at + 5, NULL, 10);
}

static hf_outcome judge(const struct hf__transfer *t, CURLcode code) {
    long status = hf__transfer_status(t);
    hf_curl_rule rule = hf__status_rule(t->rules, status);
    /* Nearly all responses: what is not repeated and hints at nothing is as its status says, whatever the request was. */
    if (code == CURLE_OK && rule.repeat == HF_CURL_REPEAT_NEVER && !(rule.flags & HF_CURL_HINT)) {
        return (hf_outcome){.kind = rule.kind, .code = (int32_t)status, .resends = t->resends};
    }
    struct hf__ending ending = {
        .code = code,
        .status = status,
        .reached = t->reached || !HF__CURED(5),
        .keyed = t->keyed,
        .method = t->method,
        .replayable = t->options->body != HF_CURL_BODY_ONCE || !has_request_body(t),
        .attempt = t->attempt,
    };
    long redirects = 0, os_errno = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_COUNT, &redirects);
    ending.redirected = redirects > 0 || t->redirected;
    if (code == CURLE_COULDNT_CONNECT || !HF__CURED(9)) (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    ending.os_errno = os_errno != 0 ? (int)os_errno : t->socket_errno;
    ending.vetoed = t->vetoed;
    ending.over_http2 = t->resends_allowed == 0;
    ending.via_proxy = t->via_proxy;
    if (t->error_text != NULL && code == CURLE_HTTP2_STREAM) ending.http2_error = http2_error_of(t->error_text);
    if (rule.flags & HF_CURL_HINT) ending.has_hint = read_hint(t, &ending.hint_ns);
    hf_outcome outcome = hf__classify(t->rules, &ending);
    outcome.resends = t->resends;
    return outcome;
}

/* ---- callbacks ---- */

/* Called when libcurl is about to send. A further call without an answer in between is libcurl sending again
 * by itself, since a kept-alive connection was dead or a stream refused. */
static int on_prereq(void *arg, char *their_ip, char *our_ip, int their_port, int our_port) {
    struct hf__transfer *t = arg;
    const char *name = NULL;
    (void)curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_METHOD, &name);
    enum hf__method method = name == NULL ? HF__METHOD_OTHER : hf__method_of(name);
    if (t->options->idempotent == HF_CURL_IDEMPOTENT) method = HF__METHOD_IDEMPOTENT;
    if (t->options->idempotent == HF_CURL_NOT_IDEMPOTENT) method = HF__METHOD_OTHER;
    if (!t->reached || method < t->method) t->method = method;
    if (t->reached && !t->answered) {
        bool once = t->method == HF__METHOD_OTHER && !t->keyed;
        if ((once && HF__CURED(1)) || (t->resends >= t->resends_allowed && HF__CURED(2))) {
            t->vetoed = true;
            return CURL_PREREQFUNC_ABORT;
        }
        t->resends++;
    }
    const hf_curl_options *o = t->options;
    if (o->prereq_function != NULL) {
        int rc = o->prereq_function(o->prereq_data, their_ip, our_ip, their_port, our_port);
        if (rc != CURL_PREREQFUNC_OK) return rc;
    }
    t->reached = true;
    t->answered = t->is_decided = false;
    return CURL_PREREQFUNC_OK;
}

/* The blank line of a final response: the last moment at which its body can be kept from the caller. */
static bool shall_pass(struct hf__transfer *t) {
    if (hf__transfer_status(t) == 0) return true;
    t->decided = judge(t, CURLE_OK);
    t->is_decided = true;
    /* Nothing takes the place of a success that is not to be repeated: the engine need not be asked. */
    if (t->decided.kind == HF_SUCCESS && !(t->decided.flags & HF_RETRYABLE)) return true;
    return hf_call_would_end(t->call, t->serial, t->decided, now_of(t));
}

static size_t on_header(char *line, size_t size, size_t count, void *arg) {
    struct hf__transfer *t = arg;
    size_t length = size * count;
    const hf_curl_options *o = t->options;
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) t->in_headers = t->answered = true;
    bool blank = t->in_headers && length > 0 && (line[0] == '\r' || line[0] == '\n');
    if (blank) t->in_headers = false;
    if (o->header_function != NULL && o->header_function(line, size, count, o->header_data) != length) return 0;
    if (blank && !shall_pass(t)) {
        t->withheld = true;
        return 0;
    }
    return length;
}

/* What the server announced when there is nothing yet, else twice what is needed. */
static size_t roomy_size(const struct hf__transfer *t, size_t needed) {
    curl_off_t announced = -1;
    if (t->body.size == 0) (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced >= (curl_off_t)needed && announced <= ANNOUNCED_MAX) return (size_t)announced;
    return needed < 4096 ? 4096 : needed * 2;
}

size_t hf__transfer_on_body(char *data, size_t size, size_t count, void *arg) {
    struct hf__transfer *t = arg;
    size_t more = size * count;
    if (more > t->options->buffer_max_bytes - t->body.length) {
        t->body.too_long = true;
        return 0;
    }
    size_t needed = t->body.length + more;
    if (needed > t->body.size) {
        size_t roomy = roomy_size(t, needed);
        if (roomy > t->options->buffer_max_bytes) roomy = t->options->buffer_max_bytes;
        if (roomy == SIZE_MAX) return 0;
        char *longer = realloc(t->body.data, roomy + 1); /* who takes the body may end it with a zero */
        if (longer == NULL) return 0;
        t->body.data = longer;
        t->body.size = roomy;
    }
    memcpy(t->body.data + t->body.length, data, more);
    t->body.length = needed;
    return more;
}

curl_socket_t hf__transfer_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    struct hf__transfer *t = arg;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    t->socket_errno = fd >= 0 ? 0 : errno;
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

void hf__transfer_attach(struct hf__transfer *t) {
    (void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_prereq);
    (void)curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
}

void hf__transfer_detach(struct hf__transfer *t) {
    (void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, NULL);
    (void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, NULL);
    (void)curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, NULL);
    (void)curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, NULL);
}

bool hf__transfer_begin(struct hf__transfer *t, uint32_t serial, uint32_t attempt) {
    bool consumed = t->attempt > 0 && t->reached && t->options->body == HF_CURL_BODY_REWIND;
    t->serial = serial;
    t->attempt = attempt;
    t->resends = 0;
    t->socket_errno = 0;
    t->method = HF__METHOD_OTHER;
    t->reached = t->answered = t->in_headers = t->vetoed = t->withheld = t->delivered = t->is_decided = false;
    if (HF__CURED(18)) t->body.length = 0;
    t->body.too_long = false;
    return !consumed || t->options->rewind(t->options->rewind_arg) == 0;
}

hf_outcome hf__transfer_end(struct hf__transfer *t, CURLcode code) {
    if (t->withheld) {
        t->code = CURLE_HTTP_RETURNED_ERROR;
        t->decided.resends = t->resends;
        return t->decided;
    }
    /* libcurl takes headers that break off for a response without a body. */
    if (code == CURLE_OK && t->in_headers && HF__CURED(8)) code = CURLE_PARTIAL_FILE;
    if (code == CURLE_WRITE_ERROR && t->body.too_long) code = CURLE_FILESIZE_EXCEEDED;
    t->code = code;
    t->delivered = code == CURLE_OK;
    /* What was said of the headers holds for the whole when it came whole. */
    hf_outcome outcome = code == CURLE_OK && t->is_decided ? t->decided : judge(t, code);
    outcome.resends = t->resends;
    if (t->options->buffer_max_bytes > 0) return outcome;
    curl_off_t received = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    if (received > 0 && t->reached) outcome.flags |= HF_COMMITTED;
    return outcome;
}

CURLcode hf__transfer_flush(struct hf__transfer *t) {
    const hf_curl_options *o = t->options;
    if (t->body.length == 0) return CURLE_OK;
    size_t taken = o->write_function != NULL ? o->write_function(t->body.data, 1, t->body.length, o->write_data)
                                             : fwrite(t->body.data, 1, t->body.length,
                                                      o->write_data != NULL ? (FILE *)o->write_data : stdout);
    return taken == t->body.length ? CURLE_OK : CURLE_WRITE_ERROR;
}

void hf__transfer_free(struct hf__transfer *t) { free(t->body.data); }
