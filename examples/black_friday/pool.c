/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdlib.h>

#define STACK_BYTES ((size_t)256 * 1024)

/* What became of an order that its customer waited for. One that was paid in time but not finished in time was
 * lost to the recommendations. */
static void settle(struct order *order, enum step failed_at) {
    order->finished_at = hf_clock_now(NULL);
    order->lost_at = failed_at;
    hf_time deadline_at = order->due_at + CHECKOUT_DEADLINE_NS;
    if (failed_at != STEP_NONE || order->finished_at <= deadline_at) return;
    order->lost_at = order->paid_at <= deadline_at ? STEP_RECOMMENDATIONS : STEP_PAYMENT;
}

static void note_progress(struct progress *progress, const struct order *order) {
    bool completed = order->lost_at == STEP_NONE;
    progress->finished[order->phase]++;
    progress->completed[order->phase] += completed;
    progress->bucket_finished[bucket_of(order->due_s)]++;
    progress->bucket_completed[bucket_of(order->due_s)] += completed;
}

static struct order *next_order_locked(struct pool *pool, struct worker *worker) {
    if (pool->waiting != pool->waiting_end) return pool->waiting++;
    pool->running--;
    if (pool->running == 0) pthread_cond_signal(&pool->quiet);
    worker->next = pool->idle;
    pool->idle = worker;
    while (worker->order == NULL && !pool->stopping) pthread_cond_wait(&worker->wake, &pool->mutex);
    struct order *order = worker->order;
    worker->order = NULL;
    return order;
}

static void *work(void *arg) {
    struct worker *worker = arg;
    struct pool *pool = worker->pool;
    pthread_mutex_lock(&pool->mutex);
    struct order *order = worker->order;
    worker->order = NULL;
    while (order != NULL) {
        pthread_mutex_unlock(&pool->mutex);
        settle(order, pool->checkout->run(worker->session, order, pool->closing_at));
        pthread_mutex_lock(&pool->mutex);
        note_progress(&pool->progress, order);
        order = next_order_locked(pool, worker);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static bool start_worker_locked(struct pool *pool, struct order *order) {
    struct worker *worker = &pool->worker[pool->workers];
    worker->session = pool->checkout->session_new(pool->context);
    if (worker->session == NULL) return false;
    worker->pool = pool;
    worker->order = order;
    pthread_cond_init(&worker->wake, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(&worker->thread, &attributes, work, worker) == 0;
    pthread_attr_destroy(&attributes);
    if (!started) {
        pool->checkout->session_free(worker->session);
        pthread_cond_destroy(&worker->wake);
        return false;
    }
    pool->workers++;
    return true;
}

struct pool *pool_new(const struct checkout *checkout, void *context, hf_time closing_at) {
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return NULL;
    pool->checkout = checkout;
    pool->context = context;
    pool->closing_at = closing_at;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->quiet, NULL);
    return pool;
}

bool pool_submit(struct pool *pool, struct order *order) {
    pthread_mutex_lock(&pool->mutex);
    bool taken = true;
    struct worker *worker = pool->idle;
    if (worker != NULL) {
        pool->idle = worker->next;
        worker->order = order;
        pool->running++;
        pthread_cond_signal(&worker->wake);
    } else if (pool->workers < POOL_MAX && start_worker_locked(pool, order)) {
        pool->running++;
    } else { /* somebody will come to it */
        if (pool->waiting == pool->waiting_end) pool->waiting = order;
        pool->waiting_end = order + 1;
        taken = pool->running > 0;
    }
    pthread_mutex_unlock(&pool->mutex);
    return taken;
}

struct progress pool_progress(struct pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    struct progress progress = pool->progress;
    pthread_mutex_unlock(&pool->mutex);
    return progress;
}

void pool_finish(struct pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    while (pool->running > 0) pthread_cond_wait(&pool->quiet, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_free(struct pool *pool) {
    pool_finish(pool);
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    for (int i = 0; i < pool->workers; i++) pthread_cond_signal(&pool->worker[i].wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->workers; i++) {
        pthread_join(pool->worker[i].thread, NULL);
        pool->checkout->session_free(pool->worker[i].session);
        pthread_cond_destroy(&pool->worker[i].wake);
    }
    pthread_cond_destroy(&pool->quiet);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
