/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_THREAD_H
#define HF_OS_THREAD_H

#include <holdfast/types.h> /* HF_API */

#include <pthread.h>

/* Starts a thread of ours: with a name (cut to 15 bytes) that `top` shows, and with every signal blocked, so that
 * the program's handlers run on its own threads and a SIGPIPE of ours does not reach it. False when the system
 * refuses. `out_thread` NULL: the thread is detached. */
HF_API bool hf__thread_start(pthread_t *out_thread, const char *name, void *(*run)(void *), void *arg);

#endif
