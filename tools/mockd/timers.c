/* SPDX-License-Identifier: MIT */
#include "timers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct timer {
    int64_t at;
    uint64_t serial; /* equal instants run in the order in which they were added */
    void (*fn)(void *);
    void *arg;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static pthread_cond_t changed;
static struct timer *heap;
static size_t count, capacity;
static uint64_t serial;
static bool stopping, ended;
static pthread_t thread;

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool before(const struct timer *a, const struct timer *b) {
    return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static void swap(size_t i, size_t j) {
    struct timer t = heap[i];
    heap[i] = heap[j];
    heap[j] = t;
}

static void push_locked(struct timer timer) {
    if (count == capacity) {
        capacity = capacity == 0 ? 64 : capacity * 2;
        heap = realloc(heap, capacity * sizeof *heap);
        if (heap == NULL) {
            fprintf(stderr, "mockd: no memory for timers\n");
            abort();
        }
    }
    heap[count] = timer;
    for (size_t i = count++; i > 0 && before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2) swap(i, (i - 1) / 2);
}

static struct timer pop_locked(void) {
    struct timer top = heap[0];
    heap[0] = heap[--count];
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1;
        if (left < count && before(&heap[left], &heap[least])) least = left;
        if (left + 1 < count && before(&heap[left + 1], &heap[least])) least = left + 1;
        if (least == i) return top;
        swap(i, least);
        i = least;
    }
}

static void *run(void *arg) {
    (void)arg;
    pthread_mutex_lock(&mutex);
    for (;;) {
        if (count == 0) {
            if (stopping) break;
            pthread_cond_wait(&changed, &mutex);
        } else if (!stopping && heap[0].at > now_ns()) {
            struct timespec at = {heap[0].at / 1000000000, heap[0].at % 1000000000};
            pthread_cond_timedwait(&changed, &mutex, &at);
        } else {
            struct timer timer = pop_locked();
            pthread_mutex_unlock(&mutex);
            timer.fn(timer.arg);
            pthread_mutex_lock(&mutex);
        }
    }
    ended = true;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

bool timers_start(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return pthread_create(&thread, NULL, run, NULL) == 0;
}

void timers_add(int64_t at, void (*fn)(void *), void *arg) {
    pthread_mutex_lock(&mutex);
    bool late = ended; /* a request that was on its way to wait while the server stopped */
    if (!late) {
        push_locked((struct timer){at, serial++, fn, arg});
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&mutex);
    if (late) fn(arg);
}

void timers_stop(void) {
    pthread_mutex_lock(&mutex);
    stopping = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    free(heap);
    heap = NULL;
    capacity = 0;
}
