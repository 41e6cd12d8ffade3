/* SPDX-License-Identifier: MIT */
/* Breakers alone, by ticket: admit, then settle, with the time in hand. It is what a bar means that leaves the clock
 * out. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { BY_CALLS, BY_TIME, SLOW, OPENED, BREAKERS };
static hf_breaker *breakers[BREAKERS];

static hf_breaker *make(const hf_breaker_config *config) {
    hf_error error;
    hf_breaker *made;
    if (hf_breaker_new(&made, "alone", config, &error) >= 0) return made;
    fprintf(stderr, "bench: %s\n", hf_error_text(&error));
    exit(2);
}

static void ask(hf_breaker *breaker, uint64_t n) {
    hf_breaker_ticket ticket;
    hf_time now = bench_now(), again_at;
    for (uint64_t i = 0; i < n; i++, now += 50) {
        if (hf_breaker_admit(breaker, &ticket, &again_at, now) != HF_REASON_NONE) continue;
        hf_breaker_settle(breaker, &ticket, hf_success(), now);
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
    for (int i = BY_CALLS; i < BREAKERS; i++) ask(breakers[i], 300);
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

/* What the loop and two calls into the library cost. */
void bench_alone_nothing(uint64_t n) {
    hf_breaker_ticket ticket;
    hf_time now = bench_now();
    for (uint64_t i = 0; i < n; i++, now += 50) {
        ticket.opaque[0] = (uint64_t)now;
        if (hf_cancel_raised(NULL) || ticket.opaque[0] == 0 || hf_cancel_raised(NULL)) return;
    }
}
void bench_alone_calls(uint64_t n) { ask(breakers[BY_CALLS], n); }
void bench_alone_time(uint64_t n) { ask(breakers[BY_TIME], n); }
void bench_alone_slow(uint64_t n) { ask(breakers[SLOW], n); }
void bench_alone_opened(uint64_t n) { ask(breakers[OPENED], n); }

/* One admission and its settlement around `work`. */
void bench_alone_around(void (*work)(void), uint64_t n) {
    hf_breaker_ticket ticket;
    hf_time now = bench_now();
    for (uint64_t i = 0; i < n; i++, now += 300) {
        if (hf_breaker_admit(breakers[BY_CALLS], &ticket, NULL, now) != HF_REASON_NONE) continue;
        work();
        hf_breaker_settle(breakers[BY_CALLS], &ticket, hf_success(), now);
    }
}
