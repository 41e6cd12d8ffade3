/* SPDX-License-Identifier: MIT */
#include "os/waiter.h"

#include "os/monotonic.h"
#include "os/must.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

void hf__waiter_init(struct hf__waiter *waiter) {
    atomic_init(&waiter->woken, false);
    atomic_init(&waiter->made, false);
}

static bool make(struct hf__waiter *waiter) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) return false;
    HF_MUST(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    bool ok = pthread_cond_init(&waiter->condition, &attributes) == 0;
    HF_MUST(pthread_condattr_destroy(&attributes) == 0);
    if (!ok) return false;
    if (pthread_mutex_init(&waiter->mutex, NULL) != 0) {
        pthread_cond_destroy(&waiter->condition);
        return false;
    }
    /* Sequentially consistent, like the rest here: a wake sets `woken` and then looks at `made`, a wait sets
     * `made` and then looks at `woken`. At least one of them sees the other. */
    atomic_store(&waiter->made, true);
    return true;
}

void hf__waiter_fini(struct hf__waiter *waiter) {
    if (!atomic_load_explicit(&waiter->made, memory_order_relaxed)) return; /* only this thread sets it */
    HF_MUST(pthread_cond_destroy(&waiter->condition) == 0);
    HF_MUST(pthread_mutex_destroy(&waiter->mutex) == 0);
}

static struct timespec as_timespec(hf_time at) {
    return (struct timespec){.tv_sec = (time_t)(at / HF_SECOND), .tv_nsec = (long)(at % HF_SECOND)};
}

void hf__waiter_nap(hf_time until) {
    hf_time soon = hf__monotonic_now() + 10 * HF_MILLISECOND;
    struct timespec at = as_timespec(until < soon ? until : soon);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

bool hf__waiter_take(struct hf__waiter *waiter) { return atomic_exchange(&waiter->woken, false); }

void hf__waiter_wait(struct hf__waiter *waiter, hf_time until) {
    struct timespec at = as_timespec(until);
    if (!atomic_load_explicit(&waiter->made, memory_order_relaxed) && !make(waiter)) {
        if (!hf__waiter_take(waiter)) hf__waiter_nap(until);
        return;
    }
    HF_MUST(pthread_mutex_lock(&waiter->mutex) == 0);
    int rc = 0;
    while (!hf__waiter_take(waiter) && rc == 0) {
        rc = until == HF_NEVER ? pthread_cond_wait(&waiter->condition, &waiter->mutex)
                               : pthread_cond_timedwait(&waiter->condition, &waiter->mutex, &at);
    }
    HF_MUST(rc == 0 || rc == ETIMEDOUT);
    HF_MUST(pthread_mutex_unlock(&waiter->mutex) == 0);
}

void hf__waiter_wake(void *arg) {
    struct hf__waiter *waiter = arg;
    atomic_store(&waiter->woken, true);
    if (!atomic_load(&waiter->made)) return;
    /* The lock keeps the signal from falling between the waiting thread's look at `woken` and its sleep. */
    HF_MUST(pthread_mutex_lock(&waiter->mutex) == 0);
    HF_MUST(pthread_cond_signal(&waiter->condition) == 0);
    HF_MUST(pthread_mutex_unlock(&waiter->mutex) == 0);
}

void hf__yield(void) { (void)sched_yield(); }
