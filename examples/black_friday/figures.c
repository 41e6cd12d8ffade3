/* SPDX-License-Identifier: MIT */
/* Figures of one run, from what became of each order and from mockd's books. */
#include "demo.h"

#include <math.h>
#include <stdlib.h>

static double latency_ms(const struct order *order) {
    return (double)(order->finished_at - order->due_at) / 1e6; /* from arrival: waiting for a thread counts */
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank. */
static double percentile(const double *sorted, int count, double share) {
    int rank = (int)ceil(share * count);
    return count == 0 ? 0 : sorted[rank < 1 ? 0 : rank - 1];
}

static void add_latencies(const struct plan *plan, struct figures *f) {
    double *sorted = calloc((size_t)plan->count + 1, sizeof *sorted);
    if (sorted == NULL) abort();
    for (int p = 0; p < PHASES; p++) {
        int count = 0;
        for (int i = 0; i < plan->count; i++) {
            if ((int)plan->orders[i].phase == p) sorted[count++] = latency_ms(&plan->orders[i]);
        }
        qsort(sorted, (size_t)count, sizeof *sorted, compare);
        f->p50_ms[p] = percentile(sorted, count, 0.50);
        f->p99_ms[p] = percentile(sorted, count, 0.99);
        f->worst_p99_ms = fmax(f->worst_p99_ms, f->p99_ms[p]);
    }
    for (int b = 0, i = 0; b < f->buckets; b++) { /* orders stand by arrival */
        int count = 0;
        for (; i < plan->count && bucket_of(plan->orders[i].due_s) == b; i++)
            sorted[count++] = latency_ms(&plan->orders[i]);
        qsort(sorted, (size_t)count, sizeof *sorted, compare);
        f->bucket_p50_ms[b] = count == 0 ? NAN : percentile(sorted, count, 0.50);
        f->bucket_p99_ms[b] = count == 0 ? NAN : percentile(sorted, count, 0.99);
    }
    free(sorted);
}

/* ---- what was written down meanwhile ---- */

/* Requests that payments had seen at an instant: on the straight line between two samples. */
static double requests_at(const struct journal *journal, double at) {
    double t0 = 0, n0 = 0;
    for (int i = 0; i < journal->samples; i++) {
        double t1 = (double)journal->sample[i].at, n1 = (double)journal->sample[i].requests;
        if (t1 >= at) return t1 > t0 && i > 0 ? n0 + (n1 - n0) * (at - t0) / (t1 - t0) : n1;
        t0 = t1;
        n0 = n1;
    }
    return n0;
}

static void add_journal(const struct record *record, struct figures *f) {
    const struct journal *journal = &record->journal;
    double start_at = (double)record->start_at;
    for (int b = 0; b < f->buckets; b++) {
        f->bucket_requests[b] = requests_at(journal, start_at + (b + 1) * BUCKET_S * 1e9) -
                                requests_at(journal, start_at + b * BUCKET_S * 1e9);
    }
    f->changes = journal->changes;
    for (int i = 0; i < journal->changes; i++) {
        const struct change *c = &journal->change[i];
        f->change[i] = (struct breaker_change){(double)(c->at - record->start_at) / 1e9, c->breaker, c->to};
    }
}

/* ---- orders ---- */

static void add_order(const struct order *order, double dead_at, double back_at, struct figures *f) {
    bool completed = order->lost_at == STEP_NONE;
    f->completed[order->phase] += completed;
    f->lost_to_inventory += order->phase == INVENTORY_RESETS && order->lost_at == STEP_INVENTORY;
    f->lost_to_recommendations += order->lost_at == STEP_RECOMMENDATIONS;
    f->fell_back += order->fell_back;
    f->bucket_arrived[bucket_of(order->due_s)]++;
    f->bucket_completed[bucket_of(order->due_s)] += completed;
    if (order->due_s >= back_at + 2 * OPEN_WAIT_MS / 1e3) {
        f->settled_arrived++;
        f->settled_completed += completed;
    }
    if (order->attempts == 0) return;
    hf_time start_at = order->due_at - (hf_time)(order->due_s * 1e9);
    double charging_s = (double)(order->charging_at - start_at) / 1e9;
    f->admitted_dead += charging_s >= dead_at && charging_s < back_at;
    f->bucket_calls[bucket_of(charging_s)]++;
}

/* The first half second after payments came back from which on every half second completes 99 %. */
static double seconds_to_recover(const struct plan *plan, double back_at) {
    double recovered = 0;
    int buckets = (int)ceil((plan->seconds - back_at) / BUCKET_S);
    for (int bucket = 0; bucket < buckets; bucket++) {
        double from = back_at + bucket * BUCKET_S;
        int arrived = 0, completed = 0;
        for (int i = 0; i < plan->count; i++) {
            const struct order *order = &plan->orders[i];
            if (order->due_s < from || order->due_s >= from + BUCKET_S) continue;
            arrived++;
            completed += order->lost_at == STEP_NONE;
        }
        if (completed < 0.99 * arrived) recovered = from + BUCKET_S - back_at;
    }
    return back_at + recovered < plan->seconds ? recovered : -1;
}

struct figures figures_of(const struct plan *plan, const struct record *record) {
    const struct books *books = &record->books;
    struct figures f = {.played = true, .books = *books, .buckets = bucket_count(plan)};
    double dead_at = plan->phase[PAYMENTS_DEAD].start_s, back_at = plan->phase[RECOVERY].start_s;
    for (int i = 0; i < plan->count; i++) add_order(&plan->orders[i], dead_at, back_at, &f);
    add_latencies(plan, &f);
    add_journal(record, &f);
    int completed = 0;
    for (int p = 0; p < PHASES; p++) completed += f.completed[p];
    f.charged_lost = (int)books->charged_orders - completed;
    f.attempts_per_call = f.admitted_dead > 0 ? (double)books->attempts_dead / f.admitted_dead : 0;
    f.recover_s = seconds_to_recover(plan, back_at);
    return f;
}
