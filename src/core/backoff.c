/* SPDX-License-Identifier: MIT */
#include "core/backoff.h"

#include "base/num.h"
#include "base/rng.h"

bool hf__backoff_valid(const hf_backoff_config *config, const char **out_field) {
    const char *field = NULL;
    if (config->floor_ms < 0 || config->floor_ms > config->cap_ms) field = "backoff.floor_ms";
    if (config->cap_ms < config->base_ms || config->cap_ms > HF__DAY_MS) field = "backoff.cap_ms";
    if (config->base_ms < 0 || config->base_ms > HF__DAY_MS) field = "backoff.base_ms";
    if (config->factor_ppm < HF_PPM || config->factor_ppm > 100 * HF_PPM) field = "backoff.factor_ppm";
    if (config->jitter_ppm > HF_PPM) field = "backoff.jitter_ppm";
    if (config->jitter < HF_JITTER_NONE || config->jitter > HF_JITTER_DECORRELATED) field = "backoff.jitter";
    if (config->jitter == HF_JITTER_DECORRELATED && config->kind != HF_BACKOFF_EXPONENTIAL) field = "backoff.jitter";
    if (config->kind < HF_BACKOFF_NONE || config->kind > HF_BACKOFF_EXPONENTIAL) field = "backoff.kind";
    if (out_field != NULL) *out_field = field;
    return field == NULL;
}

/* base * factor^(n-1), stopping at the cap: growth reaches a cap of a day after at most 80 doublings, and
 * a factor of one is answered at once, so n up to 2^32 costs nothing. */
static int64_t exponential(const hf_backoff_config *config, uint32_t n, int64_t base, int64_t cap) {
    if (config->factor_ppm == HF_PPM || base == 0) return base;
    int64_t delay = base;
    for (uint32_t i = 1; i < n && delay < cap; i++) {
        int64_t next = hf__ppm(delay, config->factor_ppm);
        if (next == delay) break; /* a factor so near one that whole nanoseconds do not grow */
        delay = next;
    }
    return delay;
}

static int64_t plain(const hf_backoff_config *config, uint32_t n, int64_t base, int64_t cap) {
    switch ((hf_backoff_kind)config->kind) {
    case HF_BACKOFF_NONE: return 0;
    case HF_BACKOFF_CONSTANT: return base;
    case HF_BACKOFF_LINEAR: return hf__mul(base, n);
    case HF_BACKOFF_EXPONENTIAL: return exponential(config, n, base, cap);
    }
    return HF_NEVER;
}

static int64_t spread(const hf_backoff_config *config, int64_t delay, int64_t cap, uint64_t random) {
    switch ((hf_jitter)config->jitter) {
    case HF_JITTER_FULL: return hf__rng_between(random, 0, delay);
    case HF_JITTER_EQUAL: return delay - delay / 2 + hf__rng_between(random, 0, delay / 2);
    case HF_JITTER_PROPORTIONAL: {
        int64_t width = hf__ppm(delay, config->jitter_ppm);
        return hf__min(hf__rng_between(random, delay - width, delay + width), cap);
    }
    case HF_JITTER_NONE:
    case HF_JITTER_DECORRELATED: break; /* has its own delay, below */
    }
    return delay;
}

/* AWS, "Exponential Backoff And Jitter" (2015), with the cap on the upper end of the range instead of on
 * the result, so that a herd that has reached it stays spread. */
static int64_t decorrelated(int64_t base, int64_t cap, int64_t previous, uint64_t random) {
    int64_t high = hf__min(hf__mul(hf__max(previous, base), 3), cap);
    return hf__rng_between(random, base, hf__max(base, high));
}

int64_t hf_backoff_delay(const hf_backoff_config *config, uint32_t n, int64_t previous_ns, uint64_t random) {
    if (config == NULL || !hf__backoff_valid(config, NULL)) return HF_NEVER;
    int64_t base = hf__ms_to_ns(config->base_ms);
    int64_t cap = hf__ms_to_ns(config->cap_ms);
    int64_t delay;
    if (config->jitter == HF_JITTER_DECORRELATED) {
        delay = decorrelated(base, cap, previous_ns, random);
    } else {
        delay = spread(config, hf__min(plain(config, n == 0 ? 1 : n, base, cap), cap), cap, random);
    }
    return hf__max(delay, hf__ms_to_ns(config->floor_ms));
}
