/* SPDX-License-Identifier: MIT */
#include <holdfast/pool.h>

#include "base/num.h"
#include "drive/pool_threads.h"
#include "os/fork_generation.h"
#include "os/monotonic.h"
#include "os/must.h"
#include "policy/config_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A pool from new to free. */

#define DAY_MS 86400000
#define THREADS_MAX 1024
#define QUEUE_MAX 100000

static struct hf__task *task_at(const hf_pool *pool, uint32_t i) {
    return (struct hf__task *)(void *)((char *)pool->tasks + i * pool->task_size);
}

void hf_pool_config_init(hf_pool_config *config) {
    *config = (hf_pool_config){
        .struct_size = (uint32_t)sizeof *config,
        .core_threads = 2,
        .max_threads = 16,
        .queue = 64,
        .idle_ms = 10000,
        .output_bytes = 256,
    };
}

void hf_pool_work_init(hf_pool_work *work) { *work = (hf_pool_work){.struct_size = (uint32_t)sizeof *work}; }

static int check(const char *name, const hf_pool_config *c, hf_error *error) {
    int rc = hf__check_range("pool", name, "max_threads", c->max_threads, 1, THREADS_MAX, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("pool", name, "core_threads", c->core_threads, 0, c->max_threads, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("pool", name, "queue", c->queue, 0, QUEUE_MAX, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("pool", name, "idle_ms", c->idle_ms, 1, DAY_MS, 0, NULL, error);
    if (rc == 0) {
        rc = hf__check_range("pool", name, "output_bytes", c->output_bytes, 0, HF_POOL_OUTPUT_MAX, 0, NULL, error);
    }
    return rc;
}

void hf__pool_destroy(hf_pool *pool) {
    for (uint32_t i = 0; i < pool->task_count; i++) hf_cancel_free(task_at(pool, i)->stop);
    free(pool->tasks);
    HF_MUST(pthread_cond_destroy(&pool->ended) == 0);
    HF_MUST(pthread_cond_destroy(&pool->work) == 0);
    HF_MUST(pthread_mutex_destroy(&pool->mutex) == 0);
    free(pool);
}

static bool make_tasks(hf_pool *pool) {
    size_t align = _Alignof(struct hf__task);
    size_t size = sizeof(struct hf__task) + pool->config.output_bytes;
    pool->task_size = (size + align - 1) / align * align;
    /* One for each place in the queue and each thread, and one for each thread whose task's call keeps the record of an
     * earlier one. */
    uint32_t count = pool->config.queue + 2 * pool->config.max_threads;
    pool->tasks = aligned_alloc(align, pool->task_size * count);
    if (pool->tasks == NULL) return false;
    memset(pool->tasks, 0, pool->task_size * count);
    for (; pool->task_count < count; pool->task_count++) {
        struct hf__task *task = task_at(pool, pool->task_count);
        if (hf_cancel_new(&task->stop, NULL) < 0) return false;
        hf__pool_give_task_locked(pool, task);
    }
    return true;
}

static bool make_locks(hf_pool *pool) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) return false;
    HF_MUST(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    bool ok = pthread_cond_init(&pool->work, &attributes) == 0;
    if (ok && pthread_cond_init(&pool->ended, &attributes) != 0) {
        pthread_cond_destroy(&pool->work);
        ok = false;
    }
    if (ok && pthread_mutex_init(&pool->mutex, NULL) != 0) {
        pthread_cond_destroy(&pool->work);
        pthread_cond_destroy(&pool->ended);
        ok = false;
    }
    HF_MUST(pthread_condattr_destroy(&attributes) == 0);
    return ok;
}

static int make_pool(hf_pool **out_pool, const char *name, const hf_pool_config *config) {
    hf_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return HF_E_NOMEM;
    pool->config = *config;
    memcpy(pool->name, name, strlen(name) + 1);
    pool->fork_generation = hf__fork_generation();
    if (!make_locks(pool)) {
        free(pool);
        return HF_E_SYSTEM;
    }
    if (!make_tasks(pool)) {
        hf__pool_destroy(pool);
        return HF_E_NOMEM;
    }
    for (uint32_t i = 0; i < config->core_threads; i++) {
        hf__pool_lock(pool);
        pool->locked.info.threads++;
        hf__pool_unlock(pool);
        if (hf__pool_start_thread(pool)) continue;
        hf_pool_free(pool);
        return HF_E_SYSTEM;
    }
    *out_pool = pool;
    return 0;
}

int hf_pool_new(hf_pool **out_pool, const char *name, const hf_pool_config *config, hf_error *error) {
    if (out_pool == NULL) return hf__error_set(error, HF_E_INVALID, "hf_pool_new: out_pool is NULL");
    *out_pool = NULL;
    hf_pool_config chosen;
    hf_pool_config_init(&chosen);
    int rc = hf__check_name("pool", name, error);
    if (rc == 0) rc = hf__config_copy("pool", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    if (rc < 0) return rc;
    rc = make_pool(out_pool, name, &chosen);
    if (rc < 0) {
        return hf__error_set(error, rc, "pool \"%s\": %s", name,
                             rc == HF_E_NOMEM ? "no memory" : "the system gives no threads or locks");
    }
    return 0;
}

static bool is_ours(const hf_pool *pool) { return pool->fork_generation == hf__fork_generation(); }

/* No more work: what is queued is dropped, what runs is told. */
static void stop_locked(hf_pool *pool) {
    pool->locked.stopping = true;
    for (struct hf__task *task = pool->locked.first; task != NULL; task = pool->locked.first) {
        (void)hf__pool_drop_locked(pool, task);
        task->state = HF__TASK_EXPIRED;
        hf__waiter_wake(task->waiter);
    }
    for (uint32_t i = 0; i < pool->task_count; i++) {
        struct hf__task *task = task_at(pool, i);
        if (task->state == HF__TASK_RUNNING) hf_cancel_raise(task->stop);
    }
    HF_MUST(pthread_cond_broadcast(&pool->work) == 0);
}

int hf_pool_shutdown(hf_pool *pool, int64_t timeout_ns) {
    if (!is_ours(pool)) return 0; /* a forked child has none of the threads */
    hf_time until = hf__add(hf__monotonic_now(), hf__max(timeout_ns, 0));
    hf__pool_lock(pool);
    stop_locked(pool);
    int rc = 0;
    while (pool->locked.info.threads > 0 && rc == 0) rc = hf__pool_wait_locked(pool, &pool->ended, until);
    HF_MUST(rc == 0 || rc == ETIMEDOUT);
    bool all_ended = pool->locked.info.threads == 0;
    hf__pool_unlock(pool);
    return all_ended ? 0 : HF_E_TIMEOUT;
}

void hf_pool_free(hf_pool *pool) {
    if (pool == NULL || !is_ours(pool)) return; /* of a child's copy nothing is torn down */
    hf__pool_lock(pool);
    stop_locked(pool);
    pool->locked.released = true;
    bool none_left = pool->locked.info.threads == 0;
    hf__pool_unlock(pool);
    if (none_left) hf__pool_destroy(pool);
}

int hf_pool_snapshot(hf_pool *pool, hf_pool_info *out_info) {
    if (out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    uint32_t size = out_info->struct_size;
    hf__pool_lock(pool);
    *out_info = pool->locked.info;
    hf__pool_unlock(pool);
    out_info->struct_size = size;
    return 0;
}
