/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_TIMERS_H
#define MOCKD_TIMERS_H

/* One thread that calls functions at instants, in order: what a request waits for never occupies the
 * server's thread, so that one that hangs stalls no other. */

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds on CLOCK_MONOTONIC. */
int64_t now_ns(void);

bool timers_start(void);

/* Calls fn(arg) on the timer thread at `at`; never early. After timers_stop at once, on this thread. Any thread. */
void timers_add(int64_t at, void (*fn)(void *), void *arg);

/* Calls everything that still waits, at once, and ends the thread. */
void timers_stop(void);

#endif
