/* SPDX-License-Identifier: MIT */
/* The examples as a user runs them: what they print, and what the server counted meanwhile. */
#include "support/cmocka_all.h"
#include "support/mockd_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct mockd mockd;
static char output[8192]; /* standard output and error together */

static int stop(void **state) {
    (void)state;
    int status = mockd.pid > 0 ? mockd_stop(&mockd) : 0;
    mockd.pid = 0;
    return status;
}

/* Runs an example and returns its exit status. */
static int run(const char *example, const char *argument) {
    char command[256];
    snprintf(command, sizeof command, "%s/examples/%s %s 2>&1", HF_BUILD_DIR, example, argument);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, sizeof output - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_example_on(const char *example, const char *scenario, const char *path, const char *more) {
    assert_true(mockd_start(&mockd, HF_MOCKD_PATH, NULL, scenario, NULL));
    char arguments[128];
    snprintf(arguments, sizeof arguments, "%s%s%s", mockd.url, path, more);
    return run(example, arguments);
}

static int run_on(const char *scenario, const char *path) { return run_example_on("protect_curl", scenario, path, ""); }

static void expect(const char *text) {
    if (strstr(output, text) == NULL) fail_msg("expected \"%s\" in:\n%s", text, output);
}

static int times_seen(const char *text) {
    int times = 0;
    for (const char *at = output; (at = strstr(at, text)) != NULL; at++) times++;
    return times;
}

static void a_protected_function_succeeds_at_the_third_attempt(void **state) {
    (void)state;
    assert_int_equal(run("protect_function", ""), 0);
    assert_int_equal(times_seen("attempt "), 3);
    expect("attempt 3 for order 42, ");
    expect("success: 3 attempts");
    expect("receipt paid-42\n");
}

static void a_pool_releases_its_caller_and_gives_back_once(void **state) {
    (void)state;
    assert_int_equal(run("vendor_pool", ""), 0);
    expect("order 1: a timeout or the caller's deadline ended the call\norder 2"); /* 1 is still under way */
    expect("order 2: 38 cents\norder 1 is given back\nall threads have ended\n");
    assert_int_equal(times_seen("given back"), 2);
}

static void testing_your_own_code_passes(void **state) {
    (void)state;
    assert_int_equal(run("testing_your_code", ""), 0);
    assert_int_equal(times_seen("ok  : "), 15);
    assert_int_equal(times_seen("FAIL"), 0);
    expect("open: a thousand questions, none reaches the service");
}

static void a_waiting_room_tells_everybody_their_place(void **state) {
    (void)state;
    assert_int_equal(run("waiting_room", ""), 0);
    expect("Ada: your turn at once\nBen: please wait, number 1 in line\n");
    expect("Emil: please wait, number 4 in line\nFinn: no room, please come back later\n");
    expect("Finn goes home: bulkhead full\n"); /* at about the time at which the board is shown */
    expect("  board: Dora is number 3 of 4\n");
    expect("the doors open\n");
    expect("Ada has a ticket\n  board: Ben is number 1 of 4\n");
    expect("Ben has a ticket\n  board: Cleo is number 1 of 3, about "); /* the pace is known by now */
    assert_int_equal(times_seen(" has a ticket\n"), 5);
    const char *ben = strstr(output, "Ben has a"), *cleo = strstr(output, "Cleo has a"),
               *dora = strstr(output, "Dora has a");
    assert_true(ben < cleo && cleo < dora && dora < strstr(output, "Emil has a"));
}

static void priority_shedding_keeps_what_matters(void **state) {
    (void)state;
    assert_int_equal(run("priority_shedding", ""), 0);
    assert_string_equal(output, "  0 ms  page view 1 is served\n"
                                "  0 ms  prefetch 2 is turned away: shed for a more important call\n"
                                "  0 ms  page view 3 is turned away: shed for a more important call\n"
                                "  0 ms  prefetch 3 is turned away: bulkhead full\n"
                                "  0 ms  page view 2 is turned away: shed for a more important call\n"
                                " 10 ms  prefetch 1 is served\n"
                                " 20 ms  payment 1 is served\n"
                                " 30 ms  payment 2 is served\n"
                                " 40 ms  payment 3 is served\n");
}

static void a_limit_for_each_user_hits_only_the_eager_one(void **state) {
    (void)state;
    assert_int_equal(run("per_user_rate_limit", ""), 0);
    assert_int_equal(times_seen("200 ("), 13);
    assert_int_equal(times_seen("429"), 6);
    expect("    0 ms  ada: 200 (0 left)\n    0 ms  ada: 429 Retry-After in 500 ms\n");
    expect("    0 ms  ben: 200 (2 left)\n");
    expect(" 4000 ms  ada: 429 Retry-After in 2000 ms\n"); /* the minute's ten are used up */
    expect(" 6000 ms  cleo: 200 (2 left)\n          (no room for more users: one was forgotten for dora)\n");
}

static void a_kill_switch_and_a_group_that_is_shed(void **state) {
    (void)state;
    assert_int_equal(run("kill_switch", ""), 0);
    assert_int_equal(times_seen(" ok\n"), 8);
    assert_int_equal(times_seen("forced open by hand\n"), 4);
    expect("at one instant\n  payments        ok\n  recommendations forced open by hand\n  reviews         forced");
    expect("let through\n  payments        forced open by hand\n  recommendations forced open by hand\n  reviews       "
           "  ok\n");
    expect("  breaker reviews         metrics only, group optional\n");
    expect("over\n  payments        ok\n  recommendations ok\n  reviews         ok\n");
}

static void a_protected_curl_program_on_a_good_day(void **state) {
    (void)state;
    assert_int_equal(run_on("[route /stock]\nbody_bytes = 40\n", "/stock"), 0);
    expect("success: 1 attempt,");
    expect("No error, status 200\n");
    assert_int_equal(mockd_count(&mockd, "/stock total requests"), 1);
}

static void a_protected_curl_program_rides_out_a_bad_moment(void **state) {
    (void)state;
    assert_int_equal(run_on("[route /stock]\nbody_bytes = 40\nretry_after = seconds 1\n[phase bad]\nseconds = 0.5\n"
                            "[phase bad /stock]\nstatus = 503\n",
                            "/stock"),
                     0);
    expect("No error, status 200\n");
    long refused = mockd_count(&mockd, "/stock phases bad requests");
    char sentence[40];
    snprintf(sentence, sizeof sentence, "success: %ld attempt", refused + 1);
    expect(sentence); /* as many as the server saw */
    assert_int_equal(mockd_count(&mockd, "/stock total requests"), refused + 1);
}

static void a_protected_curl_program_gives_up_in_words(void **state) {
    (void)state;
    assert_int_equal(run_on("[route /stock]\nreset = 100\n", "/stock"), 1);
    expect("(policy stock.retry, attempts used up): 3 attempts, the last was failure with code 56");
    assert_int_equal(mockd_count(&mockd, "/stock total requests"), 3);
}

static void check_event_loop(const char *example) {
    assert_int_equal(run_example_on(example, "[route /item]\nbody_bytes = 40\n", "/item", " 7"), 0);
    assert_int_equal(times_seen("status 200, success: 1 attempt,"), 7);
    assert_int_equal(mockd_count(&mockd, "/item total requests"), 7);
}

static void the_client_in_a_loop_of_poll(void **state) {
    (void)state;
    check_event_loop("client_epoll");
}

static void the_client_in_a_loop_of_libuv(void **state) {
    (void)state;
    if (access(HF_BUILD_DIR "/examples/client_uv", X_OK) != 0) skip(); /* built where there is libuv */
    check_event_loop("client_uv");
}

#define T(name) cmocka_unit_test_teardown(name, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_protected_function_succeeds_at_the_third_attempt),
        T(a_pool_releases_its_caller_and_gives_back_once),
        T(testing_your_own_code_passes),
        T(a_waiting_room_tells_everybody_their_place),
        T(priority_shedding_keeps_what_matters),
        T(a_limit_for_each_user_hits_only_the_eager_one),
        T(a_kill_switch_and_a_group_that_is_shed),
        T(a_protected_curl_program_on_a_good_day),
        T(a_protected_curl_program_rides_out_a_bad_moment),
        T(a_protected_curl_program_gives_up_in_words),
        T(the_client_in_a_loop_of_poll),
        T(the_client_in_a_loop_of_libuv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
