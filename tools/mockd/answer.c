/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

char answer_byte(int index) { return (char)('a' + index % 26); }

char *answer_body(int bytes) {
    char *body = malloc((size_t)bytes + 1);
    if (body == NULL) return NULL;
    for (int i = 0; i < bytes; i++) body[i] = answer_byte(i);
    body[bytes] = '\0';
    return body;
}

/* ---- echo: the request as a text, in the order in which it came ---- */

struct echo {
    FILE *out;
    bool first;
};

static enum MHD_Result print_argument(void *arg, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind;
    struct echo *echo = arg;
    fprintf(echo->out, "%c%s%s%s", echo->first ? '?' : '&', name, value == NULL ? "" : "=", value == NULL ? "" : value);
    echo->first = false;
    return MHD_YES;
}

static enum MHD_Result print_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind;
    fprintf(((struct echo *)arg)->out, "%s: %s\n", name, value == NULL ? "" : value);
    return MHD_YES;
}

static char *echo_of(struct MHD_Connection *connection, const struct answer *answer, size_t *size) {
    char *text = NULL;
    struct echo echo = {.out = open_memstream(&text, size), .first = true};
    if (echo.out == NULL) return NULL;
    fprintf(echo.out, "%s %s", answer->method, answer->url);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, print_argument, &echo);
    fputc('\n', echo.out);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, print_header, &echo);
    fputc('\n', echo.out);
    fwrite(answer->echo_body, 1, answer->echo_size, echo.out);
    if (fclose(echo.out) == 0) return text;
    free(text);
    return NULL;
}

/* ---- headers ---- */

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

/* "Name: value | Name: value", as the scenario has checked. */
static void add_headers(struct MHD_Response *response, const char *list) {
    char copy[sizeof((struct behaviour *)0)->header];
    snprintf(copy, sizeof copy, "%s", list);
    for (char *part = copy; part != NULL && *part != '\0';) {
        char *bar = strstr(part, " | ");
        if (bar != NULL) *bar = '\0';
        char *value = strchr(part, ':');
        if (value == NULL) return;
        *value++ = '\0';
        MHD_add_response_header(response, part, value + strspn(value, " "));
        part = bar == NULL ? NULL : bar + 3;
    }
}

enum MHD_Result answer_send(struct MHD_Connection *connection, const struct behaviour *b, const struct answer *answer) {
    size_t size = (size_t)b->body_bytes;
    char *body = answer->echo_body == NULL ? answer_body(b->body_bytes) : echo_of(connection, answer, &size);
    if (body == NULL) return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) return free(body), MHD_NO;
    if (b->retry_after.kind != NO_RETRY_AFTER && (answer->status == 429 || answer->status == 503)) {
        add_retry_after(response, &b->retry_after);
    }
    add_headers(response, b->header);
    if (answer->last) MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return queued;
}
