/* SPDX-License-Identifier: MIT */
#include "http/job_timers.h"

#include "http/client_job.h"

#include <stdlib.h>

bool hf__job_timers_reserve(struct hf__job_timers *timers, uint32_t count) {
    if (count <= timers->size) return true;
    uint32_t size = timers->size == 0 ? 64 : timers->size;
    while (size < count) size *= 2;
    struct hf__job **heap = realloc(timers->heap, size * sizeof *heap);
    if (heap == NULL) return false;
    timers->heap = heap;
    timers->size = size;
    return true;
}

void hf__job_timers_fini(struct hf__job_timers *timers) { free(timers->heap); }

static void place(struct hf__job_timers *timers, struct hf__job *job, uint32_t index) {
    timers->heap[index] = job;
    job->timer_index = index;
}

/* Moves `job` from the free place `index` to where it belongs. */
static void settle(struct hf__job_timers *timers, struct hf__job *job, uint32_t index) {
    while (index > 0 && job->timer_at < timers->heap[(index - 1) / 2]->timer_at) {
        place(timers, timers->heap[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint32_t child = index * 2 + 1;
        if (child >= timers->count) break;
        if (child + 1 < timers->count && timers->heap[child + 1]->timer_at < timers->heap[child]->timer_at) child++;
        if (timers->heap[child]->timer_at >= job->timer_at) break;
        place(timers, timers->heap[child], index);
        index = child;
    }
    place(timers, job, index);
}

static void take_out(struct hf__job_timers *timers, struct hf__job *job) {
    uint32_t index = job->timer_index;
    job->timer_index = HF__NO_TIMER;
    struct hf__job *last = timers->heap[--timers->count];
    if (last != job) settle(timers, last, index);
}

void hf__job_timers_set(struct hf__job_timers *timers, struct hf__job *job, hf_time at) {
    if (job->timer_index != HF__NO_TIMER && job->timer_at == at) return;
    if (at == HF_NEVER) {
        if (job->timer_index != HF__NO_TIMER) take_out(timers, job);
        return;
    }
    uint32_t index = job->timer_index != HF__NO_TIMER ? job->timer_index : timers->count++;
    job->timer_at = at;
    settle(timers, job, index);
}

hf_time hf__job_timers_next(const struct hf__job_timers *timers) {
    return timers->count == 0 ? HF_NEVER : timers->heap[0]->timer_at;
}

struct hf__job *hf__job_timers_first(const struct hf__job_timers *timers) {
    return timers->heap[0];
}
