/* SPDX-License-Identifier: MIT */
#include "core/backoff.h"

#include "base/fixed.h"
#include "base/num.h"
#include "base/rng.h"

static bool table_valid(const hf_backoff_config *config) {
    if (config->table_count > HF_BACKOFF_TABLE_MAX) return false;
    for (uint32_t i = 0; i < config->table_count; i++) {
        if (config->table_ms[i] < 0 || config->table_ms[i] > HF__DAY_MS) return false;
    }
    return true;
}

/* These make a delay of their own out of an exponential one. */
static bool replaces_delay(int32_t jitter) { return jitter == HF_JITTER_DECORRELATED || jitter == HF_JITTER_POLLY_V2; }

bool hf__backoff_valid(const hf_backoff_config *config, const char **out_field) {
    const char *field = NULL;
    if (config->floor_ms < 0 || config->floor_ms > config->cap_ms) field = "backoff.floor_ms";
    if (config->cap_ms < config->base_ms || config->cap_ms > HF__DAY_MS) field = "backoff.cap_ms";
    if (config->base_ms < 0 || config->base_ms > HF__DAY_MS) field = "backoff.base_ms";
    if (config->factor_ppm < HF_PPM || config->factor_ppm > 100 * HF_PPM) field = "backoff.factor_ppm";
    if (config->jitter_ppm > HF_PPM) field = "backoff.jitter_ppm";
    if (config->jitter < HF_JITTER_NONE || config->jitter > HF_JITTER_POLLY_V2) field = "backoff.jitter";
    if (replaces_delay(config->jitter) && config->kind != HF_BACKOFF_EXPONENTIAL) field = "backoff.jitter";
    if (!table_valid(config)) field = "backoff.table_ms";
    if (config->kind == HF_BACKOFF_TABLE && config->table_count == 0) field = "backoff.table_count";
    if (config->table_count > HF_BACKOFF_TABLE_MAX) field = "backoff.table_count";
    if (config->kind < HF_BACKOFF_NONE || config->kind > HF_BACKOFF_TABLE) field = "backoff.kind";
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
    case HF_BACKOFF_TABLE:
        return hf__ms_to_ns(config->table_ms[(n < config->table_count ? n : config->table_count) - 1]);
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
    case HF_JITTER_DECORRELATED: /* have their own delay, below */
    case HF_JITTER_POLLY_V2: break;
    }
    return delay;
}

/* AWS, "Exponential Backoff And Jitter" (2015), with the cap on the upper end of the range instead of on
 * the result, so that a herd that has reached it stays spread. */
static int64_t decorrelated(int64_t base, int64_t cap, int64_t previous, uint64_t random) {
    int64_t high = hf__min(hf__mul(hf__max(previous, base), 3), cap);
    return hf__rng_between(random, base, hf__max(base, high));
}

/* base / 1.4 * 2^t * tanh(2 sqrt t) in ns, at most HF_NEVER; t = steps + the draw's upper half as a fraction. */
static int64_t smooth_curve(int64_t base, uint32_t steps, uint64_t random) {
    uint32_t fraction = (uint32_t)(random >> 32);
    uint64_t t = (uint64_t)(steps < 63 ? steps : 63) << 32 | fraction; /* from t = 63 on the tanh is one */
    uint64_t height = hf__mul_high(hf__exp2_fraction(fraction), (uint64_t)hf__tanh_2_sqrt(t) << 32) << 1; /* Q62 */
    uint64_t scaled = hf__mul_high((uint64_t)base << 16, height) * 5 / 7; /* Q14: base is 47 bits, a day */
    if (steps < 14) return (int64_t)(scaled >> (14 - steps));
    uint32_t shift = steps - 14;
    if (scaled == 0) return 0;
    return shift > 62 || scaled > (uint64_t)HF_NEVER >> shift ? HF_NEVER : (int64_t)(scaled << shift);
}

/* Each delay is what the curve gained since the one before, so that `memory` is the curve. Where that passes
 * the cap the herd is spread below it by the same draw. */
static int64_t polly_v2(int64_t base, uint32_t n, int64_t cap, int64_t *memory, uint64_t random) {
    int64_t at = smooth_curve(base, n - 1, random), before = *memory;
    *memory = at;
    if (at != HF_NEVER && hf__left(at, before) <= cap) return hf__left(at, before);
    return cap - cap / 2 + hf__rng_between(random, 0, cap / 2);
}

int64_t hf_backoff_delay(const hf_backoff_config *config, uint32_t n, int64_t *memory, uint64_t random) {
    if (config == NULL || !hf__backoff_valid(config, NULL)) return HF_NEVER;
    int64_t base = hf__ms_to_ns(config->base_ms);
    int64_t cap = hf__ms_to_ns(config->cap_ms);
    int64_t delay, nothing = 0;
    if (memory == NULL) memory = &nothing;
    if (n == 0) n = 1;
    if (config->jitter == HF_JITTER_DECORRELATED) {
        delay = *memory = decorrelated(base, cap, *memory, random);
    } else if (config->jitter == HF_JITTER_POLLY_V2) {
        delay = polly_v2(base, n, cap, memory, random);
    } else {
        delay = spread(config, hf__min(plain(config, n, base, cap), cap), cap, random);
    }
    return hf__max(delay, hf__ms_to_ns(config->floor_ms));
}
