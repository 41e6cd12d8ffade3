/* SPDX-License-Identifier: MIT */
/* The bars of the demo, all in one place: what the run with holdfast has to reach. */
#include "demo.h"

#include <math.h>
#include <stdio.h>

#define CALM_SHARE 99.5     /* percent of the orders in calm weather */
#define CAPACITY_SHARE 85.0 /* percent of what payments could have taken, when too much arrives */
#define MASKED_SHARE 99.0   /* percent of the orders that do not notice that inventory resets one request in five */
#define RECOVERED_SHARE 99.0
#define MAX_ATTEMPTS_PER_CALL 1.3
#define LATE_MS 50.0 /* that the slowest may be over the deadline */

struct judge {
    struct bar *bars;
    int count;
};

static struct bar *add(struct judge *j, double figure, double limit, const char *unit, bool at_least) {
    struct bar *bar = &j->bars[j->count++];
    *bar = (struct bar){.figure = figure, .limit = limit, .unit = unit, .at_least = at_least};
    bar->pass = at_least ? figure >= limit : figure <= limit;
    return bar;
}

static void at_least(struct judge *j, const char *name, double figure, double limit, const char *unit) {
    snprintf(add(j, figure, limit, unit, true)->name, sizeof j->bars->name, "%s", name);
}

static void at_most(struct judge *j, const char *name, double figure, double limit, const char *unit) {
    snprintf(add(j, figure, limit, unit, false)->name, sizeof j->bars->name, "%s", name);
}

static double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 100; }

static double share_of_capacity(const struct plan *plan, const struct figures *f, enum phase_id p) {
    const struct phase *phase = &plan->phase[p];
    return percent(f->completed[p], fmin(phase->arrived, phase->capacity * phase->seconds));
}

int bars_judge(const struct plan *plan, const struct figures *naive, const struct figures *holdfast, struct bar *bars) {
    const struct figures *f = holdfast;
    struct judge j = {.bars = bars};
    at_least(&j, "calm: completed", percent(f->completed[CALM], plan->phase[CALM].arrived), CALM_SHARE, "%");
    for (int p = 0; p < PHASES && naive->played; p++) {
        struct bar *bar = add(&j, f->completed[p], naive->completed[p], "orders", true);
        snprintf(bar->name, sizeof bar->name, "%s: completed, against naive", plan->phase[p].name);
    }
    at_least(&j, "surge: completed, of what capacity allows", share_of_capacity(plan, f, SURGE), CAPACITY_SHARE, "%");
    at_least(&j, "brown-out: completed, of what capacity allows", share_of_capacity(plan, f, BROWN_OUT), CAPACITY_SHARE,
             "%");
    int resets = plan->phase[INVENTORY_RESETS].arrived;
    at_least(&j, "inventory-resets: got past inventory", percent(resets - f->lost_to_inventory, resets), MASKED_SHARE,
             "%");
    at_most(&j, "orders lost to recommendations", f->lost_to_recommendations, 0, "orders");
    at_most(&j, "payments-dead: attempts / admitted calls", f->attempts_per_call, MAX_ATTEMPTS_PER_CALL, "");
    at_most(&j, "double charges", (double)f->books.double_charges, 0, "orders");
    at_most(&j, "p99 of the slowest phase", f->worst_p99_ms, CHECKOUT_DEADLINE_NS / 1e6 + LATE_MS, "ms");
    at_least(&j, "completed from two open waits after recovery on", percent(f->settled_completed, f->settled_arrived),
             RECOVERED_SHARE, "%");
    return j.count;
}
