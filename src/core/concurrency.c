/* SPDX-License-Identifier: MIT */
#include "core/concurrency.h"

#include "base/num.h"
#include "base/rng.h"

#define ONE HF__LIMIT_ONE
#define LONG_WINDOWS 600 /* over which Gradient2 averages its base */
#define WARM_UP 10       /* windows of which base is the plain mean */
#define GRADIENT_QUEUE 4 /* slots that Gradient2 always tries for */

/* log10(n) in 1/1024: log2 by squaring, ten binary digits behind the point, times log10(2). */
static int64_t log10_of(uint64_t n) {
    int64_t whole = 0;
    while (n >> (whole + 1) != 0) whole++;
    uint64_t x = whole > 31 ? n >> (whole - 31) : n << (31 - whole); /* in [2^31, 2^32) */
    int64_t log2 = whole << 10;
    for (int64_t digit = 512; digit > 0; digit /= 2) {
        x = x * x >> 31;
        if (x >> 32 == 0) continue;
        x >>= 1;
        log2 += digit;
    }
    return log2 * 30103 / 100000;
}

int64_t hf__limit_growth(uint32_t in_flight) {
    if (in_flight == 0) return 0;
    int64_t factor = hf__max(INT64_C(5) * ONE - log10_of(in_flight), INT64_C(6) * ONE / 5);
    return (in_flight * factor + ONE / 2) / ONE;
}

int64_t hf__limit_queue(int64_t limit, int64_t base_ns, int64_t rtt_ns) {
    if (rtt_ns <= base_ns) return 0;
    /* In thousandths of rtt, so that the product stays small. */
    int64_t share = hf__mul(rtt_ns - base_ns, 1000) / rtt_ns;
    return (limit * share / 1000 + ONE - 1) / ONE;
}

/* How many slots Vegas moves by. */
static int64_t vegas_step(int64_t limit) {
    int64_t step = 0;
    for (int64_t slots = limit / ONE; slots >= 10; slots /= 10) step++;
    return hf__max(step, 1);
}

static int64_t vegas(const struct hf__limit_state *state, int64_t rtt_ns) {
    int64_t step = vegas_step(state->limit), queue = hf__limit_queue(state->limit, state->base_ns, rtt_ns);
    if (queue < 3 * step) return state->limit + step * ONE;
    if (queue > 6 * step) return state->limit - step * ONE;
    return state->limit;
}

static int64_t gradient(const struct hf__limit_state *state, const struct hf__limit_rules *rules, int64_t rtt_ns) {
    int64_t tolerated = hf__ppm(state->base_ns, rules->tolerance_ppm);
    /* In thousandths. */
    int64_t g = hf__max(500, hf__min(1000, hf__mul(tolerated, 1000) / rtt_ns));
    int64_t target = state->limit * g / 1000 + (int64_t)GRADIENT_QUEUE * ONE;
    return state->limit + (target - state->limit) * (int64_t)(rules->smoothing_ppm / 1000) / 1000;
}

/* What is known of the round trip without load after a window of `rtt_ns`. */
static void learn_base(struct hf__limit_state *state, const struct hf__limit_rules *rules, int64_t rtt_ns, bool used) {
    if (state->best_ns == 0 || rtt_ns < state->best_ns) state->best_ns = rtt_ns;
    if (state->windows < UINT32_MAX) state->windows++;
    if (rules->algorithm != HF_LIMIT_GRADIENT) {
        if (state->base_ns == 0 || rtt_ns < state->base_ns) state->base_ns = rtt_ns;
        return;
    }
    /* What was queued must not pass for what is normal: where the limit was used up base only falls. */
    bool warm = state->windows > WARM_UP;
    if (warm && used && rtt_ns > state->base_ns) return;
    state->base_ns += (rtt_ns - state->base_ns) / (warm ? LONG_WINDOWS : state->windows);
    if (state->base_ns > 2 * rtt_ns) state->base_ns = state->base_ns / 100 * 95; /* it was learnt under load */
}

static void next_period(struct hf__limit_state *state, const struct hf__limit_rules *rules, int64_t now,
                        uint64_t random) {
    int64_t spread = hf__ppm(rules->period_ns, rules->jitter_ppm);
    state->period_at = hf__add(now, rules->period_ns + hf__rng_between(random, -spread, spread));
    state->best_ns = 0;
}

static void put_limit(struct hf__limit_state *state, const struct hf__limit_rules *rules, int64_t limit) {
    state->limit = hf__max((int64_t)rules->min * ONE, hf__min(limit, (int64_t)rules->max * ONE));
}

/* Measures base when its time has come; true when the window was used for that. */
static bool measure(struct hf__limit_state *state, const struct hf__limit_rules *rules,
                    const struct hf__limit_window *window) {
    if (state->saved != 0) { /* this window had the lower limit */
        state->base_ns = window->rtt_ns;
        put_limit(state, rules, state->saved);
        state->saved = 0;
        next_period(state, rules, window->now, window->random);
        return true;
    }
    if (rules->algorithm == HF_LIMIT_AIMD || window->now < state->period_at) return false;
    int64_t queue = hf__limit_queue(state->limit, state->base_ns, window->rtt_ns);
    if (queue == 0) {
        if (rules->algorithm == HF_LIMIT_VEGAS) state->base_ns = state->best_ns;
        next_period(state, rules, window->now, window->random);
        return false;
    }
    state->saved = state->limit;
    put_limit(state, rules, state->limit - queue * ONE);
    return true;
}

static int64_t next_limit(const struct hf__limit_state *state, const struct hf__limit_rules *rules,
                          const struct hf__limit_window *window) {
    switch ((hf_limit_algorithm)rules->algorithm) {
    case HF_LIMIT_AIMD: return state->limit + ONE;
    case HF_LIMIT_VEGAS: return vegas(state, window->rtt_ns);
    case HF_LIMIT_GRADIENT: return gradient(state, rules, window->rtt_ns);
    }
    return state->limit;
}

void hf__limit_init(struct hf__limit_state *state, const struct hf__limit_rules *rules, uint32_t initial, int64_t now) {
    *state = (struct hf__limit_state){.limit = (int64_t)initial * ONE, .period_at = hf__add(now, rules->period_ns)};
}

void hf__limit_update(struct hf__limit_state *state, const struct hf__limit_rules *rules,
                      const struct hf__limit_window *window) {
    bool dropped = window->drops > 0 && (int64_t)window->drops * HF_PPM >= (int64_t)window->calls * rules->drop_ppm;
    if (dropped || window->rtt_ns > rules->slow_ns) {
        if (state->saved != 0) state->limit = state->saved; /* no time for measurements */
        state->saved = 0;
        put_limit(state, rules, hf__ppm(state->limit, rules->backoff_ppm));
        return;
    }
    if (window->rtt_ns == 0) return;
    bool used = window->most_in_flight >= hf__limit_slots(state);
    if (state->saved == 0) learn_base(state, rules, window->rtt_ns, used);
    if (measure(state, rules, window)) return;
    int64_t next = next_limit(state, rules, window);
    if (next > state->limit) {
        if ((int64_t)window->most_in_flight * 2 * ONE < state->limit) return;
        next = hf__max(state->limit, hf__min(next, hf__limit_growth(window->most_in_flight) * ONE));
    }
    put_limit(state, rules, next);
}

uint32_t hf__limit_slots(const struct hf__limit_state *state) { return (uint32_t)hf__max(state->limit / ONE, 1); }

bool hf__limit_take(uint64_t in_flight, uint32_t slots, uint32_t reserve_ppm, uint32_t priority, uint64_t *out) {
    uint32_t steps = priority <= HF_PRIORITY_CRITICAL ? 0 : priority < HF_PRIORITY_SHEDDABLE ? 1 : 2;
    int64_t kept = hf__ppm(slots, reserve_ppm) * steps;
    if ((int64_t)in_flight >= hf__max((int64_t)slots - kept, 1)) return false;
    *out = in_flight + 1;
    return true;
}
