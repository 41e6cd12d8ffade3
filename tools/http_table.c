/* SPDX-License-Identifier: MIT */
/* Prints the classification of src/http/classify.c as the two tables of docs/http.md; tools/http_docs.sh puts them there and
 * checks that they are current. */
#include <holdfast/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(code) \
    { code, #code }
static const struct {
    CURLcode code;
    const char *name;
} names[] = {
    N(CURLE_UNSUPPORTED_PROTOCOL),
    N(CURLE_COULDNT_RESOLVE_PROXY),
    N(CURLE_COULDNT_RESOLVE_HOST),
    N(CURLE_COULDNT_CONNECT),
    N(CURLE_WEIRD_SERVER_REPLY),
    N(CURLE_HTTP2),
    N(CURLE_PARTIAL_FILE),
    N(CURLE_HTTP_RETURNED_ERROR),
    N(CURLE_OPERATION_TIMEDOUT),
    N(CURLE_SSL_CONNECT_ERROR),
    N(CURLE_GOT_NOTHING),
    N(CURLE_SEND_ERROR),
    N(CURLE_RECV_ERROR),
    N(CURLE_BAD_CONTENT_ENCODING),
    N(CURLE_PEER_FAILED_VERIFICATION),
    N(CURLE_SSL_ISSUER_ERROR),
    N(CURLE_HTTP2_STREAM),
    N(CURLE_SSL_PINNEDPUBKEYNOTMATCH),
    N(CURLE_SSL_INVALIDCERTSTATUS),
    N(CURLE_HTTP3),
    N(CURLE_QUIC_CONNECT_ERROR),
    N(CURLE_PROXY),
};

static const char *name_of(int code) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((int)names[i].code == code) return names[i].name;
    }
    fprintf(stderr, "http_table: code %d has a rule of its own, but no name here\n", code);
    exit(1);
}

static bool same(hf_curl_rule a, hf_curl_rule b) { return memcmp(&a, &b, sizeof a) == 0; }

static void print_rule(hf_curl_rule rule) {
    static const char *const kinds[] = {"success", "failure", "throttled", "neutral"};
    static const char *const repeats[] = {"never", "safe methods", "with a key", "idempotent or with a key",
                                          "every request"};
    printf(" %s | %s", kinds[rule.kind], repeats[rule.repeat]);
    if (rule.max_repeats == 1) printf(", once");
    if (rule.max_repeats > 1) printf(", %u times", rule.max_repeats);
    if (rule.flags & HF_CURL_HINT_REQUIRED) printf(", only with a Retry-After");
    else if (rule.flags & HF_CURL_HINT) printf(", obeying Retry-After");
    printf(" |");
}

static void print_statuses(void) {
    printf("| Status | Counts as | May be repeated |\n|---|---|---|\n");
    for (long first = 200, last; first < 600; first = last + 1) {
        hf_curl_rule rule = hf_curl_status_rule(NULL, first);
        for (last = first; last + 1 < 600 && same(rule, hf_curl_status_rule(NULL, last + 1));) last++;
        printf("| %ld", first);
        if (last > first) printf(" to %ld", last);
        printf(" |");
        print_rule(rule);
        printf("\n");
    }
}

static void print_codes(void) {
    static const hf_curl_rule local = {HF_NEUTRAL, HF_CURL_REPEAT_NEVER, 0, 0};
    printf("\n| Code | Nothing reached the server | May be repeated | It may have | May be repeated "
           "|\n|---|---|---|---|---|\n");
    for (int code = 1; code <= 101; code++) {
        hf_curl_rule unreached = hf_curl_code_rule(NULL, (CURLcode)code, false);
        hf_curl_rule reached = hf_curl_code_rule(NULL, (CURLcode)code, true);
        hf_curl_rule unknown = hf_curl_code_rule(NULL, (CURLcode)9999, true);
        if (same(unreached, local) && (same(reached, local) || (same(reached, unknown) && code != 1))) continue;
        /* What never got there may be sent again by everybody, unless it would fail again anyway. */
        if (unreached.repeat != HF_CURL_REPEAT_NEVER) unreached.repeat = HF_CURL_REPEAT_ANY;
        printf("| %d %s |", code, name_of(code));
        print_rule(unreached);
        print_rule(reached);
        printf("\n");
    }
    printf("| all others: the caller's or this machine's fault, or other protocols |");
    print_rule(local);
    print_rule(local);
    printf("\n| unused today |");
    print_rule(hf_curl_code_rule(NULL, (CURLcode)9999, false));
    print_rule(hf_curl_code_rule(NULL, (CURLcode)9999, true));
    printf("\n");
}

int main(void) {
    print_statuses();
    print_codes();
    return 0;
}
