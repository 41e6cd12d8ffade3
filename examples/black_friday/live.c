/* SPDX-License-Identifier: MIT */
/* The live view: a terminal shows both runs as bars, half a second each, and what is going on at the moment. */
#include "watch.h"

#include <holdfast/breaker.h>

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_ROWS 4
#define LINES (2 * BAR_ROWS + 10)
#define MARGIN 15

enum colour { PLAIN, FAINT, BOLD, NAIVE, HOLDFAST, BAD, ODD };

static const char *colour(enum colour c) {
    static const char *const escape[] = {
        [PLAIN] = "\033[0m",          [FAINT] = "\033[2m",      [BOLD] = "\033[1m",      [NAIVE] = "\033[38;5;208m",
        [HOLDFAST] = "\033[38;5;74m", [BAD] = "\033[38;5;204m", [ODD] = "\033[38;5;220m"};
    return getenv("NO_COLOR") == NULL ? escape[c] : "";
}

/* Columns for half a second: two where the terminal is wide enough, one where not, 0 if that does not fit either. */
static int columns_per_bucket(const struct plan *plan) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row <= LINES) return 0;
    int columns = (size.ws_col - 1 - MARGIN) / bucket_count(plan);
    return columns > 2 ? 2 : columns;
}

bool live_possible(const struct plan *plan) {
    const char *term = getenv("TERM");
    if (!isatty(STDOUT_FILENO) || term == NULL || strcmp(term, "dumb") == 0) return false;
    setlocale(LC_CTYPE, "");
    return columns_per_bucket(plan) > 0;
}

/* Ends a line; what stood to the right of it goes. */
static void end_line(void) { printf("%s\033[K\n", colour(PLAIN)); }

static void draw_many(const char *cell, int times) {
    for (int i = 0; i < times; i++) fputs(cell, stdout);
}

/* The names of the phases above their stretch of the time line, as much of each as fits. */
static void draw_phases(const struct plan *plan, double seconds, int columns) {
    printf("%*s", MARGIN, "");
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &plan->phase[p];
        bool last = p + 1 == PHASES, now = seconds >= phase->start_s && seconds < phase->start_s + phase->seconds;
        int end = last ? bucket_count(plan) : bucket_of(plan->phase[p + 1].start_s);
        int width = (end - bucket_of(phase->start_s)) * columns - 1;
        printf("%s%-*.*s%s ", colour(now ? BOLD : FAINT), width, width, phase->name, colour(PLAIN));
    }
    end_line();
}

/* One row of bars: cells filled by eighths. Where orders have finished and none was completed stands a line. */
static void draw_bar_row(const struct plan *plan, enum colour c, const struct progress *progress, int row,
                         int columns) {
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {" ", ".", ".", ":", ":", "+", "+", "#", "#"};
    const char *const *cell = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? blocks : letters;
    fputs(colour(c), stdout);
    for (int b = 0; b < bucket_count(plan); b++) {
        int finished = progress == NULL ? 0 : progress->bucket_finished[b];
        int completed = progress == NULL ? 0 : progress->bucket_completed[b];
        int eighths = finished == 0 ? 0 : (completed * BAR_ROWS * 8 + finished / 2) / finished - row * 8;
        if (finished > 0 && completed == 0 && row == 0) draw_many("_", columns);
        else draw_many(cell[eighths < 0 ? 0 : eighths > 8 ? 8 : eighths], columns);
    }
    end_line();
}

/* Share of the orders of each half second that were completed. */
static void draw_bars(const struct plan *plan, const char *name, enum colour c, const struct progress *progress,
                      int columns) {
    for (int row = BAR_ROWS - 1; row >= 0; row--) {
        const char *scale = row == BAR_ROWS - 1 ? "100%" : row == 0 ? "0%" : "";
        printf("%s%-9s%s%5s%s ", colour(c), row == BAR_ROWS - 1 ? name : "", colour(FAINT), scale, colour(PLAIN));
        draw_bar_row(plan, c, progress, row, columns);
    }
}

static void draw_clock(const struct plan *plan, double seconds, int columns) {
    int at = bucket_of(seconds) < bucket_count(plan) ? bucket_of(seconds) : bucket_count(plan) - 1;
    printf("%*s%s", MARGIN, "", colour(FAINT));
    draw_many("-", at * columns);
    fputs("|", stdout);
    end_line();
}

static void draw_state(const char *name, int32_t state) {
    enum colour c = state == HF_BREAKER_OPEN ? BAD : state == HF_BREAKER_CLOSED ? FAINT : ODD;
    printf("  %s%s%s %s%s", colour(FAINT), name, colour(PLAIN), colour(c), hf_breaker_state_name(state));
    printf("%s", colour(PLAIN));
}

static int arrived_by(const struct plan *plan, double seconds) {
    int count = 0;
    while (count < plan->count && plan->orders[count].due_s <= seconds) count++;
    return count;
}

static void draw_numbers(const struct watch *watch, const struct progress *progress, double seconds) {
    const struct plan *plan = watch->plan;
    int finished = 0, completed = 0, p = 0;
    for (int i = 0; i < PHASES; i++) {
        finished += progress->finished[i];
        completed += progress->completed[i];
    }
    while (p + 1 < PHASES && seconds >= plan->phase[p + 1].start_s) p++;
    const struct phase *phase = &plan->phase[p];
    int arrived = arrived_by(plan, seconds);
    printf("orders    %5d arrived  %5d completed  %5d lost  %4d under way", arrived, completed, finished - completed,
           arrived > finished ? arrived - finished : 0);
    end_line();
    printf("payments  %5.0f requests/s for %.0f orders/s; it can take %.0f/s", journal_rate(&watch->record->journal),
           phase->rate, p == PAYMENTS_DEAD ? 0 : phase->capacity);
    end_line();
    if (watch->checkout != &checkout_holdfast) {
        printf("%sno breakers: whatever fails is tried again at once", colour(FAINT));
    } else {
        printf("breakers");
        draw_state("inventory", journal_state(&watch->record->journal, INVENTORY_BREAKER));
        draw_state("payments", journal_state(&watch->record->journal, PAYMENTS_BREAKER));
        draw_state("recommendations", journal_state(&watch->record->journal, RECOMMENDATIONS_BREAKER));
    }
    end_line();
}

void live_draw(const struct watch *watch, double seconds, bool first) {
    const struct plan *plan = watch->plan;
    const struct progress progress = pool_progress(watch->pool);
    const struct progress *before = watch->before == NULL ? NULL : &watch->before->progress;
    bool naive = watch->checkout == &checkout_naive;
    int columns = columns_per_bucket(plan);
    if (columns == 0) columns = 1; /* it has been made smaller meanwhile */
    if (seconds > plan->seconds) seconds = plan->seconds;
    if (!first) printf("\033[%dA", LINES);
    end_line();
    printf("%sBlack Friday%s   %s%s%s   %.1f of %.1f s", colour(BOLD), colour(PLAIN), colour(naive ? NAIVE : HOLDFAST),
           watch->checkout->name, colour(PLAIN), seconds, plan->seconds);
    end_line();
    printf("%sOrders completed, of those that arrived in each half second", colour(FAINT));
    end_line();
    end_line();
    draw_phases(plan, seconds, columns);
    draw_bars(plan, "naive", NAIVE, naive ? &progress : before, columns);
    draw_bars(plan, "holdfast", HOLDFAST, naive ? NULL : &progress, columns);
    draw_clock(plan, seconds, columns);
    end_line();
    draw_numbers(watch, &progress, seconds);
    fflush(stdout);
}
