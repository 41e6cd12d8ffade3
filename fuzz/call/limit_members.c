/* SPDX-License-Identifier: MIT */
/* Limits on what is let through, and the hedge. */
#include "call/members.h"

#include "call/trace.h"
#include "fuzz.h"

static const int64_t some_ms[] = {0, 1, 100, 5000};
static const int64_t longer_ms[] = {1000, 100, 60000};

static void nothing_by_hand(struct member *m, struct bytes *in, hf_time now) { (void)m, (void)in, (void)now; }

/* ---- rate limit ---- */

static hf_rate_tier any_tier(struct bytes *in) {
    return (hf_rate_tier){
        .permits = 1 + bytes_below(in, 20), .burst = 1 + bytes_below(in, 4), .period_ms = BYTES_PICK(in, longer_ms)};
}

static void rate_limit_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    hf_rate_limit_config c;
    hf_rate_limit_config_init(&c);
    c.tiers = 1 + bytes_below(in, 2);
    for (uint32_t i = 0; i < c.tiers; i++) c.tier[i] = any_tier(in);
    c.max_wait_ms = BYTES_PICK(in, some_ms);
    c.drain_on_throttled = bytes_one_in(in, 2) ? 0 : 1;
    c.max_keys = bytes_one_in(in, 4) ? 2 : 0;
    m->most = c.tier[0].burst;
    FUZZ_MUST(hf_rate_limit_new(&m->rate_limit, m->name, &c, NULL) == 0);
    m->policy = hf_rate_limit_policy(m->rate_limit);
}

static void rate_limit_look(const struct member *m, hf_time now) {
    int64_t available = hf_rate_limit_available(m->rate_limit, "", now);
    trace_note("permits", available);
    trace_note("turned back", (int64_t)hf_rate_limit_rejected(m->rate_limit));
    FUZZ_MUST(available <= (int64_t)m->most);
}

static void rate_limit_by_hand(struct member *m, struct bytes *in, hf_time now) {
    hf_rate_ticket ticket;
    switch (bytes_below(in, 3)) {
    case 0:
        if (hf_rate_limit_take(m->rate_limit, &ticket, "", 1, 0, now) == 0 && bytes_one_in(in, 2)) {
            trace_note("refund", hf_rate_limit_refund(m->rate_limit, &ticket, "", now));
        }
        break;
    case 1: hf_rate_limit_drain(m->rate_limit, "", now + HF_SECOND, now); break;
    default: {
        hf_rate_tier tier = any_tier(in);
        if (tier.burst > m->most) m->most = tier.burst;
        trace_note("set tier", hf_rate_limit_set(m->rate_limit, 0, &tier, now, NULL));
    }
    }
}

static void nothing_held(const struct member *m) { (void)m; }
static void rate_limit_free(struct member *m) { hf_rate_limit_free(m->rate_limit); }

const struct member_kind rate_limit_kind = {"rate limit",       rate_limit_make, rate_limit_look,
                                            rate_limit_by_hand, nothing_held,    rate_limit_free};

/* ---- throttle ---- */

static void throttle_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    hf_throttle_config c;
    hf_throttle_config_init(&c);
    c.multiplier_ppm = bytes_one_in(in, 2) ? 1000000 : 2000000;
    c.padding = bytes_below(in, 4);
    c.window_ms = BYTES_PICK(in, longer_ms);
    FUZZ_MUST(hf_throttle_new(&m->throttle, m->name, &c, NULL) == 0);
    m->policy = hf_throttle_policy(m->throttle);
}

static void throttle_look(const struct member *m, hf_time now) {
    hf_throttle_info info = {.struct_size = sizeof info};
    FUZZ_MUST(hf_throttle_snapshot(m->throttle, &info, now) == 0);
    trace_note("requests", (int64_t)info.requests);
    trace_note("accepts", (int64_t)info.accepts);
    trace_note("excess", info.excess_ppm);
    FUZZ_MUST(info.excess_ppm <= 950000); /* it cannot wedge */
}

static void throttle_free(struct member *m) { hf_throttle_free(m->throttle); }

const struct member_kind throttle_kind = {"throttle",      throttle_make, throttle_look,
                                          nothing_by_hand, nothing_held,  throttle_free};

/* ---- concurrency limit ---- */

static void concurrency_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    hf_concurrency_config c;
    hf_concurrency_config_init(&c);
    c.algorithm = bytes_below(in, 3);
    c.min_limit = 1 + bytes_below(in, 2);
    c.max_limit = c.min_limit + bytes_below(in, 4);
    c.initial = c.min_limit;
    c.min_calls = 1 + bytes_below(in, 4);
    c.window_ms = BYTES_PICK(in, longer_ms);
    c.seed = 1;
    m->most = c.max_limit;
    FUZZ_MUST(hf_concurrency_new(&m->concurrency, m->name, &c, NULL) == 0);
    m->policy = hf_concurrency_policy(m->concurrency);
}

static hf_concurrency_info concurrency_info(const struct member *m) {
    hf_concurrency_info info = {.struct_size = sizeof info};
    FUZZ_MUST(hf_concurrency_snapshot(m->concurrency, &info) == 0);
    return info;
}

static void concurrency_look(const struct member *m, hf_time now) {
    (void)now;
    hf_concurrency_info info = concurrency_info(m);
    trace_note("limit", info.limit);
    trace_note("in flight", info.in_flight);
    trace_note("round trip", info.base_ns);
    FUZZ_MUST(info.limit >= 1 && info.limit <= m->most);
}

static void concurrency_by_hand(struct member *m, struct bytes *in, hf_time now) {
    (void)in;
    hf_concurrency_reset(m->concurrency, now);
}

static void concurrency_at_rest(const struct member *m) { FUZZ_MUST(concurrency_info(m).in_flight == 0); }
static void concurrency_free(struct member *m) { hf_concurrency_free(m->concurrency); }

const struct member_kind concurrency_kind = {"concurrency",       concurrency_make,    concurrency_look,
                                             concurrency_by_hand, concurrency_at_rest, concurrency_free};

/* ---- not before ---- */

static void not_before_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    hf_not_before_config c;
    hf_not_before_config_init(&c);
    c.cap_ms = BYTES_PICK(in, longer_ms);
    c.max_wait_ms = BYTES_PICK(in, some_ms);
    m->longest_ms = c.cap_ms;
    FUZZ_MUST(hf_not_before_new(&m->not_before, m->name, &c, NULL) == 0);
    m->policy = hf_not_before_policy(m->not_before);
}

static void not_before_look(const struct member *m, hf_time now) {
    trace_note("not before", hf_not_before_at(m->not_before, now));
}

static void not_before_free(struct member *m) { hf_not_before_free(m->not_before); }

const struct member_kind not_before_kind = {"not before",    not_before_make, not_before_look,
                                            nothing_by_hand, nothing_held,    not_before_free};

/* ---- hedge ---- */

static void hedge_make(struct member *m, struct members *all, struct bytes *in) {
    static const int64_t delays_ms[] = {10, 0, 1, 1000, HF_NEVER};
    hf_hedge_config c;
    hf_hedge_config_init(&c);
    c.delay_ms = BYTES_PICK(in, delays_ms);
    c.min_samples = 10;
    c.at_failure = bytes_one_in(in, 2);
    struct budget_model *budget = all->budgets > 0 && bytes_one_in(in, 2) ? &all->budget[0] : NULL;
    if (budget != NULL) budget->exact = false;
    FUZZ_MUST(hf_hedge_new(&m->hedge, m->name, &c, budget == NULL ? NULL : budget->budget, NULL) == 0);
    m->policy = hf_hedge_policy(m->hedge);
}

static void hedge_look(const struct member *m, hf_time now) {
    (void)now;
    hf_hedge_info info = {.struct_size = sizeof info};
    FUZZ_MUST(hf_hedge_snapshot(m->hedge, &info) == 0);
    trace_note("samples", info.samples);
    trace_note("hedges", (int64_t)info.hedges);
    trace_note("won", (int64_t)info.won);
    FUZZ_MUST(info.won <= info.hedges);
}

static void hedge_free(struct member *m) { hf_hedge_free(m->hedge); }

const struct member_kind hedge_kind = {"hedge", hedge_make, hedge_look, nothing_by_hand, nothing_held, hedge_free};
