/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_BENCH_H
#define HF_HTTP_BENCH_H

/* The benchmarks of libholdfast-curl against nginx on loopback, through the shared libraries and their public headers.
 * docs/benchmarks.md has the method. */

#include <stdbool.h>
#include <stdint.h>

/* ---- the ways to make the same GET (http_forms.c) ---- */

enum form {
    FORM_EASY,           /* curl_easy_perform, one handle */
    FORM_DOOR,           /* hf_curl_perform, one handle */
    FORM_CLIENT,         /* hf_client_get, one caller */
    FORM_MULTI_64,       /* curl_multi_perform and _poll, 64 in flight */
    FORM_ASYNC_64,       /* hf_client_submit, 64 in flight */
    FORM_EASY_THREADS,   /* 64 threads with an easy handle each */
    FORM_DOOR_THREADS,   /* 64 threads on one door */
    FORM_CLIENT_THREADS, /* 64 threads on one client */
    FORMS
};
extern const char *const form_names[FORMS];

#define BENCH_IN_FLIGHT 64

/* Everything a form needs, made before the clock runs; connections are warm afterwards. */
void bench_form_begin(enum form form, const char *url);

/* Makes about `requests` requests; returns how many, all of them answered with 200, or ends the program. */
uint64_t bench_form_run(enum form form, uint64_t requests);

void bench_form_end(enum form form);

/* ---- counting (http_count.c) ---- */

/* Instructions per request by callgrind: the program runs itself twice. Negative: there is no valgrind. */
double bench_form_instructions(const char *program, enum form form, const char *url);

#endif
