/* SPDX-License-Identifier: MIT */
/* An existing curl program, protected: prints what a URL says. The lines marked + are all that was added, and
 * curl_easy_perform(easy) became hf_curl_perform(door, easy, &options).
 *
 *     protect_curl http://127.0.0.1:8080/stock
 */
#include <curl/curl.h>
#include <holdfast/curl.h>     /* + */
#include <holdfast/holdfast.h> /* + */

#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: protect_curl URL\n"), 2;

    hf_pipeline *pipeline = NULL;                                 /* + */
    hf_curl *door = NULL;                                         /* + */
    hf_error error;                                               /* + */
    if (hf_pipeline_standard(&pipeline, "stock", &error) < 0 ||   /* + retry, breaker, timeouts, ... */
        hf_curl_new(&door, pipeline, &error) < 0) {               /* + once, for all threads */
        return fprintf(stderr, "%s\n", hf_error_text(&error)), 2; /* + */
    }
    hf_result result;               /* + */
    hf_curl_options options;        /* + */
    hf_curl_options_init(&options); /* + */
    options.out_result = &result;   /* + */

    CURL *easy = curl_easy_init();
    if (easy == NULL) return fprintf(stderr, "libcurl does not start\n"), 2;
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    CURLcode code = hf_curl_perform(door, easy, &options); /* the body goes to standard output, as before */
    long status = 0;
    if (code == CURLE_OK) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);

    char sentence[256];                                     /* + */
    hf_result_describe(&result, sentence, sizeof sentence); /* + */
    fprintf(stderr, "%s\n", sentence);                      /* + */
    fprintf(stderr, "%s, status %ld\n", curl_easy_strerror(code), status);
    curl_easy_cleanup(easy);
    hf_curl_free(door);         /* + */
    hf_pipeline_free(pipeline); /* + */
    return code == CURLE_OK && status == 200 ? 0 : 1;
}
