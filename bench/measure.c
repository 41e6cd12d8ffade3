/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A figure of one round is the best of several short slices: what disturbs a slice (interrupts, other
 * programs) only ever adds time. With two threads a slice counts only if both ran together for nearly all
 * of it; otherwise the contention that it is about would be missing. */
#define SLICES 7
#define SLICE_NS 150000
#define TRIES 400

int64_t bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct lap {
    int64_t begin, end;
};

static struct lap run_lap(bench_loop *loop, uint64_t n) {
    struct lap lap;
    lap.begin = bench_now();
    loop(n);
    lap.end = bench_now();
    return lap;
}

/* The second thread: waits, spinning, for a turn, runs it, and says so. */
static struct {
    _Atomic uint64_t turn; /* odd: run; even: done */
    _Atomic(bench_loop *) loop;
    _Atomic uint64_t n;
    struct lap lap;
    atomic_bool stop;
} partner;

static void *partner_main(void *arg) {
    (void)arg;
    while (!atomic_load(&partner.stop)) {
        uint64_t turn = atomic_load(&partner.turn);
        if (turn % 2 == 0) {
            struct timespec little = {0, 1000};
            nanosleep(&little, NULL);
            continue;
        }
        partner.lap = run_lap(atomic_load(&partner.loop), atomic_load(&partner.n));
        atomic_store(&partner.turn, turn + 1);
    }
    return NULL;
}

/* Both threads at once: the time from the first start to the last end, or 0 if they did not overlap. */
static int64_t run_together(bench_loop *loop, uint64_t n) {
    uint64_t turn = atomic_load(&partner.turn);
    atomic_store(&partner.loop, loop);
    atomic_store(&partner.n, n);
    atomic_store(&partner.turn, turn + 1);
    struct timespec little = {0, 60000}; /* as long as the partner takes to wake up, about */
    nanosleep(&little, NULL);
    struct lap mine = run_lap(loop, n);
    while (atomic_load(&partner.turn) == turn + 1) {
    }
    struct lap his = partner.lap;
    int64_t begin = mine.begin < his.begin ? mine.begin : his.begin;
    int64_t end = mine.end > his.end ? mine.end : his.end;
    int64_t both = (mine.end < his.end ? mine.end : his.end) - (mine.begin > his.begin ? mine.begin : his.begin);
    if (both * 10 < (end - begin) * 6) return 0;
    /* Each thread's own time: what one iteration takes while the other thread is at it too. */
    return ((mine.end - mine.begin) + (his.end - his.begin)) / 2;
}

/* How many iterations fill a slice. */
static uint64_t calibrate(bench_loop *loop) {
    for (uint64_t n = 64;; n *= 2) {
        struct lap lap = run_lap(loop, n);
        if (lap.end - lap.begin > SLICE_NS / 2) return n;
    }
}

static double one_round(const struct bench_series *series, uint64_t n) {
    int64_t best = 0;
    int got = 0;
    for (int i = 0; i < TRIES && got < SLICES; i++) {
        int64_t took;
        if (series->threads == 1) {
            struct lap lap = run_lap(series->loop, n);
            took = lap.end - lap.begin;
        } else {
            took = run_together(series->loop, n * 4);
            if (took == 0) continue;
            took /= 4;
        }
        if (got++ == 0 || took < best) best = took;
    }
    return got == 0 ? NAN : (double)best / (double)n; /* the two threads never ran at the same time */
}

void bench_measure(uint32_t rounds) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, partner_main, NULL) != 0) exit(2);
    uint64_t n[BENCH_SERIES];
    for (int i = 0; i < BENCH_SERIES; i++) n[i] = calibrate(bench_series[i].loop);
    for (uint32_t round = 0; round < rounds; round++) {
        for (int i = 0; i < BENCH_SERIES; i++) bench_series[i].ns[round] = one_round(&bench_series[i], n[i]);
    }
    atomic_store(&partner.stop, true);
    pthread_join(thread, NULL);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, uint32_t count) {
    uint32_t found = 0; /* rounds that have a figure */
    for (uint32_t i = 0; i < count; i++) {
        if (!isnan(values[i])) values[found++] = values[i];
    }
    if (found < count / 2) return NAN;
    count = found;
    qsort(values, count, sizeof values[0], by_size);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
