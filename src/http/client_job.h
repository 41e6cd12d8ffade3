/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_JOB_H
#define HF_HTTP_CLIENT_JOB_H

/* A job is one call of a client. Its lane (client_lane.h) owns it: the engine's call, the timer and the exchanges are
 * touched on the lane's thread only. Other threads do three things with it: post it (submit, a raised token, a
 * look-up that is done, a wake of the engine), wait for its end, and, when a deadline has passed and the lane is
 * stuck, give it up.
 *
 * `references` counts the lane, the waiting caller, and each time the job is in the lane's inbox. */

#include "drive/cancel.h"
#include "http/client_request.h"
#include "http/job_timers.h"
#include "os/event.h"

#include <holdfast/call.h>
#include <holdfast/client.h>
#include <holdfast/curl.h>

#include <stdatomic.h>

struct hf__exchange;
struct hf__lane;

/* How its end is told. */
enum hf__job_kind { HF__JOB_WAITED, HF__JOB_CALLBACK, HF__JOB_QUEUED };

/* Between the lane and a waiting caller: OPEN becomes ENDING (the lane has it, DONE follows soon) or GIVEN_UP (the
 * caller has), by compare-exchange, so one of them has the job's end and takes the watch off the token. */
enum { HF__JOB_OPEN, HF__JOB_ENDING, HF__JOB_DONE, HF__JOB_GIVEN_UP };

#define HF__JOB_EXCHANGES 2 /* attempts in flight at once: the first and its hedge */

struct hf__job {
    hf_call call;
    hf_curl_options options; /* what the request comes to for the shared parts; clock is resolved */
    struct hf__request *request;
    hf_response *response; /* made with the job, so that its end can always be told */
    struct hf__lane *lane;
    struct hf__job *prev, *next; /* of the lane's jobs */
    hf_time timer_at;
    uint32_t timer_index; /* HF__NO_TIMER: not in the heap */
    bool seen, ended;     /* by the lane */
    bool fresh;           /* the attempt before came to no good end on its connection: make another */
    bool body_read;       /* a body from a callback is no longer at its start */
    struct hf__exchange *exchange[HF__JOB_EXCHANGES];
    uint32_t committed; /* serial of the exchange whose body went to the caller, 0: none */
    struct hf__cancel_watch watch;
    _Atomic uint32_t cancelled; /* set through the watch; the lane never looks at the token, which may be gone */

    enum hf__job_kind kind;
    hf_client_done *done; /* CALLBACK */
    void *done_arg;       /* CALLBACK: its argument; QUEUED: the tag */
    hf_completions *queue;
    struct hf__event event; /* WAITED: the end, or the gate */

    _Atomic uint32_t references;
    _Atomic uint32_t posted; /* it is in the inbox, or about to be */
    struct hf__job *inbox_next;
    _Atomic uint32_t end;      /* HF__JOB_OPEN ... */
    _Atomic uint32_t attempts; /* started; for the result of who gives up */
    _Atomic uint32_t gate;     /* see hf__job_enter_user */
};

/* Makes a job of a checked request, which it takes over also when it fails: NULL, no memory. One reference. */
struct hf__job *hf__job_new(struct hf__request *request, const hf_curl_options *options);

/* Begins the call on the lane. Its deadline is in `options.deadline_at` from here on. */
void hf__job_submit(struct hf__job *job, struct hf__lane *lane, hf_pipeline *pipeline);
void hf__job_ref(struct hf__job *job);
void hf__job_unref(struct hf__job *job);

/* Callbacks of the user run between these two. False: the caller has given up and must not be called back any more. */
bool hf__job_enter_user(struct hf__job *job);
void hf__job_leave_user(struct hf__job *job);

/* On the lane's thread: steps the engine until it waits or the call has ended. */
void hf__job_drive(struct hf__job *job);

/* On the lane's thread: an exchange of the job has ended with this code. */
void hf__job_exchange_ended(struct hf__job *job, struct hf__exchange *exchange, CURLcode code);

/* On the waiting thread: waits for the end, at the latest a little after the deadline. The response is the caller's;
 * NULL: no memory for one. */
hf_response *hf__job_wait(struct hf__job *job);

#endif
