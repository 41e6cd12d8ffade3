/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_ANSWER_H
#define MOCKD_ANSWER_H

#include "scenario.h"

#include <microhttpd.h>

/* Sends a text with a status. */
enum MHD_Result answer_text(struct MHD_Connection *connection, int status, const char *text, const char *type);

/* Sends what `fault` makes of the answer; NO_FAULT the answer itself. */
enum MHD_Result answer_send(struct MHD_Connection *connection, const struct behaviour *behaviour, enum fault fault,
                            int status);

/* The first half of FAULT_RESET_AFTER_HEADERS; answer_send is the second. */
void answer_send_headers(struct MHD_Connection *connection, const struct behaviour *behaviour, int status);

#endif
