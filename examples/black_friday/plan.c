/* SPDX-License-Identifier: MIT */
/* The plan: phases as the scenario file has them, and an open-loop arrival schedule. Orders arrive by a Poisson
 * process whose rate changes with the phase, drawn once from the seed, so both clients get the same orders at
 * the same instants whether or not they keep up. */
#include "demo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALM_RATE 50 /* orders per second */
#define LINE_BYTES 256

static const struct phase phases[PHASES] = {
    [CALM] = {.name = "calm", .rate = CALM_RATE},
    [SURGE] = {.name = "surge", .rate = 5 * CALM_RATE},
    [BROWN_OUT] = {.name = "brown-out", .rate = 2.5 * CALM_RATE},
    [INVENTORY_RESETS] = {.name = "inventory-resets", .rate = CALM_RATE},
    [RECOMMENDATIONS_HANG] = {.name = "recommendations-hang", .rate = CALM_RATE},
    [PAYMENTS_DEAD] = {.name = "payments-dead", .rate = CALM_RATE},
    [RECOVERY] = {.name = "recovery", .rate = CALM_RATE},
};

/* ---- the scenario file: only what the demo needs of it; mockd reads and checks the rest ---- */

struct payments {
    double workers, service_ms; /* 0: as in calm weather */
};

static int phase_of(const char *name) {
    for (int p = 0; p < PHASES; p++) {
        if (strcmp(name, phases[p].name) == 0) return p;
    }
    return -1;
}

static double mean_ms(const char *text) {
    double a, b;
    if (sscanf(text, "fixed %lf", &a) == 1) return a;
    if (sscanf(text, "uniform %lf %lf", &a, &b) == 2) return (a + b) / 2;
    if (sscanf(text, "lognormal %lf %lf", &a, &b) == 2) return a * exp(b * b / 2);
    return 0;
}

/* Row PHASES of `payments` is the route itself. */
static void read_line(struct plan *plan, struct payments *payments, char *section, const char *line) {
    char name[64], route[64], value[64];
    double seconds;
    if (line[0] == '[') {
        snprintf(section, LINE_BYTES, "%s", line);
        return;
    }
    int row = -1;
    if (sscanf(section, "[phase %63[^] ] %63[^]]]", name, route) == 2 && strcmp(route, "/payments") == 0) {
        row = phase_of(name);
    } else if (sscanf(section, "[phase %63[^]]]", name) == 1 && phase_of(name) >= 0) {
        if (sscanf(line, "seconds = %lf", &seconds) == 1) plan->phase[phase_of(name)].seconds = seconds;
    } else if (strncmp(section, "[route /payments]", 17) == 0) {
        row = PHASES;
    }
    if (row < 0) return;
    if (sscanf(line, "workers = %63[^\n]", value) == 1) payments[row].workers = atof(value);
    if (sscanf(line, "service = %63[^\n]", value) == 1) payments[row].service_ms = mean_ms(value);
}

static bool read_scenario(struct plan *plan, const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return fprintf(stderr, "black_friday: cannot read the scenario %s\n", path), false;
    struct payments payments[PHASES + 1] = {0};
    char line[LINE_BYTES], section[LINE_BYTES] = "";
    while (fgets(line, sizeof line, file) != NULL) read_line(plan, payments, section, line);
    fclose(file);
    for (int p = 0; p < PHASES; p++) {
        struct phase *phase = &plan->phase[p];
        double workers = payments[p].workers > 0 ? payments[p].workers : payments[PHASES].workers;
        double service_ms = payments[p].service_ms > 0 ? payments[p].service_ms : payments[PHASES].service_ms;
        if (phase->seconds <= 0 || workers <= 0 || service_ms <= 0) {
            fprintf(stderr,
                    "black_friday: %s: expected [phase %s] with its seconds, and workers and service of payments\n",
                    path, phase->name);
            return false;
        }
        phase->capacity = workers * 1000 / service_ms;
        phase->start_s = plan->seconds;
        plan->seconds += phase->seconds;
    }
    return true;
}

/* ---- arrivals ---- */

/* Uniform in [0, 1): SplitMix64, Steele, Lea and Flood 2014. */
static double uniform(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static bool add_order(struct plan *plan, int *room, int phase, double due_s) {
    if (plan->count == *room) {
        *room = *room == 0 ? 1024 : *room * 2;
        struct order *more = realloc(plan->orders, (size_t)*room * sizeof *more);
        if (more == NULL) return fprintf(stderr, "black_friday: no memory\n"), false;
        plan->orders = more;
    }
    plan->orders[plan->count] = (struct order){.id = plan->count + 1, .phase = (enum phase_id)phase, .due_s = due_s};
    plan->count++;
    plan->phase[phase].arrived++;
    return true;
}

bool plan_make(struct plan *plan, const char *scenario_file, uint64_t seed) {
    *plan = (struct plan){0};
    memcpy(plan->phase, phases, sizeof phases);
    if (!read_scenario(plan, scenario_file)) return false;
    int room = 0;
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &plan->phase[p];
        double end = phase->start_s + phase->seconds;
        for (double t = phase->start_s;;) {
            t += -log(1 - uniform(&seed)) / phase->rate; /* gaps of a Poisson process are exponential */
            if (t >= end) break;
            if (!add_order(plan, &room, p, t)) return false;
        }
    }
    return true;
}

void plan_free(struct plan *plan) {
    free(plan->orders);
    *plan = (struct plan){0};
}
