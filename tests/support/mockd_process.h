/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_MOCKD_PROCESS_H
#define HF_TESTS_SUPPORT_MOCKD_PROCESS_H

/* Runs mockd as a child for tests, examples and the demo. It is told to end with its parent, so that no
 * way out leaves one running. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mockd {
    pid_t pid;
    int port;
    char url[48];     /* "http://127.0.0.1:PORT", or https */
    char ca_file[64]; /* with TLS: the authority that clients have to trust, as PEM; else "" */
};

/* Starts `binary` on a free port with a scenario file, or with `text` as the scenario when `file` is NULL.
 * `option` (may be NULL) is one more argument. False, with a message on stderr, when it did not start. */
bool mockd_start(struct mockd *mockd, const char *binary, const char *file, const char *text, const char *option);

/* The same with HTTPS and a throw-away authority in a temporary file, which mockd_stop removes. `certificate` is what
 * the server shows: "good", "expired", "wrong-host" or "unknown-ca". */
bool mockd_start_tls(struct mockd *mockd, const char *binary, const char *text, const char *certificate);

/* Asks it to stop and waits; returns the exit status, 128 + n for signal n. */
int mockd_stop(struct mockd *mockd);

/* GETs a path; malloc'd body, NULL when it does not answer. */
char *mockd_get(const struct mockd *mockd, const char *path);

/* POSTs a change to /_control; the status of the answer, 0 when there is none. `answer` (may be NULL) gets its text. */
long mockd_change(const struct mockd *mockd, const char *change, char *answer, size_t size);

/* A number in the JSON of /_control: `path` are keys, one inside the other, separated by blanks, e.g.
 * "/pay phases calm requests". -1 when it is not there. */
long mockd_number(const char *json, const char *path);

/* Both at once. */
long mockd_count(const struct mockd *mockd, const char *path);

#endif
