/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_SCENARIO_H
#define MOCKD_SCENARIO_H

/* The scenario: routes, how each behaves, phases that change some of it for some time, and rules for requests
 * that carry a certain header. docs/mockd.md is the reference of the file. It needs no server: tests and fuzzers
 * call it alone. Everything is resolved when the text has been read: resolved[phase][route] is complete. */

#include "behaviour.h"

#define MAX_ROUTES 16
#define MAX_PHASES 16
#define MAX_RULES 32

struct route {
    char path[64];
    struct partial base;
    struct partial live; /* what has been changed at run time; it holds in every phase */
};

struct phase {
    char name[32];
    double start_s, end_s;
};

/* For requests at `route` whose `header` has `value`, and of these the `first` to `last`, counted for each value.
 * Of several rules that fit the last one holds. */
struct rule {
    char name[32];
    int route;
    char header[64]; /* "": every request */
    char value[128]; /* an ending * stands for any rest */
    int first, last;
    bool live; /* made at run time */
    struct partial change;
};

struct scenario {
    int route_count, phase_count, rule_count;
    struct route route[MAX_ROUTES];
    struct phase phase[MAX_PHASES];
    struct rule rule[MAX_RULES];
    double phase_seconds[MAX_PHASES];
    struct partial in_phase[MAX_PHASES][MAX_ROUTES];
    struct behaviour resolved[MAX_PHASES + 1][MAX_ROUTES]; /* the last: after all phases */
};

/* What a change at run time asks for besides new settings. */
struct control {
    int phase;            /* -1: go on; phase_count: after all phases */
    bool hold;            /* stay in that phase */
    uint64_t fresh_rules; /* rules that are new or replaced, a bit each: their counting begins anew */
};

/* Reads a file. On a mistake returns false and writes "FILE:LINE: what: what was expected". */
bool scenario_read(struct scenario *scenario, const char *file, char *message, size_t size);

/* The same for a text; `name` stands for the file. */
bool scenario_parse(struct scenario *scenario, const char *name, const char *text, char *message, size_t size);

/* Changes routes and rules of a running scenario as `text` says. On a mistake returns false, writes
 * "line N: what: what was expected" and changes nothing. */
bool scenario_change(struct scenario *scenario, const char *text, struct control *out_control, char *message,
                     size_t size);

/* The index of the phase at `seconds` after the start; phase_count after the last one. */
int scenario_phase_at(const struct scenario *scenario, double seconds);

/* The name for reports: "after" behind the last phase. */
const char *scenario_phase_name(const struct scenario *scenario, int phase);

/* The index of the route with this path, or -1. */
int scenario_route(const struct scenario *scenario, const char *path);

/* The behaviour at `route` in `phase`; `rule`, if it is not negative, has been found to apply. */
struct behaviour scenario_behaviour(const struct scenario *scenario, int phase, int route, int rule);

/* Whether `value` (NULL: the header is missing) is one that the rule is for. */
bool rule_is_for(const struct rule *rule, const char *value);

#endif
