/* SPDX-License-Identifier: MIT */
/* One run: a mockd, the plan played against it by the clock, and afterwards mockd's books. */
#include "pool.h"

#include "support/mockd_process.h"

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
    int finished, completed;
    pool_progress(pool, (enum phase_id)p, &finished, &completed);
    printf("  %-21s %4.1f s at %3.0f/s: %4d orders, so far %4d completed, %3d lost, %3d under way\n", phase->name,
           phase->seconds, phase->rate, phase->arrived, completed, finished - completed, phase->arrived - finished);
    fflush(stdout);
}

/* Open loop: an order is handed over when it is due, whatever became of the ones before. */
static bool play(struct pool *pool, struct plan *plan, hf_time start_at) {
    int phase = 0;
    for (int i = 0; i < plan->count; i++) {
        struct order *order = &plan->orders[i];
        for (; phase < (int)order->phase; phase++) print_phase(pool, plan, phase);
        order->due_at = start_at + (hf_time)(order->due_s * 1e9);
        sleep_until(order->due_at);
        if (!pool_submit(pool, order)) return fprintf(stderr, "black_friday: cannot start threads\n"), false;
    }
    sleep_until(start_at + (hf_time)(plan->seconds * 1e9));
    print_phase(pool, plan, phase);
    return true;
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

static bool play_against(const struct mockd *mockd, const struct checkout *checkout, const struct settings *settings,
                         struct plan *plan, struct books *books) {
    void *context = checkout->open(mockd->url, settings->policies);
    if (context == NULL) return false;
    hf_time before_at = hf_clock_now(NULL);
    char *answer = mockd_get(mockd, "/_control/start");
    free(answer);
    hf_time start_at = before_at + (hf_clock_now(NULL) - before_at) / 2;
    hf_time closing_at = start_at + (hf_time)(plan->seconds * 1e9) + CHECKOUT_DEADLINE_NS;
    struct pool *pool = answer == NULL ? NULL : pool_new(checkout, context, closing_at);
    if (pool == NULL) fprintf(stderr, "black_friday: mockd does not start its phases\n");
    bool ok = pool != NULL && play(pool, plan, start_at);
    if (pool != NULL) pool_free(pool);
    checkout->close(context);
    return ok && read_books(mockd, books);
}

bool run_play(const struct checkout *checkout, const struct settings *settings, struct plan *plan,
              struct books *books) {
    struct mockd mockd;
    printf("\n%s: %s%s\n", checkout->name, checkout->what, settings->policies ? "" : " (policies disabled)");
    fflush(stdout);
    if (!mockd_start(&mockd, settings->mockd, settings->scenario, NULL, "--wait-start")) return false;
    bool ok = play_against(&mockd, checkout, settings, plan, books);
    mockd_stop(&mockd);
    return ok;
}
