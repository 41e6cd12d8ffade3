/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_JOB_TIMERS_H
#define HF_HTTP_JOB_TIMERS_H

/* The instants at which calls want to be stepped again, as one binary heap: 10,000 calls in back-off cost one slot
 * each and no timer of the system. A job is in the heap once, at `job->timer_index`. */

#include <holdfast/types.h>

struct hf__job;

struct hf__job_timers {
    struct hf__job **heap;
    uint32_t count, size;
};

#define HF__NO_TIMER UINT32_MAX

/* Makes room for `count` jobs, so that no later call can fail. False: no memory. */
bool hf__job_timers_reserve(struct hf__job_timers *timers, uint32_t count);
void hf__job_timers_fini(struct hf__job_timers *timers);

/* Puts the job in or moves it; HF_NEVER takes it out. */
void hf__job_timers_set(struct hf__job_timers *timers, struct hf__job *job, hf_time at);

/* The earliest instant, HF_NEVER when there is none; and its job. */
hf_time hf__job_timers_next(const struct hf__job_timers *timers);
struct hf__job *hf__job_timers_first(const struct hf__job_timers *timers);

#endif
