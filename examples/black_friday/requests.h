/* SPDX-License-Identifier: MIT */
#ifndef BLACK_FRIDAY_REQUESTS_H
#define BLACK_FRIDAY_REQUESTS_H

/* The three requests of a checkout as ordinary libcurl handles: what a shop has before it has holdfast. Every
 * thread keeps its own, so that connections are used again. */

#include "demo.h"

#include <curl/curl.h>

struct requests {
    CURL *inventory, *payments, *recommendations;
    struct curl_slist *payment_headers; /* X-Order: the number under which payments books the charge */
};

bool requests_open(struct requests *requests, const char *url);
void requests_close(struct requests *requests);

/* Makes the payment request one for `order`. */
bool requests_set_order(struct requests *requests, const struct order *order);

#endif
