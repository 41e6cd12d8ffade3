/* SPDX-License-Identifier: MIT */
#include "drive/seed.h"

#include "base/rng.h"
#include "os/random_seed.h"

#include <holdfast/call.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Every thread draws from a stream of its own, so that calls of different threads write to no common line.
 * The start of each comes from one counter of the process. `epoch` names the set of streams that is valid: a
 * forked child moves it on and gives the counter a random start of its own, so child and parent differ. 0:
 * no stream is valid (nothing is started yet, or a test has fixed the seeds) and every seed comes from the
 * counter, in the order in which seeds are asked for.
 *
 * Relaxed everywhere: only the uniqueness of fetch-add matters. Racing first users may both draw a start;
 * the last one stays, and either is random. */
static _Atomic uint64_t counter;
static _Atomic uint32_t epoch;
static _Atomic uint32_t last_epoch; /* the last that was valid */
static atomic_bool fixed;           /* by a test */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* The model spares a function call for each access; 16 bytes fit into what the loader keeps for libraries
 * that are loaded late. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    uint64_t state;
    uint32_t epoch;
} stream;

static void start_afresh(void) {
    atomic_store_explicit(&counter, hf__random_seed(), memory_order_relaxed);
    uint32_t next = atomic_fetch_add_explicit(&last_epoch, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&epoch, next, memory_order_release);
}

/* In a child; a fixed seed stays fixed, for tests that fork. */
static void after_fork(void) {
    if (!atomic_load_explicit(&fixed, memory_order_relaxed)) start_afresh();
}

/* Without the handler a child would repeat its parent's seeds; there is no better answer to a failure
 * than going on. */
static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, after_fork); }

static uint64_t draw_from_counter(void) {
    uint64_t mine = atomic_fetch_add_explicit(&counter, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);
    return hf__rng_next(&mine);
}

static uint64_t draw_a_start(void) {
    if (atomic_load_explicit(&fixed, memory_order_relaxed)) return draw_from_counter();
    if (atomic_load_explicit(&epoch, memory_order_acquire) == 0) hf__seed_unfix();
    stream.epoch = atomic_load_explicit(&epoch, memory_order_acquire);
    stream.state = draw_from_counter();
    return hf__rng_next(&stream.state);
}

uint64_t hf__seed_next(void) {
    uint32_t valid = atomic_load_explicit(&epoch, memory_order_relaxed);
    if (valid == 0 || stream.epoch != valid) return draw_a_start();
    return hf__rng_next(&stream.state);
}

uint64_t hf_seed_fresh(void) { return hf__seed_next(); }

uint64_t hf__seed_next_wide(void) {
    return atomic_load_explicit(&fixed, memory_order_relaxed) ? hf__seed_next() : hf__random_seed();
}

void hf__seed_fix(uint64_t seed) {
    atomic_store_explicit(&counter, seed, memory_order_relaxed);
    atomic_store_explicit(&fixed, true, memory_order_relaxed);
    atomic_store_explicit(&epoch, 0, memory_order_release);
}

void hf__seed_unfix(void) {
    pthread_once(&fork_once, watch_forks);
    atomic_store_explicit(&fixed, false, memory_order_relaxed);
    start_afresh();
}
