/* SPDX-License-Identifier: MIT */
#include "request.h"

#include "answer.h"
#include "fault.h"
#include "timers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counters *request_counters(struct request *r) {
    return &r->server->route[r->route].counters[r->phase];
}

struct behaviour request_behaviour_locked(const struct request *r) {
    const struct scenario *s = r->server->scenario;
    int rule = r->rule < s->rule_count ? r->rule : -1; /* it may have been taken back */
    return scenario_behaviour(s, server_phase_locked(r->server), r->route, rule);
}

static void resume(void *arg) { MHD_resume_connection(((struct request *)arg)->connection); }

void request_resume_after(struct request *r, int64_t ns) {
    if (ns <= 0) resume(r);
    else timers_add(ns == INT64_MAX ? INT64_MAX : now_ns() + ns, resume, r);
}

static const char *header(struct MHD_Connection *connection, const char *name) {
    return name[0] ? MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name) : NULL;
}

static void copy_header(struct MHD_Connection *connection, const char *name, char *out, size_t size) {
    const char *value = header(connection, name);
    snprintf(out, size, "%s", value == NULL ? "" : value);
}

/* The last rule that fits. Every rule counts the requests that have its header, whether or not it is their turn. */
static int find_rule_locked(struct server *server, struct MHD_Connection *connection, int route) {
    int found = -1;
    for (int i = 0; i < server->scenario->rule_count; i++) {
        const struct rule *rule = &server->scenario->rule[i];
        if (rule->route != route) continue;
        const char *value = header(connection, rule->header);
        if (!rule_is_for(rule, value)) continue;
        const char *id = value == NULL ? "" : value;
        ledger_add(&server->rule[i].seen, id);
        long nth = ledger_effects(&server->rule[i].seen, id);
        if (nth >= rule->first && nth <= rule->last) found = i;
    }
    if (found >= 0) server->rule[found].applied++;
    return found;
}

struct request *request_new(struct server *server, struct MHD_Connection *connection, int route, long nth) {
    struct request *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->server = server;
    r->connection = connection;
    r->route = route;
    r->nth = nth;
    pthread_mutex_lock(&server->mutex);
    r->rule = find_rule_locked(server, connection, route);
    const struct behaviour b = request_behaviour_locked(r);
    pthread_mutex_unlock(&server->mutex);
    copy_header(connection, b.ledger, r->id, sizeof r->id);
    copy_header(connection, "Idempotency-Key", r->key, sizeof r->key);
    if (b.echo) r->body = calloc(1, 1);
    return r;
}

void request_add_body(struct request *r, const char *data, size_t size) {
    if (r->body == NULL) return;
    if (size > MAX_ECHO - r->body_size) size = MAX_ECHO - r->body_size;
    char *longer = realloc(r->body, r->body_size + size + 1);
    if (longer == NULL) return;
    memcpy(longer + r->body_size, data, size);
    r->body = longer;
    r->body_size += size;
    r->body[r->body_size] = '\0';
}

void request_free(struct request *r) {
    free(r->body);
    free(r);
}

static enum fault throw_dice(struct request *r, const struct behaviour *b) {
    double dice = erand48(r->server->random) * 100;
    for (int f = NO_FAULT + 1; f < FAULT_COUNT; f++) {
        if ((dice -= b->fault[f]) < 0) return f == FAULT_STALE && r->nth == 1 ? NO_FAULT : (enum fault)f;
    }
    return NO_FAULT;
}

/* Decides the fate of a request. True: it has been suspended, and a timer goes on with it. */
static bool plan_locked(struct request *r) {
    struct server *server = r->server;
    if (server->stopping) return false;
    const struct behaviour b = request_behaviour_locked(r);
    r->phase = server_phase_locked(server);
    request_counters(r)->requests++;
    server->route[r->route].in_flight++;
    r->fault = throw_dice(r, &b);
    request_counters(r)->fault[r->fault]++;
    r->latency_ns = capacity_draw_ns(server, &b.latency);
    if (r->fault == FAULT_DROP || r->fault == FAULT_STALE || r->fault == FAULT_RESET) return false;
    MHD_suspend_connection(r->connection);
    if (r->fault == FAULT_HANG) {
        request_resume_after(r, INT64_MAX); /* until the server stops */
    } else if (b.workers == 0) {
        capacity_serve_locked(r);
        timers_add(now_ns() + r->latency_ns, resume, r);
    } else if (!capacity_take_locked(r, &b)) {
        request_counters(r)->overloaded++;
        r->status = b.overload_status;
        timers_add(now_ns() + r->latency_ns, resume, r);
    }
    return true;
}

static enum MHD_Result send_answer(struct request *r, const struct behaviour *b, const char *method, const char *url) {
    const struct answer answer = {.status = r->status,
                                  .echo_body = r->body,
                                  .echo_size = r->body_size,
                                  .method = method,
                                  .url = url,
                                  .last = b->close_after > 0 && r->nth >= b->close_after};
    return answer_send(r->connection, b, &answer);
}

static enum MHD_Result send_what_was_planned(struct request *r, const char *method, const char *url) {
    struct server *server = r->server;
    pthread_mutex_lock(&server->mutex);
    const struct behaviour b = request_behaviour_locked(r);
    bool stopping = server->stopping;
    if (!stopping && !r->answered && (r->fault == NO_FAULT || r->fault == FAULT_STORM_1XX)) {
        r->answered = true;
        request_counters(r)->answered++;
        request_counters(r)->status[r->status / 100]++;
    }
    pthread_mutex_unlock(&server->mutex);
    if (stopping) return MHD_NO;
    int64_t gap_ns = fault_write(r->connection, &b, r->fault, r->status, r->piece++);
    if (gap_ns == FAULT_CLOSE) return MHD_NO;
    if (gap_ns == FAULT_ANSWER) return send_answer(r, &b, method, url);
    MHD_suspend_connection(r->connection);
    request_resume_after(r, gap_ns);
    return MHD_YES;
}

enum MHD_Result request_run(struct request *r, const char *method, const char *url) {
    if (!r->planned) {
        r->planned = true;
        pthread_mutex_lock(&r->server->mutex);
        bool waits = plan_locked(r);
        pthread_mutex_unlock(&r->server->mutex);
        if (waits) return MHD_YES;
    }
    return send_what_was_planned(r, method, url);
}
