/* SPDX-License-Identifier: MIT */
/* A client, and a client in the program's loop, before and after fork. The child reports by its exit status. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>
#include <holdfast/traceparent.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define FORKS false /* its run time refuses threads in a child of a program with threads */
#else
#define FORKS true
#endif

#define SERVER "[route /echo]\necho = on\n"

static int status_of(pid_t child) {
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void a_child_makes_threads_and_connections_of_its_own(void **state) {
    struct client_bench *b = *state;
    if (!FORKS) skip();
    client_bench_serve(b, SERVER);
    assert_int_equal(client_bench_ask(b, "/echo"), HF_OK);
    long before = mockd_count(&b->door.mockd, "connections");
    pid_t child = fork();
    if (child == 0) {
        int failed = 0;
        for (int i = 0; i < 5; i++) failed += hf_client_get(b->client, "/echo", NULL, NULL) != HF_OK;
        hf_client_free(b->client);
        _exit(failed);
    }
    for (int i = 0; i < 5; i++) assert_int_equal(client_bench_ask(b, "/echo"), HF_OK);
    assert_int_equal(status_of(child), 0);
    for (int i = 0; i < 5; i++) assert_int_equal(client_bench_ask(b, "/echo"), HF_OK);
    /* The parent kept its connection all the time; the child made one; each look at /_control made one. */
    assert_true(mockd_count(&b->door.mockd, "connections") - before <= 3);
    assert_int_equal(client_bench_seen(b, "/echo"), 16);
}

static void a_child_may_free_a_client_that_it_never_used(void **state) {
    struct client_bench *b = *state;
    if (!FORKS) skip();
    client_bench_serve(b, SERVER);
    assert_int_equal(client_bench_ask(b, "/echo"), HF_OK);
    pid_t child = fork();
    if (child == 0) {
        hf_client_free(b->client);
        _exit(0);
    }
    assert_int_equal(status_of(child), 0);
    assert_int_equal(client_bench_ask(b, "/echo"), HF_OK);
}

/* Keys and spans come from the random stream: the child's must not repeat the parent's. */
static void random_numbers_differ_after_fork(void **state) {
    struct client_bench *b = *state;
    int out[2];
    char of_parent[HF_TRACEPARENT_SIZE], of_child[HF_TRACEPARENT_SIZE];
    (void)b;
    hf_traceparent_make(of_parent, true); /* the stream has begun */
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        hf_traceparent_make(of_child, true);
        _exit(write(out[1], of_child, sizeof of_child) == (ssize_t)sizeof of_child ? 0 : 1);
    }
    hf_traceparent_make(of_parent, true);
    assert_int_equal(status_of(child), 0);
    assert_int_equal(read(out[0], of_child, sizeof of_child), sizeof of_child);
    assert_string_not_equal(of_parent, of_child);
    close(out[0]);
    close(out[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_child_makes_threads_and_connections_of_its_own),
        T(a_child_may_free_a_client_that_it_never_used),
        T(random_numbers_differ_after_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
