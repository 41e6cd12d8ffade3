/* SPDX-License-Identifier: MIT */
#include "core/ratelimit.h"

#include "base/num.h"

/* ---- one rate ---- */

#define BURST_BITS 17
#define BURST_MASK ((UINT64_C(1) << BURST_BITS) - 1)

#define LONGEST_WAIT (86400 * HF_SECOND) /* of any promise or drain */

_Static_assert(HF_RATE_BURST_MAX <= BURST_MASK, "a burst fits its field");
_Static_assert(HF_WEIGHT_MAX <= BURST_MASK, "a weight fits its field");

uint64_t hf__rate_rules(const hf_rate_tier *tier) {
    int64_t period = hf__ms_to_ns(tier->period_ms);
    int64_t interval = period / tier->permits + (period % tier->permits > 0);
    return (uint64_t)interval << BURST_BITS | tier->burst;
}

int64_t hf__rate_interval(uint64_t rules) { return (int64_t)(rules >> BURST_BITS); }

int64_t hf__rate_burst(uint64_t rules) { return (int64_t)(rules & BURST_MASK); }

/* Sums and products of what is not negative, saturating. Inline, and without a division, for they are most of a take. */
static inline int64_t plus(int64_t a, int64_t b) {
    uint64_t sum = (uint64_t)a + (uint64_t)b;
    return sum > HF_NEVER ? HF_NEVER : (int64_t)sum;
}

static inline int64_t cost(uint64_t rules, uint32_t weight) {
    uint64_t product = (rules >> BURST_BITS) * weight; /* 47 bits by 17 */
    return product > HF_NEVER ? HF_NEVER : (int64_t)product;
}

/* How far ahead of the clock tat may be when permits are used. */
static inline int64_t tolerance(uint64_t rules) { return cost(rules, (uint32_t)(rules & BURST_MASK)); }

/* No promise or drain puts tat further ahead than this: what does is foreign, or of a clock that began anew, and would
 * block for years. It counts as the past. */
static inline int64_t believed(int64_t tat, uint64_t rules, int64_t now) {
    int64_t furthest = plus(now, plus(LONGEST_WAIT, plus(tolerance(rules), tolerance(rules))));
    return tat > furthest ? now : tat;
}

/* The earliest instant at which `weight` permits can be used. */
static inline int64_t earliest(int64_t tat, uint64_t rules, int64_t now, uint32_t weight) {
    return plus(believed(tat, rules, now), cost(rules, weight)) - tolerance(rules);
}

bool hf__rate_take(const int64_t *tat, const uint64_t *rules, uint32_t count, int64_t now, uint32_t weight,
                   int64_t wait_until, int64_t *out_tat, int64_t *out_at) {
    int64_t at = now;
    for (uint32_t i = 0; i < count; i++) at = hf__max(at, earliest(tat[i], rules[i], now, weight));
    *out_at = at;
    if (at > wait_until) return false;
    for (uint32_t i = 0; i < count; i++)
        out_tat[i] = plus(hf__max(believed(tat[i], rules[i], now), at), cost(rules[i], weight));
    return true;
}

bool hf__rate_refund(const int64_t *tat, const uint64_t *rules, uint32_t count, uint32_t weight, const int64_t *taken,
                     int64_t *out_tat) {
    for (uint32_t i = 0; i < count; i++) {
        if (tat[i] != taken[i]) return false;
        out_tat[i] = tat[i] - cost(rules[i], weight);
        if (out_tat[i] < 0) return false; /* the rate was changed meanwhile */
    }
    return true;
}

int64_t hf__rate_drain(int64_t tat, uint64_t rules, int64_t until, int64_t now) {
    until = hf__min(until, hf__add(now, LONGEST_WAIT));
    return hf__max(believed(tat, rules, now), hf__add(until, tolerance(rules) - hf__rate_interval(rules)));
}

int64_t hf__rate_available(int64_t tat, uint64_t rules, int64_t now) {
    int64_t missing = hf__left(believed(tat, rules, now), now), interval = hf__rate_interval(rules);
    int64_t whole = missing / interval + (missing % interval > 0);
    return hf__rate_burst(rules) - whole;
}

int64_t hf__rate_rescale(int64_t tat, uint64_t from, uint64_t to, int64_t now) {
    int64_t missing = hf__left(tat, now), whole = tolerance(from);
    if (missing >= whole) return tat - whole + tolerance(to);
    return hf__add(now, hf__ppm(tolerance(to), (uint32_t)hf__min(missing / (whole / HF_PPM + 1) + 1, HF_PPM)));
}

/* ---- tiers ---- */

#define TAG_BITS 4
#define TAG_MASK ((UINT64_C(1) << TAG_BITS) - 1)
#define TAT_MAX (INT64_MAX >> (TAG_BITS - 1))
#define REFUND_SHIFT BURST_BITS
#define SERIAL_SHIFT (REFUND_SHIFT + 1)

static uint64_t serial_of(uint64_t head) { return head >> SERIAL_SHIFT; }
static bool is_refund(uint64_t head) { return (head >> REFUND_SHIFT & 1) != 0; }
static uint32_t weight_of(uint64_t head) { return (uint32_t)(head & BURST_MASK); }

static uint64_t next_head(uint64_t head, bool refund, uint32_t weight) {
    return (serial_of(head) + 1) << SERIAL_SHIFT | (uint64_t)refund << REFUND_SHIFT | weight;
}

static uint64_t make_tier(int64_t tat, uint64_t tag) {
    return (uint64_t)hf__min(tat, TAT_MAX) << TAG_BITS | (tag & TAG_MASK);
}

int64_t hf__tier_tat(uint64_t tier) { return (int64_t)(tier >> TAG_BITS); }

uint64_t hf__tier_set(uint64_t tier, int64_t tat) { return make_tier(tat, tier & TAG_MASK); }

int hf__tiers_state(const struct hf__tiers *all, uint32_t i) {
    uint64_t behind = (serial_of(all->head) - all->tier[i]) & TAG_MASK;
    return behind == 0 ? 1 : behind == 1 ? 0 : -1;
}

uint64_t hf__tiers_mend(const struct hf__tiers *all, uint32_t i) {
    return (all->tier[i] & ~TAG_MASK) | (serial_of(all->head) & TAG_MASK);
}

static uint64_t fold_refund(const struct hf__tiers *all, const uint64_t *rules, uint32_t i) {
    int64_t tat = hf__tier_tat(all->tier[i]) - cost(rules[i], weight_of(all->head));
    return make_tier(hf__max(tat, 0), serial_of(all->head));
}

uint64_t hf__tiers_fold(const struct hf__tiers *all, const uint64_t *rules, uint32_t count, uint32_t i, int64_t now) {
    if (is_refund(all->head)) return fold_refund(all, rules, i);
    uint32_t weight = weight_of(all->head);
    int64_t at = now;
    for (uint32_t j = 0; j < count; j++) {
        int64_t tat = believed(hf__tier_tat(all->tier[j]), rules[j], now);
        bool folded = hf__tiers_state(all, j) == 1;
        at = hf__max(at, folded ? tat - tolerance(rules[j]) : earliest(tat, rules[j], now, weight));
    }
    int64_t tat = hf__max(believed(hf__tier_tat(all->tier[i]), rules[i], now), at);
    return make_tier(hf__add(tat, cost(rules[i], weight)), serial_of(all->head));
}

bool hf__tiers_take(const struct hf__tiers *all, const uint64_t *rules, uint32_t count, int64_t now, uint32_t weight,
                    int64_t wait_until, uint64_t *out_head, int64_t *out_tat, int64_t *out_at) {
    int64_t tat[HF__RATE_TIERS] = {0};
    for (uint32_t i = 0; i < count; i++) tat[i] = hf__tier_tat(all->tier[i]);
    *out_head = next_head(all->head, false, weight);
    return hf__rate_take(tat, rules, count, now, weight, wait_until, out_tat, out_at);
}

bool hf__tiers_refund(const struct hf__tiers *all, const uint64_t *rules, uint32_t count, uint32_t weight,
                      const int64_t *taken, uint64_t *out_head) {
    int64_t tat[HF__RATE_TIERS] = {0}, ignored[HF__RATE_TIERS];
    for (uint32_t i = 0; i < count; i++) tat[i] = hf__tier_tat(all->tier[i]);
    if (!hf__rate_refund(tat, rules, count, weight, taken, ignored)) return false;
    *out_head = next_head(all->head, true, weight);
    return true;
}
