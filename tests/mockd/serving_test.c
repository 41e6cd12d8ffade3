/* SPDX-License-Identifier: MIT */
/* What mockd offers to the tests of HTTP clients: TLS with a throw-away authority, echo, headers, and connections
 * that it closes. */
#include "support/cmocka_all.h"
#include "support/mockd_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) fail_msg("expected \"%s\" in:\n%s", part, text);
}

static void echo_gives_the_request_back(void **state) {
    (void)state;
    start_mockd("[route /echo]\necho = on\nstatus = 201\n", NULL);
    struct answer a = ask_once("/echo?q=1&empty=&flag", "the body", "X-Order: 77", 2000);
    assert_int_equal(a.status, 201);
    contains(a.body, "POST /echo?q=1&empty=&flag\n");
    contains(a.body, "\nX-Order: 77\n");
    contains(a.body, "\nContent-Length: 8\n");
    contains(a.body, "\n\nthe body");
    contains(ask_once("/echo", NULL, NULL, 2000).body, "GET /echo\n");
}

static void echo_takes_a_large_body(void **state) {
    (void)state;
    start_mockd("[route /echo]\necho = on\n", NULL);
    size_t size = 300000;
    char *large = malloc(size + 1);
    memset(large, 'x', size);
    large[size] = '\0';
    struct answer a = ask_once("/echo", large, "Expect:", 5000);
    assert_int_equal(a.status, 200);
    assert_true(a.bytes > size && a.bytes < size + 1000);
    free(large);
}

static void headers_of_the_answer_are_set(void **state) {
    (void)state;
    start_mockd("[route /x]\nheader = Retry-After: 12 | Connection: close\n", NULL);
    struct answer a = ask_once("/x", NULL, NULL, 2000);
    assert_string_equal(a.retry_after, "12");
    assert_string_equal(a.connection, "close");
}

static void keep_alive_works(void **state) {
    (void)state;
    start_mockd("[route /ok]\nbody_bytes = 5000\n", NULL);
    CURL *easy = curl_easy_init();
    assert_int_equal(ask(easy, "/ok", NULL, NULL, 2000).connects, 1);
    struct answer again = ask(easy, "/ok", "some=body", NULL, 2000);
    assert_int_equal(again.connects, 0);
    assert_int_equal(again.bytes, 5000);
    curl_easy_cleanup(easy);
}

static void a_connection_closes_after_so_many_requests(void **state) {
    (void)state;
    start_mockd("[route /x]\nclose_after = 3\n", NULL);
    CURL *easy = curl_easy_init();
    for (int i = 1; i <= 7; i++) {
        struct answer a = ask(easy, "/x", NULL, NULL, 2000);
        assert_int_equal(a.code, CURLE_OK);
        assert_int_equal(a.connects, i % 3 == 1);
        assert_string_equal(a.connection, i % 3 == 0 ? "close" : "");
    }
    curl_easy_cleanup(easy);
}

static void tls_is_trusted_with_the_right_authority_only(void **state) {
    (void)state;
    static const struct {
        const char *certificate;
        CURLcode code;
    } rows[] = {{"good", CURLE_OK},
                {"expired", CURLE_PEER_FAILED_VERIFICATION},
                {"wrong-host", CURLE_PEER_FAILED_VERIFICATION},
                {"unknown-ca", CURLE_PEER_FAILED_VERIFICATION}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(mockd_start_tls(&mockd, HF_MOCKD_PATH, "[route /echo]\necho = on\n", rows[i].certificate));
        struct answer a = ask_once("/echo", "secret", NULL, 5000);
        if (a.code != rows[i].code) fail_msg("%s: code %d", rows[i].certificate, (int)a.code);
        if (a.code == CURLE_OK) contains(a.body, "\n\nsecret");
        assert_int_equal(mockd_count(&mockd, "/echo total requests"), a.code == CURLE_OK);
        assert_int_equal(mockd_stop(&mockd), 0);
    }
}

static void tls_keeps_connections_alive(void **state) {
    (void)state;
    assert_true(mockd_start_tls(&mockd, HF_MOCKD_PATH, "[route /ok]\nlatency = fixed 5\nbody_bytes = 50000\n", "good"));
    CURL *easy = curl_easy_init();
    assert_int_equal(ask(easy, "/ok", NULL, NULL, 5000).connects, 1);
    struct answer a = ask(easy, "/ok", NULL, NULL, 5000);
    assert_int_equal(a.connects, 0);
    assert_int_equal(a.bytes, 50000);
    curl_easy_cleanup(easy);
}

/* Runs mockd with arguments; its exit status, and what it says. */
static int run(const char *arguments, char *out, size_t size) {
    char command[256];
    snprintf(command, sizeof command, "%s %s 2>&1", HF_MOCKD_PATH, arguments);
    FILE *pipe = popen(command, "r");
    size_t got = fread(out, 1, size - 1, pipe);
    out[got] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static void bad_arguments_are_refused(void **state) {
    (void)state;
    char said[4096];
    assert_int_equal(run("--port 70000 x.ini", said, sizeof said), 2);
    contains(said, "--port 70000: expected a whole number from 0 to 65535");
    assert_int_equal(run("--tls-cert nice x.ini", said, sizeof said), 2);
    contains(said, "expected good, expired, wrong-host or unknown-ca");
    assert_int_equal(run("", said, sizeof said), 2);
    contains(said, "expected one scenario file");
    assert_int_equal(run("/nowhere.ini", said, sizeof said), 2);
    contains(said, "/nowhere.ini: No such file");
    assert_int_equal(run("--check docs/mockd.md", said, sizeof said), 2);
    contains(said, "docs/mockd.md:3: ");
    assert_int_equal(run("--tls /nowhere/ca.pem tools/mockd/example.ini", said, sizeof said), 1);
    contains(said, "cannot write /nowhere/ca.pem");
    assert_int_equal(run("--check tools/mockd/example.ini", said, sizeof said), 0);
}

static void help_names_every_option(void **state) {
    (void)state;
    static const char *const options[] = {"--port",     "--seed",  "--wait-start",       "--tls FILE",
                                          "--tls-cert", "--check", "--exit-with-parent", "--version",
                                          "_control"};
    char said[4096];
    assert_int_equal(run("--help", said, sizeof said), 0);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) contains(said, options[i]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, stop_mockd)
    const struct CMUnitTest tests[] = {
        TEST(echo_gives_the_request_back),
        TEST(echo_takes_a_large_body),
        TEST(headers_of_the_answer_are_set),
        TEST(keep_alive_works),
        TEST(a_connection_closes_after_so_many_requests),
        TEST(tls_is_trusted_with_the_right_authority_only),
        TEST(tls_keeps_connections_alive),
        TEST(bad_arguments_are_refused),
        TEST(help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
