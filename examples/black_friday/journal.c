/* SPDX-License-Identifier: MIT */
/* What is written down while a run is played. */
#include "demo.h"

#include <holdfast/breaker.h>

#include <math.h>

int bucket_of(double seconds) {
    int bucket = (int)floor(seconds / BUCKET_S);
    return bucket < 0 ? 0 : bucket < MAX_BUCKETS ? bucket : MAX_BUCKETS - 1;
}

int bucket_count(const struct plan *plan) {
    int count = (int)ceil(plan->seconds / BUCKET_S - 1e-9);
    return count < MAX_BUCKETS ? count : MAX_BUCKETS;
}

void journal_change(struct journal *journal, enum breaker_id breaker, int32_t to, hf_time at) {
    pthread_mutex_lock(&journal->mutex);
    if (journal->changes < MAX_CHANGES) journal->change[journal->changes++] = (struct change){at, breaker, to};
    pthread_mutex_unlock(&journal->mutex);
}

void journal_sample(struct journal *journal, long requests, hf_time at) {
    pthread_mutex_lock(&journal->mutex);
    if (journal->samples < MAX_SAMPLES) journal->sample[journal->samples++] = (struct sample){at, requests};
    pthread_mutex_unlock(&journal->mutex);
}

int32_t journal_state(struct journal *journal, enum breaker_id breaker) {
    int32_t state = HF_BREAKER_CLOSED;
    pthread_mutex_lock(&journal->mutex);
    for (int i = 0; i < journal->changes; i++) {
        if (journal->change[i].breaker == breaker) state = journal->change[i].to;
    }
    pthread_mutex_unlock(&journal->mutex);
    return state;
}

double journal_rate(struct journal *journal) {
    double rate = 0;
    pthread_mutex_lock(&journal->mutex);
    if (journal->samples >= 2) {
        int back = journal->samples >= 4 ? 4 : journal->samples;
        const struct sample *last = &journal->sample[journal->samples - 1],
                            *first = &journal->sample[journal->samples - back];
        rate = (double)(last->requests - first->requests) * 1e9 / (double)(last->at - first->at);
    }
    pthread_mutex_unlock(&journal->mutex);
    return rate;
}
