/* SPDX-License-Identifier: MIT */
/* The client in a libuv loop: asks the same URL several times at once, on one thread, and prints what came.
 *
 *     client_uv http://127.0.0.1:8080/item 5
 */
#include <holdfast/adapters/uv.h>
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <stdlib.h>

static int left; /* calls that have not ended */

static void done(void *arg, hf_response *response) {
    char text[300];
    (void)hf_result_describe(hf_response_result(response), text, sizeof text);
    printf("call %d: status %ld, %s\n", *(int *)arg, hf_response_status(response), text);
    hf_response_free(response);
    if (--left == 0) uv_stop(uv_default_loop());
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: client_uv URL COUNT\n");
        return 2;
    }
    hf_error error;
    hf_pipeline *pipeline;
    hf_uv loop;
    if (hf_pipeline_standard(&pipeline, "items", &error) < 0) return 2;
    hf_uv_init(&loop, uv_default_loop());
    hf_client_hooks hooks = hf_uv_hooks(&loop);
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
    if (left > 0) (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);

    hf_client_free(loop.client);
    hf_uv_close(&loop);
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT); /* libuv closes its handles */
    (void)uv_loop_close(uv_default_loop());
    hf_pipeline_free(pipeline);
    return 0;
}
