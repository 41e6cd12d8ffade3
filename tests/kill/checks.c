/* SPDX-License-Identifier: MIT */
#include "kill/world.h"

#include "os/monotonic.h"

/* Takes slots until one is refused, and gives them back; returns how many it got. */
static uint32_t take_all(struct house *house) {
    static hf_call call[SLOTS + 1];
    uint32_t taken = 0, begun = 0;
    while (begun <= SLOTS) {
        hf_step step = {.kind = HF_STEP_DONE};
        hf_time now = hf_clock_now(NULL);
        if (hf_call_begin(&call[begun], house->slots, NULL, now) != 0) break;
        begun++;
        (void)hf_call_step(&call[begun - 1], &step, now);
        if (step.kind != HF_STEP_START) break;
        taken++;
    }
    for (uint32_t i = 0; i < begun; i++) {
        hf_step step;
        hf_time now = hf_clock_now(NULL);
        if (i < taken) (void)hf_call_report(&call[i], 0, hf_success(), now);
        (void)hf_call_step(&call[i], &step, now);
        (void)hf_call_end(&call[i], NULL);
    }
    return taken;
}

static hf_outcome succeed(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return hf_success();
}

/* With a dependency that is well, whatever the dead left ends with its lease: open, probe, close. */
static void check_breaker(struct world *world, struct house *house) {
    hf_breaker_info info = {.struct_size = sizeof info};
    hf_time until = hf__monotonic_now() + 2 * HF_SECOND;
    while (hf__monotonic_now() < until) {
        bool admitted = hf_run(house->guarded, succeed, NULL, NULL, NULL) == 0;
        (void)hf_breaker_snapshot(house->breaker, &info, hf_clock_now(NULL));
        if (admitted && info.state == HF_BREAKER_CLOSED) return;
        nap_us(1000);
    }
    violate(world, "the breaker is wedged: %s, %u probes flying", hf_breaker_state_name(info.state),
            info.probes_flying);
}

void check_quiet(struct world *world, struct house *house) {
    nap_us(LEASE_MS * 1000 + 2000); /* the last death is a lease ago at least */
    uint32_t taken = take_all(house);
    if (taken != SLOTS) violate(world, "%u of %d slots could be taken a lease after the last death", taken, SLOTS);
    uint32_t held = hf_bulkhead_in_flight(house->bulkhead);
    if (held != 0) violate(world, "%u slots are held when nobody works", held);
    check_breaker(world, house);
}

void check_end(struct world *world, struct house *house, int64_t ns) {
    uint64_t permits = atomic_load(&world->permits);
    uint64_t most = RATE_BURST + (uint64_t)(ns / HF_MILLISECOND + 1) * RATE_PER_SECOND / 1000;
    if (permits > most)
        violate(world, "%llu permits, at most %llu", (unsigned long long)permits, (unsigned long long)most);
    nap_us(500000); /* the longest that limit and budget need to fill */
    int64_t available = hf_rate_limit_available(house->limit, NULL, hf_clock_now(NULL));
    if (available != RATE_BURST)
        violate(world, "%lld of %d permits are there at rest", (long long)available, RATE_BURST);
    uint32_t retries = hf_budget_available(house->budget, hf_clock_now(NULL));
    if (retries != 30) violate(world, "%u of 30 retries are there at rest", retries);
}
