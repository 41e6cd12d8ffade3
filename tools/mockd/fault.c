/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include "answer.h"
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEADERS_LEAD_NS 100000000 /* time for the client to read headers before an RST drops them */
#define STORM_GAP_NS 20000000     /* a thousand a second: some 40 kB, so that libcurl's limit on headers is far */
#define STORM_PIECE 20            /* answers */

static int descriptor(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Small enough for an empty socket buffer. False: the client has gone away or does not read. */
static bool send_raw(struct MHD_Connection *connection, const char *bytes, size_t size) {
    const union MHD_ConnectionInfo *tls = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (tls != NULL && tls->tls_session != NULL) return tls_send(tls->tls_session, bytes, size);
    return send(descriptor(connection), bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

/* A real RST: libmicrohttpd shuts the socket down before it closes it, which SO_LINGER turns into a FIN. */
static void send_reset(struct MHD_Connection *connection) {
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(descriptor(connection), &nowhere, sizeof nowhere);
}

/* The status line and a Content-Length; then `size` bytes of the body. */
static bool send_parts(struct MHD_Connection *connection, int status, const char *length, const char *body,
                       size_t size) {
    char head[128];
    int bytes = snprintf(head, sizeof head, "HTTP/1.1 %d Fault\r\nContent-Length: %s\r\n\r\n", status, length);
    return send_raw(connection, head, (size_t)bytes) && (size == 0 || send_raw(connection, body, size));
}

/* `announced` as Content-Length, then `sent` bytes. */
static bool send_body(struct MHD_Connection *connection, int status, int announced, int sent) {
    char length[16];
    snprintf(length, sizeof length, "%d", announced);
    char *body = answer_body(sent);
    bool ok = body != NULL && send_parts(connection, status, length, body, (size_t)sent);
    free(body);
    return ok;
}

/* Piece 0 has the headers, each further one a byte. */
static int64_t drip(struct MHD_Connection *connection, const struct behaviour *b, int status, int piece) {
    char byte = answer_byte(piece - 1);
    bool ok = piece == 0 ? send_body(connection, status, b->body_bytes, 0) : send_raw(connection, &byte, 1);
    return ok && piece < b->body_bytes ? (int64_t)b->drip_ms * 1000000 : FAULT_CLOSE;
}

static int64_t storm(struct MHD_Connection *connection, const struct behaviour *b, int piece) {
    static const char hint[] = "HTTP/1.1 103 Early Hints\r\nRetry-After: 55\r\n\r\n";
    for (int i = piece * STORM_PIECE; i < (piece + 1) * STORM_PIECE; i++) {
        if (b->storm_count > 0 && i >= b->storm_count) return FAULT_ANSWER;
        if (!send_raw(connection, hint, sizeof hint - 1)) return FAULT_CLOSE;
    }
    return STORM_GAP_NS;
}

int64_t fault_write(struct MHD_Connection *connection, const struct behaviour *b, enum fault fault, int status,
                    int piece) {
    static const char half_a_header[] = "HTTP/1.1 200 OK\r\nConte", garbage[] = "?$ this is no HTTP\r\n\r\n";
    int body = b->body_bytes < 2 ? 2 : b->body_bytes; /* there has to be a half of it */
    switch (fault) {
    case NO_FAULT: return FAULT_ANSWER;
    case FAULT_RESET:
    case FAULT_LOSE_ANSWER: send_reset(connection); break;
    case FAULT_RESET_AFTER_HEADERS:
        if (piece == 0 && send_body(connection, status, body, 0)) return HEADERS_LEAD_NS;
        send_reset(connection);
        break;
    case FAULT_TRUNCATE: send_body(connection, status, body, body / 2); break;
    case FAULT_DRIP: return drip(connection, b, status, piece);
    case FAULT_CUT_HEADERS: send_raw(connection, half_a_header, sizeof half_a_header - 1); break;
    case FAULT_LENGTH_LONG: return send_body(connection, status, body + 1, body) ? INT64_MAX : FAULT_CLOSE;
    case FAULT_LENGTH_SHORT: send_body(connection, status, body / 2, body); break;
    case FAULT_LENGTH_GARBAGE: send_parts(connection, status, "twelve", "", 0); break;
    case FAULT_GARBAGE_STATUS: send_raw(connection, garbage, sizeof garbage - 1); break;
    case FAULT_STORM_1XX: return storm(connection, b, piece);
    case FAULT_HANG: /* only when the server stops */
    case FAULT_DROP:
    case FAULT_STALE:
    case FAULT_COUNT: break;
    }
    return FAULT_CLOSE;
}
