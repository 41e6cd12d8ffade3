/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_EVENT_H
#define HF_OS_EVENT_H

/* One thread waits until an instant, one other tells it something: like a waiter (os/waiter.h), but on a single word, with
 * one system call on each side and none when nobody sleeps yet. For hand-overs that happen with every request; a wake
 * through mutex and condition costs four system calls and two switches there. Zero-filled is ready to use. */

#include <holdfast/types.h>

#include <stdatomic.h>

struct hf__event {
    _Atomic uint32_t state;
};

/* Returns at `until` (CLOCK_MONOTONIC; HF_NEVER: no end) or when set; may return early. Takes the event back. */
HF_API void hf__event_wait(struct hf__event *event, hf_time until);

/* Sets it. Any thread; touches nothing of the event after the waiting thread may have gone. */
HF_API void hf__event_set(struct hf__event *event);

#endif
