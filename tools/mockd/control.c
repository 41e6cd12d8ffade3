/* SPDX-License-Identifier: MIT */
#include "server.h"
#include "timers.h"

#include <stdlib.h>

/* Names come from the scenario, which allows no quotes or backslashes in them: paths and words only. */
static void print_counters(FILE *out, const struct counters *c) {
    fprintf(out, "{\"requests\": %ld, \"served\": %ld, \"answered\": %ld, \"overloaded\": %ld, \"max_queue\": %ld",
            c->requests, c->served, c->answered, c->overloaded, c->max_queue);
    for (int i = 2; i < 6; i++) fprintf(out, ", \"status_%dxx\": %ld", i, c->status[i]);
    for (int i = 1; i < FAULT_COUNT; i++) fprintf(out, ", \"%s\": %ld", fault_name((enum fault)i), c->fault[i]);
    fprintf(out, "}");
}

static void add(struct counters *sum, const struct counters *c) {
    sum->requests += c->requests;
    sum->served += c->served;
    sum->answered += c->answered;
    sum->overloaded += c->overloaded;
    if (c->max_queue > sum->max_queue) sum->max_queue = c->max_queue;
    for (int i = 0; i < 6; i++) sum->status[i] += c->status[i];
    for (int i = 0; i < FAULT_COUNT; i++) sum->fault[i] += c->fault[i];
}

static void print_route(FILE *out, const struct server *server, int route) {
    const struct scenario *s = server->scenario;
    const struct route_state *state = &server->route[route];
    struct counters sum = {0};
    for (int p = 0; p <= s->phase_count; p++) add(&sum, &state->counters[p]);
    fprintf(out, "\n    \"%s\": {\n      \"in_flight\": %ld, \"busy\": %d, \"queued\": %d,\n", s->route[route].path,
            state->in_flight, state->busy, state->queued);
    fprintf(out, "      \"ledger\": {\"ids\": %ld, \"effects\": %ld, \"duplicates\": %ld, \"overflow\": %ld},\n",
            state->ledger.ids, state->ledger.effects, state->ledger.duplicates, state->ledger.overflow);
    fprintf(out, "      \"total\": ");
    print_counters(out, &sum);
    fprintf(out, ",\n      \"phases\": {");
    for (int p = 0; p <= s->phase_count; p++) {
        fprintf(out, "%s\n        \"%s\": ", p == 0 ? "" : ",", scenario_phase_name(s, p));
        print_counters(out, &state->counters[p]);
    }
    fprintf(out, "\n      }\n    }");
}

char *control_json(struct server *server) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    pthread_mutex_lock(&server->mutex);
    double seconds = server->started ? (double)(now_ns() - server->started_at) / 1e9 : 0;
    fprintf(out, "{\n  \"started\": %s, \"seconds\": %.3f, \"phase\": \"%s\",\n  \"routes\": {",
            server->started ? "true" : "false", seconds,
            scenario_phase_name(server->scenario, server_phase_locked(server)));
    for (int i = 0; i < server->scenario->route_count; i++) {
        if (i > 0) fputc(',', out);
        print_route(out, server, i);
    }
    pthread_mutex_unlock(&server->mutex);
    fprintf(out, "\n  }\n}\n");
    fclose(out);
    return text;
}
