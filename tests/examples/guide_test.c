/* SPDX-License-Identifier: MIT */
/* The programs of docs/guide.md that talk to something other than a web server. */
#include "support/cmocka_all.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char output[4096]; /* standard output and error together */
static char directory[] = "/tmp/holdfast-guide-XXXXXX";
static char socket_path[64];
static pid_t redis;

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

static void expect(const char *text) {
    if (strstr(output, text) == NULL) fail_msg("expected \"%s\" in:\n%s", text, output);
}

static bool redis_is_there(void) {
    char path[256];
    snprintf(path, sizeof path, "%s/examples/redis_uv", HF_BUILD_DIR);
    return access(path, X_OK) == 0 && system("command -v redis-server >/dev/null") == 0;
}

static void start_redis(void) {
    pid_t parent = getpid();
    redis = fork();
    assert_true(redis >= 0);
    if (redis == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(0);
        if (freopen("/dev/null", "w", stdout) == NULL) _exit(127);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path, "--save", "", "--appendonly",
               "no", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 1000 && access(socket_path, F_OK) != 0; i++) nanosleep(&(struct timespec){0, 10000000}, NULL);
    assert_int_equal(access(socket_path, F_OK), 0);
}

static void end_redis(int signal) {
    kill(redis, signal);
    waitpid(redis, NULL, 0);
    redis = 0;
}

static void redis_in_a_loop_of_its_own(void **state) {
    (void)state;
    if (!redis_is_there()) skip();
    start_redis();
    assert_int_equal(run("redis_uv", socket_path), 0);
    expect("SET greeting hello: \"OK\": success: 1 attempt,");
    expect("GET greeting: \"hello\": success: 1 attempt,");

    /* It hangs: each attempt ends at its time, the total comes before any more, and the read has a fallback. */
    kill(redis, SIGSTOP);
    assert_int_equal(run("redis_uv", socket_path), 0);
    expect("SET greeting hello: \"\": a timeout or the caller's deadline ended the call");
    expect("GET greeting: \"good day\": success (policy attempt, timed out): 3 attempts,");
    expect("the value came from a fallback");
    kill(redis, SIGCONT);
    assert_int_equal(run("redis_uv", socket_path), 0);
    expect("GET greeting: \"hello\": success: 1 attempt,");

    end_redis(SIGKILL);
    assert_int_equal(run("redis_uv", socket_path), 0);
    expect("SET greeting hello: \"\": the operation failed (policy retry, attempts used up): 3 attempts,");
    expect("GET greeting: \"good day\": success (policy retry, attempts used up)");
}

static void a_database_with_a_classifier_of_its_own(void **state) {
    (void)state;
    assert_int_equal(run("protect_database", ""), 0);
    expect("UPDATE stock\n  success, asked 3 times\n");
    expect("SELECT price\n  success, asked 2 times\n");
    expect("INSERT payment\n  the operation failed, asked 1 times\n");
    expect("INSERT twice\n  the operation failed, asked 1 times\n");
    expect("SELECT later\n  success, asked 2 times\n");
}

static int make_directory(void **state) {
    (void)state;
    if (mkdtemp(directory) == NULL) return -1;
    snprintf(socket_path, sizeof socket_path, "%s/redis.sock", directory);
    return 0;
}

static int clean_up(void **state) {
    (void)state;
    if (redis > 0) {
        kill(redis, SIGCONT);
        end_redis(SIGKILL);
    }
    unlink(socket_path);
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_in_a_loop_of_its_own),
        cmocka_unit_test(a_database_with_a_classifier_of_its_own),
    };
    return cmocka_run_group_tests(tests, make_directory, clean_up);
}
