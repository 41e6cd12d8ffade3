/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_THREAD_H
#define HF_HTTP_CLIENT_THREAD_H

/* A lane with a loop thread of its own, on epoll.
 *
 * libcurl stops watching a connection after each response and begins again with the next request. The descriptor stays
 * registered meanwhile, so that a busy kept-alive connection costs no system call for that: it is taken out when
 * something happens on it that nobody waits for, and libcurl says when it closes one. */

#include "http/client_lane.h"

#include <pthread.h>

struct hf__lane_thread {
    struct hf__lane lane;
    pthread_t thread;
    int epoll;
    struct hf__slot {
        uint8_t wanted;     /* HF_LOOP_*, what libcurl waits for */
        uint8_t registered; /* what epoll knows, 0: nothing */
    } * slots;              /* by descriptor */
    uint32_t slot_count;
    _Atomic uint32_t stop;
};

/* Makes the lane and starts its thread; false: the system refuses, nothing is left. */
bool hf__lane_thread_start(struct hf__lane_thread *t, const struct hf__client_setup *setup,
                           struct hf__resolver *resolver, CURLSH *share);

/* Ends what is under way and the thread; blocks until it has ended. */
void hf__lane_thread_stop(struct hf__lane_thread *t);

#endif
