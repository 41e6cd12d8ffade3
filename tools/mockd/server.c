/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "answer.h"
#include "timers.h"

#include <arpa/inet.h>
#include <math.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* One thread of libmicrohttpd runs `handle`; a request that has to wait is suspended, and resumed by the
 * timer thread. The capacity model is a count of busy workers and a queue: a worker that is done is a
 * timer, not a thread. Work goes on when its client has gone, as it does in real servers. */

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    struct request *next; /* in the queue */
    int route;
    int phase; /* in which it came; all that it does is counted there */
    enum fault fault;
    int64_t latency_ns;
    bool planned;   /* how it goes has been decided */
    bool half_sent; /* the headers are out, the reset is to follow */
    int status;     /* of the answer */
    char id[128];   /* of the side effect */
    char key[128];  /* Idempotency-Key */
};

static struct MHD_Daemon *service;
static struct request control_request; /* stands for every request to /_control and to unknown routes */

#define HEADERS_LEAD_NS 20000000 /* time for the client to read headers before an RST drops them */

static double roll(struct server *server) { return erand48(server->random); }

static int64_t draw_ns(struct server *server, const struct distribution *d) {
    double ms = d->a;
    if (d->kind == UNIFORM) ms = d->a + roll(server) * (d->b - d->a);
    if (d->kind == LOGNORMAL) { /* Box and Muller 1958 */
        double normal = sqrt(-2 * log(1 - roll(server))) * cos(2 * M_PI * roll(server));
        ms = d->a * exp(d->b * normal);
    }
    return (int64_t)(ms * 1e6);
}

static const struct behaviour *behaviour_locked(const struct server *server, int route) {
    return &server->scenario->resolved[server_phase_locked(server)][route];
}

static struct counters *counters_of(struct request *r) { return &r->server->route[r->route].counters[r->phase]; }

int server_phase_locked(const struct server *server) {
    if (!server->started) return 0;
    return scenario_phase_at(server->scenario, (double)(now_ns() - server->started_at) / 1e9);
}

/* ---- the capacity model ---- */

static void answer_later(struct request *r);
static void work_done(void *arg);

static void give_to_worker_locked(struct request *r, const struct behaviour *b) {
    r->server->route[r->route].busy++;
    timers_add(now_ns() + draw_ns(r->server, &b->service), work_done, r);
}

/* Lets free workers take from the queue; their number may have changed with the phase. */
static void pump_locked(struct server *server, int route) {
    struct route_state *state = &server->route[route];
    const struct behaviour *b = behaviour_locked(server, route);
    while (state->first != NULL && (state->busy < b->workers || server->stopping)) {
        struct request *r = state->first;
        state->first = r->next;
        state->queued--;
        give_to_worker_locked(r, b);
    }
}

static void pump_all(void *arg) {
    struct server *server = arg;
    pthread_mutex_lock(&server->mutex);
    for (int i = 0; i < server->scenario->route_count; i++) pump_locked(server, i);
    pthread_mutex_unlock(&server->mutex);
}

static int pick_status_locked(struct server *server, const struct status_mix *mix) {
    double sum = 0;
    for (int i = 0; i < mix->count; i++) sum += mix->part[i].weight;
    double dice = roll(server) * sum;
    for (int i = 0; i < mix->count; i++) {
        if ((dice -= mix->part[i].weight) < 0) return mix->part[i].code;
    }
    return mix->part[mix->count - 1].code;
}

/* The work itself: decides the status and, for a 2xx, has its side effect. */
static void serve_locked(struct request *r) {
    struct server *server = r->server;
    const struct behaviour *b = behaviour_locked(server, r->route);
    r->status = pick_status_locked(server, &b->status);
    if (r->status >= 300) return;
    counters_of(r)->served++;
    struct ledger *ledger = &server->route[r->route].ledger;
    const char *id = b->idempotent && r->key[0] ? r->key : r->id;
    if (b->ledger[0] == '\0' || r->id[0] == '\0') return;
    if (b->idempotent && r->key[0] && ledger_effects(ledger, id) > 0) return; /* known: answered, not repeated */
    ledger_add(ledger, id);
}

static void work_done(void *arg) {
    struct request *r = arg;
    struct server *server = r->server;
    pthread_mutex_lock(&server->mutex);
    server->route[r->route].busy--;
    serve_locked(r);
    pump_locked(server, r->route);
    pthread_mutex_unlock(&server->mutex);
    answer_later(r);
}

/* ---- one request ---- */

static void answer_now(void *arg) { MHD_resume_connection(((struct request *)arg)->connection); }

static void answer_later(struct request *r) {
    if (r->latency_ns > 0) timers_add(now_ns() + r->latency_ns, answer_now, r);
    else answer_now(r);
}

/* Decides the fate of a request. True: it has been suspended and a timer goes on with it. */
static bool plan_locked(struct request *r) {
    struct server *server = r->server;
    if (server->stopping) return false;
    struct route_state *state = &server->route[r->route];
    const struct behaviour *b = behaviour_locked(server, r->route);
    r->phase = server_phase_locked(server);
    counters_of(r)->requests++;
    state->in_flight++;
    double dice = roll(server) * 100;
    for (int f = FAULT_HANG; f < FAULT_COUNT && r->fault == NO_FAULT; f++) {
        if ((dice -= b->fault[f]) < 0) r->fault = (enum fault)f;
    }
    counters_of(r)->fault[r->fault]++;
    r->latency_ns = draw_ns(server, &b->latency);
    if (r->fault == FAULT_DROP || r->fault == FAULT_RESET) return false;
    MHD_suspend_connection(r->connection);
    if (r->fault == FAULT_HANG) {
        timers_add(INT64_MAX, answer_now, r); /* until the server stops */
    } else if (b->workers == 0) {
        serve_locked(r);
        timers_add(now_ns() + r->latency_ns, answer_now, r);
    } else if (state->busy < b->workers) {
        give_to_worker_locked(r, b);
    } else if (state->queued < b->queue) {
        r->next = NULL;
        if (state->first == NULL) state->first = r;
        else state->last->next = r;
        state->last = r;
        if (++state->queued > counters_of(r)->max_queue) counters_of(r)->max_queue = state->queued;
    } else {
        counters_of(r)->overloaded++;
        r->status = b->overload_status;
        timers_add(now_ns() + r->latency_ns, answer_now, r);
    }
    return true;
}

static enum MHD_Result answer(struct request *r) {
    struct server *server = r->server;
    pthread_mutex_lock(&server->mutex);
    const struct behaviour b = *behaviour_locked(server, r->route);
    bool stopping = server->stopping;
    if (!stopping && r->fault == NO_FAULT) {
        counters_of(r)->answered++;
        counters_of(r)->status[r->status / 100]++;
    }
    pthread_mutex_unlock(&server->mutex);
    if (stopping) return MHD_NO;
    if (r->fault == FAULT_RESET_AFTER_HEADERS && !r->half_sent) {
        r->half_sent = true;
        answer_send_headers(r->connection, &b, r->status);
        MHD_suspend_connection(r->connection);
        timers_add(now_ns() + HEADERS_LEAD_NS, answer_now, r);
        return MHD_YES;
    }
    return answer_send(r->connection, &b, r->fault, r->status);
}

static void copy_header(struct MHD_Connection *connection, const char *name, char *out, size_t size) {
    const char *value = name[0] ? MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name) : NULL;
    snprintf(out, size, "%s", value == NULL ? "" : value);
}

static struct request *request_new(struct server *server, struct MHD_Connection *connection, int route) {
    struct request *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->server = server;
    r->connection = connection;
    r->route = route;
    pthread_mutex_lock(&server->mutex);
    const struct behaviour *b = behaviour_locked(server, route);
    copy_header(connection, b->ledger, r->id, sizeof r->id);
    pthread_mutex_unlock(&server->mutex);
    copy_header(connection, "Idempotency-Key", r->key, sizeof r->key);
    return r;
}

static int find_route(const struct scenario *scenario, const char *url) {
    for (int i = 0; i < scenario->route_count; i++) {
        if (strcmp(scenario->route[i].path, url) == 0) return i;
    }
    return -1;
}

static enum MHD_Result handle_control(struct server *server, struct MHD_Connection *connection, const char *url) {
    if (strcmp(url, "/_control/start") == 0) {
        server_start_phases(server);
        return answer_text(connection, 200, "{\"started\": true}\n", "application/json");
    }
    if (strcmp(url, "/_control") == 0) {
        char *json = control_json(server);
        if (json == NULL) return MHD_NO;
        enum MHD_Result queued = answer_text(connection, 200, json, "application/json");
        free(json);
        return queued;
    }
    return answer_text(connection, 404, "no such route in the scenario\n", "text/plain");
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **context) {
    (void)method, (void)version, (void)upload;
    struct server *server = arg;
    int route = find_route(server->scenario, url);
    if (*context == NULL) { /* the headers are here, the body is not */
        *context = route < 0 ? &control_request : request_new(server, connection, route);
        return *context == NULL ? MHD_NO : MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (*context == &control_request) return handle_control(server, connection, url);
    struct request *r = *context;
    if (!r->planned) {
        r->planned = true;
        pthread_mutex_lock(&server->mutex);
        bool waits = plan_locked(r);
        pthread_mutex_unlock(&server->mutex);
        if (waits) return MHD_YES;
    }
    return answer(r);
}

static void completed(void *arg, struct MHD_Connection *connection, void **context,
                      enum MHD_RequestTerminationCode code) {
    (void)connection, (void)code;
    struct server *server = arg;
    struct request *r = *context;
    if (r == NULL || r == &control_request) return;
    *context = NULL;
    pthread_mutex_lock(&server->mutex);
    if (r->planned) server->route[r->route].in_flight--;
    pthread_mutex_unlock(&server->mutex);
    free(r);
}

void server_start_phases(struct server *server) {
    pthread_mutex_lock(&server->mutex);
    if (!server->started) {
        server->started = true;
        server->started_at = now_ns();
        for (int i = 0; i < server->scenario->phase_count; i++) {
            timers_add(server->started_at + (int64_t)(server->scenario->phase[i].end_s * 1e9), pump_all, server);
        }
    }
    pthread_mutex_unlock(&server->mutex);
}

int server_listen(struct server *server, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    service = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, server,
                               MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 8192u,
                               MHD_OPTION_NOTIFY_COMPLETED, completed, server, MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u,
                               MHD_OPTION_END);
    if (service == NULL) {
        fprintf(stderr, "mockd: cannot listen on 127.0.0.1:%d\n", port);
        return -1;
    }
    return MHD_get_daemon_info(service, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void server_stop(struct server *server) {
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    for (int i = 0; i < server->scenario->route_count; i++) pump_locked(server, i);
    pthread_mutex_unlock(&server->mutex);
    MHD_quiesce_daemon(service);
    timers_stop(); /* resumes what is suspended */
    MHD_stop_daemon(service);
    for (int i = 0; i < server->scenario->route_count; i++) ledger_clear(&server->route[i].ledger);
}
