/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLASSIFY_H
#define HF_HTTP_CLASSIFY_H

/* What the end of a transfer means to the policies: two tables, one of HTTP statuses and one of
 * CURLcodes, and the few facts that a table cannot hold. docs/design/door.md has the reasons. */

#include <holdfast/curl.h>

#define HF__RULES_MAX 64

/* Rows that the user has replaced. */
struct hf__rules {
    uint32_t count;
    struct {
        int64_t key; /* rule_key of classify.c */
        hf_curl_rule rule;
    } row[HF__RULES_MAX];
};

/* The rule for a status, for a failed transfer; `rules` may be NULL. */
hf_curl_rule hf__status_rule(const struct hf__rules *rules, long status);
hf_curl_rule hf__code_rule(const struct hf__rules *rules, int code, bool reached);

/* Replaces a row; false when there are too many. */
bool hf__set_status_rule(struct hf__rules *rules, long status, hf_curl_rule rule);
bool hf__set_code_rule(struct hf__rules *rules, int code, bool reached, hf_curl_rule rule);

/* How often a method may be sent (RFC 9110, 9.2). */
enum hf__method { HF__METHOD_OTHER, HF__METHOD_IDEMPOTENT, HF__METHOD_SAFE };
enum hf__method hf__method_of(const char *name);

/* One finished transfer. */
struct hf__ending {
    CURLcode code;          /* CURLE_OK with a status: a whole response, or one whose headers are in */
    long status;            /* final status, 0: none came */
    bool reached;           /* something of the request may have reached the server */
    bool keyed;             /* the request carries an Idempotency-Key */
    enum hf__method method; /* the least repeatable of the methods that were sent */
    bool replayable;        /* there is no request body, or it can be sent again */
    bool redirected;        /* the server sent us on */
    int os_errno;           /* of a failed connect, else 0 */
    int http2_error;        /* of a reset stream where it is known, else 0 */
    bool vetoed;            /* we refused a silent resend by libcurl */
    bool over_http2;        /* as far as the client knows */
    bool via_proxy;         /* a proxy of the client's stands between */
    uint32_t attempt;       /* number among attempts, 1 = the first */
    bool has_hint;          /* a Retry-After came with the status ... */
    int64_t hint_ns;        /* ... and asks for this long */
};

/* The outcome, but for its resends and HF_COMMITTED. */
hf_outcome hf__classify(const struct hf__rules *rules, const struct hf__ending *ending);

#endif
