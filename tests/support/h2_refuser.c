/* SPDX-License-Identifier: MIT */
#include "support/h2_refuser.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, GOAWAY = 7, ACK = 1 };

static bool read_all(struct h2_refuser *server, int fd, uint8_t *out, size_t size) {
    while (size > 0) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        if (atomic_load(&server->stop)) return false;
        if (poll(&waiting, 1, 50) <= 0) continue;
        ssize_t got = recv(fd, out, size, 0);
        if (got <= 0) return false;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

static void send_frame(int fd, uint8_t type, uint8_t flags, uint32_t stream, const uint8_t *payload, uint8_t size) {
    uint8_t frame[64] = {0, 0, size, type, flags};
    uint32_t id = htonl(stream);
    memcpy(frame + 5, &id, 4);
    if (size > 0) memcpy(frame + 9, payload, size);
    (void)send(fd, frame, 9u + size, MSG_NOSIGNAL);
}

/* False when the connection is over. */
static bool refuse(struct h2_refuser *server, int fd, uint32_t stream) {
    uint32_t words[2] = {0, htonl(server->code)}; /* GOAWAY: no stream was processed */
    atomic_fetch_add(&server->requests, 1);
    if (server->how == H2_RESET) send_frame(fd, RST_STREAM, 0, stream, (const uint8_t *)&words[1], 4);
    else send_frame(fd, GOAWAY, 0, 0, (const uint8_t *)words, 8);
    return server->how == H2_RESET;
}

static void serve(struct h2_refuser *server, int fd) {
    uint8_t preface[24], head[9], payload[16384];
    if (!read_all(server, fd, preface, sizeof preface)) return;
    send_frame(fd, SETTINGS, 0, 0, NULL, 0);
    while (read_all(server, fd, head, sizeof head)) {
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        uint32_t stream;
        memcpy(&stream, head + 5, 4);
        if (size > sizeof payload || !read_all(server, fd, payload, size)) return;
        if (head[3] == SETTINGS && head[4] != ACK) send_frame(fd, SETTINGS, ACK, 0, NULL, 0);
        if (head[3] == HEADERS && !refuse(server, fd, ntohl(stream))) return;
    }
}

static void *serve_one(void *arg) {
    struct h2_connection *connection = arg;
    serve(connection->server, connection->fd);
    close(connection->fd);
    return NULL;
}

static void *run(void *arg) {
    struct h2_refuser *server = arg;
    while (!atomic_load(&server->stop)) {
        struct pollfd waiting = {.fd = server->listener, .events = POLLIN};
        if (poll(&waiting, 1, 50) <= 0) continue;
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0 || server->count == 64) continue;
        struct h2_connection *connection = &server->connections[server->count];
        *connection = (struct h2_connection){.server = server, .fd = fd};
        if (pthread_create(&connection->thread, NULL, serve_one, connection) == 0) server->count++;
    }
    for (int i = 0; i < server->count; i++) pthread_join(server->connections[i].thread, NULL);
    return NULL;
}

bool h2_refuser_start(struct h2_refuser *server, enum h2_refusal how, uint32_t code) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    memset(server, 0, sizeof *server);
    server->how = how;
    server->code = code;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0) return false;
    if (listen(server->listener, 16) != 0) return false;
    if (getsockname(server->listener, (struct sockaddr *)&address, &length) != 0) return false;
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    return pthread_create(&server->thread, NULL, run, server) == 0;
}

void h2_refuser_stop(struct h2_refuser *server) {
    atomic_store(&server->stop, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
}
