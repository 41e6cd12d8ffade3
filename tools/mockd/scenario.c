/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

int scenario_phase_at(const struct scenario *scenario, double seconds) {
    int phase = 0;
    while (phase < scenario->phase_count && seconds >= scenario->phase[phase].end_s) phase++;
    return phase;
}

const char *scenario_phase_name(const struct scenario *scenario, int phase) {
    return phase < scenario->phase_count ? scenario->phase[phase].name : "after";
}

int scenario_route(const struct scenario *scenario, const char *path) {
    for (int i = 0; i < scenario->route_count; i++) {
        if (strcmp(scenario->route[i].path, path) == 0) return i;
    }
    return -1;
}

struct behaviour scenario_behaviour(const struct scenario *scenario, int phase, int route, int rule) {
    struct behaviour b = scenario->resolved[phase][route];
    if (rule < 0) return b;
    const struct partial *change = &scenario->rule[rule].change;
    /* A rule that names a fault means that one, not that one and those of the route. */
    if (partial_has_fault(change)) memset(b.fault, 0, sizeof b.fault);
    partial_apply(change, &b);
    return b;
}

bool rule_is_for(const struct rule *rule, const char *value) {
    if (rule->header[0] == '\0') return true;
    if (value == NULL) return false;
    size_t length = strlen(rule->value);
    if (length > 0 && rule->value[length - 1] == '*') return strncmp(rule->value, value, length - 1) == 0;
    return strcmp(rule->value, value) == 0;
}
