/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_ANSWER_H
#define MOCKD_ANSWER_H

/* Answers without a fault. */

#include "behaviour.h"

#include <microhttpd.h>

struct answer {
    int status;
    bool last;             /* the connection closes after it, and it says so */
    const char *echo_body; /* NULL: no echo */
    size_t echo_size;
    const char *method, *url;
};

enum MHD_Result answer_send(struct MHD_Connection *connection, const struct behaviour *b, const struct answer *answer);

/* Sends a text with a status. */
enum MHD_Result answer_text(struct MHD_Connection *connection, int status, const char *text, const char *type);

/* The body that every route sends: the alphabet, over and over. malloc'd. */
char *answer_body(int bytes);
char answer_byte(int index);

#endif
