/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pthread_setname_np */
#include "os/thread.h"

#include "os/must.h"

#include <signal.h>
#include <stdio.h>

bool hf__thread_start(pthread_t *out_thread, const char *name, void *(*run)(void *), void *arg) {
    char short_name[16];
    sigset_t all, before;
    pthread_t thread;
    (void)sigfillset(&all);
    /* A new thread inherits the mask, so there is no instant at which it could be hit. */
    HF_MUST(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int rc = pthread_create(&thread, NULL, run, arg);
    HF_MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (rc != 0) return false;
    snprintf(short_name, sizeof short_name, "%s", name);
    (void)pthread_setname_np(thread, short_name); /* only a name */
    if (out_thread != NULL) *out_thread = thread;
    else HF_MUST(pthread_detach(thread) == 0);
    return true;
}
