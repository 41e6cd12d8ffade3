/* SPDX-License-Identifier: MIT */
/* W3C trace context, level 1: what is a traceparent, what a child of one is. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"

#include <holdfast/traceparent.h>

#include <string.h>

static char valid[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static void a_new_one_has_the_form(void **state) {
    (void)state;
    char one[HF_TRACEPARENT_SIZE], other[HF_TRACEPARENT_SIZE], child[HF_TRACEPARENT_SIZE];
    hf_traceparent_make(one, true);
    hf_traceparent_make(other, false);
    assert_int_equal(strlen(one), 55);
    assert_string_not_equal(one, other);
    assert_string_equal(one + 52, "-01");
    assert_string_equal(other + 52, "-00");
    assert_int_equal(hf_traceparent_child(child, one), 0);
}

static void a_child_keeps_the_trace_and_the_flag(void **state) {
    (void)state;
    char child[HF_TRACEPARENT_SIZE];
    assert_int_equal(hf_traceparent_child(child, valid), 0);
    assert_memory_equal(child, valid, 36);
    assert_string_not_equal(child + 36, valid + 36);
    assert_string_equal(child + 52, "-01");
    assert_int_equal(hf_traceparent_child(child, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02-more"), 0);
    assert_memory_equal(child, "00-", 3); /* we speak version 00, which knows one flag */
    assert_string_equal(child + 52, "-00");
}

static void what_is_none_is_refused(void **state) {
    (void)state;
    char child[HF_TRACEPARENT_SIZE];
    const char *bad[] = {NULL,
                         "",
                         "00",
                         "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                         "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                         "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                         "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                         "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                         "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
                         "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
                         "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (hf_traceparent_child(child, bad[i]) != HF_E_INVALID) fail_msg("%s", bad[i]);
    }
}

static void each_attempt_has_a_span(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /echo]\necho = on\n");
    b->request.hook = hf_traceparent_hook;
    b->request.hook_arg = valid;
    char first[64];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_bench_ask(b, "/echo"), 0);
        const char *sent =
            strstr(hf_response_body(b->response, NULL), "traceparent: 00-0af7651916cd43dd8448eb211c80319c-");
        assert_non_null(sent);
        if (i == 0) memcpy(first, sent, 60);
        else assert_true(memcmp(first, sent, 60) != 0);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_new_one_has_the_form),
        T(a_child_keeps_the_trace_and_the_flag),
        T(what_is_none_is_refused),
        T(each_attempt_has_a_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
