/* SPDX-License-Identifier: MIT */
/* A prefork server whose workers share one breaker and one bulkhead. Every request asks a dependency that may be down;
 * what one worker learns about it all know at once, and when it may be back one of them tries.
 *
 *     prefork_server http://127.0.0.1:8080/stock            answers GET / and GET /status on a port of its own
 *     prefork_server http://127.0.0.1:8080/stock shop       and `holdfast-top shop` shows how it stands
 *
 * All it takes: the region and the policies are made before the first fork. There is nothing to call in a worker, and
 * nothing to clean up after one that was killed: its slots come back when their leases have ended.
 */
#include <curl/curl.h>
#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4

struct shop {
    hf_region *region;
    hf_breaker *breaker;
    hf_bulkhead *bulkhead;
    hf_pipeline *pipeline;
    hf_curl *door;
};

/* ---- before the fork ---- */

static int make_policies(struct shop *shop, const char *region_name, hf_error *error) {
    hf_region_config region;
    hf_region_config_init(&region);
    region.name = region_name; /* NULL: this process and its children alone */
    region.on_mismatch = HF_REGION_LOCAL;
    int rc = hf_region_new(&shop->region, &region, error);
    if (rc < 0) return rc;

    hf_breaker_config breaker;
    hf_breaker_config_init(&breaker);
    breaker.consecutive_failures = 5;
    breaker.open_ms = 1000;
    breaker.probes = 1;
    breaker.region = shop->region; /* this is what makes it one breaker for all workers */
    rc = hf_breaker_new(&shop->breaker, "stock", &breaker, error);
    if (rc < 0) return rc;

    hf_bulkhead_config bulkhead;
    hf_bulkhead_config_init(&bulkhead);
    bulkhead.max_concurrent = 2; /* over all workers */
    bulkhead.slot_lease_ms = 500;
    bulkhead.region = shop->region;
    rc = hf_bulkhead_new(&shop->bulkhead, "stock", &bulkhead, error);
    if (rc < 0) return rc;

    hf_policy *order[] = {hf_bulkhead_policy(shop->bulkhead), hf_breaker_policy(shop->breaker)};
    rc = hf_pipeline_new(&shop->pipeline, "stock", order, 2, error);
    return rc < 0 ? rc : hf_curl_new(&shop->door, shop->pipeline, error);
}

static int listen_on_loopback(int *out_port) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0 || bind(server, (struct sockaddr *)&address, length) < 0 || listen(server, 64) < 0) return -1;
    if (getsockname(server, (struct sockaddr *)&address, &length) < 0) return -1;
    *out_port = ntohs(address.sin_port);
    return server;
}

/* ---- a worker ---- */

static size_t drop_body(char *bytes, size_t size, size_t count, void *arg) {
    (void)bytes, (void)arg;
    return size * count;
}

/* Asks the dependency under the shared policies; 200 or 503, with a sentence. */
static int ask_dependency(struct shop *shop, CURL *easy, const char *url, char *text, size_t size) {
    hf_result result;
    hf_curl_options options;
    hf_curl_options_init(&options);
    options.timeout_ns = 2 * HF_SECOND;
    options.out_result = &result;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
    CURLcode code = hf_curl_perform(shop->door, easy, &options);
    long status = 0;
    if (code == CURLE_OK) (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    (void)hf_result_describe(&result, text, size);
    return code == CURLE_OK && status == 200 ? 200 : 503;
}

/* The same from whichever worker answers. */
static void tell_status(const struct shop *shop, char *text, size_t size) {
    hf_breaker_info info = {.struct_size = sizeof info};
    (void)hf_breaker_snapshot(shop->breaker, &info, hf_clock_now(NULL));
    snprintf(text, size, "breaker %s, %u slots taken", hf_breaker_state_name(info.state),
             hf_bulkhead_in_flight(shop->bulkhead));
}

static void serve(struct shop *shop, CURL *easy, const char *url, int client) {
    char request[1024], text[256], answer[512];
    ssize_t got = read(client, request, sizeof request - 1);
    if (got <= 0) return;
    request[got] = '\0';
    int status = 200;
    if (strncmp(request, "GET /status ", 12) == 0) tell_status(shop, text, sizeof text);
    else status = ask_dependency(shop, easy, url, text, sizeof text);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nWorker: %d\r\n"
                          "Connection: close\r\n\r\n%s",
                          status, status == 200 ? "OK" : "Service Unavailable", strlen(text), (int)getpid(), text);
    (void)!write(client, answer, (size_t)length);
}

static _Noreturn void work(struct shop *shop, const char *url, int server) {
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    CURL *easy = curl_easy_init();
    while (easy != NULL) {
        int client = accept(server, NULL, NULL);
        if (client < 0) break;
        serve(shop, easy, url, client);
        close(client);
    }
    _exit(1); /* the master makes another */
}

/* ---- the master ---- */

static volatile sig_atomic_t ending;

static void on_signal(int number) {
    (void)number;
    ending = 1;
}

static void replace_workers(struct shop *shop, const char *url, int server) {
    pid_t workers[WORKERS] = {0};
    while (!ending) {
        for (int i = 0; i < WORKERS; i++) {
            if (workers[i] > 0) continue;
            workers[i] = fork();
            if (workers[i] == 0) work(shop, url, server);
        }
        int status;
        pid_t gone = wait(&status);
        for (int i = 0; gone > 0 && i < WORKERS; i++) {
            if (workers[i] != gone) continue;
            printf("worker %d is gone, another takes its place\n", (int)gone);
            workers[i] = 0;
        }
        if (gone > 0 && !WIFSIGNALED(status)) sleep(1); /* it cannot work: do not fork without end */
    }
    for (int i = 0; i < WORKERS; i++) {
        if (workers[i] > 0 && kill(workers[i], SIGTERM) == 0) (void)waitpid(workers[i], NULL, 0);
    }
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) return fprintf(stderr, "usage: prefork_server DEPENDENCY-URL [REGION]\n"), 2;
    setvbuf(stdout, NULL, _IOLBF, 0);                    /* a fork copies what is not written yet */
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: wait() returns */
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    struct shop shop = {0};
    hf_error error;
    int port = 0;
    if (make_policies(&shop, argc == 3 ? argv[2] : NULL, &error) < 0)
        return fprintf(stderr, "%s\n", hf_error_text(&error)), 1;
    int server = listen_on_loopback(&port);
    if (server < 0) return perror("prefork_server"), 1;
    printf("listening on 127.0.0.1:%d\n", port);
    replace_workers(&shop, argv[1], server);
    hf_curl_free(shop.door);
    hf_pipeline_free(shop.pipeline);
    hf_bulkhead_free(shop.bulkhead);
    hf_breaker_free(shop.breaker);
    hf_region_free(shop.region);
    close(server);
    curl_global_cleanup();
    return 0;
}
