/* SPDX-License-Identifier: MIT */
#include "support/breaker_model.h"

#include "base/rng.h"
#include "support/stepper.h"

#include <string.h>

#define LONG_MS INT64_C(4398046511103) /* longer than any test: what a word calls never */

static int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t ms_down(hf_time at) { return at / HF_MILLISECOND; }
static int64_t ms_up(hf_time at) { return at_most((at + HF_MILLISECOND - 1) / HF_MILLISECOND, LONG_MS); }

static bool by_time(const struct breaker_model *m) { return m->rules.window_kind == HF_BREAKER_BY_TIME; }

static bool records(hf_breaker_state state) {
    return state == HF_BREAKER_CLOSED || state == HF_BREAKER_METRICS_ONLY || state == HF_BREAKER_RECOVERING;
}

void model_init(struct breaker_model *m, const hf_breaker_config *config) {
    memset(m, 0, sizeof *m);
    m->rules = *config;
    m->begun_tick = -1;
    if (config->slow_call_ms != HF_NEVER && config->slow_rate_ppm != HF_BREAKER_OFF) {
        m->tick_ns = at_least((config->slow_call_ms * HF_MILLISECOND + 6) / 7, HF_MILLISECOND);
    }
    m->width_ns = (config->window_ms * HF_MILLISECOND + config->buckets - 1) / config->buckets;
    if (config->initial_state != HF_BREAKER_CLOSED)
        model_set(m, (hf_breaker_state)config->initial_state, config->initial_at);
}

/* ---- the window ---- */

struct model_counts {
    uint32_t total, failures, slow, run;
};

/* `pushed_out`: so many more results are newer. */
static bool counts_at(const struct breaker_model *m, uint32_t i, int64_t bucket, uint32_t pushed_out) {
    if (by_time(m)) return m->results[i].bucket > bucket - (int64_t)m->rules.buckets;
    return i >= m->floor && i + m->rules.window >= m->count + pushed_out;
}

/* Calls of this generation whose whole tick lies slow_call_ms or more back. */
static uint32_t overdue(const struct breaker_model *m, hf_time now) {
    uint32_t found = 0;
    if (m->tick_ns == 0 || !records(m->state) || m->rules.slow_call_ms == HF_NEVER) return 0;
    int64_t slow_ns = m->rules.slow_call_ms * HF_MILLISECOND;
    if (slow_ns > 13 * m->tick_ns) return 0; /* the wheel is too small for it */
    for (uint32_t i = 0; i < MODEL_CALLS; i++) {
        const struct model_call *c = &m->calls[i];
        if (c->runs && c->generation == m->generation && (c->at / m->tick_ns + 1) * m->tick_ns <= now - slow_ns)
            found++;
    }
    return found;
}

static int64_t bucket_of(const struct breaker_model *m, hf_time now) {
    return records(m->state) ? at_least(m->latest, now / m->width_ns) : m->latest;
}

/* The run of failures at the end. By time it is cut where two of its links lie a window apart. */
static uint32_t run_at_end(const struct breaker_model *m, int64_t bucket, uint32_t pushed_out) {
    uint32_t run = 0, buckets = m->rules.buckets;
    for (uint32_t i = m->count; i-- > 0;) {
        const struct model_result *r = &m->results[i];
        if (r->kind == HF_SUCCESS) break;
        if (by_time(m) ? bucket - r->bucket >= (int64_t)buckets : !counts_at(m, i, 0, pushed_out)) break;
        run += r->kind == HF_FAILURE;
        bucket = r->bucket;
        buckets = r->buckets;
    }
    return run;
}

/* `late` calls count as if they had ended now, and slow. */
static struct model_counts count(const struct breaker_model *m, hf_time now, uint32_t late) {
    struct model_counts c = {late, 0, late, 0};
    int64_t bucket = bucket_of(m, now);
    if (!by_time(m)) c.total = c.slow = late = (uint32_t)at_most(late, m->rules.window);
    for (uint32_t i = 0; i < m->count; i++) {
        if (!counts_at(m, i, bucket, late)) continue;
        c.total++;
        c.failures += m->results[i].kind != HF_SUCCESS;
        c.slow += m->results[i].slow;
    }
    c.run = run_at_end(m, bucket, late);
    return c;
}

static uint32_t reached(const struct breaker_model *m, struct model_counts c) {
    const hf_breaker_config *r = &m->rules;
    int64_t min_calls = m->state == HF_BREAKER_RECOVERING ? at_most(r->min_calls, r->probes) : r->min_calls;
    uint32_t rules = 0;
    if (r->consecutive_failures != HF_BREAKER_OFF && c.run >= r->consecutive_failures)
        rules |= HF_BREAKER_RULE_CONSECUTIVE;
    if (c.total < min_calls) return rules;
    if (r->failure_rate_ppm != HF_BREAKER_OFF && c.failures * 1e6 / c.total >= r->failure_rate_ppm) {
        rules |= HF_BREAKER_RULE_FAILURE_RATE;
    }
    if (r->slow_rate_ppm != HF_BREAKER_OFF && c.slow * 1e6 / c.total >= r->slow_rate_ppm) {
        rules |= HF_BREAKER_RULE_SLOW_RATE;
    }
    return rules;
}

/* ---- the state ---- */

static void begin(struct breaker_model *m, hf_breaker_state state, uint32_t streak, int64_t ms, hf_time now) {
    m->changes += state != m->state;
    m->state = state;
    m->streak = streak > 15 ? 15 : streak;
    m->ms = ms;
    m->generation++;
    m->rejected = 0;
    m->told = 0;
    if (!records(state)) return;
    m->count = m->floor = 0;
    m->clean = false;
    m->latest = now / m->width_ns;
}

static void open_for(struct breaker_model *m, uint32_t streak, int64_t hint_ns, hf_time now) {
    double wait = (double)m->rules.open_ms * (double)(1u << (streak > 15 ? 15 : streak));
    int64_t wait_ms = wait < (double)m->rules.open_max_ms ? (int64_t)wait : m->rules.open_max_ms;
    int64_t wait_ns = at_least(wait_ms * HF_MILLISECOND, at_most(hint_ns, m->rules.open_max_ms * HF_MILLISECOND));
    begin(m, HF_BREAKER_OPEN, streak, ms_up(now + at_least(wait_ns, HF_MILLISECOND)), now);
}

void model_set(struct breaker_model *m, hf_breaker_state state, hf_time now) {
    if (state == m->state && state != HF_BREAKER_CLOSED) return;
    if (state == HF_BREAKER_OPEN) open_for(m, 0, 0, now);
    else begin(m, state, 0, ms_down(now), now);
}

void model_restore(struct breaker_model *m, const hf_breaker_saved *saved, int64_t elapsed_ns, hf_time now) {
    hf_breaker_state state = (hf_breaker_state)saved->state;
    uint32_t streak = state == HF_BREAKER_METRICS_ONLY ? 0 : saved->streak;
    int64_t left_ns = state == HF_BREAKER_OPEN ? at_least(saved->left_ns - elapsed_ns, 0) : 0;
    int64_t ms = ms_down(now);
    if (state == HF_BREAKER_RECOVERING) ms = ms_down(at_least(now - saved->for_ns - elapsed_ns, 0));
    if (state == HF_BREAKER_HALF_OPEN) state = HF_BREAKER_OPEN;
    if (state == HF_BREAKER_OPEN) ms = ms_up(now + left_ns);
    begin(m, state, streak, ms, now);
}

void model_reconfigure(struct breaker_model *m, const hf_breaker_config *config) {
    if (!by_time(m) && config->window > m->rules.window && m->count > m->rules.window) {
        m->floor = (uint32_t)at_least(m->floor, m->count - m->rules.window);
    }
    m->rules = *config;
    m->clean = false;
}

/* ---- probes ---- */

static uint32_t of_round(const struct breaker_model *m, int status) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < m->probe_count; i++) {
        found += m->probes[i].round == m->generation && (int)m->probes[i].status == status;
    }
    return found;
}

static bool expired(const struct model_probe *p, hf_time now) { return now >= p->lease_ends_ms * HF_MILLISECOND; }

static void decide(struct breaker_model *m, int64_t hint_ns, hf_time now) {
    if (m->state != HF_BREAKER_HALF_OPEN) return;
    if (of_round(m, MODEL_OK) >= m->rules.probes - m->rules.probe_failures_allowed) {
        if (m->rules.recovery_ms > 0) begin(m, HF_BREAKER_RECOVERING, m->streak, ms_down(now), now);
        else begin(m, HF_BREAKER_CLOSED, 0, ms_down(now), now);
    } else if (of_round(m, MODEL_BAD) > m->rules.probe_failures_allowed) {
        open_for(m, m->streak + 1, hint_ns, now);
    }
}

/* Probes that fly and whose lease runs, of this round and of older ones; the earliest end. */
static uint32_t in_the_air(const struct breaker_model *m, hf_time now, hf_time *out_first_end) {
    uint32_t found = 0;
    *out_first_end = HF_NEVER;
    for (uint32_t i = 0; i < m->probe_count; i++) {
        if (m->probes[i].status != MODEL_FLYING || expired(&m->probes[i], now)) continue;
        *out_first_end = at_most(*out_first_end, m->probes[i].lease_ends_ms * HF_MILLISECOND);
        found++;
    }
    return found;
}

static bool any_expired(const struct breaker_model *m, hf_time now) {
    for (uint32_t i = 0; i < m->probe_count; i++) {
        const struct model_probe *p = &m->probes[i];
        if (p->round == m->generation && p->status == MODEL_FLYING && expired(p, now)) return true;
    }
    return false;
}

/* Leases of this round that have ended are failed probes, one after the other until that decides. */
static void expire(struct breaker_model *m, hf_time now) {
    for (uint32_t i = 0; i < m->probe_count && m->state == HF_BREAKER_HALF_OPEN; i++) {
        struct model_probe *p = &m->probes[i];
        if (p->round != m->generation || p->status != MODEL_FLYING || !expired(p, now)) continue;
        p->status = MODEL_BAD;
        decide(m, 0, now);
    }
}

static bool is_full(const struct breaker_model *m, hf_time now, hf_time *out_first_end) {
    uint32_t used = in_the_air(m, now, out_first_end) + of_round(m, MODEL_OK) + of_round(m, MODEL_BAD);
    return used >= m->rules.probes;
}

/* ---- calls ---- */

static uint32_t share_ppm(const struct breaker_model *m, hf_time now) {
    int64_t gone_us = at_least(now - m->ms * HF_MILLISECOND, 0) / 1000;
    return (uint32_t)at_most(100000 + gone_us * 900000 / (m->rules.recovery_ms * 1000), 1000000);
}

static int32_t reject(struct breaker_model *m, int32_t reason, hf_time at, hf_time *out_at) {
    m->rejected++;
    *out_at = at;
    return reason;
}

static bool recovered(const struct breaker_model *m, hf_time now) {
    return m->rules.recovery_ms == 0 || now >= (m->ms + m->rules.recovery_ms) * HF_MILLISECOND;
}

static void end_recovery(struct breaker_model *m, hf_time now) {
    if (m->state != HF_BREAKER_RECOVERING || !recovered(m, now)) return;
    m->state = HF_BREAKER_CLOSED; /* everything else goes on */
    m->streak = 0;
    m->changes++;
}

/* Opens, or tells, if the window and the calls under way say so. */
static void judge(struct breaker_model *m, int64_t hint_ns, hf_time now) {
    if (m->rules.warm_up_ms > 0 && now < m->rules.initial_at + m->rules.warm_up_ms * HF_MILLISECOND) return;
    uint32_t rules = reached(m, count(m, now, overdue(m, now)));
    if (m->state == HF_BREAKER_METRICS_ONLY) {
        m->changes += (rules & ~m->told) != 0;
        m->told |= rules;
    } else if (rules != 0) {
        open_for(m, m->state == HF_BREAKER_RECOVERING ? m->streak + 1 : 0, hint_ns, now);
    }
}

/* A call begins. The first in a tick looks at the others; false when that opened the breaker. */
static bool watch(struct breaker_model *m, struct model_ticket *ticket, hf_time now) {
    int32_t i = 0;
    if (m->tick_ns == 0 || m->rules.slow_call_ms == HF_NEVER) return true;
    while (m->calls[i].runs) STEPPER_MUST(++i < MODEL_CALLS);
    m->calls[i] = (struct model_call){.runs = true, .generation = m->generation, .at = now};
    ticket->call = i;
    int64_t tick = now / m->tick_ns;
    bool first = m->begun_tick != tick || m->begun_generation != m->generation;
    m->begun_tick = tick;
    m->begun_generation = m->generation;
    if (!first) return true;
    judge(m, 0, now);
    if (m->state != HF_BREAKER_OPEN) return true;
    m->calls[i].runs = false;
    return false;
}

int32_t model_admit(struct breaker_model *m, struct model_ticket *out, hf_time *out_at, uint64_t *rng, hf_time now) {
    hf_time first_end;
    if (m->state == HF_BREAKER_HALF_OPEN) decide(m, 0, now);
    if (m->state == HF_BREAKER_HALF_OPEN) expire(m, now);
    if (m->state == HF_BREAKER_OPEN && m->ms < LONG_MS && now >= m->ms * HF_MILLISECOND) {
        begin(m, HF_BREAKER_HALF_OPEN, m->streak, ms_down(now), now);
    }
    end_recovery(m, now);
    *out = (struct model_ticket){.generation = m->generation, .state = m->state, .at = now, .probe = -1, .call = -1};
    switch (m->state) {
    case HF_BREAKER_DISABLED: return HF_REASON_NONE;
    case HF_BREAKER_CLOSED:
    case HF_BREAKER_METRICS_ONLY:
        if (watch(m, out, now)) return HF_REASON_NONE;
        return model_admit(m, out, out_at, rng, now);
    case HF_BREAKER_RECOVERING:
        if (hf__rng_between(hf__rng_next(rng), 1, 1000000) <= share_ppm(m, now)) {
            if (watch(m, out, now)) return HF_REASON_NONE;
            return model_admit(m, out, out_at, rng, now);
        }
        return reject(m, HF_REASON_RECOVERING, now, out_at);
    case HF_BREAKER_OPEN:
        return reject(m, HF_REASON_OPEN, m->ms >= LONG_MS ? HF_NEVER : m->ms * HF_MILLISECOND, out_at);
    case HF_BREAKER_FORCED_OPEN: return reject(m, HF_REASON_FORCED_OPEN, HF_NEVER, out_at);
    case HF_BREAKER_HALF_OPEN: break;
    }
    if (is_full(m, now, &first_end)) return reject(m, HF_REASON_PROBING, first_end, out_at);
    STEPPER_MUST(m->probe_count < MODEL_PROBES);
    m->probes[m->probe_count] = (struct model_probe){
        .round = m->generation,
        .lease_ends_ms = ms_up(at_least(now, m->ms * HF_MILLISECOND) + m->rules.probe_lease_ms * HF_MILLISECOND),
    };
    out->probe = (int32_t)m->probe_count++;
    return HF_REASON_NONE;
}

static void settle_probe(struct breaker_model *m, struct model_probe *p, hf_outcome outcome, bool slow, hf_time now) {
    bool good = outcome.kind == HF_SUCCESS && !(slow && m->rules.slow_rate_ppm != HF_BREAKER_OFF);
    if (p->status == MODEL_FLYING) {
        if (expired(p, now)) p->status = MODEL_BAD;
        else p->status = outcome.kind == HF_NEUTRAL ? MODEL_BACK : good ? MODEL_OK : MODEL_BAD;
    }
    decide(m, outcome.retry_after_ns, now);
}

static void record(struct breaker_model *m, int32_t kind, bool slow, hf_time now) {
    STEPPER_MUST(m->count < MODEL_RESULTS);
    m->latest = at_least(m->latest, now / m->width_ns);
    m->results[m->count++] =
        (struct model_result){.kind = kind, .slow = slow, .bucket = m->latest, .buckets = m->rules.buckets};
}

void model_settle(struct breaker_model *m, const struct model_ticket *ticket, hf_outcome outcome, hf_time now) {
    bool slow = (outcome.flags & HF_SLOW) != 0;
    if (m->rules.slow_call_ms != HF_NEVER && now - ticket->at >= m->rules.slow_call_ms * HF_MILLISECOND) slow = true;
    if (ticket->call >= 0) m->calls[ticket->call].runs = false;
    if (ticket->probe >= 0) {
        settle_probe(m, &m->probes[ticket->probe], outcome, slow, now);
        return;
    }
    if (!records(ticket->state) || ticket->generation != m->generation || outcome.kind == HF_NEUTRAL) return;
    record(m, outcome.kind, slow, now);
    /* Those under way are looked at in every tick, and with a result that says something itself. */
    bool plain = outcome.kind == HF_SUCCESS && !slow, was_clean = m->clean;
    struct model_counts c = count(m, now, 0);
    bool spotless = c.failures == 0 && c.slow == 0;
    m->clean = plain && spotless && !by_time(m) && c.total == m->rules.window;
    if (by_time(m) ? !(plain && spotless) : !(plain && was_clean)) judge(m, outcome.retry_after_ns, now);
}

hf_breaker_info model_info(const struct breaker_model *m, hf_time now) {
    struct model_counts c = count(m, now, 0);
    hf_time first_end;
    hf_breaker_info info = {
        .struct_size = (uint32_t)sizeof info,
        .state = (int32_t)m->state,
        .total = c.total,
        .failures = c.failures,
        .slow = c.slow,
        .consecutive = c.run,
        .rejected = m->rejected,
        .retry_at = now,
        .admit_ppm = HF_PPM,
        .rules = reached(m, count(m, now, overdue(m, now))),
        .overdue = overdue(m, now),
    };
    if (m->state == HF_BREAKER_HALF_OPEN) {
        info.probes_flying = of_round(m, MODEL_FLYING);
        info.probes_ok = of_round(m, MODEL_OK);
        info.probes_failed = of_round(m, MODEL_BAD);
        if (is_full(m, now, &first_end) && !any_expired(m, now)) info.retry_at = first_end, info.admit_ppm = 0;
    }
    if (m->state == HF_BREAKER_RECOVERING && !recovered(m, now)) {
        info.admit_ppm = share_ppm(m, now);
    }
    if (m->state == HF_BREAKER_FORCED_OPEN) info.retry_at = HF_NEVER, info.admit_ppm = 0;
    if (m->state == HF_BREAKER_OPEN && (m->ms >= LONG_MS || now < m->ms * HF_MILLISECOND)) {
        info.retry_at = m->ms >= LONG_MS ? HF_NEVER : m->ms * HF_MILLISECOND;
        info.admit_ppm = 0;
    }
    return info;
}
