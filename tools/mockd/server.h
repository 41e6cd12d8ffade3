/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_SERVER_H
#define MOCKD_SERVER_H

#include "ledger.h"
#include "scenario.h"

#include <pthread.h>
#include <stdio.h>

struct request;

/* What happened on one route in one phase. */
struct counters {
    long requests;   /* seen, whatever became of them */
    long served;     /* work done: answered 2xx as far as the server is concerned */
    long overloaded; /* turned away by a full queue */
    long answered;   /* answers with a status, faults not counted */
    long fault[FAULT_COUNT];
    long status[6]; /* answers by class: [2] is 2xx */
    long max_queue;
};

struct route_state {
    int busy;              /* workers that serve */
    struct request *first; /* the queue */
    struct request *last;
    int queued;
    long in_flight; /* requests without their answer yet */
    struct ledger ledger;
    struct counters counters[MAX_PHASES + 1];
};

/* Everything that the server's thread and the timers' share. */
struct server {
    const struct scenario *scenario;
    pthread_mutex_t mutex; /* guards all below */
    bool started;          /* the clock of the phases runs */
    int64_t started_at;
    bool stopping;
    unsigned short random[3]; /* for erand48 */
    struct route_state route[MAX_ROUTES];
};

/* Starts the clock of the phases, once. */
void server_start_phases(struct server *server);

/* Index of the phase now; the first one while the clock does not run. Call with the mutex held. */
int server_phase_locked(const struct server *server);

/* Serves on 127.0.0.1:port (0: any); returns the port, or -1 with a message on stderr. */
int server_listen(struct server *server, int port);

/* Ends all requests, hanging ones too, and closes. */
void server_stop(struct server *server);

/* control.c: the counters as JSON, malloc'd. */
char *control_json(struct server *server);

#endif
