/* SPDX-License-Identifier: MIT */
/* The fast path against the general path: three worlds with the same policies, clocks and scripts, one called through
 * hf_run, one through a loop around hf_call, which has a fast path too, and one through the same loop without. Nothing
 * may differ: not a result, not a wait, not what an attempt was told, not the state of a policy. */
#include "support/cmocka_all.h"

#include "base/rng.h"
#include "engine/call_state.h"

#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <stdio.h>
#include <string.h>

#define MS HF_MILLISECOND
#define CALLS 240000
#define CALLS_PER_WORLD 60
#define ATTEMPTS_MAX 64

struct world {
    hf_test_clock *clock;
    hf_breaker *breaker, *slow_breaker;
    hf_bulkhead *bulkhead;
    hf_budget *budget;
    hf_retry *retry;
    hf_timeout *total, *attempt;
    hf_fallback *fallback;
    hf_pipeline *pipeline;
    hf_cancel *cancel;
    uint64_t script; /* what attempts do follows from it */
    /* what happened in one call */
    uint32_t attempts;
    struct {
        uint32_t number;
        hf_time deadline_at, started_at, at;
    } seen[ATTEMPTS_MAX];
};

static uint64_t rng = 20261124;
static uint32_t below(uint64_t *state, uint32_t n) { return (uint32_t)(hf__rng_next(state) % n); }

static hf_outcome stand_in(void *arg, const hf_result *failed) {
    (void)failed;
    struct world *w = arg;
    return below(&w->script, 3) == 0 ? hf_failure(9) : hf_success();
}

/* Mostly healthy; now and then everything an outcome can be. */
static hf_outcome random_outcome(uint64_t *script) {
    uint32_t dice = below(script, 100);
    hf_outcome outcome = hf_success();
    outcome.code = (int32_t)below(script, 3);
    if (dice < 70) return outcome;
    outcome.kind = (int32_t)below(script, 4);
    outcome.flags = below(script, 8);
    outcome.resends = below(script, 10) == 0;
    if (below(script, 4) == 0) outcome.retry_after_ns = below(script, 200) * MS;
    return outcome;
}

static hf_outcome operation(void *arg, const hf_attempt *attempt) {
    struct world *w = arg;
    assert_true(w->attempts < ATTEMPTS_MAX);
    w->seen[w->attempts].number = attempt->number;
    w->seen[w->attempts].deadline_at = attempt->deadline_at;
    w->seen[w->attempts].started_at = attempt->started_at;
    w->seen[w->attempts++].at = hf_clock_now(hf_test_clock_clock(w->clock));
    uint32_t dice = below(&w->script, 20);
    if (dice < 10) hf_test_clock_advance(w->clock, below(&w->script, 30) * MS);
    if (dice == 10) hf_test_clock_advance(w->clock, below(&w->script, 2000) * MS);
    if (dice == 11) hf_cancel_raise(w->cancel);
    return random_outcome(&w->script);
}

/* ---- two worlds alike ---- */

static void build(struct world *w, uint64_t plan) {
    memset(w, 0, sizeof *w);
    assert_int_equal(hf_test_clock_new(&w->clock, HF_SECOND, NULL), 0);
    hf_breaker_config breaker;
    hf_breaker_config_init(&breaker);
    breaker.window = 1 + below(&plan, 30);
    breaker.min_calls = 1 + below(&plan, breaker.window);
    breaker.open_ms = 1 + below(&plan, 300);
    breaker.probes = 1 + below(&plan, 3);
    assert_int_equal(hf_breaker_new(&w->breaker, "breaker", &breaker, NULL), 0);
    breaker.slow_call_ms = 20;
    breaker.slow_rate_ppm = 500000;
    assert_int_equal(hf_breaker_new(&w->slow_breaker, "slow", &breaker, NULL), 0);
    hf_bulkhead_config bulkhead;
    hf_bulkhead_config_init(&bulkhead);
    bulkhead.max_concurrent = below(&plan, 10) != 0;
    assert_int_equal(hf_bulkhead_new(&w->bulkhead, "bulkhead", &bulkhead, NULL), 0);
    hf_retry_config retry;
    hf_retry_config_init(&retry);
    retry.retry_rejected = below(&plan, 2);
    hf_budget_config budget;
    hf_budget_config_init(&budget);
    if (below(&plan, 2) == 0) budget.kind = HF_BUDGET_BY_CONCURRENCY;
    assert_int_equal(hf_budget_new(&w->budget, "budget", &budget, NULL), 0);
    assert_int_equal(hf_retry_new(&w->retry, "retry", &retry, w->budget, NULL), 0);
    hf_timeout_config timeout;
    hf_timeout_config_init(&timeout);
    timeout.timeout_ms = 1 + below(&plan, 500);
    assert_int_equal(hf_timeout_new(&w->total, "total", &timeout, NULL), 0);
    timeout.timeout_ms = 1 + below(&plan, 50);
    assert_int_equal(hf_timeout_new(&w->attempt, "attempt", &timeout, NULL), 0);
    assert_int_equal(hf_fallback_new(&w->fallback, "fallback", stand_in, NULL), 0);
    hf_policy *all[] = {hf_fallback_policy(w->fallback), hf_timeout_policy(w->total),
                        hf_retry_policy(w->retry),       hf_bulkhead_policy(w->bulkhead),
                        hf_breaker_policy(w->breaker),   hf_breaker_policy(w->slow_breaker),
                        hf_timeout_policy(w->attempt)};
    hf_policy *order[7];
    size_t count = 0;
    for (size_t i = 0; i < 7; i++) {
        if (below(&plan, 2) == 0) order[count++] = all[i];
    }
    for (size_t i = count; i > 1 && below(&plan, 3) == 0; i--) { /* any order is allowed */
        size_t other = below(&plan, (uint32_t)i);
        hf_policy *policy = order[i - 1];
        order[i - 1] = order[other];
        order[other] = policy;
    }
    assert_int_equal(hf_pipeline_new(&w->pipeline, "pipeline", order, count, NULL), 0);
}

static void tear_down(struct world *w) {
    hf_pipeline_free(w->pipeline);
    hf_breaker_free(w->breaker);
    hf_breaker_free(w->slow_breaker);
    hf_bulkhead_free(w->bulkhead);
    hf_retry_free(w->retry);
    hf_budget_free(w->budget);
    hf_timeout_free(w->total);
    hf_timeout_free(w->attempt);
    hf_fallback_free(w->fallback);
    hf_test_clock_free(w->clock);
}

/* ---- one call, twice ---- */

/* A driver that keeps nothing; with it a call takes the general path all the way. */
static bool keep_nothing(const struct hf__keeper *keeper, hf_policy *policy, const struct hf_frame *frame,
                         uint32_t level, bool inside_hedge, uint32_t branch) {
    (void)keeper, (void)policy, (void)frame, (void)level, (void)inside_hedge, (void)branch;
    return false;
}
static const struct hf__keeper general_path = {keep_nothing};

/* hf_run as a loop around the engine. */
static int run_stepped(struct world *w, const hf_run_options *o, const struct hf__keeper *keeper,
                       hf_result *out_result) {
    const hf_clock *clock = hf_test_clock_clock(w->clock);
    hf_call call;
    memset(&call, 0xa5, sizeof call);
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = o->seed;
    options.deadline_at = o->deadline_at;
    if (o->timeout_ns != HF_NEVER && hf_clock_now(clock) + o->timeout_ns < options.deadline_at) {
        options.deadline_at = hf_clock_now(clock) + o->timeout_ns;
    }
    assert_int_equal(hf_call_begin(&call, w->pipeline, &options, hf_clock_now(clock)), 0);
    struct hf__call *inside = (void *)&call;
    inside->keeper = keeper;
    for (;;) {
        if (hf_cancel_raised(o->cancel)) hf_call_cancel(&call);
        hf_step step;
        int kind = hf_call_step(&call, &step, hf_clock_now(clock));
        if (kind == HF_STEP_DONE) return hf_call_end(&call, out_result);
        if (kind == HF_STEP_WAIT) hf_test_clock_advance(w->clock, step.at - hf_clock_now(clock));
        if (kind == HF_STEP_START) {
            hf_attempt attempt = {sizeof attempt, step.number, hf_clock_now(clock), step.deadline_at, o->cancel, clock};
            hf_outcome outcome = operation(w, &attempt);
            if (hf_cancel_raised(o->cancel)) hf_call_cancel(&call);
            hf_call_report(&call, step.attempt, outcome, hf_clock_now(clock));
        }
        if (kind == HF_STEP_RUN) {
            hf_result failed;
            hf_call_result(&call, &failed);
            hf_call_report(&call, step.attempt, hf_fallback_run(step.fallback, w, &failed), hf_clock_now(clock));
        }
    }
}

static void same_breaker(hf_breaker *a, hf_breaker *b, hf_time now) {
    hf_breaker_info one = {.struct_size = sizeof one}, two = {.struct_size = sizeof two};
    assert_int_equal(hf_breaker_snapshot(a, &one, now), 0);
    assert_int_equal(hf_breaker_snapshot(b, &two, now), 0);
    assert_memory_equal(&one, &two, sizeof one);
}

static void same_worlds(const struct world *a, const struct world *b) {
    hf_time now = hf_clock_now(hf_test_clock_clock(a->clock));
    assert_int_equal(now, hf_clock_now(hf_test_clock_clock(b->clock)));
    assert_int_equal(a->script, b->script);
    same_breaker(a->breaker, b->breaker, now);
    same_breaker(a->slow_breaker, b->slow_breaker, now);
    assert_int_equal(hf_bulkhead_in_flight(a->bulkhead), 0);
    assert_int_equal(hf_bulkhead_in_flight(b->bulkhead), 0);
    assert_int_equal(hf_bulkhead_rejected(a->bulkhead), hf_bulkhead_rejected(b->bulkhead));
    assert_int_equal(hf_budget_available(hf_retry_budget(a->retry), now),
                     hf_budget_available(hf_retry_budget(b->retry), now));
    assert_int_equal(hf_budget_denied(hf_retry_budget(a->retry)), hf_budget_denied(hf_retry_budget(b->retry)));
    hf_budget_info one = {.struct_size = sizeof one}, two = {.struct_size = sizeof two};
    assert_int_equal(hf_budget_snapshot(a->budget, &one, now), 0);
    assert_int_equal(hf_budget_snapshot(b->budget, &two, now), 0);
    assert_memory_equal(&one, &two, sizeof one);
    assert_int_equal(one.calls + one.retries, 0);
    assert_int_equal(a->attempts, b->attempts);
    for (uint32_t i = 0; i < a->attempts; i++) {
        assert_int_equal(a->seen[i].number, b->seen[i].number);
        assert_int_equal(a->seen[i].at, b->seen[i].at);
        assert_int_equal(a->seen[i].deadline_at, b->seen[i].deadline_at);
        if (a->seen[i].started_at != HF_NEVER) assert_int_equal(a->seen[i].started_at, b->seen[i].started_at);
    }
}

static void begin_call(struct world *w, hf_run_options *options, bool raised) {
    w->attempts = 0;
    assert_int_equal(hf_cancel_new(&w->cancel, NULL), 0);
    if (raised) hf_cancel_raise(w->cancel);
    options->cancel = w->cancel;
    options->clock = hf_test_clock_clock(w->clock);
}

static void one_call(struct world *fast, struct world *stepped, struct world *general) {
    hf_run_options options;
    hf_run_options_init(&options);
    options.seed = hf__rng_next(&rng);
    fast->script = stepped->script = general->script = hf__rng_next(&rng);
    hf_time now = hf_clock_now(hf_test_clock_clock(fast->clock));
    if (below(&rng, 4) == 0) options.deadline_at = now - 2 * MS + below(&rng, 100) * MS;
    if (below(&rng, 4) == 0) options.timeout_ns = below(&rng, 100) * MS;
    bool raised = below(&rng, 40) == 0, wants_result = below(&rng, 2) == 0;
    hf_result one, two, three;
    begin_call(fast, &options, raised);
    int status = hf_run(fast->pipeline, operation, fast, &options, wants_result ? &one : NULL);
    begin_call(stepped, &options, raised);
    assert_int_equal(status, run_stepped(stepped, &options, NULL, &two));
    begin_call(general, &options, raised);
    assert_int_equal(status, run_stepped(general, &options, &general_path, &three));
    if (wants_result) assert_memory_equal(&one, &three, sizeof one);
    assert_memory_equal(&two, &three, sizeof two);
    same_worlds(fast, general);
    same_worlds(stepped, general);
    hf_cancel_free(fast->cancel);
    hf_cancel_free(stepped->cancel);
    hf_cancel_free(general->cancel);
    int64_t pause = below(&rng, 3) == 0 ? below(&rng, 100) * MS : 0;
    hf_test_clock_advance(fast->clock, pause);
    hf_test_clock_advance(stepped->clock, pause);
    hf_test_clock_advance(general->clock, pause);
}

static void fast_and_general_path_are_equal(void **state) {
    (void)state;
    struct world fast, stepped, general;
    for (int calls = 0; calls < CALLS; calls += CALLS_PER_WORLD) {
        uint64_t plan = hf__rng_next(&rng);
        build(&fast, plan);
        build(&stepped, plan);
        build(&general, plan);
        for (int i = 0; i < CALLS_PER_WORLD; i++) one_call(&fast, &stepped, &general);
        tear_down(&fast);
        tear_down(&stepped);
        tear_down(&general);
    }
    printf("%d calls, 0 differ\n", CALLS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_and_general_path_are_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
