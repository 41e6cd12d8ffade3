/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_REQUEST_H
#define MOCKD_REQUEST_H

/* One request: what is known of it, what has been decided about it, how far it is. */

#include "server.h"

#include <microhttpd.h>

#define MAX_ECHO ((size_t)1024 * 1024) /* bytes of a request's body that are kept for echo */

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    struct request *next; /* in the queue */
    int route;
    int rule;  /* that applies, or -1 */
    int phase; /* in which it came; all that it does is counted there */
    long nth;  /* on its connection, from 1 */
    enum fault fault;
    int64_t latency_ns;
    bool planned;  /* how it goes has been decided */
    bool answered; /* and counted as such */
    int piece;     /* of the fault's bytes, the next one */
    int status;    /* of the answer */
    char id[128];  /* of the side effect */
    char key[128]; /* Idempotency-Key */
    char *body;    /* for echo, malloc'd */
    size_t body_size;
};

/* NULL when there is no memory. `nth` as above. */
struct request *request_new(struct server *server, struct MHD_Connection *connection, int route, long nth);

/* Keeps a part of the body, if it will be needed. */
void request_add_body(struct request *r, const char *data, size_t size);

/* Goes on with a request whose body has been read: decides how it goes, or sends what has been decided. Called
 * again each time it is resumed. `method` and `url` are for echo. */
enum MHD_Result request_run(struct request *r, const char *method, const char *url);

void request_free(struct request *r);

/* As the scenario has it now for this request. */
struct behaviour request_behaviour_locked(const struct request *r);

struct counters *request_counters(struct request *r);

/* Lets it run again after `ns`. It is suspended. */
void request_resume_after(struct request *r, int64_t ns);

/* ---- capacity.c: workers and queue ---- */

/* The work itself: decides the status and, for a 2xx, has its side effect. */
void capacity_serve_locked(struct request *r);

/* Gives a suspended request to a worker or puts it into the queue; false when that is full. */
bool capacity_take_locked(struct request *r, const struct behaviour *b);

/* Lets free workers take from the queue; their number may have changed. */
void capacity_pump_locked(struct server *server, int route);

/* Draws from a distribution; the result in ns. */
int64_t capacity_draw_ns(struct server *server, const struct distribution *d);

#endif
