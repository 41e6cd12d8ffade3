/* SPDX-License-Identifier: MIT */
/* The classification against tables written on their own, from the facts and not from the code: every CURLcode,
 * reached or not, idempotent or not, and every status. */
#include "support/cmocka_all.h"

#include "http/classify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Six letters for each code: for a request that did not reach the server its kind (F failure, N neutral), whether
 * a POST and a GET may be repeated (y, n; 1, 2: so often), then the same for one that did. */
// clang-format off
static const struct {
    int first, last;
    const char *expected;
} codes[] = {
    {1, 1, "NnnFnn"},     /* unsupported protocol: ours, or the server's garbage */
    {2, 4, "NnnNnn"},     /* set-up, URL */
    {5, 5, "FyyFny"},     /* the proxy's name */
    {6, 6, "F22Fn2"},     /* the host's name: few */
    {7, 7, "FyyFny"},     /* no connection */
    {8, 8, "F11Fn1"},     /* a weird reply: once */
    {9, 15, "NnnNnn"},    /* FTP */
    {16, 16, "FyyFny"},   /* HTTP/2 framing */
    {17, 17, "NnnNnn"},
    {18, 18, "FyyFny"},   /* partial */
    {19, 19, "NnnNnn"},
    {20, 20, "NnnFnn"},   /* obsolete: the default arm */
    {21, 21, "NnnNnn"},
    {22, 22, "FnnFnn"},   /* without its status nothing is known */
    {23, 23, "NnnNnn"},   /* the caller's write callback */
    {24, 24, "NnnFnn"},
    {25, 27, "NnnNnn"},   /* upload, read callback, memory */
    {28, 28, "FyyFny"},   /* time */
    {29, 29, "NnnFnn"},
    {30, 31, "NnnNnn"},
    {32, 32, "NnnFnn"},
    {33, 33, "NnnNnn"},
    {34, 34, "NnnFnn"},
    {35, 35, "F11Fn1"},   /* TLS: once */
    {36, 39, "NnnNnn"},
    {40, 41, "NnnFnn"},
    {42, 43, "NnnNnn"},   /* a callback's veto, bad argument */
    {44, 44, "NnnFnn"},
    {45, 45, "NnnNnn"},
    {46, 46, "NnnFnn"},
    {47, 49, "NnnNnn"},   /* too many redirects, options */
    {50, 51, "NnnFnn"},
    {52, 52, "FyyFny"},   /* nothing came */
    {53, 54, "NnnNnn"},
    {55, 56, "FyyFny"},   /* send, receive */
    {57, 57, "NnnFnn"},
    {58, 59, "NnnNnn"},   /* our certificate, our cipher */
    {60, 60, "FnnFnn"},   /* theirs */
    {61, 61, "F11Fn1"},   /* content encoding: once */
    {62, 62, "NnnFnn"},
    {63, 74, "NnnNnn"},
    {75, 76, "NnnFnn"},
    {77, 82, "NnnNnn"},
    {83, 83, "FnnFnn"},   /* issuer */
    {84, 89, "NnnNnn"},
    {90, 91, "FnnFnn"},   /* pinned key, certificate status */
    {92, 92, "FyyFny"},   /* HTTP/2 stream */
    {93, 94, "NnnNnn"},
    {95, 97, "FyyFny"},   /* HTTP/3, QUIC, proxy */
    {98, 101, "NnnNnn"},
    {102, 120, "NnnFnn"}, /* of a libcurl to come */
};

// clang-format on

static struct hf__ending ending_of(CURLcode code, long status, bool reached, enum hf__method method, uint32_t attempt) {
    return (struct hf__ending){
        .code = code, .status = status, .reached = reached, .method = method, .replayable = true, .attempt = attempt};
}

static bool retryable(struct hf__ending ending) { return hf__classify(NULL, &ending).flags & HF_RETRYABLE; }

static void check_code(int code, bool reached, enum hf__method method, char kind, char again) {
    struct hf__ending ending = ending_of((CURLcode)code, 0, reached, method, 1);
    hf_outcome outcome = hf__classify(NULL, &ending);
    int32_t expected = kind == 'F' ? HF_FAILURE : HF_NEUTRAL;
    bool once = outcome.flags & HF_RETRYABLE;
    if (outcome.kind != expected || outcome.code != code || once != (again != 'n')) {
        fail_msg("code %d reached %d method %d: kind %d, repeated %d, expected %c %c", code, reached, (int)method,
                 outcome.kind, once, kind, again);
    }
    uint32_t most = again >= '1' && again <= '9' ? (uint32_t)(again - '0') : 1000;
    ending.attempt = most;
    assert_int_equal(retryable(ending), again != 'n');
    ending.attempt = most + 1;
    assert_int_equal(retryable(ending), again == 'y');
}

static void every_code(void **state) {
    (void)state;
    int walked = 1; /* 0 is judged by status */
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const char *e = codes[i].expected;
        assert_int_equal(codes[i].first, walked);
        for (int code = codes[i].first; code <= codes[i].last; code++, walked++) {
            check_code(code, false, HF__METHOD_OTHER, e[0], e[1]);
            check_code(code, false, HF__METHOD_SAFE, e[0], e[2]);
            check_code(code, true, HF__METHOD_OTHER, e[3], e[4]);
            check_code(code, true, HF__METHOD_SAFE, e[3], e[5]);
            check_code(code, true, HF__METHOD_IDEMPOTENT, e[3], e[5]);
        }
    }
    assert_true(walked > (int)CURL_LAST);
}

/* Kind (S success, F, T throttled, N) and who may repeat: POST, POST with a key, PUT, GET. */
static const struct {
    int first, last;
    const char *expected;
} statuses[] = {
    {100, 199, "Fnnnn"}, /* never final: as good as nonsense */
    {200, 407, "Snnnn"}, {408, 408, "Nnyyy"}, {409, 409, "Snynn"}, {410, 420, "Snnnn"}, {421, 421, "N1111"},
    {422, 424, "Snnnn"}, {425, 425, "N1111"}, {426, 428, "Snnnn"}, {429, 429, "Tnyyy"}, {430, 499, "Snnnn"},
    {500, 500, "Fnnny"}, {501, 501, "Nnnnn"}, {502, 504, "Fnyyy"}, {505, 506, "Nnnnn"}, {507, 507, "Fnnnn"},
    {508, 508, "Nnnnn"}, {509, 509, "Tnyyy"}, {510, 511, "Nnnnn"}, {512, 519, "Fnnnn"}, {520, 520, "Fnyyy"},
    {521, 523, "Fyyyy"}, {524, 524, "Fnyyy"}, {525, 528, "Fnnnn"}, {529, 529, "Tnyyy"}, {530, 597, "Fnnnn"},
    {598, 599, "Fnyyy"}, {600, 999, "Fnnnn"},
};

static void check_status(long status, const char *expected) {
    static const char kinds[] = {[HF_SUCCESS] = 'S', [HF_FAILURE] = 'F', [HF_THROTTLED] = 'T', [HF_NEUTRAL] = 'N'};
    static const enum hf__method methods[] = {HF__METHOD_OTHER, HF__METHOD_OTHER, HF__METHOD_IDEMPOTENT,
                                              HF__METHOD_SAFE};
    for (int i = 0; i < 4; i++) {
        struct hf__ending ending = ending_of(CURLE_OK, status, true, methods[i], 1);
        ending.keyed = i == 1;
        hf_outcome outcome = hf__classify(NULL, &ending);
        char again = expected[1 + i];
        bool first = retryable(ending);
        ending.attempt = 2;
        bool second = retryable(ending);
        if (kinds[outcome.kind] != expected[0] || outcome.code != status || first != (again != 'n') ||
            second != (again == 'y')) {
            fail_msg("status %ld, request %d: kind %c, repeated %d then %d, expected %c %c", status, i,
                     kinds[outcome.kind], first, second, expected[0], again);
        }
        ending.attempt = 1;
        ending.replayable = false; /* a body that is gone: nobody may */
        assert_false(retryable(ending));
    }
}

static void every_status(void **state) {
    (void)state;
    int walked = 100;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        assert_int_equal(statuses[i].first, walked);
        for (; walked <= statuses[i].last; walked++) check_status(walked, statuses[i].expected);
    }
    assert_int_equal(walked, 1000);
}

static void a_hint_counts_where_it_means_something(void **state) {
    (void)state;
    static const struct {
        long status;
        bool obeyed, repeated;
    } rows[] = {{200, false, false}, {302, false, false}, {413, true, true},  {429, true, true},
                {500, false, true},  {503, true, true},   {404, false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hf__ending ending = ending_of(CURLE_OK, rows[i].status, true, HF__METHOD_SAFE, 1);
        ending.has_hint = true;
        ending.hint_ns = 7 * HF_SECOND;
        hf_outcome outcome = hf__classify(NULL, &ending);
        assert_int_equal(outcome.retry_after_ns, rows[i].obeyed ? 7 * HF_SECOND : 0);
        assert_int_equal((outcome.flags & HF_RETRYABLE) != 0, rows[i].repeated);
    }
}

/* A status and then a failure: the stricter of both. */
static void an_incomplete_response_gets_the_stricter_rule(void **state) {
    (void)state;
    static const struct {
        CURLcode code;
        long status;
        int32_t kind;
        bool get, post;
    } rows[] = {
        {CURLE_PARTIAL_FILE, 200, HF_FAILURE, true, false},
        {CURLE_PARTIAL_FILE, 404, HF_FAILURE, true, false},
        {CURLE_PARTIAL_FILE, 503, HF_FAILURE, true, false},
        {CURLE_PARTIAL_FILE, 501, HF_FAILURE, false, false},
        {CURLE_PARTIAL_FILE, 429, HF_FAILURE, true, false},
        {CURLE_WRITE_ERROR, 200, HF_NEUTRAL, false, false},
        {CURLE_WRITE_ERROR, 503, HF_FAILURE, false, false},
        {CURLE_HTTP_RETURNED_ERROR, 503, HF_FAILURE, true, false}, /* FAILONERROR: as the status says */
        {CURLE_HTTP_RETURNED_ERROR, 404, HF_SUCCESS, false, false},
        {CURLE_OUT_OF_MEMORY, 200, HF_FAILURE, false, false}, /* headers without end */
        {CURLE_TOO_MANY_REDIRECTS, 302, HF_NEUTRAL, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hf__ending get = ending_of(rows[i].code, rows[i].status, true, HF__METHOD_SAFE, 1);
        struct hf__ending post = ending_of(rows[i].code, rows[i].status, true, HF__METHOD_OTHER, 1);
        hf_outcome outcome = hf__classify(NULL, &get);
        if (outcome.kind != rows[i].kind || retryable(get) != rows[i].get || retryable(post) != rows[i].post) {
            fail_msg("code %d after status %ld: kind %d, GET %d, POST %d", (int)rows[i].code, rows[i].status,
                     outcome.kind, retryable(get), retryable(post));
        }
    }
}

static void faults_of_this_machine_and_bad_locations(void **state) {
    (void)state;
    static const int ours[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};
    static const int theirs[] = {0, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT};
    for (size_t i = 0; i < 5; i++) {
        struct hf__ending ending = ending_of(CURLE_COULDNT_CONNECT, 0, false, HF__METHOD_SAFE, 1);
        ending.os_errno = ours[i];
        assert_int_equal(hf__classify(NULL, &ending).kind, HF_NEUTRAL);
        ending.os_errno = theirs[i];
        assert_int_equal(hf__classify(NULL, &ending).kind, HF_FAILURE);
    }
    struct hf__ending bad_url = ending_of(CURLE_URL_MALFORMAT, 0, false, HF__METHOD_SAFE, 1);
    assert_int_equal(hf__classify(NULL, &bad_url).kind, HF_NEUTRAL);
    bad_url.redirected = true;
    assert_int_equal(hf__classify(NULL, &bad_url).kind, HF_FAILURE);
}

/* What fails between us and a proxy does not blame the origin, but may be repeated all the same. */
static void a_proxys_faults_do_not_blame_the_origin(void **state) {
    (void)state;
    static const CURLcode theirs[] = {CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_RECV_ERROR,
                                      CURLE_PROXY};
    for (size_t i = 0; i < 4; i++) {
        struct hf__ending ending = ending_of(theirs[i], 0, false, HF__METHOD_OTHER, 1);
        assert_int_equal(hf__classify(NULL, &ending).kind, HF_FAILURE);
        ending.via_proxy = true;
        assert_int_equal(hf__classify(NULL, &ending).kind, HF_NEUTRAL);
        assert_true(retryable(ending));
    }
    struct hf__ending handshake = ending_of(CURLE_SSL_CONNECT_ERROR, 0, false, HF__METHOD_SAFE, 1);
    handshake.via_proxy = true;
    assert_int_equal(hf__classify(NULL, &handshake).kind, HF_FAILURE); /* behind CONNECT it is the origin's */
    struct hf__ending reached = ending_of(CURLE_RECV_ERROR, 0, true, HF__METHOD_SAFE, 1);
    reached.via_proxy = true;
    assert_int_equal(hf__classify(NULL, &reached).kind, HF_FAILURE);
}

static void vetoed_resends_and_refused_streams(void **state) {
    (void)state;
    struct hf__ending get = ending_of(CURLE_ABORTED_BY_CALLBACK, 0, true, HF__METHOD_SAFE, 1);
    struct hf__ending post = ending_of(CURLE_ABORTED_BY_CALLBACK, 0, true, HF__METHOD_OTHER, 1);
    assert_false(retryable(get)); /* the caller's own cancel */
    get.vetoed = post.vetoed = true;
    assert_int_equal(hf__classify(NULL, &get).kind, HF_NEUTRAL); /* a stale connection */
    assert_true(retryable(get));
    assert_false(retryable(post));
    get.over_http2 = true;
    assert_int_equal(hf__classify(NULL, &get).kind, HF_FAILURE); /* the server refuses streams */
    struct hf__ending refused = ending_of(CURLE_HTTP2_STREAM, 0, true, HF__METHOD_OTHER, 1);
    assert_false(retryable(refused));
    refused.http2_error = 7;
    assert_true(retryable(refused)); /* not processed, RFC 9113 8.7 */
    refused.http2_error = 11;
    assert_int_equal(hf__classify(NULL, &refused).kind, HF_THROTTLED);
}

static void what_may_be_this_process_alone_is_marked(void **state) {
    (void)state;
    static const struct {
        CURLcode code;
        int os_errno;
        bool local;
    } rows[] = {{CURLE_COULDNT_RESOLVE_HOST, 0, true},
                {CURLE_COULDNT_RESOLVE_PROXY, 0, true},
                {CURLE_COULDNT_CONNECT, ENETUNREACH, true},
                {CURLE_COULDNT_CONNECT, ENETDOWN, true},
                {CURLE_COULDNT_CONNECT, ECONNREFUSED, false},
                {CURLE_OPERATION_TIMEDOUT, ENETUNREACH, false},
                {CURLE_RECV_ERROR, 0, false},
                {CURLE_OK, 0, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hf__ending ending = ending_of(rows[i].code, 0, false, HF__METHOD_SAFE, 1);
        ending.os_errno = rows[i].os_errno;
        assert_int_equal((hf__classify(NULL, &ending).flags & HF_LOCAL) != 0, rows[i].local);
    }
}

static void methods_by_their_exact_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum hf__method method;
    } rows[] = {{"GET", HF__METHOD_SAFE},
                {"HEAD", HF__METHOD_SAFE},
                {"OPTIONS", HF__METHOD_SAFE},
                {"TRACE", HF__METHOD_SAFE},
                {"QUERY", HF__METHOD_SAFE},
                {"PUT", HF__METHOD_IDEMPOTENT},
                {"DELETE", HF__METHOD_IDEMPOTENT},
                {"POST", HF__METHOD_OTHER},
                {"PATCH", HF__METHOD_OTHER},
                {"CONNECT", HF__METHOD_OTHER},
                {"get", HF__METHOD_OTHER},
                {"GETS", HF__METHOD_OTHER},
                {"", HF__METHOD_OTHER}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(hf__method_of(rows[i].name), rows[i].method);
    }
}

static void replaced_rows_count_and_only_they(void **state) {
    (void)state;
    static struct hf__rules rules;
    hf_curl_rule rule = {HF_NEUTRAL, HF_CURL_REPEAT_ANY, 0, 0};
    assert_true(hf__set_status_rule(&rules, 500, rule));
    assert_true(hf__set_code_rule(&rules, CURLE_RECV_ERROR, true, rule));
    assert_int_equal(hf__status_rule(&rules, 500).kind, HF_NEUTRAL);
    assert_int_equal(hf__status_rule(&rules, 503).kind, HF_FAILURE);
    assert_int_equal(hf__code_rule(&rules, CURLE_RECV_ERROR, true).kind, HF_NEUTRAL);
    assert_int_equal(hf__code_rule(&rules, CURLE_RECV_ERROR, false).kind, HF_FAILURE);
    for (int i = 0; i < 100; i++) assert_true(hf__set_status_rule(&rules, 500, rule)); /* one row, replaced again */
    int more = 0;
    while (hf__set_status_rule(&rules, 600 + more, rule)) more++;
    assert_int_equal(more, HF__RULES_MAX - 2);
    assert_int_equal(hf__status_rule(&rules, 600).kind, HF_NEUTRAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code),
        cmocka_unit_test(every_status),
        cmocka_unit_test(a_hint_counts_where_it_means_something),
        cmocka_unit_test(an_incomplete_response_gets_the_stricter_rule),
        cmocka_unit_test(faults_of_this_machine_and_bad_locations),
        cmocka_unit_test(a_proxys_faults_do_not_blame_the_origin),
        cmocka_unit_test(vetoed_resends_and_refused_streams),
        cmocka_unit_test(what_may_be_this_process_alone_is_marked),
        cmocka_unit_test(methods_by_their_exact_names),
        cmocka_unit_test(replaced_rows_count_and_only_they),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
