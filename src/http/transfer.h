/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_TRANSFER_H
#define HF_HTTP_TRANSFER_H

/* The transfers of one call as libcurl's callbacks see them: whether the request reached the server, whether
 * a response is complete, whether its body may pass, and what the end of it comes to. */

#include "http/classify.h"

#include <holdfast/call.h>

struct hf__transfer {
    CURL *easy;
    hf_call *call;
    const struct hf__rules *rules;
    const hf_curl_options *options; /* resolved: clock is never NULL */
    bool keyed;
    uint32_t resends_allowed; /* silent resends by libcurl that pass, of what may be repeated; 0: over HTTP/2 */
    const char *error_text; /* libcurl's error buffer when it is ours, else NULL: the HTTP/2 error code is only there */
    bool redirected;        /* the server sent us on, which the client follows itself */
    bool via_proxy;         /* a proxy that we chose stands between */
    struct {
        char *data;
        size_t length, size;
        bool too_long;
    } body; /* when buffering */

    /* of the attempt under way */
    uint32_t serial;        /* as the engine calls it */
    uint32_t attempt;       /* number among attempts */
    uint32_t resends;       /* sends that libcurl made on its own */
    enum hf__method method; /* least repeatable of the methods that were sent */
    bool reached;           /* libcurl was about to send */
    bool answered;          /* a status line came after the last send */
    bool in_headers;        /* a status line was seen, its blank line not yet */
    int socket_errno;       /* why no socket was given, 0: one was; libcurl does not tell */
    bool vetoed;            /* we refused a resend */
    bool withheld;          /* we cut the response off; `decided` is its outcome */
    bool delivered;         /* a whole response went to the caller */
    CURLcode code;          /* how it ended */
    bool is_decided;        /* `decided` is about the response that comes in */
    hf_outcome decided;
};

/* Puts our callbacks for headers and sends onto the handle, takes them off again. */
void hf__transfer_attach(struct hf__transfer *transfer);
void hf__transfer_detach(struct hf__transfer *transfer);

/* A CURLOPT_OPENSOCKETFUNCTION. libcurl fails with CURLE_COULDNT_CONNECT when there is no descriptor left, and keeps the
 * reason to itself: this remembers it. */
curl_socket_t hf__transfer_on_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *address);

/* A write callback that collects the body, up to buffer_max_bytes. A redirect's is not passed to us, so what comes is
 * the final response's. */
size_t hf__transfer_on_body(char *data, size_t size, size_t count, void *transfer);

/* The final status of this attempt, 0 when none has come. */
long hf__transfer_status(const struct hf__transfer *transfer);

/* Forgets the attempt before. False when its request body cannot be sent again. */
bool hf__transfer_begin(struct hf__transfer *transfer, uint32_t serial, uint32_t attempt);

/* What it came to, given libcurl's code (CURLE_OPERATION_TIMEDOUT when we stopped it). */
hf_outcome hf__transfer_end(struct hf__transfer *transfer, CURLcode code);

/* Hands the buffered body to the caller; frees it. */
CURLcode hf__transfer_flush(struct hf__transfer *transfer);
void hf__transfer_free(struct hf__transfer *transfer);

#endif
