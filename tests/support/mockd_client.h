/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_MOCKD_CLIENT_H
#define HF_TESTS_SUPPORT_MOCKD_CLIENT_H

/* Plain libcurl against mockd: the tests of mockd see it as any client would. One mockd at a time. */

#include "support/mockd_process.h"

#include <curl/curl.h>

extern struct mockd mockd;

/* Starts `mockd` with a scenario and one option (may be NULL), or fails the test. */
void start_mockd(const char *scenario, const char *option);

/* A cmocka teardown: stops it, if it still runs, and fails unless it ends with status 0. */
int stop_mockd(void **state);

struct answer {
    CURLcode code;
    long status;
    long connects; /* connections that had to be made */
    size_t bytes;
    char body[2048]; /* the beginning of it */
    char retry_after[64];
    char connection[32]; /* the header */
};

/* One request: POST if `post` is not NULL; `header` may be NULL. */
struct answer ask(CURL *easy, const char *path, const char *post, const char *header, long timeout_ms);

/* On a handle, and so on a connection, of its own. */
struct answer ask_once(const char *path, const char *post, const char *header, long timeout_ms);

void sleep_ms(long ms);

#endif
