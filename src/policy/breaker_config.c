/* SPDX-License-Identifier: MIT */
#include "policy/breaker_inside.h"

#include <holdfast/breaker_admin.h>

#include "base/num.h"
#include "core/backoff.h"
#include "policy/config_check.h"

void hf_breaker_config_init(hf_breaker_config *config) {
    *config = (hf_breaker_config){
        .struct_size = (uint32_t)sizeof *config,
        .window_kind = HF_BREAKER_BY_CALLS,
        .window = 100,
        .buckets = 10,
        .window_ms = 10000,
        .min_calls = 20,
        .failure_rate_ppm = 500000,
        .slow_rate_ppm = 1000000,
        .consecutive_failures = HF_BREAKER_OFF,
        .slow_call_ms = HF_NEVER,
        .open_ms = 5000,
        .open_max_ms = 60000,
        .open_jitter_ppm = 200000,
        .probes = 5,
        .probe_failures_allowed = 0,
        .initial_state = HF_BREAKER_CLOSED,
        .probe_lease_ms = 15000,
        .recovery_ms = 0,
        .warm_up_ms = 0,
        .initial_at = 0,
        .on_change = NULL,
        .on_change_arg = NULL,
    };
}

#define OFF HF_BREAKER_OFF, "HF_BREAKER_OFF"
#define NO_EXTRA 0, NULL

static int check_initial(const char *name, int32_t state, hf_error *error) {
    switch ((hf_breaker_state)state) {
    case HF_BREAKER_CLOSED:
    case HF_BREAKER_METRICS_ONLY:
    case HF_BREAKER_DISABLED:
    case HF_BREAKER_OPEN:
    case HF_BREAKER_FORCED_OPEN: return 0;
    case HF_BREAKER_RECOVERING:
    case HF_BREAKER_HALF_OPEN: break;
    }
    return hf__error_set(error, HF_E_INVALID,
                         "breaker \"%s\": initial_state is %d, expected closed, metrics-only, disabled, open or "
                         "forced open",
                         name, (int)state);
}

int hf__breaker_config_check(const char *name, const hf_breaker_config *c, hf_error *error) {
    int64_t calls = c->window_kind == HF_BREAKER_BY_TIME ? HF_BREAKER_CALLS_MAX : c->window;
    const struct hf__range rows[] = {
        {"window_kind", c->window_kind, HF_BREAKER_BY_CALLS, HF_BREAKER_BY_TIME, NO_EXTRA},
        {"window", c->window, 1, HF_BREAKER_WINDOW_MAX, NO_EXTRA},
        {"buckets", c->buckets, 1, HF_BREAKER_BUCKETS_MAX, NO_EXTRA},
        {"window_ms", c->window_ms, 10 * (int64_t)c->buckets, 3600000, NO_EXTRA},
        {"min_calls", c->min_calls, 1, calls, NO_EXTRA},
        {"failure_rate_ppm", c->failure_rate_ppm, 1, HF_PPM, OFF},
        {"slow_rate_ppm", c->slow_rate_ppm, 1, HF_PPM, OFF},
        {"consecutive_failures", c->consecutive_failures, 1, calls, OFF},
        {"slow_call_ms", c->slow_call_ms, 1, HF__DAY_MS, HF_NEVER, "HF_NEVER"},
        {"open_ms", c->open_ms, 1, HF__DAY_MS, NO_EXTRA},
        {"open_max_ms", c->open_max_ms, c->open_ms, HF__DAY_MS, NO_EXTRA},
        {"open_jitter_ppm", c->open_jitter_ppm, 0, HF_PPM, NO_EXTRA},
        {"probes", c->probes, 1, HF_BREAKER_PROBES_MAX, NO_EXTRA},
        {"probe_failures_allowed", c->probe_failures_allowed, 0, (int64_t)c->probes - 1, NO_EXTRA},
        {"probe_lease_ms", c->probe_lease_ms, 1, HF__DAY_MS, NO_EXTRA},
        {"recovery_ms", c->recovery_ms, 0, HF__DAY_MS, NO_EXTRA},
        {"warm_up_ms", c->warm_up_ms, 0, HF__DAY_MS, NO_EXTRA},
        {"initial_at", c->initial_at, 0, HF_NEVER - 1, NO_EXTRA},
    };
    int rc = HF__CHECK_RANGES("breaker", name, rows, error);
    return rc < 0 ? rc : check_initial(name, c->initial_state, error);
}

struct hf__breaker_rules hf__breaker_rules_of(const hf_breaker_config *c) {
    return (struct hf__breaker_rules){
        .open = {.open_ns = hf__ms_to_ns(c->open_ms),
                 .open_max_ns = hf__ms_to_ns(c->open_max_ms),
                 .probe_lease_ns = hf__ms_to_ns(c->probe_lease_ms),
                 .recovery_ns = hf__ms_to_ns(c->recovery_ms),
                 .open_jitter_ppm = c->open_jitter_ppm,
                 .probes = c->probes,
                 .probe_failures_allowed = c->probe_failures_allowed},
        .limits = {c->min_calls, c->failure_rate_ppm, c->slow_rate_ppm, c->consecutive_failures},
        .slow_call_ns = hf__ms_to_ns(c->slow_call_ms),
        .warm_until = c->warm_up_ms == 0 ? 0 : hf__add(c->initial_at, hf__ms_to_ns(c->warm_up_ms)),
        .size = c->window_kind == HF_BREAKER_BY_TIME ? c->buckets : c->window,
    };
}

int64_t hf__breaker_width_ns(const hf_breaker_config *c) {
    if (c->window_kind != HF_BREAKER_BY_TIME) return 0;
    int64_t buckets = (int64_t)c->buckets; /* rounded up: all of them together span at least window_ms */
    return (hf__ms_to_ns(c->window_ms) + buckets - 1) / buckets;
}

struct hf__breaker_shape hf__breaker_shape_of(const hf_breaker_config *c) {
    bool wheel = c->slow_call_ms != HF_NEVER && c->slow_rate_ppm != HF_BREAKER_OFF;
    return hf__breaker_shape((hf_breaker_window)c->window_kind, c->window, c->buckets, wheel);
}

size_t hf_breaker_state_bytes(const hf_breaker_config *config) {
    hf_breaker_config chosen;
    hf_breaker_config_init(&chosen);
    if (hf__config_copy("breaker", "size", &chosen, sizeof chosen, config, NULL) < 0) return 0;
    if (hf__breaker_config_check("size", &chosen, NULL) < 0) return 0;
    struct hf__breaker_shape shape = hf__breaker_shape_of(&chosen);
    return hf__breaker_state_bytes(&shape);
}

void hf__breaker_fit(hf_breaker *b, const hf_breaker_config *c) {
    struct hf__breaker_rules rules = hf__breaker_rules_of(c);
    b->shape = hf__breaker_shape_of(c);
    b->width_ns = hf__breaker_width_ns(c);
    if (b->shape.wheel > 0) b->tick_ns = hf__wheel_tick_ns(rules.slow_call_ns);
    hf__breaker_use(b, &rules);
    if (rules.slow_call_ns == HF_NEVER) b->base.traits = HF__ADMITS_TIMELESS;
    if (rules.slow_call_ns == HF_NEVER && c->window_kind == HF_BREAKER_BY_CALLS) b->base.traits |= HF__SETTLES_TIMELESS;
}
