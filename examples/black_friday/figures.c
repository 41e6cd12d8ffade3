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
    free(sorted);
}

static void add_order(const struct order *order, double dead_at, double back_at, struct figures *f) {
    bool completed = order->lost_at == STEP_NONE;
    f->completed[order->phase] += completed;
    f->lost_to_inventory += order->phase == INVENTORY_RESETS && order->lost_at == STEP_INVENTORY;
    f->lost_to_recommendations += order->lost_at == STEP_RECOMMENDATIONS;
    f->fell_back += order->fell_back;
    int bucket = (int)(order->due_s / BUCKET_S);
    if (bucket < MAX_BUCKETS) {
        f->bucket_arrived[bucket]++;
        f->bucket_completed[bucket] += completed;
    }
    if (order->due_s >= back_at + 2 * OPEN_WAIT_MS / 1e3) {
        f->settled_arrived++;
        f->settled_completed += completed;
    }
    hf_time start_at = order->due_at - (hf_time)(order->due_s * 1e9);
    double charging_s = (double)(order->charging_at - start_at) / 1e9;
    f->admitted_dead += order->attempts > 0 && charging_s >= dead_at && charging_s < back_at;
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

struct figures figures_of(const struct plan *plan, const struct books *books) {
    struct figures f = {.played = true, .books = *books};
    double dead_at = plan->phase[PAYMENTS_DEAD].start_s, back_at = plan->phase[RECOVERY].start_s;
    for (int i = 0; i < plan->count; i++) add_order(&plan->orders[i], dead_at, back_at, &f);
    add_latencies(plan, &f);
    int completed = 0;
    for (int p = 0; p < PHASES; p++) completed += f.completed[p];
    f.charged_lost = (int)books->charged_orders - completed;
    f.attempts_per_call = f.admitted_dead > 0 ? (double)books->attempts_dead / f.admitted_dead : 0;
    f.recover_s = seconds_to_recover(plan, back_at);
    f.buckets = (int)ceil(plan->seconds / BUCKET_S);
    if (f.buckets > MAX_BUCKETS) f.buckets = MAX_BUCKETS;
    return f;
}
