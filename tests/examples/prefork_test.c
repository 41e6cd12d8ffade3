/* SPDX-License-Identifier: MIT */
/* examples/prefork_server, with mockd as its dependency: what the workers of a real server see together. */
#include "support/cmocka_all.h"
#include "support/mockd_process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct mockd mockd;
static pid_t master;
static int port, output; /* of the server: where it listens, what it prints */

/* ---- the server ---- */

static void read_line(char *line, size_t size) {
    size_t used = 0;
    struct pollfd wait = {.fd = output, .events = POLLIN};
    while (used + 1 < size && poll(&wait, 1, 20000) == 1 && read(output, &line[used], 1) == 1 && line[used] != '\n')
        used++;
    line[used] = '\0';
}

static int start(void **state) {
    (void)state;
    char url[80], line[80];
    int ends[2];
    if (!mockd_start(&mockd, HF_MOCKD_PATH, NULL, "[route /stock]\nlatency = fixed 1\n", NULL) || pipe(ends) != 0)
        return 1;
    snprintf(url, sizeof url, "%s/stock", mockd.url);
    master = fork();
    if (master == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(HF_BUILD_DIR "/examples/prefork_server", "prefork_server", url, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    output = ends[0];
    read_line(line, sizeof line);
    return sscanf(line, "listening on 127.0.0.1:%d", &port) != 1;
}

static int stop(void **state) {
    (void)state;
    int status = -1;
    (void)kill(master, SIGTERM);
    (void)waitpid(master, &status, 0);
    close(output);
    return (WIFEXITED(status) ? WEXITSTATUS(status) : -1) + mockd_stop(&mockd);
}

/* ---- its clients ---- */

struct answer {
    int status; /* 0: none */
    char text[300];
};

static int begin(const char *path) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char request[128];
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    assert_int_equal(write(client, request, (size_t)length), length);
    return client;
}

static struct answer end(int client) {
    char text[1024];
    size_t used = 0;
    ssize_t got;
    struct pollfd wait = {.fd = client, .events = POLLIN};
    while (used + 1 < sizeof text && poll(&wait, 1, 20000) == 1 &&
           (got = read(client, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(client);
    struct answer answer = {0};
    const char *body = strstr(text, "\r\n\r\n");
    if (body == NULL) return answer;
    answer.status = atoi(text + sizeof "HTTP/1.1");
    snprintf(answer.text, sizeof answer.text, "%.250s", body + 4);
    return answer;
}

static struct answer ask(const char *path) { return end(begin(path)); }

static void change(const char *what) { assert_int_equal(mockd_change(&mockd, what, NULL, 0), 200); }

static void nap_ms(long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static long seen(void) { return mockd_count(&mockd, "/stock total requests"); }

static void wait_until_seen(long count) {
    for (int i = 0; i < 2000 && seen() < count; i++) nap_ms(5);
    assert_int_equal(seen(), count);
}

/* ---- what must be true ---- */

static void one_breaker_and_one_probe_for_all_workers(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) assert_int_equal(ask("/").status, 200);
    long before = seen();
    change("[route /stock]\nstatus = 500\n");
    for (int i = 0; i < 5; i++) assert_int_equal(ask("/").status, 503);
    assert_string_equal(ask("/status").text, "breaker open, 0 slots taken");
    for (int i = 0; i < 20; i++) {
        struct answer answer = ask("/");
        assert_int_equal(answer.status, 503);
        assert_non_null(strstr(answer.text, "breaker open"));
    }
    assert_int_equal(seen(), before + 5); /* five failures of all of them together, and then silence */
    /* It is back, and slow: one asks, and all others are turned back meanwhile. */
    change("[route /stock]\nstatus = 200\nlatency = fixed 700\n");
    nap_ms(1300); /* the open time and its jitter */
    int probe = begin("/");
    wait_until_seen(before + 6);
    for (int i = 0; i < 3; i++) assert_int_equal(ask("/").status, 503);
    assert_int_equal(seen(), before + 6);
    assert_int_equal(end(probe).status, 200);
    assert_string_equal(ask("/status").text, "breaker closed, 0 slots taken");
}

static void workers_that_are_killed_are_replaced_and_lose_nothing(void **state) {
    (void)state;
    change("[route /stock]\nlatency = fixed 1500\n");
    long before = seen();
    int lost[2];
    for (int i = 0; i < 2; i++) lost[i] = begin("/");
    wait_until_seen(before + 2); /* both slots are taken */
    struct answer full = ask("/");
    assert_int_equal(full.status, 503);
    assert_non_null(strstr(full.text, "bulkhead full"));
    /* All are killed, whoever they are: those that hold slots, too. */
    char path[64], line[80];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)master, (int)master);
    FILE *children = fopen(path, "r");
    assert_non_null(children);
    int pid, killed = 0;
    while (fscanf(children, "%d", &pid) == 1) killed += kill((pid_t)pid, SIGKILL) == 0;
    (void)fclose(children);
    assert_int_equal(killed, 4);
    for (int i = 0; i < killed; i++) {
        read_line(line, sizeof line);
        assert_non_null(strstr(line, "is gone, another takes its place"));
    }
    for (int i = 0; i < 2; i++) assert_int_equal(end(lost[i]).status, 0);
    assert_string_equal(ask("/status").text, "breaker closed, 2 slots taken"); /* still leased to the dead */
    change("[route /stock]\nlatency = fixed 400\n");
    nap_ms(600);
    before = seen();
    int held[2];
    for (int i = 0; i < 2; i++) held[i] = begin("/"); /* both slots are there again */
    wait_until_seen(before + 2);
    for (int i = 0; i < 2; i++) assert_int_equal(end(held[i]).status, 200);
    assert_string_equal(ask("/status").text, "breaker closed, 0 slots taken");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_breaker_and_one_probe_for_all_workers, start, stop),
        cmocka_unit_test_setup_teardown(workers_that_are_killed_are_replaced_and_lose_nothing, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
