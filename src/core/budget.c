/* SPDX-License-Identifier: MIT */
#include "core/budget.h"

#define MISSING_BITS 26
#define MISSING_MASK ((UINT64_C(1) << MISSING_BITS) - 1)
#define TIME_MASK ((UINT64_C(1) << (64 - MISSING_BITS)) - 1)
#define TOKEN 1000u

_Static_assert(UINT64_C(10000) * TOKEN <= MISSING_MASK, "the largest burst fits");

static uint32_t missing_of(uint64_t word) { return (uint32_t)(word & MISSING_MASK); }

static uint64_t make(uint64_t time_ms, uint32_t missing) { return (time_ms & TIME_MASK) << MISSING_BITS | missing; }

struct hf__budget_rules hf__budget_rules(const hf_budget_config *config) {
    struct hf__budget_rules rules = {
        .kind = config->kind,
        .ratio_ppm = config->ratio_ppm,
        .min_concurrent = config->min_concurrent,
        .capacity = config->burst * TOKEN,
        .deposit = config->ratio_ppm / (HF_PPM / TOKEN),
        .per_ms = config->min_per_second,
        .unlimited = config->ratio_ppm == HF_BUDGET_UNLIMITED,
    };
    return rules;
}

/* Credits what time has refilled since the word's own time; a clock that stands still or goes back
 * credits nothing and does not move the word's time back. */
static uint64_t refill(uint64_t word, const struct hf__budget_rules *rules, int64_t now_ms) {
    uint64_t missing = missing_of(word);
    if (missing == 0) return make((uint64_t)now_ms, 0); /* a full bucket has nothing to remember */
    uint64_t elapsed = ((uint64_t)now_ms - (word >> MISSING_BITS)) & TIME_MASK;
    if (elapsed > TIME_MASK / 2) return word;
    uint64_t credit = elapsed > missing ? (rules->per_ms > 0 ? missing : 0) : elapsed * rules->per_ms;
    return make((uint64_t)now_ms, (uint32_t)(credit >= missing ? 0 : missing - credit));
}

uint64_t hf__budget_deposit(uint64_t word, const struct hf__budget_rules *rules) {
    uint32_t missing = missing_of(word);
    if (missing == 0) return word;
    return make(word >> MISSING_BITS, missing > rules->deposit ? missing - rules->deposit : 0);
}

bool hf__budget_withdraw(uint64_t word, const struct hf__budget_rules *rules, int64_t now_ms, uint64_t *out) {
    word = refill(word, rules, now_ms);
    uint32_t missing = missing_of(word);
    if (missing + TOKEN > rules->capacity) return false;
    *out = make(word >> MISSING_BITS, missing + TOKEN);
    return true;
}

uint64_t hf__budget_charge(uint64_t word, const struct hf__budget_rules *rules, uint32_t tokens, int64_t now_ms) {
    word = refill(word, rules, now_ms);
    uint64_t missing = missing_of(word) + (uint64_t)tokens * TOKEN;
    return make(word >> MISSING_BITS, missing > rules->capacity ? rules->capacity : (uint32_t)missing);
}

uint64_t hf__budget_refund(uint64_t word, const struct hf__budget_rules *rules) {
    (void)rules;
    uint32_t missing = missing_of(word);
    return make(word >> MISSING_BITS, missing > TOKEN ? missing - TOKEN : 0);
}

uint32_t hf__budget_available(uint64_t word, const struct hf__budget_rules *rules, int64_t now_ms) {
    uint32_t missing = missing_of(refill(word, rules, now_ms));
    return missing > rules->capacity ? 0 : rules->capacity - missing;
}

/* ---- by concurrency ---- */

uint32_t hf__budget_calls(uint64_t word) { return (uint32_t)(word >> 32); }

uint32_t hf__budget_retries(uint64_t word) { return (uint32_t)word; }

uint64_t hf__budget_moved(uint64_t word, int32_t calls, int32_t retries) {
    return (uint64_t)(hf__budget_calls(word) + (uint32_t)calls) << 32 | (hf__budget_retries(word) + (uint32_t)retries);
}

uint32_t hf__budget_room(uint64_t word, const struct hf__budget_rules *rules) {
    uint64_t share = (uint64_t)hf__budget_calls(word) * rules->ratio_ppm / HF_PPM;
    uint64_t most = share > rules->min_concurrent ? share : rules->min_concurrent;
    return hf__budget_retries(word) >= most ? 0 : (uint32_t)(most - hf__budget_retries(word));
}

bool hf__budget_join(uint64_t word, const struct hf__budget_rules *rules, uint64_t *out) {
    if (hf__budget_room(word, rules) == 0) return false;
    *out = hf__budget_moved(word, 0, 1);
    return true;
}
