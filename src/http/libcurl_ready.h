/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_LIBCURL_READY_H
#define HF_HTTP_LIBCURL_READY_H

#include <holdfast/error.h>

/* Initialises libcurl, once and for good: it is never cleaned up behind the program's back. Returns 0, or
 * HF_E_SYSTEM, or HF_E_UNSUPPORTED when the libcurl found at run time is older than 7.84; the sentence begins with
 * `who`. */
int hf__libcurl_ready(const char *who, hf_error *error);

/* The same check on a version number as curl_version_info gives it, for tests. */
int hf__libcurl_check_version(const char *who, unsigned number, const char *text, hf_error *error);

#endif
