/* SPDX-License-Identifier: MIT */
/* A program with an event loop of its own: asks the same URL several times at once, on one thread, and prints what came.
 *
 *     client_epoll http://127.0.0.1:8080/item 5
 */
#include <holdfast/adapters/epoll.h>
#include <holdfast/holdfast.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static int left; /* calls that have not ended */

static void done(void *arg, hf_response *response) {
    char text[300];
    (void)hf_result_describe(hf_response_result(response), text, sizeof text);
    printf("call %d: status %ld, %s\n", *(int *)arg, hf_response_status(response), text);
    hf_response_free(response);
    left--;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: client_epoll URL COUNT\n");
        return 2;
    }
    hf_error error;
    hf_pipeline *pipeline;
    hf_epoll loop;
    if (hf_pipeline_standard(&pipeline, "items", &error) < 0 || hf_epoll_init(&loop) != 0) return 2;
    hf_client_hooks hooks = hf_epoll_hooks(&loop);
    hf_client_config config;
    hf_client_config_init(&config);
    config.hooks = &hooks;
    if (hf_client_new(&loop.client, "items", pipeline, &config, &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return 2;
    }

    int count = atoi(argv[2]);
    int numbers[100];
    hf_request request;
    hf_request_init(&request);
    request.url = argv[1];
    for (int i = 0; i < count && i < 100; i++) {
        numbers[i] = i + 1;
        if (hf_client_submit(loop.client, &request, done, &numbers[i], &error) == 0) left++;
        else fprintf(stderr, "%s\n", hf_error_text(&error));
    }

    /* The program's loop: its other descriptors would stand beside the client's one. */
    while (left > 0) {
        struct pollfd waiting = {.fd = hf_epoll_fd(&loop), .events = POLLIN};
        if (poll(&waiting, 1, -1) > 0) hf_epoll_run(&loop, 0);
    }

    hf_client_free(loop.client);
    hf_epoll_fini(&loop);
    hf_pipeline_free(pipeline);
    return 0;
}
