/* SPDX-License-Identifier: MIT */
#include "policy/breaker_config.h"

#include "core/backoff.h"
#include "policy/config_check.h"

void hf_breaker_config_init(hf_breaker_config *config) {
    *config = (hf_breaker_config){
        .struct_size = (uint32_t)sizeof *config,
        .window = 100,
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
        .probe_lease_ms = 15000,
        .on_change = NULL,
        .on_change_arg = NULL,
    };
}

#define OFF HF_BREAKER_OFF, "HF_BREAKER_OFF"
#define NO_EXTRA 0, NULL

int hf__breaker_config_check(const char *name, const hf_breaker_config *c, hf_error *error) {
    const struct {
        const char *field;
        int64_t value, low, high, extra;
        const char *extra_name;
    } rows[] = {
        {"window", c->window, 1, HF_BREAKER_WINDOW_MAX, NO_EXTRA},
        {"min_calls", c->min_calls, 1, c->window, NO_EXTRA},
        {"failure_rate_ppm", c->failure_rate_ppm, 1, HF_PPM, OFF},
        {"slow_rate_ppm", c->slow_rate_ppm, 1, HF_PPM, OFF},
        {"consecutive_failures", c->consecutive_failures, 1, c->window, OFF},
        {"slow_call_ms", c->slow_call_ms, 1, HF__DAY_MS, HF_NEVER, "HF_NEVER"},
        {"open_ms", c->open_ms, 1, HF__DAY_MS, NO_EXTRA},
        {"open_max_ms", c->open_max_ms, c->open_ms, HF__DAY_MS, NO_EXTRA},
        {"open_jitter_ppm", c->open_jitter_ppm, 0, HF_PPM, NO_EXTRA},
        {"probes", c->probes, 1, HF_BREAKER_PROBES_MAX, NO_EXTRA},
        {"probe_failures_allowed", c->probe_failures_allowed, 0, (int64_t)c->probes - 1, NO_EXTRA},
        {"probe_lease_ms", c->probe_lease_ms, 1, HF__DAY_MS, NO_EXTRA},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = hf__check_range("breaker", name, rows[i].field, rows[i].value, rows[i].low, rows[i].high,
                                 rows[i].extra, rows[i].extra_name, error);
        if (rc < 0) return rc;
    }
    return 0;
}
