/* SPDX-License-Identifier: MIT */
/* A C11 program against an installed holdfast: its own policies, a virtual clock, a breaker that opens. */
#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <stdio.h>
#include <string.h>

static hf_outcome refused(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    ++*(int *)arg;
    return hf_failure(111);
}

int main(void) {
    if (strcmp(hf_version(), HF_VERSION) != 0) {
        return printf("header %s, library %s\n", HF_VERSION, hf_version()), 1;
    }
    hf_test_clock *clock;
    hf_breaker *breaker;
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.consecutive_failures = 4;
    hf_retry *retry;
    hf_pipeline *pipeline;
    hf_error error;
    if (hf_test_clock_new(&clock, 0, &error) < 0 || hf_breaker_new(&breaker, "stock", &config, &error) < 0 ||
        hf_retry_new(&retry, "retry", NULL, NULL, &error) < 0) {
        return printf("%s\n", hf_error_text(&error)), 1;
    }
    hf_policy *order[] = {hf_retry_policy(retry), hf_breaker_policy(breaker)};
    if (hf_pipeline_new(&pipeline, "stock", order, 2, &error) < 0) return printf("%s\n", hf_error_text(&error)), 1;
    hf_retry_free(retry); /* the pipeline holds it */
    hf_test_install(clock, 1);

    int asked = 0;
    hf_result result;
    for (int i = 0; i < 3; i++) (void)hf_run(pipeline, refused, &asked, NULL, &result);
    printf("version %s, asked %d times, then %s\n", HF_VERSION, asked, hf_reason_text(hf_result_reason(&result)));

    hf_test_uninstall();
    hf_pipeline_free(pipeline);
    hf_breaker_free(breaker);
    hf_test_clock_free(clock);
    return 0;
}
