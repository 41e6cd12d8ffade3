/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkdtemp */
#include "support/real_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char head[] =
    "worker_processes 1;\ndaemon off;\nmaster_process on;\npid %1$s/pid;\nerror_log stderr crit;\n"
    "events { worker_connections 4096; }\n"
    "http {\n  log_format id \"$http_x_id\";\n  keepalive_requests 1000000000;\n"
    "  keepalive_timeout 600s;\n  client_body_temp_path %1$s/b;\n  proxy_temp_path %1$s/p;\n"
    "  fastcgi_temp_path %1$s/f;\n  uwsgi_temp_path %1$s/u;\n  scgi_temp_path %1$s/s;\n";
static const char tail[] = "  server {\n    listen 127.0.0.1:%d;\n"
                           "    location / { return 200 \"holdfast holdfast\"; }\n  }\n}\n";

static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    if (fd >= 0) (void)close(fd);
    return ok ? ntohs(address.sin_port) : -1;
}

static bool listens(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) (void)close(fd);
    return ok;
}

static bool write_config(const struct real_server *server, bool logged, char path[96]) {
    snprintf(path, 96, "%s/nginx.conf", server->directory);
    FILE *file = fopen(path, "w");
    if (file == NULL) return false;
    fprintf(file, head, server->directory);
    if (logged) fprintf(file, "  access_log %s/log id;\n", server->directory);
    else fprintf(file, "  access_log off;\n");
    fprintf(file, tail, server->port);
    return fclose(file) == 0;
}

static bool start(struct real_server *server, char *const *argv) {
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) _exit(0);
        execvp(argv[0], argv);
        fprintf(stderr, "cannot run %s\n", argv[0]);
        _exit(127);
    }
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d/", server->port);
    for (int i = 0; i < 250; i++) {
        struct timespec pause = {0, 20000000};
        if (listens(server->port)) return true;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) break;
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "%s did not start\n", argv[0]);
    return false;
}

bool real_nginx_start(struct real_server *server, bool logged) {
    static char name[] = "nginx", config[] = "-c", errors[] = "-e", to_stderr[] = "stderr";
    char path[96];
    memset(server, 0, sizeof *server);
    strcpy(server->directory, "/tmp/holdfast-nginx-XXXXXX");
    server->port = free_port();
    if (mkdtemp(server->directory) == NULL || server->port < 0 || !write_config(server, logged, path)) return false;
    /* Its worker is another user when we are root, and must reach the log. */
    if (chmod(server->directory, 0755) != 0) return false;
    char *argv[] = {name, errors, to_stderr, config, path, NULL};
    return start(server, argv);
}

bool real_nghttpd_start(struct real_server *server, int port) {
    static char name[] = "nghttpd", plain[] = "--no-tls", address[] = "--address=127.0.0.1",
                files[] = "--htdocs=/usr/share/doc";
    char number[16];
    memset(server, 0, sizeof *server);
    server->port = port != 0 ? port : free_port();
    snprintf(number, sizeof number, "%d", server->port);
    char *argv[] = {name, plain, address, files, number, NULL};
    return start(server, argv);
}

void real_server_stop(struct real_server *server, int signal) {
    char command[96];
    kill(server->pid, signal);
    waitpid(server->pid, NULL, 0);
    if (server->directory[0] == '\0') return;
    snprintf(command, sizeof command, "rm -r %s", server->directory);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", server->directory);
}
