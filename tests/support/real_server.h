/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_REAL_SERVER_H
#define HF_TESTS_SUPPORT_REAL_SERVER_H

/* nginx and nghttpd as children, for what a server of ours would not show. They end with their parent. */

#include <stdbool.h>
#include <sys/types.h>

struct real_server {
    pid_t pid;
    int port;
    char url[64];       /* "http://127.0.0.1:PORT/" */
    char directory[64]; /* nginx: its files; `log` in it has the X-Id header of every request, a line each */
};

/* nginx with one worker that answers every request with 200 and 17 bytes; `logged`: with the log. False, with a message,
 * when there is none. */
bool real_nginx_start(struct real_server *server, bool logged);

/* nghttpd, HTTP/2 without TLS, on `port` (0: a free one), with the files of /usr/share/doc. */
bool real_nghttpd_start(struct real_server *server, int port);

/* Ends it with `signal` and removes its files. */
void real_server_stop(struct real_server *server, int signal);

#endif
