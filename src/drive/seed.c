/* SPDX-License-Identifier: MIT */
#include "drive/seed.h"

#include "base/rng.h"
#include "os/random_seed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* One counter for the process, mixed into a seed: calls differ because the counter moves on, processes
 * because the start is random, and a forked child because the handler gives it a start of its own.
 * Relaxed everywhere: only the uniqueness of fetch-add matters. Racing first users may both draw a
 * start; the last one stays, and either is random. */
static _Atomic uint64_t state;
static atomic_bool started;
static atomic_bool fixed; /* by a test */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void start_afresh(void) {
    atomic_store_explicit(&state, hf__random_seed(), memory_order_relaxed);
    atomic_store_explicit(&started, true, memory_order_release);
}

/* In a child; a fixed seed stays fixed, for tests that fork. */
static void after_fork(void) {
    if (!atomic_load_explicit(&fixed, memory_order_relaxed)) start_afresh();
}

/* Without the handler a child would repeat its parent's seeds; there is no better answer to a failure
 * than going on. */
static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, after_fork); }

uint64_t hf__seed_next(void) {
    if (!atomic_load_explicit(&started, memory_order_acquire)) hf__seed_unfix();
    uint64_t mine = atomic_fetch_add_explicit(&state, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);
    return hf__rng_next(&mine);
}

uint64_t hf__seed_next_wide(void) {
    return atomic_load_explicit(&fixed, memory_order_relaxed) ? hf__seed_next() : hf__random_seed();
}

void hf__seed_fix(uint64_t seed) {
    atomic_store_explicit(&state, seed, memory_order_relaxed);
    atomic_store_explicit(&fixed, true, memory_order_relaxed);
    atomic_store_explicit(&started, true, memory_order_release);
}

void hf__seed_unfix(void) {
    pthread_once(&fork_once, watch_forks);
    atomic_store_explicit(&fixed, false, memory_order_relaxed);
    start_afresh();
}
