/* SPDX-License-Identifier: MIT */
#include "mockd_client.h"

#include "support/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct mockd mockd;

void start_mockd(const char *scenario, const char *option) {
    assert_true(mockd_start(&mockd, HF_MOCKD_PATH, NULL, scenario, option));
}

int stop_mockd(void **state) {
    (void)state;
    return mockd.pid > 0 ? mockd_stop(&mockd) : 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg) {
    struct answer *a = arg;
    size_t room = sizeof a->body - 1 - a->bytes, more = size * count;
    if (a->bytes < sizeof a->body) memcpy(a->body + a->bytes, data, more < room ? more : room);
    a->bytes += more;
    return more;
}

static void copy_header(CURL *easy, const char *name, char *out, size_t size) {
    struct curl_header *h;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK) snprintf(out, size, "%s", h->value);
}

struct answer ask(CURL *easy, const char *path, const char *post, const char *header, long timeout_ms) {
    struct answer a = {.code = CURLE_OK};
    char url[128];
    snprintf(url, sizeof url, "%s%s", mockd.url, path);
    struct curl_slist *headers = header == NULL ? NULL : curl_slist_append(NULL, header);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &a);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (mockd.ca_file[0]) curl_easy_setopt(easy, CURLOPT_CAINFO, mockd.ca_file);
    if (post != NULL) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post);
    else curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    a.code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &a.status);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &a.connects);
    copy_header(easy, "Retry-After", a.retry_after, sizeof a.retry_after);
    copy_header(easy, "Connection", a.connection, sizeof a.connection);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return a;
}

struct answer ask_once(const char *path, const char *post, const char *header, long timeout_ms) {
    CURL *easy = curl_easy_init();
    struct answer a = ask(easy, path, post, header, timeout_ms);
    curl_easy_cleanup(easy);
    return a;
}

void sleep_ms(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}
