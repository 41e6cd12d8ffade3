/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_EXCHANGE_H
#define HF_HTTP_CLIENT_EXCHANGE_H

/* One attempt on the wire: an easy handle with all that belongs to it alone (buffers, error text, place in the body), so
 * that two attempts of one call cannot mix. Handles are used again: an exchange goes back to its lane's list. */

#include "http/client_lane.h"
#include "http/response_state.h"
#include "http/transfer.h"

enum hf__exchange_state { HF__EXCHANGE_IDLE, HF__EXCHANGE_LOOKING_UP, HF__EXCHANGE_RUNNING };

/* What a hook, or the configuration, adds to one attempt. */
struct hf__added_header {
    struct hf__added_header *next;
    struct curl_slist node;
    char text[];
};

/* What the next transfer asks for: the request's, or where a redirect points. */
struct hf__target {
    const char *url;
    const char *method;
    const char *host; /* to be looked up; NULL: nothing has to be */
    uint16_t port;
    bool with_body;
};

struct hf__exchange {
    struct hf__transfer transfer; /* its easy handle is ours */
    struct hf__job *job;
    struct hf__exchange *next_idle;
    enum hf__exchange_state state;
    uint32_t serial; /* the engine's */
    hf_time deadline_at;
    uint64_t offset;         /* in the request body */
    hf_curl_options options; /* the job's, with this exchange behind the callbacks */
    struct hf__head head;    /* headers of the latest response */
    struct hf__added_header *added;
    struct curl_slist *headers; /* what is sent: the added ones, then the request's */
    struct hf__target target;
    struct {
        uint32_t count; /* redirects followed */
        char *url;      /* memory of the target after the first */
        struct curl_slist *headers;
        char host[HF__HOST_SIZE];
    } hop;
    struct hf__lookup lookup;
    struct curl_slist resolve; /* for CURLOPT_RESOLVE */
    char resolve_text[HF__HOST_SIZE + HF__ADDRESSES_SIZE + 16];
    char error_text[CURL_ERROR_SIZE];
};

/* Takes an exchange from the lane's list or makes one; NULL: no memory. */
struct hf__exchange *hf__exchange_take(struct hf__lane *lane);
void hf__exchange_give(struct hf__lane *lane, struct hf__exchange *exchange);
void hf__exchange_destroy(struct hf__exchange *exchange);

/* Begins an attempt. CURLE_OK: it is under way and its end is told by hf__job_exchange_ended. Otherwise nothing was
 * sent and nothing will be told. */
CURLcode hf__exchange_start(struct hf__exchange *exchange, struct hf__job *job, uint32_t serial, uint32_t number,
                            hf_time deadline_at);

/* Goes on with an exchange whose look-up is done. Same answer; an error also means that it must be ended. */
CURLcode hf__exchange_looked_up(struct hf__exchange *exchange);

/* After a transfer ended with `code`: goes on to where a redirect points. True: it is under way again. False: the attempt
 * has ended with `*code`. */
bool hf__exchange_go_on(struct hf__exchange *exchange, CURLcode *code);

/* Makes the request body readable from its start; false when it cannot be. */
bool hf__exchange_rewind(struct hf__exchange *exchange);

/* Takes it off the wire or out of the look-up, however far it has come. */
void hf__exchange_stop(struct hf__exchange *exchange);

#endif
