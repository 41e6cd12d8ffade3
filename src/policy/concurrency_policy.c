/* SPDX-License-Identifier: MIT */
#include <holdfast/concurrency.h>

#include "base/num.h"
#include "base/rng.h"
#include "core/backoff.h" /* HF__DAY_MS */
#include "core/concurrency.h"
#include "os/must.h"
#include "os/random_seed.h"
#include "policy/config_check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Slots are one word, taken and given back by compare-exchange against the limit as it was read. The window is a few
 * counters that every call adds to, relaxed; whoever finds it over tries the mutex, empties the counters and computes the
 * next limit. What others add between two counters' emptying falls into either window. */
struct hf_concurrency {
    hf_policy base;
    struct hf__limit_rules rules;
    uint32_t initial, min_calls, reserve_ppm;
    int64_t window_ns;
    hf_bulkhead *bulkhead;
    _Atomic uint64_t in_flight, rejected;
    _Atomic uint32_t slots; /* of locked.state */
    struct {
        _Atomic int64_t ends_at; /* 0: not begun */
        _Atomic uint64_t fine, drops, rtt_us, most;
    } window;
    pthread_mutex_t mutex;
    struct {
        struct hf__limit_state state;
        uint64_t rng;
    } locked;
};

/* The frame of a call. */
enum { STARTED_AT, ATTEMPTS_BEFORE };

static hf_concurrency *limit_of(hf_policy *policy) { return (hf_concurrency *)(void *)policy; }

static uint64_t load(const _Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }
static uint64_t empty(_Atomic uint64_t *word) { return atomic_exchange_explicit(word, 0, memory_order_relaxed); }

static void publish_locked(hf_concurrency *limit) {
    uint32_t slots = hf__limit_slots(&limit->locked.state);
    atomic_store_explicit(&limit->slots, slots, memory_order_relaxed);
}

/* ---- slots ---- */

static bool take(hf_concurrency *limit, uint32_t priority, uint64_t *out_in_flight) {
    uint64_t seen = load(&limit->in_flight);
    do {
        uint32_t slots =
            limit->bulkhead != NULL ? UINT32_MAX : atomic_load_explicit(&limit->slots, memory_order_relaxed);
        if (!hf__limit_take(seen, slots, limit->reserve_ppm, priority, out_in_flight)) return false;
    } while (!atomic_compare_exchange_weak_explicit(&limit->in_flight, &seen, *out_in_flight, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void note_most(hf_concurrency *limit, uint64_t in_flight) {
    uint64_t seen = load(&limit->window.most);
    while (seen < in_flight && !atomic_compare_exchange_weak_explicit(&limit->window.most, &seen, in_flight,
                                                                      memory_order_relaxed, memory_order_relaxed)) {
    }
}

static int concurrency_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_concurrency *limit = limit_of(policy);
    uint64_t in_flight;
    if (!take(limit, x->priority, &in_flight)) {
        atomic_fetch_add_explicit(&limit->rejected, 1, memory_order_relaxed);
        x->reason = HF_REASON_CONCURRENCY;
        return HF__TURN; /* when a slot comes back is not known */
    }
    note_most(limit, in_flight);
    frame->word[STARTED_AT] = (uint64_t)x->now;
    frame->word[ATTEMPTS_BEFORE] = x->attempts;
    return HF__PASS;
}

/* ---- windows ---- */

static uint32_t narrow(uint64_t count) { return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count; }

static void close_window_locked(hf_concurrency *limit, hf_time now) {
    uint64_t fine = empty(&limit->window.fine), drops = empty(&limit->window.drops);
    uint64_t rtt_us = empty(&limit->window.rtt_us), most = empty(&limit->window.most);
    note_most(limit, load(&limit->in_flight)); /* the next begins with those under way */
    struct hf__limit_window window = {
        .calls = narrow(fine + drops),
        .drops = narrow(drops),
        .most_in_flight = narrow(most),
        .rtt_ns = fine == 0 ? 0 : hf__max(hf__mul((int64_t)(rtt_us / fine), HF_MICROSECOND), 1),
        .now = now,
        .random = hf__rng_next(&limit->locked.rng),
    };
    hf__limit_update(&limit->locked.state, &limit->rules, &window);
    publish_locked(limit);
}

static void look_at_window(hf_concurrency *limit, hf_time now) {
    int64_t ends_at = atomic_load_explicit(&limit->window.ends_at, memory_order_relaxed);
    if (now < ends_at || (ends_at != 0 && load(&limit->window.fine) + load(&limit->window.drops) < limit->min_calls)) {
        return;
    }
    if (pthread_mutex_trylock(&limit->mutex) != 0) return; /* somebody else is at it */
    bool over = atomic_load_explicit(&limit->window.ends_at, memory_order_relaxed) == ends_at;
    if (over) {
        atomic_store_explicit(&limit->window.ends_at, hf__add(now, limit->window_ns), memory_order_relaxed);
        if (ends_at != 0) close_window_locked(limit, now);
    }
    uint32_t slots = atomic_load_explicit(&limit->slots, memory_order_relaxed);
    HF_MUST(pthread_mutex_unlock(&limit->mutex) == 0);
    if (over && limit->bulkhead != NULL) (void)hf_bulkhead_resize(limit->bulkhead, slots);
}

/* What timed out or was told to slow down was more than the dependency could take. Other failures say nothing about how
 * much it can. */
static bool is_drop(const struct hf_x *x) {
    if (x->outcome.kind == HF_THROTTLED) return true;
    return x->outcome.kind == HF_FAILURE && (x->reason == HF_REASON_TIMEOUT || x->reason == HF_REASON_DEADLINE);
}

static int concurrency_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_concurrency *limit = limit_of(policy);
    atomic_fetch_sub_explicit(&limit->in_flight, 1, memory_order_relaxed);
    if (x->attempts == frame->word[ATTEMPTS_BEFORE]) return HF__PASS; /* nothing inside has reached the dependency */
    if (is_drop(x)) {
        atomic_fetch_add_explicit(&limit->window.drops, 1, memory_order_relaxed);
    } else if (x->outcome.kind == HF_SUCCESS) {
        int64_t rtt_ns = hf__left(x->now, (int64_t)frame->word[STARTED_AT]);
        atomic_fetch_add_explicit(&limit->window.fine, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&limit->window.rtt_us, (uint64_t)(rtt_ns / HF_MICROSECOND), memory_order_relaxed);
    } else {
        return HF__PASS;
    }
    look_at_window(limit, x->now);
    return HF__PASS;
}

static void concurrency_tell(const hf_policy *policy, struct hf__facts *facts) {
    (void)policy;
    facts->roles = HF__ROLE_HOLDS;
}

static void concurrency_destroy(hf_policy *policy) {
    hf_concurrency *limit = limit_of(policy);
    hf_bulkhead_free(limit->bulkhead);
    HF_MUST(pthread_mutex_destroy(&limit->mutex) == 0);
    free(policy);
}

static const struct hf__policy_ops concurrency_ops = {.kind = "concurrency limit",
                                                      .admit = concurrency_admit,
                                                      .settle = concurrency_settle,
                                                      .settle_ok = concurrency_settle,
                                                      .tell = concurrency_tell,
                                                      .destroy = concurrency_destroy};

/* ---- making ---- */

void hf_concurrency_config_init(hf_concurrency_config *config) {
    *config = (hf_concurrency_config){
        .struct_size = (uint32_t)sizeof *config,
        .algorithm = HF_LIMIT_GRADIENT,
        .initial = 20,
        .min_limit = 4,
        .max_limit = 1000,
        .min_calls = 10,
        .window_ms = 1000,
        .slow_ms = HF_NEVER,
        .drop_ppm = 10000,
        .backoff_ppm = 900000,
        .tolerance_ppm = 1500000,
        .smoothing_ppm = 200000,
        .remeasure_ms = 30000,
        .remeasure_jitter_ppm = 250000,
    };
}

static int check(const char *name, const hf_concurrency_config *c, hf_error *error) {
    const struct hf__range ranges[] = {
        {"algorithm", c->algorithm, HF_LIMIT_AIMD, HF_LIMIT_GRADIENT, 0, NULL},
        {"min_limit", c->min_limit, 1, 100000, 0, NULL},
        {"max_limit", c->max_limit, c->min_limit, 100000, 0, NULL},
        {"initial", c->initial, c->min_limit, c->max_limit, 0, NULL},
        {"min_calls", c->min_calls, 1, 100000, 0, NULL},
        {"window_ms", c->window_ms, 10, 60000, 0, NULL},
        {"drop_ppm", c->drop_ppm, 0, HF_PPM, 0, NULL},
        {"backoff_ppm", c->backoff_ppm, 500000, 999000, 0, NULL},
        {"tolerance_ppm", c->tolerance_ppm, HF_PPM, INT64_C(10) * HF_PPM, 0, NULL},
        {"smoothing_ppm", c->smoothing_ppm, 1000, HF_PPM, 0, NULL},
        {"remeasure_ms", c->remeasure_ms, 1000, HF__DAY_MS, 0, NULL},
        {"remeasure_jitter_ppm", c->remeasure_jitter_ppm, 0, 900000, 0, NULL},
        {"reserve_ppm", c->reserve_ppm, 0, 400000, 0, NULL},
        {"slow_ms", c->slow_ms, 1, HF__DAY_MS, HF_NEVER, "HF_NEVER"},
    };
    return HF__CHECK_RANGES("concurrency limit", name, ranges, error);
}

static void fill(hf_concurrency *limit, const hf_concurrency_config *c) {
    limit->rules = (struct hf__limit_rules){
        .algorithm = c->algorithm,
        .min = c->min_limit,
        .max = c->max_limit,
        .backoff_ppm = c->backoff_ppm,
        .drop_ppm = c->drop_ppm,
        .tolerance_ppm = c->tolerance_ppm,
        .smoothing_ppm = c->smoothing_ppm,
        .jitter_ppm = c->remeasure_jitter_ppm,
        .slow_ns = hf__ms_to_ns(c->slow_ms),
        .period_ns = hf__ms_to_ns(c->remeasure_ms),
    };
    limit->initial = c->initial;
    limit->min_calls = c->min_calls;
    limit->reserve_ppm = c->reserve_ppm;
    limit->window_ns = hf__ms_to_ns(c->window_ms);
    limit->locked.rng = c->seed != 0 ? c->seed : hf__random_seed();
    limit->bulkhead = c->bulkhead;
    if (c->bulkhead != NULL) (void)hf__policy_ref(hf_bulkhead_policy(c->bulkhead));
    HF_MUST(pthread_mutex_init(&limit->mutex, NULL) == 0);
    hf_concurrency_reset(limit, 0);
}

int hf_concurrency_new(hf_concurrency **out_limit, const char *name, const hf_concurrency_config *config,
                       hf_error *error) {
    hf_concurrency_config chosen;
    hf_concurrency_config_init(&chosen);
    void *made = NULL;
    if (out_limit != NULL) *out_limit = NULL;
    int rc = hf__policy_new(out_limit == NULL ? NULL : &made, sizeof(hf_concurrency), &concurrency_ops, name, error);
    if (rc == 0) rc = hf__config_copy("concurrency limit", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    if (rc < 0) {
        free(made);
        return rc;
    }
    fill(made, &chosen);
    ((hf_concurrency *)made)->base.traits = HF__HOLDS;
    *out_limit = made;
    return 0;
}

void hf_concurrency_free(hf_concurrency *limit) { hf__policy_unref(limit == NULL ? NULL : &limit->base); }

hf_policy *hf_concurrency_policy(hf_concurrency *limit) { return limit == NULL ? NULL : &limit->base; }

void hf_concurrency_reset(hf_concurrency *limit, hf_time now) {
    HF_MUST(pthread_mutex_lock(&limit->mutex) == 0);
    hf__limit_init(&limit->locked.state, &limit->rules, limit->initial, now);
    atomic_store_explicit(&limit->window.ends_at, 0, memory_order_relaxed);
    (void)empty(&limit->window.fine);
    (void)empty(&limit->window.drops);
    (void)empty(&limit->window.rtt_us);
    (void)empty(&limit->window.most);
    publish_locked(limit);
    HF_MUST(pthread_mutex_unlock(&limit->mutex) == 0);
    if (limit->bulkhead != NULL) (void)hf_bulkhead_resize(limit->bulkhead, limit->initial);
}

int hf_concurrency_snapshot(hf_concurrency *limit, hf_concurrency_info *out_info) {
    hf_concurrency_info info = {.struct_size = out_info->struct_size};
    if (info.struct_size < sizeof info.struct_size || info.struct_size > sizeof info) return HF_E_INVALID;
    HF_MUST(pthread_mutex_lock(&limit->mutex) == 0);
    info.limit = hf__limit_slots(&limit->locked.state);
    info.base_ns = limit->locked.state.base_ns;
    HF_MUST(pthread_mutex_unlock(&limit->mutex) == 0);
    info.in_flight = narrow(load(&limit->in_flight));
    info.rejected = load(&limit->rejected);
    memcpy(out_info, &info, info.struct_size);
    return 0;
}
