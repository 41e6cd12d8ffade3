/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_WAITER_H
#define HF_OS_WAITER_H

/* One thread waits until an instant, others may wake it. A wake is remembered until the next wait
 * returns, so it is never lost. Zero-filled is ready for a wake; the system's resources are taken by the
 * first wait, so who never waits never pays for them. */

#include <holdfast/types.h>

#include <pthread.h>
#include <stdatomic.h>

struct hf__waiter {
    atomic_bool woken;
    atomic_bool made; /* mutex and condition exist */
    pthread_mutex_t mutex;
    pthread_cond_t condition; /* on CLOCK_MONOTONIC */
};

/* Makes a waiter that nobody has woken; mutex and condition are left as they are. */
void hf__waiter_init(struct hf__waiter *waiter);

/* The waiting thread, when no wake can come any more. */
void hf__waiter_fini(struct hf__waiter *waiter);

/* Returns at `until` (CLOCK_MONOTONIC; HF_NEVER: no end) or when woken. When the system has no resources
 * for waiting it sleeps for at most 10 ms, so that the caller can look around. */
void hf__waiter_wait(struct hf__waiter *waiter, hf_time until);

/* Takes a wake that has come already: true once for each wait that would return at once. */
bool hf__waiter_take(struct hf__waiter *waiter);

/* For who cannot wait: sleeps until `until`, but for at most 10 ms. */
HF_API void hf__waiter_nap(hf_time until);

/* Wakes; `waiter` is a struct hf__waiter. Any thread. */
void hf__waiter_wake(void *waiter);

/* Lets another thread run, while waiting for something that is about to happen. */
void hf__yield(void);

#endif
