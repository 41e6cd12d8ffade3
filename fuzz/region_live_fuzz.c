/* SPDX-License-Identifier: MIT */
/* Foreign bytes in a region that is in use (region_fuzz.c: in one that is attached to): between any two operations any byte
 * of it may change, and it may be attached again in whatever state it is. No crash, no endless loop, no access outside; what
 * cannot be made sense of is an error. What the policies then decide is not judged: only that they decide. */
#include "shm/region_handle.h"
#include "support/bytes.h"
#include "support/stepper.h"
#include "fuzz.h"

#include <holdfast/breaker_admin.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_KIB 64

static char directory[] = "/tmp/holdfast-fuzz-XXXXXX";

struct house {
    hf_region *region;
    hf_breaker *breaker;
    hf_bulkhead *bulkhead;
    hf_rate_limit *limit;
    hf_budget *budget;
    hf_retry *retry;
    hf_pipeline *pipeline;
    hf_time now;
};

static void clean_up(void) {
    (void)hf_region_remove("fuzz", directory, NULL);
    (void)rmdir(directory);
}

static void make_directory(void) {
    static bool made;
    if (made) return;
    made = true;
    FUZZ_MUST(mkdtemp(directory) != NULL);
    FUZZ_MUST(atexit(clean_up) == 0);
}

static void leave(struct house *h) {
    hf_pipeline_free(h->pipeline);
    hf_retry_free(h->retry);
    hf_budget_free(h->budget);
    hf_rate_limit_free(h->limit);
    hf_bulkhead_free(h->bulkhead);
    hf_breaker_free(h->breaker);
    hf_region_free(h->region);
    hf_time now = h->now;
    *h = (struct house){.now = now};
}

/* Attaches and makes what can be made: a policy whose entry is corrupted is an error, and is done without. */
static void enter(struct house *h, bool by_time) {
    hf_region_config config;
    hf_region_config_init(&config);
    config.name = "fuzz";
    config.directory = directory;
    config.size_kib = SIZE_KIB;
    config.on_mismatch = HF_REGION_LOCAL;
    FUZZ_MUST(hf_region_new(&h->region, &config, NULL) == 0);
    hf_breaker_config breaker;
    hf_breaker_config_init(&breaker);
    breaker.window_kind = by_time ? HF_BREAKER_BY_TIME : HF_BREAKER_BY_CALLS;
    breaker.slow_call_ms = 100;
    breaker.recovery_ms = 1000;
    breaker.region = h->region;
    hf_bulkhead_config bulkhead;
    hf_bulkhead_config_init(&bulkhead);
    bulkhead.max_concurrent = 3;
    bulkhead.region = h->region;
    hf_rate_limit_config limit;
    hf_rate_limit_config_init(&limit);
    limit.tiers = 2;
    limit.tier[0] = (hf_rate_tier){.permits = 10, .burst = 5, .period_ms = 1000};
    limit.tier[1] = (hf_rate_tier){.permits = 100, .burst = 50, .period_ms = 60000};
    limit.region = h->region;
    hf_budget_config budget;
    hf_budget_config_init(&budget);
    budget.region = h->region;
    FUZZ_MUST(hf_breaker_new(&h->breaker, "b", &breaker, NULL) == 0); /* LOCAL: never an error */
    FUZZ_MUST(hf_bulkhead_new(&h->bulkhead, "b", &bulkhead, NULL) == 0);
    FUZZ_MUST(hf_rate_limit_new(&h->limit, "b", &limit, NULL) == 0);
    FUZZ_MUST(hf_budget_new(&h->budget, "b", &budget, NULL) == 0);
    FUZZ_MUST(hf_retry_new(&h->retry, "r", NULL, h->budget, NULL) == 0);
    hf_policy *order[] = {hf_retry_policy(h->retry), hf_rate_limit_policy(h->limit), hf_bulkhead_policy(h->bulkhead),
                          hf_breaker_policy(h->breaker)};
    FUZZ_MUST(hf_pipeline_new(&h->pipeline, "p", order, 4, NULL) == 0);
}

/* Header and entries are small among all the bytes: they are chosen as often as the states. */
static void poke(struct house *h, struct bytes *in) {
    unsigned char *memory = (unsigned char *)h->region->map;
    static const uint32_t from[] = {0, 4096, 8192, 24576}, size[] = {64, 64, 1280, 4096};
    uint32_t part = bytes_below(in, 4);
    uint32_t at = from[part] + bytes_below(in, size[part]) / 8 * 8;
    static const uint64_t edges[] = {0, UINT64_MAX, 1, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 7, 7};
    uint64_t value = bytes_one_in(in, 3) ? bytes_u64(in) : BYTES_PICK(in, edges);
    memcpy(memory + at, &value, sizeof value);
}

static void call(struct house *h, struct bytes *in) {
    static const hf_outcome outcomes[] = {{HF_SUCCESS, 0, 0, 0, 0},
                                          {HF_FAILURE, HF_RETRYABLE, 1, 0, 0},
                                          {HF_THROTTLED, HF_RETRYABLE, 1, 2, 30 * HF_SECOND},
                                          {HF_NEUTRAL, 0, 1, 0, 0}};
    hf_outcome script[3] = {BYTES_PICK(in, outcomes), BYTES_PICK(in, outcomes), BYTES_PICK(in, outcomes)};
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = h->now + 5 * HF_SECOND;
    options.seed = bytes_u8(in);
    struct stepper s;
    (void)stepper_play(&s, h->pipeline, &options, h->now, script, NULL, 3, NULL, NULL);
}

/* The same bytes as a view sees them: whatever they are, each look ends, with an answer or an error. */
static void look_from_outside(const struct house *h) {
    hf_region_view *view;
    if (hf_region_view_new(&view, "fuzz", directory, NULL) < 0) return;
    hf_region_info region = {.struct_size = sizeof region};
    FUZZ_MUST(hf_region_view_inspect(view, &region) == 0);
    FUZZ_MUST(region.free_bytes <= region.size_bytes);
    for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
        hf_region_object object = {.struct_size = sizeof object};
        hf_breaker_info breaker = {.struct_size = sizeof breaker};
        hf_region_bulkhead bulkhead = {.struct_size = sizeof bulkhead};
        hf_region_rate_limit limit = {.struct_size = sizeof limit};
        hf_budget_info budget = {.struct_size = sizeof budget};
        if (hf_region_view_object(view, i, &object) == 0) FUZZ_MUST(strlen(object.name) <= HF_NAME_MAX);
        (void)hf_region_view_breaker(view, i, NULL, &breaker, h->now);
        if (hf_region_view_bulkhead(view, i, &bulkhead) == 0)
            FUZZ_MUST(bulkhead.in_flight == bulkhead.of_living + bulkhead.of_dead + bulkhead.unowned);
        if (hf_region_view_rate_limit(view, i, &limit, h->now) == 0) FUZZ_MUST(limit.tiers <= HF_RATE_TIERS_MAX);
        (void)hf_region_view_budget(view, i, NULL, &budget, h->now);
    }
    for (uint32_t slot = 1; slot <= HF_REGION_PROCESSES_MAX; slot++) {
        hf_region_process process = {.struct_size = sizeof process};
        (void)hf_region_view_process(view, slot, &process);
    }
    hf_region_view_free(view);
}

static void look(struct house *h) {
    hf_breaker_info breaker = {.struct_size = sizeof breaker};
    hf_region_info region = {.struct_size = sizeof region};
    FUZZ_MUST(hf_breaker_snapshot(h->breaker, &breaker, h->now) == 0);
    FUZZ_MUST(hf_region_inspect(h->region, &region) == 0);
    FUZZ_MUST(region.free_bytes <= region.size_bytes);
    FUZZ_MUST(hf_bulkhead_in_flight(h->bulkhead) <= 3);
    (void)hf_rate_limit_available(h->limit, NULL, h->now);
    (void)hf_budget_available(h->budget, h->now);
    look_from_outside(h);
}

static void touch(struct house *h, struct bytes *in) {
    hf_rate_ticket ticket;
    switch (bytes_below(in, 5)) {
    case 0: (void)hf_breaker_set(h->breaker, HF_BREAKER_CLOSED, h->now); break;
    case 1:
        if (hf_rate_limit_take(h->limit, &ticket, NULL, 2, HF_SECOND, h->now) == 0) {
            (void)hf_rate_limit_refund(h->limit, &ticket, NULL, h->now);
        }
        break;
    case 2: hf_rate_limit_drain(h->limit, NULL, h->now + HF_SECOND, h->now); break;
    case 3: (void)hf_bulkhead_resize(h->bulkhead, bytes_below(in, 4)); break;
    default: (void)hf_breaker_set(h->breaker, HF_BREAKER_OPEN, h->now); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    make_directory();
    struct bytes in = bytes_of(data, size);
    bool by_time = bytes_u8(&in) & 1;
    struct house house = {.now = HF_SECOND};
    enter(&house, by_time);
    for (int i = 0; i < 40 && in.left > 0; i++) {
        switch (bytes_below(&in, 6)) {
        case 0: call(&house, &in); break;
        case 1: house.now += bytes_between(&in, 0, 20) * 500 * HF_MILLISECOND; break;
        case 2: look(&house); break;
        case 3: touch(&house, &in); break;
        case 4: poke(&house, &in); break;
        default:
            leave(&house);
            enter(&house, by_time);
            break;
        }
    }
    leave(&house);
    FUZZ_MUST(hf_region_remove("fuzz", directory, NULL) == 0);
    return 0;
}
