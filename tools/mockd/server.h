/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_SERVER_H
#define MOCKD_SERVER_H

/* What all parts of the server share. One thread of libmicrohttpd runs the handler in server.c; a request that has
 * to wait is suspended, and resumed by the timer thread (timers.h). */

#include "ledger.h"
#include "scenario.h"
#include "tls.h"

#include <pthread.h>

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

struct rule_state {
    struct ledger seen; /* requests by the value of the rule's header */
    long applied;
};

struct server {
    pthread_mutex_t mutex; /* guards all below */
    struct scenario *scenario;
    bool started; /* the clock of the phases runs */
    int64_t started_at;
    int held_phase; /* -1: phases follow the clock */
    bool stopping;
    long connections;         /* accepted so far */
    unsigned short random[3]; /* for erand48 */
    struct route_state route[MAX_ROUTES];
    struct rule_state rule[MAX_RULES];
};

/* Starts the clock of the phases, once. */
void server_start_phases(struct server *server);

/* The same with the mutex held: the clock shows the beginning of `phase`, whatever it showed before. */
void server_go_to_phase_locked(struct server *server, int phase);

/* Index of the phase now; the first one while the clock does not run. */
int server_phase_locked(const struct server *server);

/* Serves on 127.0.0.1:port (0: any), with TLS if `tls` is not NULL; returns the port, or -1 with a message on stderr. */
int server_listen(struct server *server, int port, const struct tls_identity *tls);

/* Ends all requests, hanging ones too, and closes. */
void server_stop(struct server *server);

#endif
