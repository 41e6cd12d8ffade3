/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create */
#include "mockd_process.h"

#include <curl/curl.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A scenario in memory has a name under /proc for as long as the child keeps it open. */
static int text_file(const char *text) {
    int fd = memfd_create("scenario", 0);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) return -1;
    return fd;
}

static int read_port(int fd) {
    char line[128] = "";
    size_t length = 0;
    while (length + 1 < sizeof line && strchr(line, '\n') == NULL) {
        ssize_t got = read(fd, line + length, sizeof line - 1 - length);
        if (got <= 0) return -1;
        length += (size_t)got;
    }
    const char *colon = strchr(line, ':');
    return strncmp(line, "listening on", 12) == 0 && colon != NULL ? atoi(colon + 1) : -1;
}

bool mockd_start(struct mockd *mockd, const char *binary, const char *file, const char *text, const char *option) {
    char name[64];
    int scenario = -1, out[2];
    if (file == NULL) {
        scenario = text_file(text);
        snprintf(name, sizeof name, "/proc/self/fd/%d", scenario);
        file = name;
    }
    if (pipe(out) != 0) return false;
    /* Without --exit-with-parent: that watches the thread that forked, and tests fork from threads that end.
     * The pipe end below does the same for the process. */
    pid_t parent = getpid();
    mockd->pid = fork();
    if (mockd->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) _exit(0);
        dup2(out[1], 1);
        close(out[0]);
        execl(binary, binary, file, option, (char *)NULL);
        fprintf(stderr, "cannot run %s\n", binary);
        _exit(127);
    }
    close(out[1]);
    if (scenario >= 0) close(scenario);
    mockd->port = mockd->pid < 0 ? -1 : read_port(out[0]);
    close(out[0]);
    if (mockd->port < 0) {
        if (mockd->pid > 0) mockd_stop(mockd);
        fprintf(stderr, "%s did not start\n", binary);
        return false;
    }
    snprintf(mockd->url, sizeof mockd->url, "http://127.0.0.1:%d", mockd->port);
    return true;
}

int mockd_stop(struct mockd *mockd) {
    int status = 0;
    kill(mockd->pid, SIGTERM);
    waitpid(mockd->pid, &status, 0);
    mockd->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static size_t append(char *data, size_t size, size_t count, void *arg) {
    char **text = arg;
    size_t old = strlen(*text), more = size * count;
    char *longer = realloc(*text, old + more + 1);
    if (longer == NULL) return 0;
    memcpy(longer + old, data, more);
    longer[old + more] = '\0';
    *text = longer;
    return more;
}

char *mockd_get(const struct mockd *mockd, const char *path) {
    char url[256];
    snprintf(url, sizeof url, "%s%s", mockd->url, path);
    CURL *easy = curl_easy_init();
    char *text = calloc(1, 1);
    if (easy == NULL || text == NULL) return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &text);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    if (code == CURLE_OK) return text;
    free(text);
    return NULL;
}

long mockd_number(const char *json, const char *path) {
    char copy[128], quoted[80];
    snprintf(copy, sizeof copy, "%s", path);
    char *save = NULL;
    for (char *word = strtok_r(copy, " ", &save); word != NULL && json != NULL; word = strtok_r(NULL, " ", &save)) {
        snprintf(quoted, sizeof quoted, "\"%s\":", word);
        json = strstr(json, quoted);
        if (json != NULL) json += strlen(quoted);
    }
    return json == NULL ? -1 : strtol(json, NULL, 10);
}

long mockd_count(const struct mockd *mockd, const char *path) {
    char *json = mockd_get(mockd, "/_control");
    long number = mockd_number(json, path);
    free(json);
    return number;
}
