/* SPDX-License-Identifier: MIT */
/* The capacity model: a count of busy workers and a queue. A worker that is done is a timer, not a thread. Work goes
 * on when its client has gone, as it does in real servers. */
#include "request.h"
#include "timers.h"

#include <math.h>
#include <stdlib.h>

int64_t capacity_draw_ns(struct server *server, const struct distribution *d) {
    double ms = d->a;
    if (d->kind == UNIFORM) ms = d->a + erand48(server->random) * (d->b - d->a);
    if (d->kind == LOGNORMAL) { /* Box and Muller 1958 */
        double radius = sqrt(-2 * log(1 - erand48(server->random)));
        ms = d->a * exp(d->b * radius * cos(2 * M_PI * erand48(server->random)));
    }
    return (int64_t)(ms * 1e6);
}

static int pick_status_locked(struct server *server, const struct status_mix *mix) {
    double sum = 0;
    for (int i = 0; i < mix->count; i++) sum += mix->part[i].weight;
    double dice = erand48(server->random) * sum;
    for (int i = 0; i < mix->count; i++) {
        if ((dice -= mix->part[i].weight) < 0) return mix->part[i].code;
    }
    return mix->part[mix->count - 1].code;
}

void capacity_serve_locked(struct request *r) {
    struct server *server = r->server;
    const struct behaviour b = request_behaviour_locked(r);
    r->status = pick_status_locked(server, &b.status);
    if (r->status >= 300) return;
    request_counters(r)->served++;
    struct ledger *ledger = &server->route[r->route].ledger;
    const char *id = b.idempotent && r->key[0] ? r->key : r->id;
    if (b.ledger[0] == '\0' || r->id[0] == '\0') return;
    if (b.idempotent && r->key[0] && ledger_effects(ledger, id) > 0) return; /* known: answered, not repeated */
    ledger_add(ledger, id);
}

static void work_done(void *arg) {
    struct request *r = arg;
    struct server *server = r->server;
    pthread_mutex_lock(&server->mutex);
    server->route[r->route].busy--;
    capacity_serve_locked(r);
    capacity_pump_locked(server, r->route);
    pthread_mutex_unlock(&server->mutex);
    request_resume_after(r, r->latency_ns);
}

static void give_to_worker_locked(struct request *r, const struct behaviour *b) {
    r->server->route[r->route].busy++;
    timers_add(now_ns() + capacity_draw_ns(r->server, &b->service), work_done, r);
}

bool capacity_take_locked(struct request *r, const struct behaviour *b) {
    struct route_state *state = &r->server->route[r->route];
    if (state->busy < b->workers) return give_to_worker_locked(r, b), true;
    if (state->queued >= b->queue) return false;
    r->next = NULL;
    if (state->first == NULL) state->first = r;
    else state->last->next = r;
    state->last = r;
    if (++state->queued > request_counters(r)->max_queue) request_counters(r)->max_queue = state->queued;
    return true;
}

void capacity_pump_locked(struct server *server, int route) {
    struct route_state *state = &server->route[route];
    while (state->first != NULL) {
        struct request *r = state->first;
        const struct behaviour b = request_behaviour_locked(r);
        bool unlimited = b.workers == 0 || server->stopping; /* the model has been switched off meanwhile */
        if (!unlimited && state->busy >= b.workers) return;
        state->first = r->next;
        state->queued--;
        give_to_worker_locked(r, &b);
    }
}
