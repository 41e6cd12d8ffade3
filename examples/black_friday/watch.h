/* SPDX-License-Identifier: MIT */
#ifndef BLACK_FRIDAY_WATCH_H
#define BLACK_FRIDAY_WATCH_H

/* A thread that looks at a run while it is played: samples mockd's counters, and draws the live view if there is one. */

#include "pool.h"

#include "support/mockd_process.h"

struct watch {
    const struct mockd *mockd;
    const struct checkout *checkout;
    const struct plan *plan;
    struct pool *pool;
    struct record *record;       /* of this run */
    const struct record *before; /* the run before, or NULL */
    bool live;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards `stopping` */
    pthread_cond_t stop;
    bool stopping;
};

/* Begins to watch; the fields above `thread` are set. False when there is no thread to be had. */
bool watch_start(struct watch *watch);

void watch_stop(struct watch *watch);

/* live.c: whether standard output is a terminal that can show the live view. */
bool live_possible(const struct plan *plan);

/* live.c: draws the view in place of the one before; `seconds` of the run have passed. */
void live_draw(const struct watch *watch, double seconds, bool first);

#endif
