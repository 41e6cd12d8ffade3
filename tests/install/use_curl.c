/* SPDX-License-Identifier: MIT */
/* The door against an installed holdfast-curl, as C11 and as C++11: what does the URL in the arguments come to? */
#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#include <stdio.h>

static size_t count(char *data, size_t size, size_t items, void *arg) {
    (void)data;
    *(size_t *)arg += size * items;
    return size * items;
}

int main(int argc, char **argv) {
    hf_pipeline *pipeline = NULL;
    hf_curl *door = NULL;
    hf_error error;
    if (argc != 2 || hf_pipeline_standard(&pipeline, "stock", &error) < 0 || hf_curl_new(&door, pipeline, &error) < 0) {
        return 1;
    }
    hf_pipeline_free(pipeline); /* the door holds it */
    hf_curl_options options;
    hf_curl_options_init(&options);
    hf_result result;
    options.out_result = &result;

    size_t bytes = 0;
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
    CURLcode code = hf_curl_perform(door, easy, &options);
    printf("version %s, %u attempts, code %d, %zu bytes\n", hf_version(), hf_result_attempts(&result), (int)code,
           bytes);
    curl_easy_cleanup(easy);
    hf_curl_free(door);
    return 0;
}
