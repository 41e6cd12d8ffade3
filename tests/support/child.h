/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_CHILD_H
#define HF_TESTS_SUPPORT_CHILD_H

/* A forked process that does what it is told, step by step: the test writes one byte, the child runs the
 * function with it and answers with the 32-bit value that it returns. */

#include <stdint.h>
#include <sys/types.h>

typedef uint32_t child_function(void *arg, unsigned char order);

struct child {
    pid_t pid;
    int to, from;
};

/* Forks; fails the test when the system cannot. */
struct child child_start(child_function *function, void *arg);

/* Gives an order and waits for the answer, at most 20 s. */
uint32_t child_order(const struct child *child, unsigned char order);

/* SIGKILL, and waits until it is gone. */
void child_kill(struct child *child);

/* Lets it go home, and asserts that it ended well. */
void child_finish(struct child *child);

#endif
