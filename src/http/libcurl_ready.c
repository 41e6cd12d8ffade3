/* SPDX-License-Identifier: MIT */
#include "http/libcurl_ready.h"
#include "http/cures.h"

#include "os/error_text.h"

#include <curl/curl.h>

#include <pthread.h>

#define OLDEST_LIBCURL 0x075400 /* 7.84.0: curl_easy_header, thread-safe curl_global_init */

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void init_libcurl(void) { global_code = curl_global_init(CURL_GLOBAL_DEFAULT); }

int hf__libcurl_check_version(const char *who, unsigned number, const char *text, hf_error *error) {
    if (number >= OLDEST_LIBCURL || !HF__CURED(25)) return 0;
    return hf__error_set(error, HF_E_UNSUPPORTED, "%s: libcurl %s found, 7.84.0 or later expected", who, text);
}

int hf__libcurl_ready(const char *who, hf_error *error) {
    (void)pthread_once(&global_once, init_libcurl);
    if (global_code != CURLE_OK) {
        return hf__error_set(error, HF_E_SYSTEM, "%s: libcurl: %s", who, curl_easy_strerror(global_code));
    }
    const curl_version_info_data *found = curl_version_info(CURLVERSION_NOW);
    return hf__libcurl_check_version(who, found->version_num, found->version, error);
}
