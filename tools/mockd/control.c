/* SPDX-License-Identifier: MIT */
#include "control.h"

#include "answer.h"
#include "request.h"
#include "timers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the counters ---- */

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

static char *counters_json(struct server *server) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    pthread_mutex_lock(&server->mutex);
    double seconds = server->started ? (double)(now_ns() - server->started_at) / 1e9 : 0;
    fprintf(out, "{\n  \"started\": %s, \"seconds\": %.3f, \"phase\": \"%s\", \"connections\": %ld,\n  \"routes\": {",
            server->started ? "true" : "false", seconds,
            scenario_phase_name(server->scenario, server_phase_locked(server)), server->connections);
    for (int i = 0; i < server->scenario->route_count; i++) {
        if (i > 0) fputc(',', out);
        print_route(out, server, i);
    }
    fprintf(out, "\n  },\n  \"rules\": {");
    for (int i = 0; i < server->scenario->rule_count; i++) {
        fprintf(out, "%s\n    \"%s\": {\"seen\": %ld, \"applied\": %ld}", i == 0 ? "" : ",",
                server->scenario->rule[i].name, server->rule[i].seen.effects, server->rule[i].applied);
    }
    pthread_mutex_unlock(&server->mutex);
    fprintf(out, "\n  }\n}\n");
    fclose(out);
    return text;
}

/* ---- requests ---- */

void control_add_body(struct control_body *body, const char *data, size_t size) {
    body->size += size;
    if (body->size > MAX_CONTROL_BODY) return; /* refused when it is complete */
    char *longer = realloc(body->text, body->size + 1);
    if (longer == NULL) {
        body->size = MAX_CONTROL_BODY + 1;
        return;
    }
    body->text = longer;
    memcpy(longer + body->size - size, data, size);
    longer[body->size] = '\0';
}

static enum MHD_Result answer_json(struct server *server, struct MHD_Connection *connection) {
    char *json = counters_json(server);
    if (json == NULL) return MHD_NO;
    enum MHD_Result queued = answer_text(connection, 200, json, "application/json");
    free(json);
    return queued;
}

static bool change(struct server *server, const struct control_body *body, char *message, size_t size) {
    struct control control;
    if (body->text == NULL || body->size > MAX_CONTROL_BODY) {
        snprintf(message, size, "expected 1 to %d bytes of [route /PATH], [rule NAME /PATH] and [control] sections",
                 MAX_CONTROL_BODY);
        return false;
    }
    pthread_mutex_lock(&server->mutex);
    bool ok = scenario_change(server->scenario, body->text, &control, message, size);
    for (int i = 0; ok && i < MAX_RULES; i++) {
        if (!(control.fresh_rules & (UINT64_C(1) << i))) continue;
        ledger_clear(&server->rule[i].seen);
        server->rule[i].applied = 0;
    }
    if (ok && control.phase >= 0) {
        server_go_to_phase_locked(server, control.phase);
        if (control.hold) server->held_phase = control.phase;
    }
    for (int i = 0; ok && i < server->scenario->route_count; i++) capacity_pump_locked(server, i);
    pthread_mutex_unlock(&server->mutex);
    return ok;
}

static enum MHD_Result answer_change(struct server *server, struct MHD_Connection *connection,
                                     const struct control_body *body) {
    char message[640], line[700];
    if (change(server, body, message, sizeof message)) return answer_json(server, connection);
    snprintf(line, sizeof line, "%s\n", message);
    return answer_text(connection, 400, line, "text/plain");
}

enum MHD_Result control_handle(struct server *server, struct MHD_Connection *connection, const char *url,
                               const char *method, const struct control_body *body) {
    bool get = strcmp(method, "GET") == 0, post = strcmp(method, "POST") == 0;
    if (strcmp(url, "/_control/start") == 0 && (get || post)) {
        server_start_phases(server);
        return answer_text(connection, 200, "{\"started\": true}\n", "application/json");
    }
    if (strcmp(url, "/_control") != 0)
        return answer_text(connection, 404, "no such route in the scenario\n", "text/plain");
    if (get) return answer_json(server, connection);
    if (post) return answer_change(server, connection, body);
    return answer_text(connection, 405, "expected GET or POST\n", "text/plain");
}
