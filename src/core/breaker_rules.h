/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_RULES_H
#define HF_CORE_BREAKER_RULES_H

/* What a window holds, and whether that opens the breaker. Both kinds of window count alike, so that there
 * is one place that decides. */

#include <holdfast/breaker.h>

enum hf__entry { HF__ENTRY_SUCCESS = 0, HF__ENTRY_FAILURE = 1, HF__ENTRY_THROTTLED = 2 };

struct hf__counts {
    uint32_t total;
    uint32_t failures; /* throttled included */
    uint32_t slow;
    uint32_t consecutive;
};

/* See hf_breaker_config; HF_BREAKER_OFF for rules that are not used. */
struct hf__limits {
    uint32_t min_calls;
    uint32_t failure_rate_ppm;
    uint32_t slow_rate_ppm;
    uint32_t consecutive_failures;
};

/* The HF_BREAKER_RULE_ bits of the limits that these counts reach; 0: none. Rates count from min_calls on,
 * and trip when they are reached. */
uint32_t hf__limits_reached(const struct hf__counts *counts, const struct hf__limits *limits);

/* Is generation `a` newer than `b`? Serial numbers of 15 bits: half of all are newer, half older. */
bool hf__generation_newer(uint32_t a, uint32_t b);

#endif
