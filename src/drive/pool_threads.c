/* SPDX-License-Identifier: MIT */
#include "drive/pool_threads.h"

#include "base/num.h"
#include "os/monotonic.h"
#include "os/must.h"
#include "os/thread.h"

#include <errno.h>
#include <string.h>
#include <time.h>

void hf__pool_lock(hf_pool *pool) { HF_MUST(pthread_mutex_lock(&pool->mutex) == 0); }
void hf__pool_unlock(hf_pool *pool) { HF_MUST(pthread_mutex_unlock(&pool->mutex) == 0); }

/* ---- records and the queue ---- */

struct hf__task *hf__pool_take_task_locked(hf_pool *pool) {
    const hf_pool_info *info = &pool->locked.info;
    uint32_t room = pool->config.queue + pool->config.max_threads - info->busy;
    struct hf__task *task = pool->locked.free_tasks;
    if (pool->locked.stopping || task == NULL || info->queued >= room) {
        pool->locked.info.refused++;
        return NULL;
    }
    pool->locked.free_tasks = task->next;
    pool->locked.info.queued++; /* its place is taken from now on */
    task->state = HF__TASK_QUEUED;
    task->remains = NULL;
    task->kept = 0;
    return task;
}

void hf__pool_give_task_locked(hf_pool *pool, struct hf__task *task) {
    task->state = HF__TASK_FREE;
    task->next = pool->locked.free_tasks;
    pool->locked.free_tasks = task;
}

static void link_last_locked(hf_pool *pool, struct hf__task *task) {
    task->next = NULL;
    task->before = pool->locked.last;
    if (task->before != NULL) task->before->next = task;
    else pool->locked.first = task;
    pool->locked.last = task;
    pool->locked.linked++;
}

bool hf__pool_drop_locked(hf_pool *pool, struct hf__task *task) {
    if (task->state != HF__TASK_QUEUED) return false;
    if (task->before != NULL) task->before->next = task->next;
    else pool->locked.first = task->next;
    if (task->next != NULL) task->next->before = task->before;
    else pool->locked.last = task->before;
    pool->locked.linked--;
    pool->locked.info.queued--;
    return true;
}

static struct hf__task *next_locked(hf_pool *pool) {
    struct hf__task *task = pool->locked.first;
    (void)hf__pool_drop_locked(pool, task);
    task->state = HF__TASK_RUNNING;
    return task;
}

/* ---- the end of a task ---- */

/* What is to be done without the lock when an abandoned task has ended. */
struct leftovers {
    struct hf__kept kept[HF__POOL_KEPT_MAX];
    uint32_t kept_count;
    hf_pipeline *pipeline; /* NULL: others of the call still run */
    void *arg;
    void (*destroy)(void *arg);
};

bool hf__pool_abandon_locked(hf_pool *pool, struct hf__task *task, struct hf__remains **remains,
                             hf_pipeline *pipeline) {
    struct hf__remains *r = *remains;
    if (r == NULL) {
        *remains = r = &task->own_remains;
        memset(r, 0, sizeof *r);
        r->call = remains;
        r->home = task;
        r->pipeline = hf__pipeline_ref(pipeline);
    }
    uint32_t holders = 0, places = 0;
    for (uint32_t i = 0; i < pipeline->count; i++) holders += (pipeline->policies[i]->traits & HF__HOLDS) != 0;
    for (uint32_t i = 0; i < HF__POOL_KEPT_MAX; i++) places += r->kept[i].policy == NULL;
    if (r->tasks == HF__POOL_ABANDONED_MAX || places < holders) return false;
    r->abandoned[r->tasks++] = task;
    task->remains = r;
    task->waiter = NULL;
    pool->locked.info.abandoned++;
    pool->locked.info.abandoned_total++;
    return true;
}

static void remove_from_remains(struct hf__remains *r, const struct hf__task *task) {
    uint32_t i = 0;
    while (r->abandoned[i] != task) i++;
    r->abandoned[i] = r->abandoned[--r->tasks];
}

/* Takes out what nothing needs any more, and gives back the records that are free now. */
static struct leftovers end_abandoned_locked(hf_pool *pool, struct hf__task *task) {
    struct leftovers left = {.kept_count = 0};
    struct hf__remains *r = task->remains;
    struct hf__task *home = r->home;
    for (uint32_t i = 0; i < HF__POOL_KEPT_MAX; i++) {
        if (!(task->kept & 1u << i) || --r->kept[i].tasks > 0) continue;
        left.kept[left.kept_count++] = r->kept[i];
        r->kept[i].policy = NULL;
    }
    remove_from_remains(r, task);
    bool last = r->tasks == 0;
    if (last) {
        left.pipeline = r->pipeline;
        if (r->call != NULL) {
            *r->call = NULL; /* the call goes on as if it had abandoned nothing */
        } else {
            left.arg = r->arg;
            left.destroy = r->destroy;
        }
    }
    if (task != home) hf__pool_give_task_locked(pool, task);
    else task->state = HF__TASK_ENDED;
    if (last) hf__pool_give_task_locked(pool, home);
    pool->locked.info.abandoned--;
    return left;
}

static void clear_up(struct leftovers *left, hf_outcome outcome, hf_time now) {
    for (uint32_t i = 0; i < left->kept_count; i++) {
        hf__settle_kept(left->kept[i].policy, &left->kept[i].frame, outcome, HF_REASON_NONE, now);
    }
    if (left->destroy != NULL) left->destroy(left->arg);
    hf_pipeline_free(left->pipeline);
}

/* The task has come to its end, with the lock held; it is not held meanwhile. */
static void end_task_locked(hf_pool *pool, struct hf__task *task, enum hf__task_state state) {
    pool->locked.info.busy--;
    if (state == HF__TASK_EXPIRED) pool->locked.info.expired++;
    if (task->remains == NULL) {
        task->state = state;
        hf__waiter_wake(task->waiter);
        return;
    }
    hf_outcome outcome = hf_neutral(0); /* how it came out was decided when it was abandoned */
    const hf_clock *clock = task->clock;
    struct leftovers left = end_abandoned_locked(pool, task);
    hf__pool_unlock(pool);
    clear_up(&left, outcome, hf_clock_now(clock));
    hf__pool_lock(pool);
}

/* ---- threads ---- */

int hf__pool_wait_locked(hf_pool *pool, pthread_cond_t *condition, hf_time until) {
    if (until == HF_NEVER) return pthread_cond_wait(condition, &pool->mutex);
    struct timespec at = {.tv_sec = (time_t)(until / HF_SECOND), .tv_nsec = (long)(until % HF_SECOND)};
    return pthread_cond_timedwait(condition, &pool->mutex, &at);
}

/* False: this thread is not needed any more. */
static bool wait_for_work_locked(hf_pool *pool) {
    hf_time idle_at = HF_NEVER;
    while (pool->locked.first == NULL && !pool->locked.stopping) {
        bool surplus = pool->locked.info.threads > pool->config.core_threads;
        if (surplus && idle_at == HF_NEVER) {
            idle_at = hf__add(hf__monotonic_now(), hf__ms_to_ns(pool->config.idle_ms));
        }
        int rc = hf__pool_wait_locked(pool, &pool->work, surplus ? idle_at : HF_NEVER);
        HF_MUST(rc == 0 || rc == ETIMEDOUT);
        if (rc == ETIMEDOUT && pool->locked.first == NULL && pool->locked.info.threads > pool->config.core_threads) {
            return false;
        }
    }
    return pool->locked.first != NULL;
}

static void work_on(hf_pool *pool, struct hf__task *task) {
    bool starts = hf_clock_now(task->clock) < task->attempt.deadline_at;
    if (starts) {
        memset(task->output, 0, task->output_size);
        task->outcome = task->operation(task->arg, task->output, &task->attempt);
    }
    hf__pool_lock(pool);
    pool->locked.info.started += starts;
    end_task_locked(pool, task, starts ? HF__TASK_ENDED : HF__TASK_EXPIRED);
}

static void *thread_main(void *arg) {
    hf_pool *pool = arg;
    hf__pool_lock(pool);
    while (wait_for_work_locked(pool)) {
        struct hf__task *task = next_locked(pool);
        pool->locked.info.busy++;
        hf__pool_unlock(pool);
        work_on(pool, task);
    }
    bool last = --pool->locked.info.threads == 0 && pool->locked.released;
    HF_MUST(pthread_cond_broadcast(&pool->ended) == 0);
    hf__pool_unlock(pool);
    if (last) hf__pool_destroy(pool);
    return NULL;
}

bool hf__pool_start_thread(hf_pool *pool) {
    if (hf__thread_start(NULL, pool->name, thread_main, pool)) return true;
    hf__pool_lock(pool);
    pool->locked.info.threads--;
    hf__pool_unlock(pool);
    return false;
}

void hf__pool_enqueue(hf_pool *pool, struct hf__task *task) {
    hf__pool_lock(pool);
    if (pool->locked.stopping) { /* since its record was taken */
        pool->locked.info.queued--;
        task->state = HF__TASK_EXPIRED;
        hf__waiter_wake(task->waiter);
        hf__pool_unlock(pool);
        return;
    }
    link_last_locked(pool, task);
    const hf_pool_info *info = &pool->locked.info;
    bool grows = info->threads < pool->config.max_threads && pool->locked.linked > info->threads - info->busy;
    pool->locked.info.threads += grows;
    HF_MUST(pthread_cond_signal(&pool->work) == 0);
    hf__pool_unlock(pool);
    if (!grows || hf__pool_start_thread(pool)) return;
    hf__pool_lock(pool); /* the system gives no more threads: others will get to it, if there are any */
    if (pool->locked.info.threads == 0 && hf__pool_drop_locked(pool, task)) {
        task->state = HF__TASK_EXPIRED;
        hf__waiter_wake(task->waiter);
    }
    hf__pool_unlock(pool);
}
