/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "answer.h"
#include "control.h"
#include "request.h"
#include "timers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct MHD_Daemon *service;

/* ---- phases ---- */

int server_phase_locked(const struct server *server) {
    if (server->held_phase >= 0) return server->held_phase;
    if (!server->started) return 0;
    return scenario_phase_at(server->scenario, (double)(now_ns() - server->started_at) / 1e9);
}

static void pump_all(void *arg) {
    struct server *server = arg;
    pthread_mutex_lock(&server->mutex);
    for (int i = 0; i < server->scenario->route_count; i++) capacity_pump_locked(server, i);
    pthread_mutex_unlock(&server->mutex);
}

void server_go_to_phase_locked(struct server *server, int phase) {
    const struct scenario *s = server->scenario;
    double seconds = phase == 0 ? 0 : s->phase[phase - 1].end_s;
    server->started = true;
    server->held_phase = -1;
    server->started_at = now_ns() - (int64_t)(seconds * 1e9);
    for (int i = 0; i < s->phase_count; i++) { /* those that lie in the past pump once more: no harm */
        timers_add(server->started_at + (int64_t)(s->phase[i].end_s * 1e9), pump_all, server);
    }
}

void server_start_phases(struct server *server) {
    pthread_mutex_lock(&server->mutex);
    if (!server->started) server_go_to_phase_locked(server, 0);
    pthread_mutex_unlock(&server->mutex);
}

/* ---- libmicrohttpd ---- */

/* What is kept for a connection. */
struct client {
    long requests;
};

static void connection_changed(void *arg, struct MHD_Connection *connection, void **socket_context,
                               enum MHD_ConnectionNotificationCode code) {
    (void)connection;
    struct server *server = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        free(*socket_context);
        *socket_context = NULL;
        return;
    }
    *socket_context = calloc(1, sizeof(struct client));
    pthread_mutex_lock(&server->mutex);
    server->connections++;
    pthread_mutex_unlock(&server->mutex);
}

static long next_on_connection(struct MHD_Connection *connection) {
    struct client *client = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    return client == NULL ? 1 : ++client->requests;
}

/* A request to /_control or to a route that is not in the scenario has no struct request but a struct control_body. */
struct context {
    struct request *request;
    struct control_body body;
};

static struct context *context_new(struct server *server, struct MHD_Connection *connection, const char *url) {
    struct context *context = calloc(1, sizeof *context);
    if (context == NULL) return NULL;
    long nth = next_on_connection(connection);
    pthread_mutex_lock(&server->mutex);
    int route = scenario_route(server->scenario, url);
    pthread_mutex_unlock(&server->mutex);
    if (route < 0) return context;
    context->request = request_new(server, connection, route, nth);
    if (context->request != NULL) return context;
    free(context);
    return NULL;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **memory) {
    (void)version;
    struct server *server = arg;
    struct context *context = *memory;
    if (context == NULL) { /* the headers are here, the body is not */
        *memory = context_new(server, connection, url);
        return *memory == NULL ? MHD_NO : MHD_YES;
    }
    if (*upload_size > 0) {
        if (context->request != NULL) request_add_body(context->request, upload, *upload_size);
        else control_add_body(&context->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (context->request != NULL) return request_run(context->request, method, url);
    return control_handle(server, connection, url, method, &context->body);
}

static void completed(void *arg, struct MHD_Connection *connection, void **memory,
                      enum MHD_RequestTerminationCode code) {
    (void)connection, (void)code;
    struct server *server = arg;
    struct context *context = *memory;
    if (context == NULL) return;
    *memory = NULL;
    struct request *r = context->request;
    if (r != NULL && r->planned) {
        pthread_mutex_lock(&server->mutex);
        server->route[r->route].in_flight--;
        pthread_mutex_unlock(&server->mutex);
    }
    if (r != NULL) request_free(r);
    free(context->body.text);
    free(context);
}

int server_listen(struct server *server, int port, const struct tls_identity *tls) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_OptionItem secure[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, tls == NULL ? NULL : tls->certificate},
                                      {MHD_OPTION_HTTPS_MEM_KEY, 0, tls == NULL ? NULL : tls->key},
                                      {MHD_OPTION_END, 0, NULL}};
    if (tls == NULL) secure[0].option = MHD_OPTION_END;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (tls == NULL ? 0 : MHD_USE_TLS);
    service = MHD_start_daemon(flags, 0, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, &address,
                               MHD_OPTION_CONNECTION_LIMIT, 8192u, MHD_OPTION_NOTIFY_COMPLETED, completed, server,
                               MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server, MHD_OPTION_LISTEN_BACKLOG_SIZE,
                               1024u, MHD_OPTION_ARRAY, secure, MHD_OPTION_END);
    if (service == NULL) {
        fprintf(stderr, "mockd: cannot listen on 127.0.0.1:%d\n", port);
        return -1;
    }
    return MHD_get_daemon_info(service, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void server_stop(struct server *server) {
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    for (int i = 0; i < server->scenario->route_count; i++) capacity_pump_locked(server, i);
    pthread_mutex_unlock(&server->mutex);
    MHD_quiesce_daemon(service);
    timers_stop(); /* resumes what is suspended */
    MHD_stop_daemon(service);
    for (int i = 0; i < MAX_ROUTES; i++) ledger_clear(&server->route[i].ledger);
    for (int i = 0; i < MAX_RULES; i++) ledger_clear(&server->rule[i].seen);
}
