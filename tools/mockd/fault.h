/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_FAULT_H
#define MOCKD_FAULT_H

/* Faults as bytes, written past libmicrohttpd: to the connection's descriptor, or as a record of its TLS session. */

#include "behaviour.h"

#include <microhttpd.h>

enum { FAULT_CLOSE = -1, FAULT_ANSWER = -2 };

/* Writes piece `piece` (0, 1, ...) of a fault. Returns after how many ns (INT64_MAX: never) the next piece is due,
 * FAULT_CLOSE when the connection is to be closed, or FAULT_ANSWER when the ordinary answer follows. Never blocks. */
int64_t fault_write(struct MHD_Connection *connection, const struct behaviour *b, enum fault fault, int status,
                    int piece);

#endif
