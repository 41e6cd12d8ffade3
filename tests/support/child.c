/* SPDX-License-Identifier: MIT */
#include "support/child.h"

#include "support/cmocka_all.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void serve(child_function *function, void *arg, int from, int to) {
    unsigned char order;
    while (read(from, &order, 1) == 1 && order != 0) {
        uint32_t answer = function(arg, order);
        if (write(to, &answer, sizeof answer) != (ssize_t)sizeof answer) _exit(1);
    }
    _exit(0); /* without the parent's buffers and exit handlers */
}

struct child child_start(child_function *function, void *arg) {
    int down[2], up[2];
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(down[1]);
        close(up[0]);
        serve(function, arg, down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    return (struct child){.pid = pid, .to = down[1], .from = up[0]};
}

uint32_t child_order(const struct child *child, unsigned char order) {
    uint32_t answer = 0;
    struct pollfd wait = {.fd = child->from, .events = POLLIN};
    assert_int_equal(write(child->to, &order, 1), 1);
    assert_int_equal(poll(&wait, 1, 20000), 1);
    assert_int_equal(read(child->from, &answer, sizeof answer), sizeof answer);
    return answer;
}

static int gone(struct child *child) {
    int status = 0;
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    close(child->from);
    child->pid = -1;
    return status;
}

void child_kill(struct child *child) {
    assert_int_equal(kill(child->pid, SIGKILL), 0);
    close(child->to);
    (void)gone(child);
}

void child_finish(struct child *child) {
    /* Told, since a child that was made later holds the other end of this pipe too. */
    assert_int_equal(write(child->to, "", 1), 1);
    close(child->to);
    int status = gone(child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
