/* SPDX-License-Identifier: MIT */
#include "kill/world.h"

#include "base/rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void violate(struct world *world, const char *format, ...) {
    if (atomic_fetch_add(&world->violations, 1) > 0) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(world->violation, sizeof world->violation, format, arguments);
    va_end(arguments);
}

void nap_us(uint64_t us) {
    struct timespec time = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};
    (void)nanosleep(&time, NULL);
}

/* ---- the policies ---- */

static int make_policies(struct house *h, hf_error *error) {
    hf_bulkhead_config bulkhead;
    hf_bulkhead_config_init(&bulkhead);
    bulkhead.max_concurrent = SLOTS;
    bulkhead.slot_lease_ms = LEASE_MS;
    bulkhead.region = h->region;
    hf_breaker_config breaker;
    hf_breaker_config_init(&breaker);
    breaker.window = 30;
    breaker.consecutive_failures = 3;
    breaker.open_ms = 10;
    breaker.open_max_ms = 40;
    breaker.probes = PROBES;
    breaker.probe_lease_ms = LEASE_MS;
    breaker.slow_call_ms = 30; /* with a wheel of calls under way */
    breaker.region = h->region;
    hf_rate_limit_config limit;
    hf_rate_limit_config_init(&limit);
    limit.tiers = 2;
    limit.tier[0] = (hf_rate_tier){.permits = RATE_PER_SECOND, .burst = RATE_BURST, .period_ms = 1000};
    limit.tier[1] = (hf_rate_tier){.permits = RATE_PER_SECOND, .burst = 4 * RATE_BURST, .period_ms = 1000};
    limit.region = h->region;
    hf_budget_config budget;
    hf_budget_config_init(&budget);
    budget.min_per_second = 100;
    budget.region = h->region;
    int rc = hf_bulkhead_new(&h->bulkhead, "slots", &bulkhead, error);
    if (rc == 0) rc = hf_breaker_new(&h->breaker, "dependency", &breaker, error);
    if (rc == 0) rc = hf_rate_limit_new(&h->limit, "quota", &limit, error);
    if (rc == 0) rc = hf_budget_new(&h->budget, "retries", &budget, error);
    return rc;
}

static int make_pipelines(struct house *h, hf_error *error) {
    hf_retry_config retry;
    hf_retry_config_init(&retry);
    retry.max_attempts = 2;
    retry.backoff.base_ms = 1;
    retry.backoff.cap_ms = 1;
    int rc = hf_retry_new(&h->retry, "retry", &retry, h->budget, error);
    if (rc < 0) return rc;
    hf_policy *order[] = {hf_retry_policy(h->retry), hf_rate_limit_policy(h->limit), hf_bulkhead_policy(h->bulkhead),
                          hf_breaker_policy(h->breaker)};
    rc = hf_pipeline_new(&h->whole, "whole", order, 4, error);
    if (rc == 0) rc = hf_pipeline_new(&h->slots, "slots", order + 2, 1, error);
    if (rc == 0) rc = hf_pipeline_new(&h->guarded, "guarded", order + 3, 1, error);
    return rc;
}

bool house_make(struct house *house, const char *directory, struct world *world) {
    hf_error error;
    hf_region_config config;
    hf_region_config_init(&config);
    config.name = "kill-test";
    config.directory = directory;
    *house = (struct house){0};
    int rc = hf_region_new(&house->region, &config, &error);
    if (rc == 0) rc = make_policies(house, &error);
    if (rc == 0) rc = make_pipelines(house, &error);
    if (rc < 0) violate(world, "cannot attach: %s", hf_error_text(&error));
    return rc == 0;
}

void house_drop(struct house *house) {
    hf_pipeline_free(house->whole);
    hf_pipeline_free(house->slots);
    hf_pipeline_free(house->guarded);
    hf_retry_free(house->retry);
    hf_budget_free(house->budget);
    hf_rate_limit_free(house->limit);
    hf_breaker_free(house->breaker);
    hf_bulkhead_free(house->bulkhead);
    hf_region_free(house->region);
}

/* ---- what a worker does ---- */

struct worker {
    struct world *world;
    struct desk *desk;
    struct house *house;
    uint64_t bit;
    uint64_t rng;
    bool takes_permits;
};

static uint64_t draw(struct worker *w, uint64_t below) {
    return (uint64_t)hf__rng_between(hf__rng_next(&w->rng), 0, (int64_t)below - 1);
}

static void go(struct worker *w, enum place place) { atomic_store(&w->desk->place, (uint32_t)place); }

static void come_in(struct worker *w) {
    go(w, PLACE_HOLDING);
    uint64_t seen = atomic_fetch_or(&w->world->holders, w->bit) | w->bit;
    uint32_t living = (uint32_t)seen & ~(uint32_t)(seen >> 32);
    uint32_t held = (uint32_t)__builtin_popcount(living), most = atomic_load(&w->world->most);
    while (held > most && !atomic_compare_exchange_weak(&w->world->most, &most, held)) continue;
    if (held > SLOTS) violate(w->world, "%u workers that live hold one of %d slots each", held, SLOTS);
}

static void leave(struct worker *w) {
    atomic_fetch_and(&w->world->holders, ~w->bit);
    go(w, PLACE_LIBRARY);
}

static hf_outcome outcome_now(struct worker *w) {
    bool fails = atomic_load(&w->world->ill) && draw(w, 3) > 0;
    return fails ? hf_failure(5) : hf_success();
}

/* In a pipeline with the bulkhead. */
static hf_outcome hold(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    struct worker *w = arg;
    come_in(w);
    if (w->takes_permits) atomic_fetch_add(&w->world->permits, 1);
    if (draw(w, 8) > 0) nap_us(draw(w, 2000));
    leave(w);
    return outcome_now(w);
}

static int32_t look_at_breaker(struct worker *w) {
    hf_breaker_info info = {.struct_size = sizeof info};
    (void)hf_breaker_snapshot(w->house->breaker, &info, hf_clock_now(NULL));
    bool sound = info.state >= HF_BREAKER_CLOSED && info.state <= HF_BREAKER_OPEN && info.total <= 30 &&
                 info.failures <= info.total && info.consecutive <= info.failures &&
                 info.probes_flying + info.probes_ok + info.probes_failed <= PROBES;
    if (!sound) {
        violate(w->world, "torn breaker: state %d, %u of %u failed, %u in a row, probes %u flying %u good %u bad",
                (int)info.state, info.failures, info.total, info.consecutive, info.probes_flying, info.probes_ok,
                info.probes_failed);
    }
    return info.state;
}

/* In a pipeline with the breaker alone. Probes take long, so that there are some when the killer comes. */
static hf_outcome ask(void *arg, const hf_attempt *attempt) {
    (void)attempt;
    struct worker *w = arg;
    if (look_at_breaker(w) == HF_BREAKER_HALF_OPEN) nap_us(1000 + draw(w, 3000));
    return outcome_now(w);
}

static void look(struct worker *w) {
    (void)look_at_breaker(w);
    uint32_t held = hf_bulkhead_in_flight(w->house->bulkhead);
    int64_t permits = hf_rate_limit_available(w->house->limit, NULL, hf_clock_now(NULL));
    uint32_t retries = hf_budget_available(w->house->budget, hf_clock_now(NULL));
    if (held > SLOTS || permits > RATE_BURST || retries > 30)
        violate(w->world, "torn: %u slots held, %lld permits, %u retries", held, (long long)permits, retries);
}

static void one_call(struct worker *w) {
    hf_rate_ticket ticket;
    uint64_t what = draw(w, 8);
    int rc = 0;
    go(w, PLACE_LIBRARY);
    w->takes_permits = what == 4;
    if (what < 4) rc = hf_run(w->house->slots, hold, w, NULL, NULL);
    else if (what == 4) rc = hf_run(w->house->whole, hold, w, NULL, NULL);
    else if (what == 5) rc = hf_run(w->house->guarded, ask, w, NULL, NULL);
    else if (what == 6) rc = hf_rate_limit_take(w->house->limit, &ticket, NULL, 1, 0, hf_clock_now(NULL));
    else look(w);
    go(w, PLACE_OUTSIDE);
    if (what == 6 && rc == 0) atomic_fetch_add(&w->world->permits, 1);
    atomic_fetch_add(rc == HF_E_REJECTED ? &w->world->turned_back : &w->world->granted, 1);
    atomic_fetch_add(&w->desk->calls, 1);
}

void work_for_ever(struct world *world, struct house *house, uint32_t index, uint64_t seed) {
    struct worker w = {.world = world, .desk = &world->desk[index], .house = house};
    w.bit = UINT64_C(1) << index;
    w.rng = seed;
    while (atomic_load(&world->violations) == 0) {
        if (atomic_load(&world->paused)) {
            atomic_store(&w.desk->idle, 1);
            nap_us(500);
            continue;
        }
        atomic_store(&w.desk->idle, 0);
        one_call(&w);
        if (draw(&w, 64) == 0) nap_us(draw(&w, 200));
    }
}
