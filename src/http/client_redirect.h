/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_REDIRECT_H
#define HF_HTTP_CLIENT_REDIRECT_H

/* Redirects, followed by ourselves: libcurl would look the new name up in its own way, take every header along but
 * Authorization and Cookie, and hide the hops. A hop is a transfer of its own inside the same attempt. */

#include "http/client_exchange.h"

/* Whether the response that is coming in will be followed, so that its body is nobody's. */
bool hf__redirect_is_due(const struct hf__exchange *exchange);

/* After a transfer that ended well: points the exchange at the next hop. CURLE_OK and `*out_followed` true: send it off.
 * False: it was no redirect. CURLE_TOO_MANY_REDIRECTS, CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT,
 * CURLE_OUT_OF_MEMORY, CURLE_SEND_FAIL_REWIND: the attempt ends so. */
CURLcode hf__redirect_follow(struct hf__exchange *exchange, bool *out_followed);

/* Frees what the hops needed. */
void hf__redirect_forget(struct hf__exchange *exchange);

#endif
