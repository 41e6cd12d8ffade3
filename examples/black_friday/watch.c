/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <stdlib.h>

#define LOOK_NS (HF_SECOND / 4)

static void sample(struct watch *watch) {
    hf_time before_at = hf_clock_now(NULL);
    long requests = mockd_count(watch->mockd, "/payments total requests");
    if (requests < 0) return; /* it is busy; the next sample will do */
    journal_sample(&watch->record->journal, requests, before_at + (hf_clock_now(NULL) - before_at) / 2);
}

static void *look(void *arg) {
    struct watch *watch = arg;
    hf_time next_at = watch->record->start_at;
    pthread_mutex_lock(&watch->mutex);
    for (bool first = true; !watch->stopping; first = false) {
        pthread_mutex_unlock(&watch->mutex);
        sample(watch);
        double seconds = (double)(hf_clock_now(NULL) - watch->record->start_at) / 1e9;
        if (watch->live) live_draw(watch, seconds, first);
        next_at += LOOK_NS;
        struct timespec until = {.tv_sec = next_at / HF_SECOND, .tv_nsec = next_at % HF_SECOND};
        pthread_mutex_lock(&watch->mutex);
        while (!watch->stopping && hf_clock_now(NULL) < next_at) {
            pthread_cond_timedwait(&watch->stop, &watch->mutex, &until);
        }
    }
    pthread_mutex_unlock(&watch->mutex);
    sample(watch);
    if (watch->live) live_draw(watch, watch->plan->seconds, false);
    return NULL;
}

bool watch_start(struct watch *watch) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC); /* the clock of hf_clock_now */
    pthread_mutex_init(&watch->mutex, NULL);
    pthread_cond_init(&watch->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&watch->thread, NULL, look, watch) == 0) return true;
    pthread_cond_destroy(&watch->stop);
    pthread_mutex_destroy(&watch->mutex);
    return false;
}

void watch_stop(struct watch *watch) {
    pthread_mutex_lock(&watch->mutex);
    watch->stopping = true;
    pthread_cond_signal(&watch->stop);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->stop);
    pthread_mutex_destroy(&watch->mutex);
}
