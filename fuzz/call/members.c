/* SPDX-License-Identifier: MIT */
#include "call/members.h"

#include "call/trace.h"
#include "fuzz.h"

#include <string.h>

#define MS HF_MILLISECOND

/* ---- bulkhead ---- */

#define SLOTS_MAX 4

static const int64_t waits_ms[] = {HF_NEVER, 1, 50, 3600000};

static void bulkhead_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    hf_bulkhead_config *c = &m->as_bulkhead;
    hf_bulkhead_config_init(c);
    c->max_concurrent = SLOTS_MAX - bytes_below(in, SLOTS_MAX + 1);
    c->max_waiting = bytes_below(in, 3);
    c->max_wait_ms = BYTES_PICK(in, waits_ms);
    FUZZ_MUST(hf_bulkhead_new(&m->bulkhead, m->name, c, NULL) == 0);
    m->policy = hf_bulkhead_policy(m->bulkhead);
}

static void bulkhead_look(const struct member *m, hf_time now) {
    (void)now;
    uint32_t in_flight = hf_bulkhead_in_flight(m->bulkhead), waiting = hf_bulkhead_waiting(m->bulkhead);
    trace_note("in flight", in_flight);
    trace_note("waiting", waiting);
    trace_note("turned back", (int64_t)hf_bulkhead_rejected(m->bulkhead));
    FUZZ_MUST(in_flight <= SLOTS_MAX && waiting <= m->as_bulkhead.max_waiting);
    FUZZ_MUST(waiting == 0 || in_flight >= m->as_bulkhead.max_concurrent); /* nobody waits beside a free slot */
}

static void bulkhead_by_hand(struct member *m, struct bytes *in, hf_time now) {
    (void)now;
    if (bytes_one_in(in, 4)) {
        FUZZ_MUST(hf_bulkhead_set_max_wait(m->bulkhead, BYTES_PICK(in, waits_ms)) == 0);
        return;
    }
    m->as_bulkhead.max_concurrent = bytes_below(in, SLOTS_MAX + 1);
    FUZZ_MUST(hf_bulkhead_resize(m->bulkhead, m->as_bulkhead.max_concurrent) == 0);
}

static void bulkhead_at_rest(const struct member *m) {
    FUZZ_MUST(hf_bulkhead_in_flight(m->bulkhead) == 0 && hf_bulkhead_waiting(m->bulkhead) == 0);
}

static void bulkhead_free(struct member *m) { hf_bulkhead_free(m->bulkhead); }

/* ---- fallback ---- */

static hf_outcome answers(void *arg, const hf_result *failed) {
    (void)arg;
    FUZZ_MUST(hf_result_status(failed) < 0);
    return hf_success();
}

static hf_outcome has_none(void *arg, const hf_result *failed) {
    (void)arg;
    FUZZ_MUST(hf_result_status(failed) < 0);
    return hf_failure(99);
}

static void fallback_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    FUZZ_MUST(hf_fallback_new(&m->fallback, m->name, bytes_one_in(in, 2) ? has_none : answers, NULL) == 0);
    m->policy = hf_fallback_policy(m->fallback);
}

static void look_at_nothing(const struct member *m, hf_time now) { (void)m, (void)now; }
static void nothing_to_give_back(const struct member *m) { (void)m; }
static void fallback_free(struct member *m) { hf_fallback_free(m->fallback); }

/* ---- retry ---- */

static void retry_make(struct member *m, struct members *all, struct bytes *in) {
    static const uint32_t attempts[] = {3, 1, 2, 5, HF_RETRY_UNLIMITED};
    static const int64_t some_ms[] = {10, 0, 1, 1000, 86400000};
    static const uint32_t shares[] = {250000, 0, 1000000};
    hf_retry_config *c = &m->as_retry;
    hf_retry_config_init(c);
    c->max_attempts = BYTES_PICK(in, attempts);
    c->retry_after_cap_ms = BYTES_PICK(in, some_ms);
    c->hint_jitter_ppm = BYTES_PICK(in, shares);
    c->retry_rejected = bytes_one_in(in, 2);
    c->backoff.kind = (int32_t)bytes_below(in, HF_BACKOFF_EXPONENTIAL + 1);
    c->backoff.jitter = (int32_t)bytes_below(in, HF_JITTER_DECORRELATED + 1);
    if (c->backoff.jitter == HF_JITTER_DECORRELATED) c->backoff.kind = HF_BACKOFF_EXPONENTIAL;
    c->backoff.base_ms = BYTES_PICK(in, some_ms);
    c->backoff.cap_ms = c->backoff.base_ms * bytes_between(in, 1, 4);
    if (c->backoff.cap_ms > 86400000) c->backoff.cap_ms = 86400000;
    c->backoff.floor_ms = bytes_one_in(in, 4) ? c->backoff.cap_ms : 0;
    uint32_t given = bytes_below(in, BUDGETS_MAX + 1);
    m->budget = given < all->budgets ? &all->budget[given] : NULL;
    FUZZ_MUST(hf_retry_new(&m->retry, m->name, c, m->budget == NULL ? NULL : m->budget->budget, NULL) == 0);
    m->policy = hf_retry_policy(m->retry);
}

static void retry_look(const struct member *m, hf_time now) {
    trace_note("tokens", hf_budget_available(hf_retry_budget(m->retry), now));
    trace_note("denied", (int64_t)hf_budget_denied(hf_retry_budget(m->retry)));
}

static void retry_free(struct member *m) { hf_retry_free(m->retry); }

/* ---- timeout ---- */

static void timeout_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    static const int64_t some_ms[] = {50, 1, 1000, 86400000, HF_NEVER};
    hf_timeout_config_init(&m->as_timeout);
    m->as_timeout.timeout_ms = BYTES_PICK(in, some_ms);
    FUZZ_MUST(hf_timeout_new(&m->timeout, m->name, &m->as_timeout, NULL) == 0);
    m->policy = hf_timeout_policy(m->timeout);
}

static void timeout_free(struct member *m) { hf_timeout_free(m->timeout); }

/* ---- all ---- */

static const struct member_kind retry_kind = {"retry", retry_make, retry_look, NULL, nothing_to_give_back, retry_free};
static const struct member_kind timeout_kind = {"timeout", timeout_make,         look_at_nothing,
                                                NULL,      nothing_to_give_back, timeout_free};
static const struct member_kind bulkhead_kind = {"bulkhead",       bulkhead_make,    bulkhead_look,
                                                 bulkhead_by_hand, bulkhead_at_rest, bulkhead_free};
static const struct member_kind fallback_kind = {"fallback", fallback_make,        look_at_nothing,
                                                 NULL,       nothing_to_give_back, fallback_free};

static const struct member_kind *const kinds[] = {&retry_kind,       &breaker_kind,   &timeout_kind,    &bulkhead_kind,
                                                  &fallback_kind,    &hedge_kind,     &rate_limit_kind, &throttle_kind,
                                                  &concurrency_kind, &not_before_kind};

static void budget_make(struct budget_model *b, struct bytes *in) {
    static const uint32_t ratios[] = {0, 200000, 1000000, HF_BUDGET_UNLIMITED};
    hf_budget_config_init(&b->config);
    b->config.ratio_ppm = BYTES_PICK(in, ratios);
    b->config.min_per_second = bytes_one_in(in, 2) ? 1 + bytes_below(in, 100) : 0;
    b->config.burst = 1 + bytes_below(in, 6);
    if (bytes_one_in(in, 4)) b->config.kind = HF_BUDGET_BY_CONCURRENCY;
    b->config.min_concurrent = bytes_below(in, 4);
    b->exact = b->config.ratio_ppm == 0 && b->config.min_per_second == 0 && b->config.kind == HF_BUDGET_BY_RATE;
    FUZZ_MUST(hf_budget_new(&b->budget, "shared", &b->config, NULL) == 0);
}

void members_make(struct members *all, struct bytes *in) {
    memset(all, 0, sizeof *all);
    uint32_t shape = bytes_u8(in);
    all->budgets = shape % (BUDGETS_MAX + 1);
    all->count = shape / 3 % (HF_MAX_POLICIES + 1);
    for (uint32_t i = 0; i < all->budgets; i++) budget_make(&all->budget[i], in);
    for (uint32_t i = 0; i < all->count; i++) {
        struct member *m = &all->member[i];
        m->kind = BYTES_PICK(in, kinds);
        snprintf(m->name, sizeof m->name, "%c%u", m->kind->name[0], (unsigned)i);
        m->kind->make(m, all, in);
    }
}

bool members_share_a_budget(const struct members *all) {
    uint32_t users[BUDGETS_MAX] = {0};
    bool shared = false;
    for (uint32_t i = 0; i < all->count; i++) {
        const struct budget_model *b = all->member[i].budget;
        if (b != NULL && ++users[b - all->budget] > 1) shared = true;
    }
    return shared;
}

void members_look(const struct members *all, hf_time now) {
    for (uint32_t i = 0; i < all->count; i++) all->member[i].kind->look(&all->member[i], now);
}

void members_at_rest(const struct members *all, hf_time now) {
    for (uint32_t i = 0; i < all->count; i++) all->member[i].kind->at_rest(&all->member[i]);
    for (uint32_t i = 0; i < all->budgets; i++) {
        const struct budget_model *b = &all->budget[i];
        hf_budget_info info = {.struct_size = sizeof info};
        FUZZ_MUST(hf_budget_snapshot(b->budget, &info, now) == 0);
        FUZZ_MUST(info.calls == 0 && info.retries == 0); /* by concurrency: none is under way */
        if (b->exact) FUZZ_MUST(b->spent + hf_budget_available(b->budget, now) == b->config.burst);
    }
}

void members_no_wedge(struct members *all, hf_time from) {
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->member[i].kind == &breaker_kind) breaker_no_wedge(&all->member[i], from);
    }
}

void members_free(struct members *all) {
    for (uint32_t i = 0; i < all->count; i++) all->member[i].kind->free(&all->member[i]);
    for (uint32_t i = 0; i < all->budgets; i++) hf_budget_free(all->budget[i].budget);
}
