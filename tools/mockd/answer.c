/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum MHD_Result answer_text(struct MHD_Connection *connection, int status, const char *text, const char *type) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

static char *body_of(const struct behaviour *b) {
    size_t size = (size_t)b->body_bytes;
    char *body = malloc(size + 1);
    if (body == NULL) return NULL;
    for (size_t i = 0; i < size; i++) body[i] = (char)('a' + i % 26);
    body[size] = '\0';
    return body;
}

static void add_retry_after(struct MHD_Response *response, const struct retry_after *r) {
    char value[64];
    if (r->kind == AS_SECONDS) {
        snprintf(value, sizeof value, "%d", r->seconds);
    } else {
        time_t at = time(NULL) + r->seconds;
        struct tm utc;
        gmtime_r(&at, &utc);
        strftime(value, sizeof value, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    }
    MHD_add_response_header(response, "Retry-After", value);
}

static enum MHD_Result send_normally(struct MHD_Connection *connection, const struct behaviour *b, int status) {
    char *body = body_of(b);
    if (body == NULL) return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer((size_t)b->body_bytes, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) return MHD_NO;
    if (b->retry_after.kind != NO_RETRY_AFTER && (status == 429 || status == 503)) {
        add_retry_after(response, &b->retry_after);
    }
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- faults: bytes written past libmicrohttpd, which then closes the connection ---- */

static int descriptor(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void send_raw(struct MHD_Connection *connection, const char *bytes, size_t size) {
    /* Small enough for an empty socket buffer; a client that has gone away is no error here. */
    (void)!send(descriptor(connection), bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A real RST: libmicrohttpd shuts the socket down before it closes it, which SO_LINGER turns into a FIN. */
static void send_reset(struct MHD_Connection *connection) {
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(descriptor(connection), &nowhere, sizeof nowhere);
}

/* The status line, a header and the blank line; half of the announced body if `with_body`. */
static void send_part(struct MHD_Connection *connection, const struct behaviour *b, int status, bool with_body) {
    char head[128];
    int announced = b->body_bytes < 2 ? 2 : b->body_bytes;
    int length = snprintf(head, sizeof head, "HTTP/1.1 %d Cut\r\nContent-Length: %d\r\n\r\n", status, announced);
    send_raw(connection, head, (size_t)length);
    char *body = with_body ? body_of(b) : NULL;
    if (body == NULL) return;
    send_raw(connection, body, (size_t)b->body_bytes / 2);
    free(body);
}

void answer_send_headers(struct MHD_Connection *connection, const struct behaviour *b, int status) {
    send_part(connection, b, status, false);
}

enum MHD_Result answer_send(struct MHD_Connection *connection, const struct behaviour *b, enum fault fault,
                            int status) {
    static const char half_a_header[] = "HTTP/1.1 200 OK\r\nConte";
    switch (fault) {
    case NO_FAULT: return send_normally(connection, b, status);
    case FAULT_RESET:
    case FAULT_LOSE_ANSWER:
    case FAULT_RESET_AFTER_HEADERS: send_reset(connection); break;
    case FAULT_TRUNCATE: send_part(connection, b, status, true); break;
    case FAULT_CUT_HEADERS: send_raw(connection, half_a_header, sizeof half_a_header - 1); break;
    case FAULT_HANG: /* only when the server stops */
    case FAULT_DROP:
    case FAULT_COUNT: break;
    }
    return MHD_NO;
}
