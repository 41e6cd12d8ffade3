/* SPDX-License-Identifier: MIT */
#include "core/fault.h"

#include "base/rng.h"

#define BITS 20
#define MASK ((UINT64_C(1) << BITS) - 1)

_Static_assert(HF_PPM <= MASK, "a share fits its field");

uint64_t hf__fault_shares(uint32_t error_ppm, uint32_t latency_ppm, uint32_t hang_ppm) {
    return (uint64_t)error_ppm << 2 * BITS | (uint64_t)latency_ppm << BITS | hang_ppm;
}

enum hf__fate hf__fault_fate(uint64_t shares, uint64_t random) {
    uint64_t dice = (uint64_t)hf__rng_between(random, 0, HF_PPM - 1);
    uint64_t error = shares >> 2 * BITS & MASK, latency = shares >> BITS & MASK, hang = shares & MASK;
    if (dice < error) return HF__ERROR;
    if (dice < error + latency) return HF__LATE;
    return dice < error + latency + hang ? HF__HANGS : HF__SPARED;
}
