/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_H2_REFUSER_H
#define HF_TESTS_SUPPORT_H2_REFUSER_H

/* A server that speaks just enough HTTP/2 (without TLS) to turn every request down: nghttpd and other good servers cannot be
 * made to. A thread for each connection. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum h2_refusal {
    H2_RESET, /* RST_STREAM with `code` */
    H2_GOAWAY /* GOAWAY with `code`, last stream 0, and the connection is closed */
};

struct h2_refuser {
    enum h2_refusal how;
    uint32_t code;       /* RFC 9113, 7 */
    atomic_int requests; /* HEADERS frames seen */
    char url[48];
    int listener;
    atomic_bool stop;
    pthread_t thread;
    struct h2_connection {
        struct h2_refuser *server;
        int fd;
        pthread_t thread;
    } connections[64];
    int count;
};

bool h2_refuser_start(struct h2_refuser *server, enum h2_refusal how, uint32_t code);
void h2_refuser_stop(struct h2_refuser *server);

#endif
