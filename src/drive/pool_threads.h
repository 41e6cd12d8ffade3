/* SPDX-License-Identifier: MIT */
#ifndef HF_DRIVE_POOL_THREADS_H
#define HF_DRIVE_POOL_THREADS_H

/* The threads of a pool and what they work on; calls are driven by pool_run.c.
 *
 * A task is one attempt. Its record is the pool's: it is taken when the attempt starts, goes through the queue to
 * a thread, and ends in one of three ways: its call collects it, drops it while it is queued, or has abandoned it and
 * the thread settles what is left. What outlives a call that has abandoned a task is its *remains*: the argument
 * and the frames that are kept for unfinished tasks. They live in the record of the first task that was
 * abandoned, which is given back when the last one has ended.
 *
 * Lock: the pool's mutex guards everything below but what says otherwise; a waiter is woken under it, so that a
 * call that has collected its tasks under it can go. User code runs without it. */

#include "drive/cancel.h"
#include "engine/trunk.h"
#include "os/waiter.h"

#include <holdfast/pool.h>

#include <pthread.h>

#define HF__POOL_ABANDONED_MAX 8 /* unfinished tasks of one call; a ninth is waited for */
#define HF__POOL_KEPT_MAX 24     /* frames kept for them */

enum hf__task_state { HF__TASK_FREE = 0, HF__TASK_QUEUED, HF__TASK_RUNNING, HF__TASK_ENDED, HF__TASK_EXPIRED };

/* A frame that is kept until the last of `tasks` tasks has ended. */
struct hf__kept {
    hf_policy *policy; /* NULL: a free place */
    struct hf_frame frame;
    uint32_t tasks;
};

struct hf__task;

struct hf__remains {
    struct hf__remains **call; /* where the call knows them from; NULL: it has gone, and the last task destroys `arg` */
    struct hf__task *home;     /* in whose record they live */
    uint32_t tasks;            /* abandoned and unfinished */
    void *arg;
    void (*destroy)(void *arg);
    hf_pipeline *pipeline; /* keeps the policies of the frames */
    struct hf__task *abandoned[HF__POOL_ABANDONED_MAX];
    struct hf__kept kept[HF__POOL_KEPT_MAX];
};

struct hf__task {
    struct hf__task *next, *before; /* in the queue; free records have only a next */
    /* Set before it is queued, constant afterwards. */
    hf_pool_operation *operation;
    const void *arg;
    const hf_clock *clock;
    hf_attempt attempt;
    uint32_t serial;
    uint32_t branch;
    uint32_t output_size;
    hf_cancel *stop; /* the attempt's own; made with the pool */
    /* Guarded. */
    enum hf__task_state state;
    struct hf__waiter *waiter;   /* of the call; NULL once abandoned */
    struct hf__remains *remains; /* once abandoned */
    uint32_t kept;               /* bits: remains->kept that it is one of the tasks of */
    hf_outcome outcome;
    struct hf__remains own_remains; /* for the first that its call abandons */
    _Alignas(16) unsigned char output[];
};

struct hf_pool {
    hf_pool_config config;
    char name[HF_NAME_MAX + 1];
    uint32_t fork_generation;
    size_t task_size;
    void *tasks;
    uint32_t task_count;
    pthread_mutex_t mutex;
    pthread_cond_t work;  /* for idle threads */
    pthread_cond_t ended; /* a thread has ended, for hf_pool_shutdown */
    struct {
        struct hf__task *free_tasks;
        struct hf__task *first, *last; /* the queue */
        uint32_t linked;               /* its length; info.queued counts also those about to be linked */
        bool stopping;
        bool released;     /* by hf_pool_free: the last thread destroys it */
        hf_pool_info info; /* threads, busy, abandoned, queued and the totals */
    } locked;
};

void hf__pool_lock(hf_pool *pool);
void hf__pool_unlock(hf_pool *pool);

/* A record for an attempt, not queued yet; NULL when the pool is stopping or has no room for another. */
struct hf__task *hf__pool_take_task_locked(hf_pool *pool);
void hf__pool_give_task_locked(hf_pool *pool, struct hf__task *task);

/* Queues it for a thread, and starts one if there are too few. */
void hf__pool_enqueue(hf_pool *pool, struct hf__task *task);

/* Takes a task that has not started out of the queue; false when it has. */
bool hf__pool_drop_locked(hf_pool *pool, struct hf__task *task);

/* The call goes on without the task, which runs. `*remains` are those of the call, or NULL and made now. False: it
 * has abandoned too many. */
bool hf__pool_abandon_locked(hf_pool *pool, struct hf__task *task, struct hf__remains **remains, hf_pipeline *pipeline);

/* One more thread, which info.threads counts already. */
bool hf__pool_start_thread(hf_pool *pool);

/* As pthread_cond_timedwait on the pool's lock; HF_NEVER: without end. */
int hf__pool_wait_locked(hf_pool *pool, pthread_cond_t *condition, hf_time until);

/* When no thread is left. */
void hf__pool_destroy(hf_pool *pool);

#endif
