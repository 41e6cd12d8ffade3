/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_REQUEST_H
#define HF_HTTP_CLIENT_REQUEST_H

/* A request as the client keeps it: checked, and copied into one piece of memory with everything it points to, so
 * that the caller's own memory is free again when submit returns, and a job that was given up can go on. */

#include "http/curl_options.h"
#include "http/resolver.h"

#include <holdfast/client.h>

#include <curl/curl.h>

enum hf__body_kind { HF__BODY_NONE, HF__BODY_MEMORY, HF__BODY_FILE, HF__BODY_CALLBACK };

struct hf__request {
    hf_request given; /* strings and headers point into `text`; body into memory behind it */
    enum hf__body_kind body;
    int file;                   /* open descriptor, -1: none */
    uint64_t body_bytes;        /* or HF_BODY_UNKNOWN */
    const char *url;            /* whole */
    const char *host;           /* to be looked up; NULL: nothing has to be */
    uint16_t port;              /* of `host` */
    struct curl_slist *headers; /* in place, never freed by libcurl */
    struct curl_slist key;      /* leads them when there is a key */
    char key_text[HF__KEY_HEADER_SIZE];
};

struct hf__client_setup;

/* Checks `given` and copies it; fills in `out_options` as for the door. `*out` is NULL after an error. */
int hf__request_copy(struct hf__request **out, hf_curl_options *out_options, const struct hf__client_setup *setup,
                     const hf_request *given, hf_error *error);
void hf__request_free(struct hf__request *request);

/* A token of RFC 9110, 5.6.2; a value without line breaks and other controls. */
bool hf__is_token(const char *text);
bool hf__is_field_value(const char *text);

#endif
