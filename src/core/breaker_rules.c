/* SPDX-License-Identifier: MIT */
#include "core/breaker_rules.h"

#define SERIAL_MASK 0x7fffu

bool hf__generation_newer(uint32_t a, uint32_t b) {
    uint32_t ahead = (a - b) & SERIAL_MASK;
    return ahead != 0 && ahead <= SERIAL_MASK / 2;
}

static bool reached(uint32_t part, uint32_t total, uint32_t rate_ppm) {
    return rate_ppm != HF_BREAKER_OFF && (uint64_t)part * HF_PPM >= (uint64_t)rate_ppm * total;
}

uint32_t hf__limits_reached(const struct hf__counts *counts, const struct hf__limits *limits) {
    uint32_t rules = 0;
    if (limits->consecutive_failures != HF_BREAKER_OFF && counts->consecutive >= limits->consecutive_failures) {
        rules |= HF_BREAKER_RULE_CONSECUTIVE;
    }
    if (counts->total < limits->min_calls) return rules;
    if (reached(counts->failures, counts->total, limits->failure_rate_ppm)) rules |= HF_BREAKER_RULE_FAILURE_RATE;
    if (reached(counts->slow, counts->total, limits->slow_rate_ppm)) rules |= HF_BREAKER_RULE_SLOW_RATE;
    return rules;
}
