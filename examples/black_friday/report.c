/* SPDX-License-Identifier: MIT */
/* The table and the bars as text, and the files of the report. */
#include "chart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the table ---- */

static void print_cells(const struct plan *plan, const struct figures *f, int p) {
    if (!f->played) {
        printf(" | %-27s", "not played");
        return;
    }
    int arrived = plan->phase[p].arrived;
    printf(" | %5d %5.1f %% %6.0f %6.0f", f->completed[p], arrived > 0 ? 100.0 * f->completed[p] / arrived : 100.0,
           f->p50_ms[p], f->p99_ms[p]);
}

/* One figure for each client. */
static void print_row(const char *name, const char *format, double naive, double holdfast, bool naive_played) {
    char cell[2][32] = {"", ""};
    if (naive_played) snprintf(cell[0], sizeof cell[0], format, naive);
    snprintf(cell[1], sizeof cell[1], format, holdfast);
    printf("%-38s | %5s%22s | %5s\n", name, cell[0], "", cell[1]);
}

static const char *recovery(const struct figures *f, char *text, size_t size) {
    snprintf(text, size, "%.1f", f->recover_s);
    return !f->played ? "" : f->recover_s < 0 ? "never" : text;
}

void report_print(const struct outcome *o) {
    const struct plan *plan = o->plan;
    const struct figures *naive = o->naive, *holdfast = o->holdfast;
    printf("\n%-20s %7s %9s | %-27s | %s\n", "", "", "payments", "naive", "holdfast");
    printf("%-20s %7s %9s | %13s %6s %6s | %13s %6s %6s\n", "phase", "arrived", "can take", "completed    ", "p50 ms",
           "p99 ms", "completed    ", "p50 ms", "p99 ms");
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &plan->phase[p];
        printf("%-20s %7d %7.1f/s", phase->name, phase->arrived, p == PAYMENTS_DEAD ? 0 : phase->capacity);
        print_cells(plan, naive, p);
        print_cells(plan, holdfast, p);
        printf("\n");
    }
    bool both = naive->played;
    char left[16], right[16];
    print_row("attempts / admitted calls, in outage", "%.2f", naive->attempts_per_call, holdfast->attempts_per_call,
              both);
    print_row("orders charged more than once", "%.0f", (double)naive->books.double_charges,
              (double)holdfast->books.double_charges, both);
    print_row("orders charged, but not completed", "%.0f", naive->charged_lost, holdfast->charged_lost, both);
    print_row("orders lost to recommendations", "%.0f", naive->lost_to_recommendations,
              holdfast->lost_to_recommendations, both);
    print_row("longest queue at payments", "%.0f", (double)naive->books.max_queue, (double)holdfast->books.max_queue,
              both);
    printf("%-38s | %5s%22s | %5s\n", "seconds to recover", recovery(naive, left, sizeof left), "",
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

/* ---- files ---- */

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

static void write_picture(FILE *out, const struct outcome *o) { chart_write(out, o, CHART_ALONE); }

static bool write_file(const char *directory, const char *name, void (*write)(FILE *, const struct outcome *),
                       const struct outcome *o) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *out = fopen(path, "w");
    if (out != NULL) write(out, o);
    bool ok = out != NULL && !ferror(out);
    if (out != NULL && fclose(out) != 0) ok = false;
    if (!ok) return fprintf(stderr, "black_friday: cannot write %s: %s\n", path, strerror(errno)), false;
    printf("written: %s\n", path);
    return true;
}

bool report_write(const struct outcome *o) {
    const char *directory = o->settings->out;
    if (!make_directories(directory)) {
        return fprintf(stderr, "black_friday: cannot make %s: %s\n", directory, strerror(errno)), false;
    }
    return write_file(directory, "results.json", json_write, o) &&
           write_file(directory, "report.svg", write_picture, o) && write_file(directory, "report.html", page_write, o);
}
