/* SPDX-License-Identifier: MIT */
#include "http_bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char config[] =
    "worker_processes 1;\ndaemon off;\nmaster_process on;\npid %1$s/pid;\nerror_log stderr error;\n"
    "events { worker_connections 4096; }\n"
    "http {\n  access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 600s;\n"
    "  client_body_temp_path %1$s/b;\n  proxy_temp_path %1$s/p;\n  fastcgi_temp_path %1$s/f;\n"
    "  uwsgi_temp_path %1$s/u;\n  scgi_temp_path %1$s/s;\n"
    "  server {\n    listen 127.0.0.1:%2$d;\n    location / { return 200 \"holdfast holdfast\"; }\n"
    "  }\n}\n";

static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) return -1;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return -1;
    close(fd);
    return ntohs(address.sin_port);
}

static bool listens(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) close(fd);
    return ok;
}

static bool write_config(const struct bench_server *server, char path[96]) {
    snprintf(path, 96, "%s/nginx.conf", server->directory);
    FILE *file = fopen(path, "w");
    if (file == NULL) return false;
    fprintf(file, config, server->directory, server->port);
    return fclose(file) == 0;
}

bool bench_server_start(struct bench_server *server) {
    char path[96];
    strcpy(server->directory, "/tmp/holdfast-nginx-XXXXXX");
    server->port = free_port();
    if (mkdtemp(server->directory) == NULL || server->port < 0 || !write_config(server, path)) return false;
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execlp("nginx", "nginx", "-c", path, (char *)NULL);
        fprintf(stderr, "cannot run nginx\n");
        _exit(127);
    }
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d/", server->port);
    for (int i = 0; i < 200; i++) {
        struct timespec pause = {0, 20000000};
        if (listens(server->port)) return true;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) break;
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "nginx did not start\n");
    return false;
}

void bench_server_stop(struct bench_server *server) {
    char command[96];
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    snprintf(command, sizeof command, "rm -r %s", server->directory);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", server->directory);
}
