/* SPDX-License-Identifier: MIT */
/* Test your own code through an outage of a minute, in no time: a virtual clock, a script of outcomes in
 * place of the dependency, and the same seed every run.
 *
 *     build/release/examples/testing_your_code
 */
#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <stdio.h>
#include <stdlib.h>

/* ---- the code under test: it knows nothing about testing ---- */

struct stock {
    hf_pipeline *pipeline;
    hf_operation *ask; /* how to ask the stock service; the test puts a script here */
    void *connection;
};

enum { STOCK_IN = 1, STOCK_UNKNOWN = 2 };

/* The shop shows "in stock", or nothing while the stock service is unwell: it never hangs. */
static int stock_level(struct stock *stock) {
    hf_run_options options;
    hf_run_options_init(&options);
    options.timeout_ns = 2 * HF_SECOND;
    return hf_run(stock->pipeline, stock->ask, stock->connection, &options, NULL) == 0 ? STOCK_IN : STOCK_UNKNOWN;
}

/* ---- the test ---- */

static void expect(int condition, const char *what) {
    printf("%s: %s\n", condition ? "ok  " : "FAIL", what);
    if (!condition) exit(1);
}

int main(void) {
    hf_test_clock *clock;
    if (hf_test_clock_new(&clock, 0, NULL) < 0) return 1;
    hf_test_install(clock, 42);

    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.consecutive_failures = 5;
    hf_breaker *breaker;
    hf_retry *retry;
    hf_pipeline *pipeline;
    if (hf_breaker_new(&breaker, "stock", &config, NULL) < 0 || hf_retry_new(&retry, "retry", NULL, NULL, NULL) < 0)
        return 1;
    hf_policy *order[] = {hf_retry_policy(retry), hf_breaker_policy(breaker)};
    if (hf_pipeline_new(&pipeline, "stock", order, 2, NULL) < 0) return 1;

    /* The service works ten times, then fails five times, then is well again. */
    const hf_test_step day[] = {
        {.outcome = hf_success(), .takes_ns = 20 * HF_MILLISECOND, .times = 10},
        {.outcome = hf_failure(503), .takes_ns = 5 * HF_MILLISECOND, .times = 5},
        {.outcome = hf_success(), .takes_ns = 20 * HF_MILLISECOND},
    };
    hf_test_script script;
    hf_test_script_init(&script, day, 3, clock);
    struct stock stock = {pipeline, hf_test_script_operation, &script};

    for (int i = 0; i < 10; i++) expect(stock_level(&stock) == STOCK_IN, "well: in stock");
    expect(stock_level(&stock) == STOCK_UNKNOWN, "outage: three attempts, then unknown");
    expect(stock_level(&stock) == STOCK_UNKNOWN, "outage: the fifth failure opens the breaker");

    uint64_t played = hf_test_script_played(&script);
    for (int i = 0; i < 1000; i++) (void)stock_level(&stock);
    expect(hf_test_script_played(&script) == played, "open: a thousand questions, none reaches the service");

    hf_test_clock_advance(clock, HF_SECOND * 60);
    expect(stock_level(&stock) == STOCK_IN, "a minute later: in stock again");

    hf_breaker_set(breaker, HF_BREAKER_FORCED_OPEN, hf_clock_now(NULL));
    expect(stock_level(&stock) == STOCK_UNKNOWN, "forced open: unknown, for the branch you could not reach");

    hf_test_uninstall();
    hf_pipeline_free(pipeline);
    hf_retry_free(retry);
    hf_breaker_free(breaker);
    hf_test_clock_free(clock);
    return 0;
}
