/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

uint64_t hf__rng_next(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* High half of a 64 x 64 bit product, in portable C. */
static uint64_t mul_high(uint64_t a, uint64_t b) {
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32;
    uint64_t b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low;
    uint64_t mid = a_high * b_low + (low >> 32);
    uint64_t mid2 = a_low * b_high + (mid & UINT32_MAX);
    return a_high * b_high + (mid >> 32) + (mid2 >> 32);
}

int64_t hf__rng_between(uint64_t random, int64_t low, int64_t high) {
    uint64_t span = (uint64_t)high - (uint64_t)low; /* number of values less one */
    if (span == UINT64_MAX) return (int64_t)random;
    return (int64_t)((uint64_t)low + mul_high(random, span + 1));
}
