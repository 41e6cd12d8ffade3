/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include "base/fixed.h"

uint64_t hf__rng_next(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t hf__rng_between(uint64_t random, int64_t low, int64_t high) {
    uint64_t span = (uint64_t)high - (uint64_t)low; /* number of values less one */
    if (span == UINT64_MAX) return (int64_t)random;
    return (int64_t)((uint64_t)low + hf__mul_high(random, span + 1));
}
