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

/* Never returns. Without --exit-with-parent: that watches the thread that forked, and tests fork from threads that
 * end. */
static void become_mockd(pid_t parent, int out, const char *binary, const char *file, const char *const options[3]) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(0);
    dup2(out, 1);
    execl(binary, binary, file, options[0], options[1], options[2], (char *)NULL);
    fprintf(stderr, "cannot run %s\n", binary);
    _exit(127);
}

static bool start(struct mockd *mockd, const char *binary, const char *file, const char *text,
                  const char *const options[3]) {
    char name[64];
    int scenario = -1, out[2];
    if (file == NULL) {
        scenario = text_file(text);
        snprintf(name, sizeof name, "/proc/self/fd/%d", scenario);
        file = name;
    }
    if (pipe(out) != 0) return false;
    pid_t parent = getpid();
    mockd->pid = fork();
    if (mockd->pid == 0) {
        close(out[0]);
        become_mockd(parent, out[1], binary, file, options);
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
    snprintf(mockd->url, sizeof mockd->url, "%s://127.0.0.1:%d", mockd->ca_file[0] ? "https" : "http", mockd->port);
    return true;
}

bool mockd_start(struct mockd *mockd, const char *binary, const char *file, const char *text, const char *option) {
    const char *options[3] = {option, NULL, NULL};
    mockd->ca_file[0] = '\0';
    return start(mockd, binary, file, text, options);
}

bool mockd_start_tls(struct mockd *mockd, const char *binary, const char *text, const char *certificate) {
    char tls[96], shown[64];
    snprintf(mockd->ca_file, sizeof mockd->ca_file, "/tmp/mockd_ca_XXXXXX");
    int fd = mkstemp(mockd->ca_file);
    if (fd < 0) return fprintf(stderr, "cannot make a temporary file\n"), false;
    close(fd);
    snprintf(tls, sizeof tls, "--tls=%s", mockd->ca_file);
    snprintf(shown, sizeof shown, "--tls-cert=%s", certificate);
    const char *options[3] = {tls, shown, NULL};
    return start(mockd, binary, NULL, text, options);
}

int mockd_stop(struct mockd *mockd) {
    int status = 0;
    kill(mockd->pid, SIGTERM);
    waitpid(mockd->pid, &status, 0);
    mockd->pid = 0;
    if (mockd->ca_file[0]) unlink(mockd->ca_file);
    mockd->ca_file[0] = '\0';
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

/* One request; malloc'd answer, NULL when there is none. It is about mockd, whose certificate another test is about. */
static char *ask(const struct mockd *mockd, const char *path, const char *post, long *status) {
    char url[256];
    snprintf(url, sizeof url, "%s%s", mockd->url, path);
    CURL *easy = curl_easy_init();
    char *text = calloc(1, 1);
    if (easy == NULL || text == NULL) {
        free(text);
        curl_easy_cleanup(easy);
        return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &text);
    if (post != NULL) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(easy);
    if (code == CURLE_OK) return text;
    free(text);
    return NULL;
}

char *mockd_get(const struct mockd *mockd, const char *path) {
    long status = 0;
    return ask(mockd, path, NULL, &status);
}

long mockd_change(const struct mockd *mockd, const char *change, char *answer, size_t size) {
    long status = 0;
    char *text = ask(mockd, "/_control", change, &status);
    if (answer != NULL) snprintf(answer, size, "%s", text == NULL ? "" : text);
    if (text == NULL) status = 0;
    free(text);
    return status;
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
