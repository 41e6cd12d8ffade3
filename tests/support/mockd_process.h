/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_MOCKD_PROCESS_H
#define HF_TESTS_SUPPORT_MOCKD_PROCESS_H

/* Runs mockd as a child for tests, examples and the demo. It is told to end with its parent, so that no
 * way out leaves one running. */

#include <stdbool.h>
#include <sys/types.h>

struct mockd {
    pid_t pid;
    int port;
    char url[48]; /* "http://127.0.0.1:PORT" */
};

/* Starts `binary` on a free port with a scenario file, or with `text` as the scenario when `file` is NULL.
 * `option` (may be NULL) is one more argument. False, with a message on stderr, when it did not start. */
bool mockd_start(struct mockd *mockd, const char *binary, const char *file, const char *text, const char *option);

/* Asks it to stop and waits; returns the exit status, 128 + n for signal n. */
int mockd_stop(struct mockd *mockd);

/* GETs a path; malloc'd body, NULL when it does not answer. */
char *mockd_get(const struct mockd *mockd, const char *path);

/* A number in the JSON of /_control: `path` are keys, one inside the other, separated by blanks, e.g.
 * "/pay phases calm requests". -1 when it is not there. */
long mockd_number(const char *json, const char *path);

/* Both at once. */
long mockd_count(const struct mockd *mockd, const char *path);

#endif
