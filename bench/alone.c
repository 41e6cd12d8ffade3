/* SPDX-License-Identifier: MIT */
/* Breakers alone, as the engine asks them: admit, then settle_ok, with the time in hand. It is what a bar means that
 * leaves the clock out. The only file here that knows more than the public headers. */
#include "bench.h"

#include "engine/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTHING, BY_CALLS, BY_TIME, SLOW, OPENED, BREAKERS };
static hf_breaker *breakers[BREAKERS];

static int nothing(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)policy, (void)frame, (void)x;
    return HF__PASS;
}

static const struct hf__policy_ops nothing_ops = {.kind = "nothing", .admit = nothing, .settle_ok = nothing};
static hf_policy nothing_policy = {.ops = &nothing_ops};

static hf_breaker *make(const hf_breaker_config *config) {
    hf_error error;
    hf_breaker *made;
    if (hf_breaker_new(&made, "alone", config, &error) >= 0) return made;
    fprintf(stderr, "bench: %s\n", hf_error_text(&error));
    exit(2);
}

static void ask(hf_policy *policy, uint64_t n) {
    uint64_t rng = 1;
    hf_time now = bench_now();
    for (uint64_t i = 0; i < n; i++, now += 50) {
        struct hf_frame frame = {.at = HF_NEVER};
        struct hf_x x = {.now = now, .deadline = HF_NEVER, .at = HF_NEVER, .retry_at = HF_NEVER, .rng = &rng};
        if (policy->ops->admit(policy, &frame, &x) != HF__PASS) continue;
        x.attempts = 1;
        x.outcome = hf_success();
        (void)policy->ops->settle_ok(policy, &frame, &x);
    }
}

void bench_alone_setup(void) {
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    breakers[BY_CALLS] = make(&config);
    config.open_ms = config.open_max_ms = 86400000;
    breakers[OPENED] = make(&config);
    (void)hf_breaker_set(breakers[OPENED], HF_BREAKER_OPEN, bench_now());
    config.slow_call_ms = 1000;
    breakers[SLOW] = make(&config);
    config.slow_call_ms = HF_NEVER;
    config.window_kind = HF_BREAKER_BY_TIME;
    breakers[BY_TIME] = make(&config);
    for (int i = BY_CALLS; i < BREAKERS; i++) ask(hf_breaker_policy(breakers[i]), 300);
}

void bench_alone_teardown(void) {
    for (int i = BY_CALLS; i < BREAKERS; i++) hf_breaker_free(breakers[i]);
}

hf_pipeline *bench_alone_pipeline(const char *name, bool slow) {
    hf_policy *policy = hf_breaker_policy(breakers[slow ? SLOW : BY_TIME]);
    hf_pipeline *made;
    if (hf_pipeline_new(&made, name, &policy, 1, NULL) < 0) exit(2);
    return made;
}

void bench_alone_nothing(uint64_t n) { ask(&nothing_policy, n); }
void bench_alone_calls(uint64_t n) { ask(hf_breaker_policy(breakers[BY_CALLS]), n); }
void bench_alone_time(uint64_t n) { ask(hf_breaker_policy(breakers[BY_TIME]), n); }
void bench_alone_slow(uint64_t n) { ask(hf_breaker_policy(breakers[SLOW]), n); }
void bench_alone_opened(uint64_t n) { ask(hf_breaker_policy(breakers[OPENED]), n); }
