/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_LANE_H
#define HF_HTTP_CLIENT_LANE_H

/* A lane is one curl multi with the jobs in it, driven over curl_multi_socket_action by a loop: one of our own threads
 * (client_thread.h) or the user's. All that loop has to do is to watch descriptors and keep one timer, so both are the
 * same to the lane: it says what it wants through hf_client_hooks.
 *
 * Threads: everything but hf__lane_post belongs to the loop's thread. The inbox is a stack that any thread pushes to
 * and the lane takes whole (so there is no ABA); `asleep` saves the system call when a turn is under way anyway:
 * (1) the poster pushes, then exchanges `asleep` with 0 and writes to the descriptor only if it was 1; (2) the turn
 * stores 1 at its end and then looks at the inbox again. Both sequentially consistent: one of them sees the other. */

#include "http/client_job.h"
#include "http/client_setup.h"

#include <curl/curl.h>

struct hf__lane {
    const struct hf__client_setup *setup;
    struct hf__resolver *resolver;
    CURLSH *share;
    CURLM *multi;
    hf_client_hooks hooks;
    curl_closesocket_callback on_close; /* of our own loop, which keeps descriptors registered; else NULL */
    int wake_fd;
    _Atomic uint32_t asleep;
    _Atomic(struct hf__job *) inbox;
    _Atomic uint32_t in_flight; /* jobs given to this lane that have not ended */
    struct hf__job_timers timers;
    struct hf__job *jobs;
    uint32_t job_count;        /* in `jobs` */
    hf_time curl_at;           /* libcurl's timer */
    struct hf__exchange *idle; /* exchanges with a handle, nothing in them */
    uint32_t idle_count;
    bool http2_seen;    /* an answer came over HTTP/2: silent resends may be refused streams */
    uint32_t exchanges; /* in use */
    hf_time timer_at;   /* what the hook was told last and has not come, HF_NEVER: nothing */
};

/* Makes the multi and hands the wake descriptor to `hooks`. False: no memory or descriptors, nothing is left. */
bool hf__lane_init(struct hf__lane *lane, const struct hf__client_setup *setup, struct hf__resolver *resolver,
                   CURLSH *share, const hf_client_hooks *hooks, curl_closesocket_callback on_close);

/* On the loop's thread: ends what is under way as cancelled, then gives everything back but the wake descriptor ... */
void hf__lane_fini(struct hf__lane *lane);

/* ... which goes when nobody can write to it any more. */
void hf__lane_close(struct hf__lane *lane);

/* Any thread: has the lane step the job soon. Takes a reference of its own while it is in the inbox. */
void hf__lane_post(struct hf__lane *lane, struct hf__job *job);

/* Tells the lane what happened on `fd`. */
void hf__lane_event(struct hf__lane *lane, int fd, uint32_t events);

/* The hook's timer has come. */
void hf__lane_timer(struct hf__lane *lane);

/* Does all there is to do now, callbacks included. */
void hf__lane_turn(struct hf__lane *lane);

/* When it wants to be turned again at the latest. */
hf_time hf__lane_next_at(const struct hf__lane *lane);

/* The lane whose turn this thread is in, NULL: none. */
struct hf__lane *hf__lane_current(void);

/* A job of the lane has ended. */
void hf__lane_forget(struct hf__lane *lane, struct hf__job *job);

/* A transfer enters and leaves the multi. */
CURLcode hf__lane_add(struct hf__lane *lane, CURL *easy);
void hf__lane_remove(struct hf__lane *lane, CURL *easy);

#endif
