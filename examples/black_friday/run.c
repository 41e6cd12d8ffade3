/* SPDX-License-Identifier: MIT */
/* One run: a mockd, the plan played against it by the clock, and afterwards mockd's books. */
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void sleep_until(hf_time at) {
    struct timespec until = {.tv_sec = at / HF_SECOND, .tv_nsec = at % HF_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    } /* the clock of hf_clock_now */
}

static void print_phase(struct pool *pool, const struct plan *plan, int p) {
    const struct phase *phase = &plan->phase[p];
    const struct progress progress = pool_progress(pool);
    int finished = progress.finished[p], completed = progress.completed[p];
    printf("  %-21s %4.1f s at %3.0f/s: %4d orders, so far %4d completed, %3d lost, %3d under way\n", phase->name,
           phase->seconds, phase->rate, phase->arrived, completed, finished - completed, phase->arrived - finished);
    fflush(stdout);
}

/* Open loop: an order is handed over when it is due, whatever became of the ones before. */
static bool play(struct pool *pool, struct plan *plan, hf_time start_at, bool quiet) {
    int phase = 0;
    for (int i = 0; i < plan->count; i++) {
        struct order *order = &plan->orders[i];
        for (; phase < (int)order->phase; phase++) {
            if (!quiet) print_phase(pool, plan, phase);
        }
        order->due_at = start_at + (hf_time)(order->due_s * 1e9);
        sleep_until(order->due_at);
        if (!pool_submit(pool, order)) return fprintf(stderr, "black_friday: cannot start threads\n"), false;
    }
    sleep_until(start_at + (hf_time)(plan->seconds * 1e9));
    if (!quiet) print_phase(pool, plan, phase);
    return true;
}

/* The same, watched. */
static bool play_watched(struct watch *watch, struct plan *plan) {
    if (!watch_start(watch)) return fprintf(stderr, "black_friday: cannot start threads\n"), false;
    bool ok = play(watch->pool, plan, watch->record->start_at, watch->live);
    pool_finish(watch->pool);
    watch_stop(watch);
    watch->record->progress = pool_progress(watch->pool);
    return ok;
}

static bool read_books(const struct mockd *mockd, struct books *books) {
    char *json = mockd_get(mockd, "/_control");
    *books = (struct books){
        .charged_orders = mockd_number(json, "/payments ledger ids"),
        .double_charges = mockd_number(json, "/payments ledger duplicates"),
        .attempts_dead = mockd_number(json, "/payments phases payments-dead requests"),
        .max_queue = mockd_number(json, "/payments total max_queue"),
    };
    free(json);
    if (books->charged_orders >= 0 && books->double_charges >= 0 && books->attempts_dead >= 0) return true;
    fprintf(stderr, "black_friday: mockd does not show its counters\n");
    return false;
}

/* Starts the clock of the phases and returns the instant at which it stood at 0; HF_NEVER when mockd does not. */
static hf_time start_phases(const struct mockd *mockd) {
    hf_time before_at = hf_clock_now(NULL);
    char *answer = mockd_get(mockd, "/_control/start");
    if (answer == NULL) fprintf(stderr, "black_friday: mockd does not start its phases\n");
    hf_time start_at = answer == NULL ? HF_NEVER : before_at + (hf_clock_now(NULL) - before_at) / 2;
    free(answer);
    return start_at;
}

static bool play_against(struct watch *watch, bool policies, struct plan *plan) {
    const struct checkout *checkout = watch->checkout;
    struct record *record = watch->record;
    void *context = checkout->open(watch->mockd->url, policies, &record->journal);
    if (context == NULL) return false;
    record->start_at = start_phases(watch->mockd);
    hf_time closing_at = record->start_at + (hf_time)(plan->seconds * 1e9) + CHECKOUT_DEADLINE_NS;
    bool ok = record->start_at != HF_NEVER;
    watch->pool = ok ? pool_new(checkout, context, closing_at) : NULL;
    if (ok && watch->pool == NULL) fprintf(stderr, "black_friday: no memory\n");
    ok = watch->pool != NULL && play_watched(watch, plan);
    if (watch->pool != NULL) pool_free(watch->pool);
    checkout->close(context);
    return ok && read_books(watch->mockd, &record->books);
}

bool run_play(const struct checkout *checkout, const struct settings *settings, struct plan *plan,
              struct record *record, const struct record *before) {
    struct mockd mockd;
    bool live = !settings->plain && live_possible(plan);
    if (!live) printf("\n%s: %s%s\n", checkout->name, checkout->what, settings->policies ? "" : " (policies disabled)");
    fflush(stdout);
    *record = (struct record){.journal = {.mutex = PTHREAD_MUTEX_INITIALIZER}};
    if (!mockd_start(&mockd, settings->mockd, settings->scenario, NULL, "--wait-start")) return false;
    struct watch watch = {
        .mockd = &mockd, .checkout = checkout, .plan = plan, .record = record, .before = before, .live = live};
    bool ok = play_against(&watch, settings->policies, plan);
    mockd_stop(&mockd);
    return ok;
}
