/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* syscall */
#include "os/event.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* IDLE to ASLEEP by the waiting thread, to SET by the others, back to IDLE by the waiting thread. The word itself is the
 * futex: the kernel puts to sleep only while it is ASLEEP. Release and acquire hand over what was told. */
enum { IDLE, SET, ASLEEP };

_Static_assert(sizeof(_Atomic uint32_t) == 4, "a futex has 32 bits");

static void sleep_until(struct hf__event *event, hf_time until) {
    struct timespec at = {.tv_sec = (time_t)(until / HF_SECOND), .tv_nsec = (long)(until % HF_SECOND)};
    (void)syscall(SYS_futex, &event->state, FUTEX_WAIT_BITSET_PRIVATE, ASLEEP, until == HF_NEVER ? NULL : &at, NULL,
                  FUTEX_BITSET_MATCH_ANY);
}

void hf__event_wait(struct hf__event *event, hf_time until) {
    uint32_t seen = IDLE;
    if (atomic_compare_exchange_strong_explicit(&event->state, &seen, ASLEEP, memory_order_acquire,
                                                memory_order_acquire)) {
        sleep_until(event, until);
    }
    (void)atomic_exchange_explicit(&event->state, IDLE, memory_order_acquire);
}

void hf__event_set(struct hf__event *event) {
    if (atomic_exchange_explicit(&event->state, SET, memory_order_release) != ASLEEP) return;
    /* Waking an address where nobody sleeps any more is harmless, whatever is there by now. */
    (void)syscall(SYS_futex, &event->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
