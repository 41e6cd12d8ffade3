/* SPDX-License-Identifier: MIT */
/* Tables for people, and results.json for programs. */
#include "demo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the table ---- */

static void print_cells(const struct plan *plan, const struct figures *f, int p) {
    if (!f->played) {
        printf(" | %-31s", "not played");
        return;
    }
    int arrived = plan->phase[p].arrived;
    printf(" | %5d %5.1f %% %8.0f %8.0f", f->completed[p], arrived > 0 ? 100.0 * f->completed[p] / arrived : 100.0,
           f->p50_ms[p], f->p99_ms[p]);
}

/* One figure for each client. */
static void print_row(const char *name, const char *format, double naive, double holdfast, bool naive_played) {
    char cell[2][32] = {"", ""};
    if (naive_played) snprintf(cell[0], sizeof cell[0], format, naive);
    snprintf(cell[1], sizeof cell[1], format, holdfast);
    printf("%-41s | %5s%26s | %5s\n", name, cell[0], "", cell[1]);
}

static const char *recovery(const struct figures *f, char *text, size_t size) {
    snprintf(text, size, "%.1f", f->recover_s);
    return !f->played ? "" : f->recover_s < 0 ? "never" : text;
}

void report_print(const struct plan *plan, const struct figures *naive, const struct figures *holdfast) {
    printf("\n%-21s %8s %10s | %-31s | %s\n", "", "", "payments", "naive", "holdfast");
    printf("%-21s %8s %10s | %13s %8s %8s | %13s %8s %8s\n", "phase", "arrived", "can take", "completed    ", "p50 ms",
           "p99 ms", "completed    ", "p50 ms", "p99 ms");
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &plan->phase[p];
        printf("%-21s %8d %8.1f/s", phase->name, phase->arrived, p == PAYMENTS_DEAD ? 0 : phase->capacity);
        print_cells(plan, naive, p);
        print_cells(plan, holdfast, p);
        printf("\n");
    }
    bool both = naive->played;
    char left[16], right[16];
    print_row("attempts / admitted calls, payments dead", "%.2f", naive->attempts_per_call, holdfast->attempts_per_call,
              both);
    print_row("orders charged more than once", "%.0f", (double)naive->books.double_charges,
              (double)holdfast->books.double_charges, both);
    print_row("orders charged, but not completed", "%.0f", naive->charged_lost, holdfast->charged_lost, both);
    print_row("orders lost to recommendations", "%.0f", naive->lost_to_recommendations,
              holdfast->lost_to_recommendations, both);
    print_row("longest queue at payments", "%.0f", (double)naive->books.max_queue, (double)holdfast->books.max_queue,
              both);
    printf("%-41s | %5s%26s | %5s\n", "seconds to recover", recovery(naive, left, sizeof left), "",
           recovery(holdfast, right, sizeof right));
}

bool report_bars(const struct bar *bars, int count) {
    int missed = 0;
    printf("\nbars for holdfast\n");
    for (int i = 0; i < count; i++) {
        const struct bar *bar = &bars[i];
        printf("  %-4s  %-49s %8.2f %s %8.2f %s\n", bar->pass ? "pass" : "MISS", bar->name, bar->figure,
               bar->at_least ? ">=" : "<=", bar->limit, bar->unit);
        missed += !bar->pass;
    }
    if (missed > 0) printf("%d of %d bars missed\n", missed, count);
    else printf("all %d bars pass\n", count);
    return missed == 0;
}

/* ---- results.json ---- */

static void write_ints(FILE *out, const char *name, const int *values, int count) {
    fprintf(out, ", \"%s\": [", name);
    for (int i = 0; i < count; i++) fprintf(out, "%s%d", i == 0 ? "" : ", ", values[i]);
    fprintf(out, "]");
}

static void write_figures(FILE *out, const char *name, const struct plan *plan, const struct figures *f) {
    if (!f->played) {
        fprintf(out, "  \"%s\": null,\n", name);
        return;
    }
    fprintf(out, "  \"%s\": {\n    \"phases\": [", name);
    for (int p = 0; p < PHASES; p++) {
        fprintf(out,
                "%s\n      {\"name\": \"%s\", \"arrived\": %d, \"completed\": %d, \"p50_ms\": %.1f, \"p99_ms\": %.1f}",
                p == 0 ? "" : ",", plan->phase[p].name, plan->phase[p].arrived, f->completed[p], f->p50_ms[p],
                f->p99_ms[p]);
    }
    fprintf(out, "\n    ],\n    \"attempts_dead\": %ld, \"admitted_dead\": %d, \"attempts_per_call\": %.3f",
            f->books.attempts_dead, f->admitted_dead, f->attempts_per_call);
    fprintf(out, ", \"double_charges\": %ld, \"charged_orders\": %ld, \"charged_not_completed\": %d",
            f->books.double_charges, f->books.charged_orders, f->charged_lost);
    fprintf(out, ", \"lost_to_recommendations\": %d, \"fallbacks\": %d, \"max_queue\": %ld", f->lost_to_recommendations,
            f->fell_back, f->books.max_queue);
    fprintf(out, ", \"settled_arrived\": %d, \"settled_completed\": %d", f->settled_arrived, f->settled_completed);
    if (f->recover_s < 0) fprintf(out, ", \"recover_s\": null");
    else fprintf(out, ", \"recover_s\": %.1f", f->recover_s);
    fprintf(out, ",\n    \"bucket_s\": %.2f", BUCKET_S);
    write_ints(out, "arrived", f->bucket_arrived, f->buckets);
    write_ints(out, "completed", f->bucket_completed, f->buckets);
    fprintf(out, "\n  },\n");
}

static void write_plan(FILE *out, const struct settings *settings, const struct plan *plan) {
    fprintf(out, "{\n  \"seed\": %llu, \"policies\": %s, \"deadline_ms\": %d, \"open_wait_ms\": %d,\n",
            (unsigned long long)settings->seed, settings->policies ? "true" : "false",
            (int)(CHECKOUT_DEADLINE_NS / HF_MILLISECOND), OPEN_WAIT_MS);
    fprintf(out, "  \"plan\": [");
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &plan->phase[p];
        fprintf(out,
                "%s\n    {\"name\": \"%s\", \"start_s\": %.2f, \"seconds\": %.2f, \"rate\": %.1f, \"capacity\": %.2f}",
                p == 0 ? "" : ",", phase->name, phase->start_s, phase->seconds, phase->rate, phase->capacity);
    }
    fprintf(out, "\n  ],\n");
}

static bool make_directories(const char *path) {
    char part[512];
    if (snprintf(part, sizeof part, "%s/", path) >= (int)sizeof part) return false;
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return false;
        *slash = '/';
    }
    return true;
}

bool report_write(const struct settings *settings, const struct plan *plan, const struct figures *naive,
                  const struct figures *holdfast, const struct bar *bars, int count) {
    char path[600];
    snprintf(path, sizeof path, "%s/results.json", settings->out);
    FILE *out = make_directories(settings->out) ? fopen(path, "w") : NULL;
    if (out == NULL) return fprintf(stderr, "black_friday: cannot write %s: %s\n", path, strerror(errno)), false;
    write_plan(out, settings, plan);
    write_figures(out, "naive", plan, naive);
    write_figures(out, "holdfast", plan, holdfast);
    fprintf(out, "  \"bars\": [");
    for (int i = 0; i < count; i++) {
        const struct bar *bar = &bars[i];
        fprintf(out, "%s\n    {\"name\": \"%s\", \"figure\": %.3f, \"%s\": %.3f, \"unit\": \"%s\", \"pass\": %s}",
                i == 0 ? "" : ",", bar->name, bar->figure, bar->at_least ? "at_least" : "at_most", bar->limit,
                bar->unit, bar->pass ? "true" : "false");
    }
    fprintf(out, "\n  ]\n}\n");
    if (fclose(out) != 0) return fprintf(stderr, "black_friday: cannot write %s: %s\n", path, strerror(errno)), false;
    printf("written: %s\n", path);
    return true;
}
