/* SPDX-License-Identifier: MIT */
#ifndef BLACK_FRIDAY_POOL_H
#define BLACK_FRIDAY_POOL_H

/* Threads that check out orders. The one that became idle last is used first, so that few threads and their
 * connections stay warm; when none is idle another one is started. Only beyond POOL_MAX does an order wait. */

#include "demo.h"

#include <pthread.h>

#define POOL_MAX 1000

struct pool;

struct worker {
    struct pool *pool;
    pthread_t thread;
    pthread_cond_t wake;
    struct order *order; /* to do */
    struct worker *next; /* idle */
    void *session;
};

struct pool {
    const struct checkout *checkout;
    void *context;
    hf_time closing_at;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t quiet;  /* signalled when nothing is running any more */
    struct worker worker[POOL_MAX];
    struct worker *idle;
    struct order *waiting, *waiting_end; /* a stretch of the plan: orders arrive in its sequence */
    int workers, running;
    bool stopping;
    struct progress progress;
};

struct pool *pool_new(const struct checkout *checkout, void *context, hf_time closing_at);

/* Hands over the next order. False when no thread can be started at all. */
bool pool_submit(struct pool *pool, struct order *order);

/* Orders finished and completed so far. */
struct progress pool_progress(struct pool *pool);

/* Waits for what is running. Nothing more is submitted. */
void pool_finish(struct pool *pool);

/* The same, then ends the threads. */
void pool_free(struct pool *pool);

#endif
