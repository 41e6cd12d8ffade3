/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_WAITER_H
#define HF_OS_WAITER_H

/* One thread waits until an instant, others may wake it. A wake is remembered until the next wait
 * returns, so it is never lost. Init and fini are called by the waiting thread. */

#include <holdfast/types.h>

#include <pthread.h>

struct hf__waiter {
    pthread_mutex_t mutex;
    pthread_cond_t condition; /* on CLOCK_MONOTONIC */
    bool woken;               /* guarded by mutex */
};

/* Returns false when the system has no resources for it. */
bool hf__waiter_init(struct hf__waiter *waiter);
void hf__waiter_fini(struct hf__waiter *waiter);

/* Returns at `until` (CLOCK_MONOTONIC; HF_NEVER: no end) or when woken. */
void hf__waiter_wait(struct hf__waiter *waiter, hf_time until);

/* For when init failed: sleeps until `until`, but for at most 10 ms, so that the caller can look around. */
HF_API void hf__waiter_nap(hf_time until);

/* Wakes; `waiter` is a struct hf__waiter. Any thread. */
void hf__waiter_wake(void *waiter);

#endif
