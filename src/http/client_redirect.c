/* SPDX-License-Identifier: MIT */
#include "http/client_redirect.h"
#include "http/cures.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 9110, 15.4: the ones that name another place for this very request. */
static bool is_redirect(long status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static uint32_t limit_of(const struct hf__exchange *x) { return x->job->lane->setup->config.max_redirects; }

static bool has_location(const struct hf__exchange *x) {
    const char *at = x->head.data;
    for (uint32_t i = 0; i < x->head.count; i++) {
        if (strcasecmp(at, "Location") == 0) return true;
        at += strlen(at) + 1; /* the value */
        at += strlen(at) + 1;
    }
    return false;
}

bool hf__redirect_is_due(const struct hf__exchange *x) {
    return limit_of(x) > 0 && is_redirect(hf__transfer_status(&x->transfer)) && has_location(x);
}

/* ---- origins ---- */

static bool same_part(CURLU *a, CURLU *b, CURLUPart part) {
    char *of_a = NULL, *of_b = NULL;
    bool same = curl_url_get(a, part, &of_a, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(b, part, &of_b, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(of_a, of_b) == 0;
    curl_free(of_a);
    curl_free(of_b);
    return same;
}

/* Same scheme, host and port (RFC 6454). When in doubt another one. */
static bool same_origin(const char *one, const char *other) {
    CURLU *a = curl_url(), *b = curl_url();
    bool same = a != NULL && b != NULL && curl_url_set(a, CURLUPART_URL, one, 0) == CURLUE_OK &&
                curl_url_set(b, CURLUPART_URL, other, 0) == CURLUE_OK && same_part(a, b, CURLUPART_SCHEME) &&
                same_part(a, b, CURLUPART_HOST) && same_part(a, b, CURLUPART_PORT);
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

/* ---- headers that stay behind ---- */

static bool is_named(const char *line, const char *name) {
    size_t length = strlen(name);
    return strncasecmp(line, name, length) == 0 && (line[length] == ':' || line[length] == ';');
}

static bool is_secret(const hf_client_config *c, const char *line) {
    if (is_named(line, "Authorization") || is_named(line, "Cookie") || is_named(line, "Proxy-Authorization"))
        return true;
    for (size_t i = 0; c->secret_headers[i] != NULL; i++) {
        if (is_named(line, c->secret_headers[i])) return true;
    }
    return false;
}

/* What a request that lost its body must not say any more. */
static bool is_about_body(const char *line) {
    return is_named(line, "Content-Type") || is_named(line, "Content-Length") || is_named(line, "Content-Encoding") ||
           is_named(line, "Transfer-Encoding");
}

/* Copies the list without what stays behind; the strings stay where they are. False: no memory. */
static bool filter_headers(struct hf__exchange *x, bool other_origin, bool lost_body) {
    const hf_client_config *c = &x->job->lane->setup->config;
    size_t count = 0, kept = 0;
    if ((!other_origin && !lost_body) || !HF__CURED(24)) return true;
    for (const struct curl_slist *node = x->headers; node != NULL; node = node->next) count++;
    struct curl_slist *list = calloc(count + 1, sizeof *list);
    if (list == NULL) return false;
    for (const struct curl_slist *node = x->headers; node != NULL; node = node->next) {
        bool stays = (other_origin && is_secret(c, node->data)) || (lost_body && is_about_body(node->data));
        if (!stays) list[kept++].data = node->data;
    }
    for (size_t i = 0; i + 1 < kept; i++) list[i].next = &list[i + 1];
    x->headers = kept > 0 ? list : NULL;
    free(x->hop.headers);
    x->hop.headers = list;
    return true;
}

/* ---- following ---- */

/* 303 asks for a GET; after 301 and 302 everybody makes one of a POST (RFC 9110, 15.4.2). */
static bool becomes_get(long status, const char *method) {
    if (status == 303) return strcmp(method, "HEAD") != 0 && strcmp(method, "GET") != 0;
    return (status == 301 || status == 302) && strcmp(method, "POST") == 0;
}

static bool is_http(const char *url) {
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

static CURLcode aim(struct hf__exchange *x, const char *location, long status) {
    const struct hf__client_setup *setup = x->job->lane->setup;
    struct hf__target *target = &x->target;
    bool lost_body = becomes_get(status, target->method);
    bool other_origin = !same_origin(target->url, location);
    char *url = strdup(location);
    if (url == NULL || !filter_headers(x, other_origin, lost_body)) {
        free(url);
        return CURLE_OUT_OF_MEMORY;
    }
    free(x->hop.url);
    target->url = x->hop.url = url;
    if (lost_body) {
        target->method = "GET";
        target->with_body = false;
    }
    if (setup->has_proxy) return CURLE_OK; /* it looks up the proxy only */
    if (!hf__url_origin(url, x->hop.host, &target->port)) return CURLE_URL_MALFORMAT;
    target->host = x->hop.host[0] == '\0' ? NULL : x->hop.host;
    return CURLE_OK;
}

CURLcode hf__redirect_follow(struct hf__exchange *x, bool *out_followed) {
    char *location = NULL;
    *out_followed = false;
    if (x->transfer.in_headers || !hf__redirect_is_due(x)) return CURLE_OK;
    if (x->hop.count == limit_of(x)) return CURLE_TOO_MANY_REDIRECTS;
    long status = hf__transfer_status(&x->transfer);
    if (curl_easy_getinfo(x->transfer.easy, CURLINFO_REDIRECT_URL, &location) != CURLE_OK || location == NULL) {
        return CURLE_URL_MALFORMAT;
    }
    x->transfer.redirected = true;
    if (!is_http(location)) return CURLE_UNSUPPORTED_PROTOCOL;
    CURLcode rc = aim(x, location, status);
    if (rc != CURLE_OK) return rc;
    x->hop.count++;
    x->transfer.body.length = 0;
    x->head.length = x->head.count = 0;
    *out_followed = true;
    return x->target.with_body && !hf__exchange_rewind(x) ? CURLE_SEND_FAIL_REWIND : CURLE_OK;
}

void hf__redirect_forget(struct hf__exchange *x) {
    free(x->hop.url);
    free(x->hop.headers);
    x->hop.url = NULL;
    x->hop.headers = NULL;
    x->hop.count = 0;
}
