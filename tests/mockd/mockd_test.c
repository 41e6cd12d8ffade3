/* SPDX-License-Identifier: MIT */
/* mockd as plain libcurl sees it: which CURLcode each fault produces, the capacity model, the ledger, phases,
 * and what it says about bad scenarios. Real time, with generous bounds. */
#include "support/cmocka_all.h"
#include "support/mockd_process.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct mockd mockd;

struct answer {
    CURLcode code;
    long status;
    long connects;
    size_t bytes;
    char retry_after[64];
};

static size_t count_bytes(char *data, size_t size, size_t count, void *arg) {
    (void)data;
    *(size_t *)arg += size * count;
    return size * count;
}

static struct answer ask(CURL *easy, const char *path, const char *post, const char *header, long timeout_ms) {
    struct answer a = {.code = CURLE_OK};
    char url[128];
    snprintf(url, sizeof url, "%s%s", mockd.url, path);
    struct curl_slist *headers = header == NULL ? NULL : curl_slist_append(NULL, header);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &a.bytes);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (post != NULL) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post);
    else curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    a.code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &a.status);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &a.connects);
    struct curl_header *h;
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &h) == CURLHE_OK) {
        snprintf(a.retry_after, sizeof a.retry_after, "%s", h->value);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return a;
}

static struct answer ask_once(const char *path, const char *post, const char *header, long timeout_ms) {
    CURL *easy = curl_easy_init();
    struct answer a = ask(easy, path, post, header, timeout_ms);
    curl_easy_cleanup(easy);
    return a;
}

static void start(const char *scenario, const char *option) {
    assert_true(mockd_start(&mockd, HF_MOCKD_PATH, NULL, scenario, option));
}

static int teardown(void **state) {
    (void)state;
    return mockd.pid > 0 ? mockd_stop(&mockd) : 0;
}

static void sleep_ms(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static void every_fault_has_its_curlcode(void **state) {
    (void)state;
    static const struct {
        const char *fault;
        CURLcode fresh;
        long status;
        long seen; /* by the server, fresh connection */
    } rows[] = {
        {"reset", CURLE_RECV_ERROR, 0, 1},
        {"lose_answer", CURLE_RECV_ERROR, 0, 1},
        {"drop", CURLE_GOT_NOTHING, 0, 1},
        {"reset_after_headers", CURLE_RECV_ERROR, 200, 1},
        {"truncate", CURLE_PARTIAL_FILE, 200, 1},
        {"cut_headers", CURLE_OK, 200, 1}, /* libcurl does not notice: the body is empty */
        {"hang", CURLE_OPERATION_TIMEDOUT, 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char scenario[256];
        snprintf(scenario, sizeof scenario, "[route /x]\nbody_bytes = 100\n%s = 100\n[route /ok]\nstatus = 200\n",
                 rows[i].fault);
        start(scenario, NULL);
        struct answer a = ask_once("/x", NULL, NULL, 400);
        if (a.code != rows[i].fresh || a.status != rows[i].status) {
            fail_msg("%s: code %d status %ld, expected %d %ld", rows[i].fault, (int)a.code, a.status,
                     (int)rows[i].fresh, rows[i].status);
        }
        assert_int_equal(mockd_count(&mockd, "/x total requests"), rows[i].seen);
        char path[64];
        snprintf(path, sizeof path, "/x total %s", rows[i].fault);
        assert_int_equal(mockd_count(&mockd, path), 1);
        assert_int_equal(ask_once("/ok", NULL, NULL, 2000).status, 200); /* it stalls no other */
        assert_int_equal(mockd_stop(&mockd), 0);
        mockd.pid = 0;
    }
}

/* libcurl sends again by itself when a reused connection dies: the reason for the veto in the door. */
static void a_drop_on_a_reused_connection_is_resent_by_libcurl(void **state) {
    (void)state;
    start("[route /ok]\nstatus = 200\n[route /pay]\ndrop = 100\n", NULL);
    CURL *easy = curl_easy_init();
    assert_int_equal(ask(easy, "/ok", NULL, NULL, 2000).status, 200);
    struct answer a = ask(easy, "/pay", "x=1", NULL, 2000);
    assert_int_equal(a.code, CURLE_GOT_NOTHING);
    assert_int_equal(mockd_count(&mockd, "/pay total requests"), 2);
    curl_easy_cleanup(easy);
}

static void keep_alive_works(void **state) {
    (void)state;
    start("[route /ok]\nbody_bytes = 5000\n", NULL);
    CURL *easy = curl_easy_init();
    assert_int_equal(ask(easy, "/ok", NULL, NULL, 2000).connects, 1);
    struct answer again = ask(easy, "/ok", "some=body", NULL, 2000);
    assert_int_equal(again.connects, 0);
    assert_int_equal(again.bytes, 5000);
    curl_easy_cleanup(easy);
}

static void retry_after_comes_in_both_forms(void **state) {
    (void)state;
    start("[route /s]\nstatus = 429\nretry_after = seconds 7\n[route /d]\nstatus = 503\nretry_after = date 7\n"
          "[route /ok]\nstatus = 200\nretry_after = seconds 7\n",
          NULL);
    struct answer a = ask_once("/s", NULL, NULL, 2000);
    assert_int_equal(a.status, 429);
    assert_string_equal(a.retry_after, "7");
    a = ask_once("/d", NULL, NULL, 2000);
    assert_int_equal(a.status, 503);
    long ahead = (long)(curl_getdate(a.retry_after, NULL) - time(NULL));
    assert_in_range(ahead, 4, 7);
    assert_string_equal(ask_once("/ok", NULL, NULL, 2000).retry_after, "");
}

static void statuses_are_mixed_by_weight_and_seed(void **state) {
    (void)state;
    long first = 0;
    for (int run = 0; run < 2; run++) {
        start("[route /x]\nstatus = 200:3 500:1\n", NULL);
        CURL *easy = curl_easy_init();
        for (int i = 0; i < 200; i++) (void)ask(easy, "/x", NULL, NULL, 2000);
        curl_easy_cleanup(easy);
        long bad = mockd_count(&mockd, "/x total status_5xx");
        assert_in_range(bad, 25, 80);
        assert_int_equal(mockd_count(&mockd, "/x total status_2xx"), 200 - bad);
        if (run == 0) first = bad;
        else assert_int_equal(bad, first);
        assert_int_equal(mockd_stop(&mockd), 0);
        mockd.pid = 0;
    }
}

struct asker {
    const char *path, *header;
    long timeout_ms;
    struct answer answer;
};

static void *ask_in_thread(void *arg) {
    struct asker *a = arg;
    a->answer = ask_once(a->path, "x=1", a->header, a->timeout_ms);
    return NULL;
}

static void overload_is_real_and_abandoned_work_goes_on(void **state) {
    (void)state;
    start("[route /pay]\nworkers = 2\nservice = fixed 200\nqueue = 3\nledger = X-Order\n", NULL);
    pthread_t threads[8];
    struct asker askers[8];
    char headers[8][32];
    for (int i = 0; i < 8; i++) {
        snprintf(headers[i], sizeof headers[i], "X-Order: %d", i);
        /* The first five leave long before their turn is over. */
        askers[i] = (struct asker){.path = "/pay", .header = headers[i], .timeout_ms = i < 5 ? 60 : 5000};
        pthread_create(&threads[i], NULL, ask_in_thread, &askers[i]);
        sleep_ms(5);
    }
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 5; i++) assert_int_equal(askers[i].answer.code, CURLE_OPERATION_TIMEDOUT);
    for (int i = 5; i < 8; i++) assert_int_equal(askers[i].answer.status, 503); /* two work, three wait: full */
    assert_int_equal(mockd_count(&mockd, "/pay total overloaded"), 3);
    assert_int_equal(mockd_count(&mockd, "/pay total max_queue"), 3);
    for (int i = 0; i < 50 && mockd_count(&mockd, "/pay total served") < 5; i++) sleep_ms(50);
    assert_int_equal(mockd_count(&mockd, "/pay total served"), 5); /* for clients who had gone */
    assert_int_equal(mockd_count(&mockd, "/pay ledger effects"), 5);
    assert_int_equal(mockd_count(&mockd, "/pay busy"), 0);
}

static void the_ledger_counts_effects_and_idempotent_routes_do_not_repeat_them(void **state) {
    (void)state;
    start("[route /a]\nledger = on\n[route /b]\nledger = on\nidempotent = on\n"
          "[route /lost]\nledger = on\nlose_answer = 100\n[route /bad]\nstatus = 500\nledger = on\n",
          NULL);
    for (int i = 0; i < 3; i++) {
        (void)ask_once("/a", "x", "Idempotency-Key: \"k1\"", 2000);
        (void)ask_once("/b", "x", "Idempotency-Key: \"k1\"", 2000);
        (void)ask_once("/lost", "x", "Idempotency-Key: \"k1\"", 2000);
        (void)ask_once("/bad", "x", "Idempotency-Key: \"k1\"", 2000);
    }
    (void)ask_once("/a", "x", "Idempotency-Key: \"k2\"", 2000);
    (void)ask_once("/a", "x", NULL, 2000); /* no key: nothing to count by */
    char *json = mockd_get(&mockd, "/_control");
    assert_int_equal(mockd_number(json, "/a ledger ids"), 2);
    assert_int_equal(mockd_number(json, "/a ledger effects"), 4);
    assert_int_equal(mockd_number(json, "/a ledger duplicates"), 1);
    assert_int_equal(mockd_number(json, "/b ledger effects"), 1);
    assert_int_equal(mockd_number(json, "/b ledger duplicates"), 0);
    assert_int_equal(mockd_number(json, "/lost ledger effects"), 3);
    assert_int_equal(mockd_number(json, "/bad ledger effects"), 0);
    assert_int_equal(mockd_number(json, "/nowhere ledger"), -1);
    free(json);
}

static void phases_change_the_behaviour_and_are_counted(void **state) {
    (void)state;
    start("[route /x]\nstatus = 200\n[phase one]\nseconds = 0.4\n[phase one /x]\nstatus = 500\n", "--wait-start");
    assert_int_equal(ask_once("/x", NULL, NULL, 2000).status, 500);
    sleep_ms(450);
    assert_int_equal(ask_once("/x", NULL, NULL, 2000).status, 500); /* the clock waits to be started */
    free(mockd_get(&mockd, "/_control/start"));
    sleep_ms(450);
    assert_int_equal(ask_once("/x", NULL, NULL, 2000).status, 200);
    assert_int_equal(mockd_count(&mockd, "/x phases one requests"), 2);
    assert_int_equal(mockd_count(&mockd, "/x phases after requests"), 1);
    assert_int_equal(ask_once("/unknown", NULL, NULL, 2000).status, 404);
}

static void it_stops_cleanly_while_requests_hang_and_wait(void **state) {
    (void)state;
    start("[route /hang]\nhang = 100\n[route /slow]\nworkers = 1\nservice = fixed 60000\nlatency = fixed 60000\n",
          NULL);
    pthread_t threads[4];
    struct asker askers[4];
    for (int i = 0; i < 4; i++) {
        askers[i] = (struct asker){.path = i % 2 ? "/hang" : "/slow", .timeout_ms = 10000};
        pthread_create(&threads[i], NULL, ask_in_thread, &askers[i]);
    }
    for (int i = 0;
         i < 100 && mockd_count(&mockd, "/hang total requests") + mockd_count(&mockd, "/slow total requests") < 4; i++)
        sleep_ms(20);
    assert_int_equal(mockd_stop(&mockd), 0);
    mockd.pid = 0;
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) assert_int_not_equal(askers[i].answer.code, CURLE_OPERATION_TIMEDOUT);
}

/* Runs mockd with a scenario in a file; what it says on stderr. */
static int complaint(const char *scenario, char *out, size_t size) {
    char name[] = "/tmp/mockd_scenario_XXXXXX", command[512];
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, scenario, strlen(scenario)), (ssize_t)strlen(scenario));
    close(fd);
    snprintf(command, sizeof command, "%s --check %s 2>&1", HF_MOCKD_PATH, name);
    FILE *pipe = popen(command, "r");
    size_t got = fread(out, 1, size - 1, pipe);
    out[got] = '\0';
    int status = pclose(pipe);
    unlink(name);
    return WEXITSTATUS(status);
}

static void a_bad_scenario_is_refused_with_file_line_and_what_was_expected(void **state) {
    (void)state;
    static const struct {
        const char *scenario, *line, *says;
    } rows[] = {
        {"[route /x]\nstatus = banana\n", ":2:", "200 to 599"},
        {"[route /x]\nstatus = 200:-1\n", ":2:", "weights"},
        {"[route /x]\nstatus = 200:0\n", ":2:", "above 0"},
        {"[route /x]\n\nlatency = fixed\n", ":3:", "fixed MS"},
        {"[route /x]\nlatency = uniform 5 1\n", ":2:", "uniform"},
        {"[route /x]\nlatency = lognormal 0 1\n", ":2:", "lognormal"},
        {"[route /x]\nhang = 101\n", ":2:", "0 to 100"},
        {"[route /x]\nhang = 10%\n", ":2:", "0 to 100"},
        {"[route /x]\nhangs = 1\n", ":2:", "unknown key \"hangs\""},
        {"[route /x]\nhang = 1\nhang = 2\n", ":3:", "twice"},
        {"[route x]\nhang = 1\n", ":2:", "begins with /"},
        {"[rout /x]\nhang = 1\n", ":2:", "expected [route /PATH]"},
        {"[route /x]\nhang = 1\n[phase a /x]\nhang = 2\n", ":4:", "above"},
        {"[route /x]\nhang = 1\n[phase a]\nseconds = 1\n[phase a /y]\nhang = 2\n", ":6:", "[route /y] above"},
        {"[route /x]\nhang = 1\n[phase a]\nseconds = 0\n", ":4:", "seconds"},
        {"[route /x]\nhang = 1\n[phase a]\nminutes = 1\n", ":4:", "only seconds"},
        {"[route /x]\nretry_after = soon\n", ":2:", "seconds N"},
        {"[route /x]\nworkers = 1.5\n", ":2:", "whole number"},
        {"[route /x]\nledger = two words\n", ":2:", "header"},
        {"[route /x]\nidempotent = yes\n", ":2:", "on or off"},
        {"[route /x]\nthis is no key\n", ":2:", "key = value"},
        {"[route /x]\nhang = 60\nreset = 60\n", "", "more than 100"},
        {"; nothing\n", "", "[route /PATH]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char said[1024];
        int status = complaint(rows[i].scenario, said, sizeof said);
        if (status != 2 || strstr(said, rows[i].line) == NULL || strstr(said, rows[i].says) == NULL) {
            fail_msg("row %zu: status %d, said: %s", i, status, said);
        }
    }
    char said[1024];
    assert_int_equal(complaint("[route /x]\nstatus = 200\n", said, sizeof said), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_fault_has_its_curlcode),
        TEST(a_drop_on_a_reused_connection_is_resent_by_libcurl),
        TEST(keep_alive_works),
        TEST(retry_after_comes_in_both_forms),
        TEST(statuses_are_mixed_by_weight_and_seed),
        TEST(overload_is_real_and_abandoned_work_goes_on),
        TEST(the_ledger_counts_effects_and_idempotent_routes_do_not_repeat_them),
        TEST(phases_change_the_behaviour_and_are_counted),
        TEST(it_stops_cleanly_while_requests_hang_and_wait),
        TEST(a_bad_scenario_is_refused_with_file_line_and_what_was_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
