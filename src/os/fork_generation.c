/* SPDX-License-Identifier: MIT */
#include "os/fork_generation.h"

#include "os/shard.h"

#include <pthread.h>
#include <stdatomic.h>

/* Relaxed: it changes only in a child, which has one thread then. */
static _Atomic uint32_t generation = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void after_fork(void) {
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
    hf__thread_forked();
}

/* Without the handler a child would take its parent's things for its own; there is no better answer to a failure
 * than going on. */
static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, after_fork); }

uint32_t hf__fork_generation(void) {
    (void)pthread_once(&once, watch_forks);
    return atomic_load_explicit(&generation, memory_order_relaxed);
}
