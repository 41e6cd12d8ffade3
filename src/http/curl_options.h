/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CURL_OPTIONS_H
#define HF_HTTP_CURL_OPTIONS_H

#include <holdfast/curl.h>

/* Copies what the caller gave over the defaults, checks it and fills in the clock. False for options that
 * are not as curl.h describes them. */
bool hf__curl_options_resolve(hf_curl_options *out, const hf_curl_options *given);

#define HF__KEY_HEADER_SIZE 224

/* Writes the Idempotency-Key header of a call; false when it is to have none. */
bool hf__curl_key_header(char out[HF__KEY_HEADER_SIZE], const hf_curl_options *options);

#endif
