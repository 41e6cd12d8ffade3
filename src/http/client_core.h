/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_CORE_H
#define HF_HTTP_CLIENT_CORE_H

/* The part of a client that cannot survive a fork: threads, multis, descriptors, locks. A child makes a new one. */

#include "http/client_thread.h"

#include <pthread.h>

struct hf__core {
    uint32_t generation; /* hf__fork_generation when it was made */
    struct hf__core *abandoned;
    struct hf__resolver *resolver;
    CURLSH *share;
    pthread_mutex_t share_mutex[CURL_LOCK_DATA_LAST];
    uint32_t lane_count;
    struct hf__lane **lanes;
    struct hf__lane_thread *threads; /* NULL: one lane, driven by the user's loop */
    struct hf__lane single;
    _Atomic uint32_t door; /* submits under way, and the bit HF__CORE_CLOSED once it is being freed */
};

#define HF__CORE_CLOSED 0x80000000u

struct hf_client {
    struct hf__client_setup setup;
    hf_pipeline *pipeline;
    _Atomic(struct hf__core *) core;
};

/* NULL: the system gives no memory, thread or descriptor. */
struct hf__core *hf__core_new(const struct hf__client_setup *setup);
void hf__core_free(struct hf__core *core);

/* Around giving a job to a lane. False: the core is being freed, and a lane that has ended would never see the job.
 * Freeing lets those finish that are inside, so a callback that runs meanwhile either comes in time or is refused. */
bool hf__core_enter(struct hf__core *core);
void hf__core_leave(struct hf__core *core);

/* The core of this process; NULL, with a sentence in `error`, when it cannot be made after a fork. */
struct hf__core *hf__client_core(hf_client *client, hf_error *error);

#endif
