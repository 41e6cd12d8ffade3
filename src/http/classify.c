/* SPDX-License-Identifier: MIT */
#include "http/classify.h"
#include "http/cures.h"

#include <errno.h>
#include <string.h>

enum {
    OK = HF_SUCCESS,
    FAIL = HF_FAILURE,
    SLOW = HF_THROTTLED,
    NONE = HF_NEUTRAL,
    NEVER = HF_CURL_REPEAT_NEVER,
    SAFE = HF_CURL_REPEAT_SAFE,
    KEYED = HF_CURL_REPEAT_KEYED,
    IDEM = HF_CURL_REPEAT_IDEMPOTENT,
    ANY = HF_CURL_REPEAT_ANY,
    HINT = HF_CURL_HINT,
    ONLY_HINT = HF_CURL_HINT | HF_CURL_HINT_REQUIRED
};

/* Statuses that differ from their class (below). kind, repeat, max_repeats, flags */
// clang-format off
static const struct {
    short status;
    hf_curl_rule rule;
} status_table[] = {
    {408, {NONE, IDEM, 0, 0}},         /* often our own slowness, or an idle connection closed */
    {409, {OK, KEYED, 0, 0}},          /* with a key: the first attempt is still at work */
    {413, {OK, IDEM, 0, ONLY_HINT}},   /* RFC 9110 15.5.14 */
    {421, {NONE, ANY, 1, 0}},          /* RFC 9110 15.5.20: misdirected, on another connection */
    {425, {NONE, ANY, 1, 0}},          /* RFC 8470: not processed */
    {429, {SLOW, IDEM, 0, HINT}},
    {500, {FAIL, SAFE, 0, 0}},         /* may have acted; often fails again */
    {501, {NONE, NEVER, 0, 0}},
    {503, {FAIL, IDEM, 0, HINT}},      /* not ANY: proxies send it after the origin has acted */
    {502, {FAIL, IDEM, 0, 0}},
    {504, {FAIL, IDEM, 0, 0}},
    {505, {NONE, NEVER, 0, 0}},
    {506, {NONE, NEVER, 0, 0}},
    {508, {NONE, NEVER, 0, 0}},
    {509, {SLOW, IDEM, 0, HINT}},      /* bandwidth limit, de facto */
    {510, {NONE, NEVER, 0, 0}},
    {511, {NONE, NEVER, 0, 0}},        /* a captive portal */
    {520, {FAIL, IDEM, 0, 0}},         /* 520 to 530: Cloudflare */
    {521, {FAIL, ANY, 0, 0}},          /* no connection to the origin, so nothing was done */
    {522, {FAIL, ANY, 0, 0}},
    {523, {FAIL, ANY, 0, 0}},
    {524, {FAIL, IDEM, 0, 0}},
    {529, {SLOW, IDEM, 0, HINT}},      /* overloaded, de facto */
    {598, {FAIL, IDEM, 0, 0}},         /* proxy timeouts, by convention */
    {599, {FAIL, IDEM, 0, 0}},
};

static hf_curl_rule class_rule(long status) {
    if (status >= 200 && status < 500) return (hf_curl_rule){OK, NEVER, 0, 0}; /* the server is alive */
    return (hf_curl_rule){FAIL, NEVER, 0, 0}; /* other 5xx, and what is no status at all */
}

/* How a failed transfer counts when nothing of the request reached the server, and when it may have. */
static const struct {
    short code;
    hf_curl_rule unreached, reached;
} code_table[] = {
#define LOCAL {NONE, NEVER, 0, 0} /* the caller's or this machine's fault */
    {CURLE_UNSUPPORTED_PROTOCOL, LOCAL, {FAIL, NEVER, 0, 0}}, /* the server spoke something else */
    {CURLE_FAILED_INIT, LOCAL, LOCAL},
    {CURLE_URL_MALFORMAT, LOCAL, LOCAL},
    {CURLE_NOT_BUILT_IN, LOCAL, LOCAL},
    {CURLE_COULDNT_RESOLVE_PROXY, {FAIL, ANY, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_COULDNT_RESOLVE_HOST, {FAIL, ANY, 2, 0}, {FAIL, IDEM, 2, 0}}, /* no such name, or no answer */
    {CURLE_COULDNT_CONNECT, {FAIL, ANY, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_WEIRD_SERVER_REPLY, {FAIL, IDEM, 1, 0}, {FAIL, IDEM, 1, 0}},
    {CURLE_REMOTE_ACCESS_DENIED, LOCAL, LOCAL}, /* to 19: FTP */
    {CURLE_FTP_ACCEPT_FAILED, LOCAL, LOCAL},
    {CURLE_FTP_WEIRD_PASS_REPLY, LOCAL, LOCAL},
    {CURLE_FTP_ACCEPT_TIMEOUT, LOCAL, LOCAL},
    {CURLE_FTP_WEIRD_PASV_REPLY, LOCAL, LOCAL},
    {CURLE_FTP_WEIRD_227_FORMAT, LOCAL, LOCAL},
    {CURLE_FTP_CANT_GET_HOST, LOCAL, LOCAL},
    {CURLE_HTTP2, {FAIL, IDEM, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_FTP_COULDNT_SET_TYPE, LOCAL, LOCAL},
    {CURLE_PARTIAL_FILE, {FAIL, IDEM, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_FTP_COULDNT_RETR_FILE, LOCAL, LOCAL},
    {CURLE_QUOTE_ERROR, LOCAL, LOCAL},
    {CURLE_HTTP_RETURNED_ERROR, {FAIL, NEVER, 0, 0}, {FAIL, NEVER, 0, 0}}, /* FAILONERROR; see classify */
    {CURLE_WRITE_ERROR, LOCAL, LOCAL},
    {CURLE_UPLOAD_FAILED, LOCAL, LOCAL},
    {CURLE_READ_ERROR, LOCAL, LOCAL},
    {CURLE_OUT_OF_MEMORY, LOCAL, LOCAL},
    {CURLE_OPERATION_TIMEDOUT, {FAIL, ANY, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_FTP_PORT_FAILED, LOCAL, LOCAL},
    {CURLE_FTP_COULDNT_USE_REST, LOCAL, LOCAL},
    {CURLE_RANGE_ERROR, LOCAL, LOCAL},
    {CURLE_SSL_CONNECT_ERROR, {FAIL, ANY, 1, 0}, {FAIL, IDEM, 1, 0}}, /* bad settings fail every time */
    {CURLE_BAD_DOWNLOAD_RESUME, LOCAL, LOCAL},
    {CURLE_FILE_COULDNT_READ_FILE, LOCAL, LOCAL},
    {CURLE_LDAP_CANNOT_BIND, LOCAL, LOCAL},
    {CURLE_LDAP_SEARCH_FAILED, LOCAL, LOCAL},
    {CURLE_ABORTED_BY_CALLBACK, LOCAL, LOCAL}, /* the caller, or our veto of a silent resend */
    {CURLE_BAD_FUNCTION_ARGUMENT, LOCAL, LOCAL},
    {CURLE_INTERFACE_FAILED, LOCAL, LOCAL},
    {CURLE_TOO_MANY_REDIRECTS, LOCAL, LOCAL},
    {CURLE_UNKNOWN_OPTION, LOCAL, LOCAL},
    {CURLE_SETOPT_OPTION_SYNTAX, LOCAL, LOCAL},
    {CURLE_GOT_NOTHING, {FAIL, IDEM, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_SSL_ENGINE_NOTFOUND, LOCAL, LOCAL},
    {CURLE_SSL_ENGINE_SETFAILED, LOCAL, LOCAL},
    {CURLE_SEND_ERROR, {FAIL, IDEM, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_RECV_ERROR, {FAIL, ANY, 0, 0}, {FAIL, IDEM, 0, 0}}, /* unreached: a proxy refused CONNECT */
    {CURLE_SSL_CERTPROBLEM, LOCAL, LOCAL},
    {CURLE_SSL_CIPHER, LOCAL, LOCAL},
    {CURLE_PEER_FAILED_VERIFICATION, {FAIL, NEVER, 0, 0}, {FAIL, NEVER, 0, 0}}, /* the same peer fails again */
    {CURLE_BAD_CONTENT_ENCODING, {FAIL, IDEM, 1, 0}, {FAIL, IDEM, 1, 0}},
    {CURLE_FILESIZE_EXCEEDED, LOCAL, LOCAL},
    {CURLE_USE_SSL_FAILED, LOCAL, LOCAL}, /* 64, 67 to 74, 78, 79: other protocols */
    {CURLE_SEND_FAIL_REWIND, LOCAL, LOCAL},
    {CURLE_SSL_ENGINE_INITFAILED, LOCAL, LOCAL},
    {CURLE_LOGIN_DENIED, LOCAL, LOCAL},
    {CURLE_TFTP_NOTFOUND, LOCAL, LOCAL},
    {CURLE_TFTP_PERM, LOCAL, LOCAL},
    {CURLE_REMOTE_DISK_FULL, LOCAL, LOCAL},
    {CURLE_TFTP_ILLEGAL, LOCAL, LOCAL},
    {CURLE_TFTP_UNKNOWNID, LOCAL, LOCAL},
    {CURLE_REMOTE_FILE_EXISTS, LOCAL, LOCAL},
    {CURLE_TFTP_NOSUCHUSER, LOCAL, LOCAL},
    {CURLE_SSL_CACERT_BADFILE, LOCAL, LOCAL},
    {CURLE_REMOTE_FILE_NOT_FOUND, LOCAL, LOCAL},
    {CURLE_SSH, LOCAL, LOCAL},
    {CURLE_SSL_SHUTDOWN_FAILED, LOCAL, LOCAL},
    {CURLE_AGAIN, LOCAL, LOCAL},
    {CURLE_SSL_CRL_BADFILE, LOCAL, LOCAL},
    {CURLE_SSL_ISSUER_ERROR, {FAIL, NEVER, 0, 0}, {FAIL, NEVER, 0, 0}},
    {CURLE_FTP_PRET_FAILED, LOCAL, LOCAL},
    {CURLE_RTSP_CSEQ_ERROR, LOCAL, LOCAL},
    {CURLE_RTSP_SESSION_ERROR, LOCAL, LOCAL},
    {CURLE_FTP_BAD_FILE_LIST, LOCAL, LOCAL},
    {CURLE_CHUNK_FAILED, LOCAL, LOCAL},
    {CURLE_NO_CONNECTION_AVAILABLE, LOCAL, LOCAL},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, {FAIL, NEVER, 0, 0}, {FAIL, NEVER, 0, 0}},
    {CURLE_SSL_INVALIDCERTSTATUS, {FAIL, NEVER, 0, 0}, {FAIL, NEVER, 0, 0}},
    {CURLE_HTTP2_STREAM, {FAIL, IDEM, 0, 0}, {FAIL, IDEM, 0, 0}}, /* its error code is only in a text */
    {CURLE_RECURSIVE_API_CALL, LOCAL, LOCAL},
    {CURLE_AUTH_ERROR, LOCAL, LOCAL},
    {CURLE_HTTP3, {FAIL, IDEM, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_QUIC_CONNECT_ERROR, {FAIL, ANY, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_PROXY, {FAIL, ANY, 0, 0}, {FAIL, IDEM, 0, 0}},
    {CURLE_SSL_CLIENTCERT, LOCAL, LOCAL},
    {99, LOCAL, LOCAL},  /* CURLE_UNRECOVERABLE_POLL, 7.84 */
    {100, LOCAL, LOCAL}, /* CURLE_TOO_LARGE, 8.6 */
    {101, LOCAL, LOCAL}, /* CURLE_ECH_REQUIRED, 8.8 */
};

// clang-format on

/* Codes that no libcurl of today uses, or that one of tomorrow will. */
static hf_curl_rule other_code_rule(bool reached) { return (hf_curl_rule){reached ? FAIL : NONE, NEVER, 0, 0}; }

/* One key for all: statuses are negative, codes are doubled with `reached` as the last bit. */
static int64_t code_key(int code, bool reached) { return (int64_t)code * 2 + reached; }
static int64_t status_key(long status) { return -1 - (int64_t)status; }

static const hf_curl_rule *replaced(const struct hf__rules *rules, int64_t key) {
    for (uint32_t i = 0; rules != NULL && i < rules->count; i++) {
        if (rules->row[i].key == key) return &rules->row[i].rule;
    }
    return NULL;
}

static bool replace(struct hf__rules *rules, int64_t key, hf_curl_rule rule) {
    uint32_t i = 0;
    while (i < rules->count && rules->row[i].key != key) i++;
    if (i == HF__RULES_MAX) return false;
    if (i == rules->count) rules->count++;
    rules->row[i].key = key;
    rules->row[i].rule = rule;
    return true;
}

bool hf__set_status_rule(struct hf__rules *rules, long status, hf_curl_rule rule) {
    return replace(rules, status_key(status), rule);
}

bool hf__set_code_rule(struct hf__rules *rules, int code, bool reached, hf_curl_rule rule) {
    return replace(rules, code_key(code, reached), rule);
}

hf_curl_rule hf__status_rule(const struct hf__rules *rules, long status) {
    const hf_curl_rule *own = replaced(rules, status_key(status));
    if (own != NULL) return *own;
    if (status < status_table[0].status) return class_rule(status); /* nearly all: none of these differs */
    for (size_t i = 0; i < sizeof status_table / sizeof status_table[0]; i++) {
        if (status_table[i].status == status) return status_table[i].rule;
    }
    return class_rule(status);
}

hf_curl_rule hf__code_rule(const struct hf__rules *rules, int code, bool reached) {
    const hf_curl_rule *own = replaced(rules, code_key(code, reached));
    if (own != NULL) return *own;
    for (size_t i = 0; i < sizeof code_table / sizeof code_table[0]; i++) {
        if (code_table[i].code == code) return reached ? code_table[i].reached : code_table[i].unreached;
    }
    return other_code_rule(reached);
}

enum hf__method hf__method_of(const char *name) {
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"};
    static const char *const idempotent[] = {"PUT", "DELETE"};
    for (size_t i = 0; i < sizeof safe / sizeof safe[0]; i++) {
        if (strcmp(name, safe[i]) == 0) return HF__METHOD_SAFE;
    }
    for (size_t i = 0; i < sizeof idempotent / sizeof idempotent[0]; i++) {
        if (strcmp(name, idempotent[i]) == 0) return HF__METHOD_IDEMPOTENT;
    }
    return HF__METHOD_OTHER;
}

static bool may_repeat(hf_curl_rule rule, const struct hf__ending *e) {
    if (rule.max_repeats != 0 && e->attempt > rule.max_repeats) return false;
    if ((rule.flags & HF_CURL_HINT_REQUIRED) && !e->has_hint) return false;
    if (rule.repeat != HF_CURL_REPEAT_NEVER && !e->reached) return true;
    if (e->reached && !e->replayable) return false;
    switch ((hf_curl_repeat)rule.repeat) {
    case HF_CURL_REPEAT_NEVER: return false;
    case HF_CURL_REPEAT_SAFE: return e->method == HF__METHOD_SAFE;
    case HF_CURL_REPEAT_KEYED: return e->keyed;
    case HF_CURL_REPEAT_IDEMPOTENT: return e->keyed || e->method != HF__METHOD_OTHER;
    case HF_CURL_REPEAT_ANY: return true;
    }
    return false;
}

/* Which kind says more against the dependency. */
static int32_t stricter(int32_t a, int32_t b) {
    static const int rank[] = {[HF_SUCCESS] = 0, [HF_NEUTRAL] = 1, [HF_THROTTLED] = 2, [HF_FAILURE] = 3};
    return rank[a] >= rank[b] ? a : b;
}

/* RFC 9113, 7. A refused stream was not processed (8.7). */
#define HTTP2_REFUSED_STREAM 7
#define HTTP2_ENHANCE_YOUR_CALM 11

/* What can fail between us and a proxy before anything reaches the origin. A failed TLS handshake is not in it: behind
 * CONNECT it is the origin's. */
static bool is_proxys_fault(CURLcode code) {
    return code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_PROXY;
}

/* What the code means beyond its number. */
static hf_curl_rule failed_rule(const struct hf__rules *rules, const struct hf__ending *e) {
    hf_curl_rule rule = hf__code_rule(rules, (int)e->code, e->reached);
    if ((e->code == CURLE_COULDNT_CONNECT || !HF__CURED(9)) &&
        (e->os_errno == EMFILE || e->os_errno == ENFILE || e->os_errno == ENOBUFS || e->os_errno == ENOMEM ||
         e->os_errno == EADDRNOTAVAIL)) {
        rule.kind = HF_NEUTRAL; /* this machine has run out of something */
    }
    bool oversized_headers = (e->code == CURLE_OUT_OF_MEMORY || (int)e->code == 100) && e->status != 0;
    bool bad_location = e->code == CURLE_URL_MALFORMAT && e->redirected;
    if (oversized_headers || bad_location) rule.kind = HF_FAILURE; /* the server made libcurl fail */
    /* The connection was stale; with HTTP/2 the stream was refused, or the server is going away. */
    if (e->vetoed) rule = (hf_curl_rule){e->over_http2 ? FAIL : NONE, IDEM, 0, 0};
    if (e->code == CURLE_HTTP2_STREAM && e->http2_error == HTTP2_REFUSED_STREAM) rule.repeat = ANY;
    if (e->code == CURLE_HTTP2_STREAM && e->http2_error == HTTP2_ENHANCE_YOUR_CALM) rule.kind = SLOW;
    if (e->via_proxy && !e->reached && rule.kind == FAIL && is_proxys_fault(e->code)) rule.kind = NONE;
    return rule;
}

/* Can it be this process alone that cannot look a name up or find a route? */
static bool may_be_ours(const struct hf__ending *e) {
    return e->code == CURLE_COULDNT_RESOLVE_HOST || e->code == CURLE_COULDNT_RESOLVE_PROXY ||
           (e->code == CURLE_COULDNT_CONNECT && (e->os_errno == ENETUNREACH || e->os_errno == ENETDOWN));
}

hf_outcome hf__classify(const struct hf__rules *rules, const struct hf__ending *e) {
    hf_curl_rule by_status = hf__status_rule(rules, e->status);
    hf_outcome outcome = {.code = e->code == CURLE_OK ? (int32_t)e->status : (int32_t)e->code};
    bool again;
    if (e->code == CURLE_OK || (e->code == CURLE_HTTP_RETURNED_ERROR && e->status != 0)) {
        outcome.kind = by_status.kind;
        again = may_repeat(by_status, e);
    } else {
        hf_curl_rule by_code = failed_rule(rules, e);
        outcome.kind = by_code.kind;
        again = may_repeat(by_code, e);
        if (e->status != 0) { /* incomplete: the stricter of both */
            outcome.kind = stricter(by_code.kind, by_status.kind);
            /* A whole success would not be repeated at all, but this one was not whole. */
            if (by_status.kind != HF_SUCCESS) again = again && may_repeat(by_status, e);
        }
    }
    if (again) outcome.flags |= HF_RETRYABLE;
    if (may_be_ours(e)) outcome.flags |= HF_LOCAL;
    if (e->has_hint && e->status != 0 && (by_status.flags & HF_CURL_HINT)) outcome.retry_after_ns = e->hint_ns;
    return outcome;
}
