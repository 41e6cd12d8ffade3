/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_CONTROL_H
#define MOCKD_CONTROL_H

/* /_control: what has happened, as JSON, and changes at run time. */

#include "server.h"

#include <microhttpd.h>

#define MAX_CONTROL_BODY 65536

struct control_body {
    char *text; /* malloc'd, or NULL */
    size_t size;
};

void control_add_body(struct control_body *body, const char *data, size_t size);

/* Answers a request that is for no route of the scenario. */
enum MHD_Result control_handle(struct server *server, struct MHD_Connection *connection, const char *url,
                               const char *method, const struct control_body *body);

#endif
