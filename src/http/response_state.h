/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_RESPONSE_STATE_H
#define HF_HTTP_RESPONSE_STATE_H

#include <holdfast/response.h>

#include <curl/curl.h>
#include <stdatomic.h>

/* Headers are kept as they are handed out: name, 0, value, 0, one after the other. */
struct hf__head {
    char *data;
    size_t length, size;
    uint32_t count;
};

struct hf_response {
    struct hf_response *next; /* in a completion queue, with its tag */
    void *tag;
    hf_result result;
    long status;
    struct hf__head head;
    _Atomic uint64_t walked; /* hf_response_header_at: index and offset of the header asked for last */
    char *body;              /* NULL: none */
    size_t body_bytes;
    char text[CURL_ERROR_SIZE];
};

/* A response without anything in it; NULL: no memory. */
hf_response *hf__response_new(void);

/* Drops status, headers and body; result and text stay. */
void hf__response_clear(hf_response *response);

/* Adds one header line as libcurl hands it out; false: no memory. A line without a colon adds nothing. */
bool hf__head_add(struct hf__head *head, const char *line, size_t length);

#endif
