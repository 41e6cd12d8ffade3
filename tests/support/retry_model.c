/* SPDX-License-Identifier: MIT */
#include "support/retry_model.h"

#include "base/rng.h"
#include "support/bytes.h"
#include "support/stepper.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EVENTS 4096
#define CALLS 60

/* ---- the budget: a list ---- */

struct ledger {
    hf_budget_config rules;
    struct {
        int64_t at_ms;
        int64_t thousandths; /* taken out; negative: put in */
    } events[EVENTS];
    uint32_t count;
};

static void book(struct ledger *l, hf_time now, int64_t thousandths) {
    STEPPER_MUST(l->count < EVENTS);
    l->events[l->count].at_ms = now / HF_MILLISECOND;
    l->events[l->count++].thousandths = thousandths;
}

/* What is in it now, after everything that ever happened. */
static int64_t balance(const struct ledger *l, hf_time now) {
    int64_t full = (int64_t)l->rules.burst * 1000, have = full, before_ms = 0;
    for (uint32_t i = 0; i <= l->count; i++) {
        int64_t at_ms = i < l->count ? l->events[i].at_ms : now / HF_MILLISECOND;
        double refilled = (double)have + (double)(at_ms - before_ms) * l->rules.min_per_second;
        have = refilled > (double)full ? full : (int64_t)refilled;
        if (i < l->count) have -= l->events[i].thousandths;
        if (have > full) have = full;
        if (have < 0) have = 0;
        before_ms = at_ms;
    }
    return have;
}

/* ---- back-off: the formulas ---- */

struct bounds {
    double low, high; /* of the delay in ns: equal but for rounding */
};

static double drawn(double random, double low, double high) { return low + random * (high - low); }

static double curve(double t) { return pow(2, t) * tanh(2 * sqrt(t)) / 1.4; }

static double plain(const hf_backoff_config *c, uint32_t n, double base) {
    switch ((hf_backoff_kind)c->kind) {
    case HF_BACKOFF_NONE: return 0;
    case HF_BACKOFF_CONSTANT: return base;
    case HF_BACKOFF_LINEAR: return base * n;
    case HF_BACKOFF_EXPONENTIAL: return base * pow(c->factor_ppm / 1e6, n - 1.0);
    case HF_BACKOFF_TABLE: return 1e6 * (double)c->table_ms[(n < c->table_count ? n : c->table_count) - 1];
    }
    return -1;
}

/* `before` is what decorrelated jitter and Polly's curve came to last. */
static struct bounds delay(const hf_backoff_config *c, uint32_t n, double *before, uint64_t random) {
    double base = 1e6 * (double)c->base_ms, cap = 1e6 * (double)c->cap_ms, r = (double)random / 18446744073709551616.0;
    double d = fmin(plain(c, n, base), cap), slack = 2 + d * 1e-9 + n; /* n: whole nanoseconds at each step */
    switch ((hf_jitter)c->jitter) {
    case HF_JITTER_NONE: break;
    case HF_JITTER_FULL: d = drawn(r, 0, d); break;
    case HF_JITTER_EQUAL: d = drawn(r, d / 2, d); break;
    case HF_JITTER_PROPORTIONAL:
        d = fmin(drawn(r, d * (1 - c->jitter_ppm / 1e6), d * (1 + c->jitter_ppm / 1e6)), cap);
        break;
    case HF_JITTER_DECORRELATED:
        d = *before = drawn(r, base, fmax(base, fmin(3 * fmax(*before, base), cap)));
        slack *= 4 * n;
        break;
    case HF_JITTER_POLLY_V2: {
        double at = base * curve(n - 1 + floor(r * 4294967296.0) / 4294967296.0);
        d = at - *before;
        *before = at;
        slack = 4 + fmin(at, 1e18) * 1e-7;
        if (fabs(d - cap) < slack) return (struct bounds){0, cap + slack}; /* cut off, or not quite */
        if (d > cap) d = drawn(r, cap / 2, cap), slack = 4 + cap * 1e-9;
        break;
    }
    }
    double floor_ns = 1e6 * (double)c->floor_ms;
    return (struct bounds){fmax(d - slack, floor_ns), fmax(d + slack, floor_ns)};
}

/* ---- choosing ---- */

struct game {
    struct bytes in;
    hf_retry_config config;
    struct ledger ledger;
    hf_budget *budget;
    hf_retry *retry;
    hf_pipeline *pipeline;
    hf_time now;
};

static void choose_backoff(struct bytes *in, hf_backoff_config *c) {
    static const uint32_t factors[] = {2000000, 1000000, 1500000, 100000000, 1000001};
    c->kind = (int32_t)bytes_below(in, HF_BACKOFF_TABLE + 1);
    c->jitter = (int32_t)bytes_below(in, HF_JITTER_POLLY_V2 + 1);
    if (c->jitter >= HF_JITTER_DECORRELATED) c->kind = HF_BACKOFF_EXPONENTIAL;
    c->jitter_ppm = bytes_below(in, HF_PPM + 1);
    c->factor_ppm = BYTES_PICK(in, factors);
    c->base_ms = bytes_between(in, 0, 2000);
    c->cap_ms = c->base_ms + bytes_between(in, 0, 20000);
    c->floor_ms = bytes_one_in(in, 3) ? bytes_between(in, 0, c->cap_ms) : 0;
    c->table_count = 1 + bytes_below(in, HF_BACKOFF_TABLE_MAX);
    for (uint32_t i = 0; i < c->table_count; i++) c->table_ms[i] = bytes_between(in, 0, 3000);
}

static void build(struct game *g) {
    static const uint32_t per_second[] = {3, 0, 1, 1000};
    hf_budget_config budget;
    hf_budget_config_init(&budget);
    budget.ratio_ppm = bytes_below(&g->in, 1001) * 1000;
    budget.min_per_second = BYTES_PICK(&g->in, per_second);
    budget.burst = 1 + bytes_below(&g->in, 12);
    g->ledger.rules = budget;
    hf_retry_config_init(&g->config);
    g->config.max_attempts = bytes_one_in(&g->in, 4) ? HF_RETRY_UNLIMITED : 1 + bytes_below(&g->in, 12);
    g->config.retry_after_cap_ms = bytes_between(&g->in, 0, 5000);
    g->config.hint_jitter_ppm = bytes_below(&g->in, HF_PPM + 1);
    choose_backoff(&g->in, &g->config.backoff);
    hf_error error;
    if (hf_budget_new(&g->budget, "b", &budget, &error) < 0 ||
        hf_retry_new(&g->retry, "r", &g->config, g->budget, &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        stepper_fail(__FILE__, __LINE__, "accepted");
    }
    hf_policy *order[] = {hf_retry_policy(g->retry)};
    STEPPER_MUST(hf_pipeline_new(&g->pipeline, "p", order, 1, NULL) == 0);
}

static hf_outcome choose_outcome(struct bytes *in) {
    hf_outcome outcome = hf_failure(1);
    switch (bytes_below(in, 12)) {
    case 0: outcome = hf_success(); break;
    case 1: outcome = hf_throttled(2, bytes_between(in, 0, 6000) * HF_MILLISECOND); break;
    case 2: outcome = hf_failure_final(3); break;
    case 3: outcome = hf_neutral(4); break;
    case 4: outcome.resends = bytes_below(in, 7); break;
    case 5: outcome.flags |= HF_COMMITTED; break;
    default: break;
    }
    return outcome;
}

/* ---- what must happen after a report ---- */

struct expected {
    bool again;
    struct bounds at; /* when */
    int32_t reason;   /* else why not */
    bool or_no_time;  /* or for this reason, because it is too near the deadline to tell */
    bool denied;
};

static struct expected stop(int32_t reason) { return (struct expected){.reason = reason}; }

static struct expected expect(struct game *g, hf_outcome outcome, uint32_t made, double *before, hf_time deadline,
                              uint64_t *rng) {
    const hf_retry_config *c = &g->config;
    for (uint32_t i = 0; i < outcome.resends && i < 16; i++) book(&g->ledger, g->now, 1000);
    if (!(outcome.flags & HF_RETRYABLE)) return stop(HF_REASON_NONE);
    uint64_t first = hf__rng_next(rng), second = hf__rng_next(rng);
    if (c->max_attempts != HF_RETRY_UNLIMITED && made >= c->max_attempts) return stop(HF_REASON_ATTEMPTS);
    double hint = (double)outcome.retry_after_ns;
    if (hint > 1e6 * (double)c->retry_after_cap_ms) return stop(HF_REASON_HINT_TOO_LONG);
    struct bounds wait = delay(&c->backoff, made, before, first);
    hint *= 1 + c->hint_jitter_ppm / 1e6 * (double)second / 18446744073709551616.0;
    wait.low = fmax(wait.low, hint - 2);
    wait.high = fmax(wait.high, hint + 2);
    struct expected e = {.again = true, .at = {(double)g->now + wait.low, (double)g->now + wait.high}};
    if (deadline != HF_NEVER && e.at.low >= (double)deadline) return stop(HF_REASON_NO_TIME);
    e.reason = deadline != HF_NEVER && e.at.high >= (double)deadline ? HF_REASON_NO_TIME : HF_REASON_NONE; /* or so */
    bool can_pay = balance(&g->ledger, g->now) >= 1000, near = e.reason == HF_REASON_NO_TIME;
    if (outcome.flags & HF_COMMITTED) {
        e = stop(can_pay ? HF_REASON_NONE : HF_REASON_BUDGET);
    } else if (!can_pay) {
        e = stop(HF_REASON_BUDGET);
    }
    e.denied = !can_pay;
    e.or_no_time = near;
    return e;
}

static void play_call(struct game *g, uint64_t seed) {
    struct stepper s;
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = seed;
    uint64_t rng = hf__rng_next(&seed); /* a stream of its own */
    if (bytes_one_in(&g->in, 2)) options.deadline_at = g->now + bytes_between(&g->in, 1, 20000) * HF_MILLISECOND;
    double before = 0;
    stepper_begin(&s, g->pipeline, &options, g->now);
    book(&g->ledger, g->now, -(int64_t)g->ledger.rules.ratio_ppm / 1000);
    for (uint32_t made = 1;; made++) {
        STEPPER_MUST(stepper_step(&s) == HF_STEP_START && s.step.number == made);
        hf_outcome outcome = choose_outcome(&g->in);
        int64_t left = options.deadline_at == HF_NEVER ? HF_SECOND : options.deadline_at - 1 - g->now;
        int64_t takes = bytes_between(&g->in, 0, 300) * HF_MILLISECOND;
        g->now = s.now = g->now + (takes < left ? takes : left);
        struct expected e = expect(g, outcome, made, &before, options.deadline_at, &rng);
        STEPPER_MUST(hf_call_report(&s.call, s.step.attempt, outcome, g->now) == 0);
        int kind = stepper_step(&s);
        if (e.again && e.or_no_time && kind == HF_STEP_DONE) e = stop(HF_REASON_NO_TIME);
        if (kind == HF_STEP_START) { /* no wait at all */
            STEPPER_MUST(e.again && e.at.low <= (double)g->now);
            book(&g->ledger, g->now, 1000);
            s.step.number = made + 1;
            /* The step was taken already: report its attempt in the next round. */
            hf_outcome last = hf_failure_final(9);
            struct expected end = expect(g, last, made + 1, &before, options.deadline_at, &rng);
            STEPPER_MUST(!end.again && hf_call_report(&s.call, s.step.attempt, last, g->now) == 0);
            STEPPER_MUST(stepper_step(&s) == HF_STEP_DONE);
            (void)stepper_end(&s, NULL);
            return;
        }
        STEPPER_MUST((kind == HF_STEP_WAIT) == e.again);
        if (kind == HF_STEP_DONE) {
            hf_result result;
            (void)stepper_end(&s, &result);
            if (e.or_no_time && hf_result_reason(&result) == HF_REASON_NO_TIME) e.reason = HF_REASON_NO_TIME;
            STEPPER_MUST((int32_t)hf_result_reason(&result) == e.reason && hf_result_attempts(&result) == made);
            STEPPER_MUST(((hf_result_flags(&result) & HF_RESULT_BUDGET_DENIED) != 0) == (e.reason == HF_REASON_BUDGET));
            return;
        }
        STEPPER_MUST((double)s.step.at >= e.at.low - 128 &&
                     (double)s.step.at <= e.at.high + 128); /* 1e14 in a double */
        book(&g->ledger, g->now, 1000);
        g->now = s.now = s.step.at;
    }
}

void retry_model_play(const void *data, size_t size) {
    static struct game game;
    memset(&game, 0, sizeof game);
    struct game *g = &game;
    g->in = bytes_of(data, size);
    g->now = 100000 * HF_SECOND;
    build(g);
    for (uint64_t call = 0; call < CALLS && g->in.left > 0 && g->ledger.count + 600 < EVENTS; call++) {
        play_call(g, call * 7919 + bytes_u32(&g->in));
        STEPPER_MUST(hf_budget_available(g->budget, g->now) == balance(&g->ledger, g->now) / 1000);
        g->now += bytes_between(&g->in, 0, 2000) * HF_MILLISECOND;
    }
    hf_pipeline_free(g->pipeline);
    hf_retry_free(g->retry);
    hf_budget_free(g->budget);
}
