/* SPDX-License-Identifier: MIT */
#include "base/fixed.h"

#include <stddef.h>

uint64_t hf__mul_high(uint64_t a, uint64_t b) {
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32;
    uint64_t b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low;
    uint64_t mid = a_high * b_low + (low >> 32);
    uint64_t mid2 = a_low * b_high + (mid & UINT32_MAX);
    return a_high * b_high + (mid >> 32) + (mid2 >> 32);
}

uint32_t hf__isqrt(uint64_t x) {
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit != 0; bit >>= 2) { /* one binary digit of the root after another */
        if (x >= root + bit) {
            x -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint32_t)root;
}

/* 2^(1/2), 2^(1/4), 2^(1/8) ... in Q62: 2^f is the product of those whose binary digit stands in f. */
static const uint64_t roots_of_two[32] = {
    UINT64_C(0x5a827999fcef3242), UINT64_C(0x4c1bf828c6dc54b8), UINT64_C(0x45cae0f1f545eb73),
    UINT64_C(0x42d561b3e6243d8a), UINT64_C(0x4166c34c5615d0ec), UINT64_C(0x40b268f9de0183ba),
    UINT64_C(0x4058f6a7ecccd5b6), UINT64_C(0x402c6be96af2fb58), UINT64_C(0x4016321b687027a8),
    UINT64_C(0x400b18178ba33b14), UINT64_C(0x40058bce410147e8), UINT64_C(0x4002c5d7bff71daf),
    UINT64_C(0x400162e807ee7e5b), UINT64_C(0x4000b1730df6a524), UINT64_C(0x400058b9497b8152),
    UINT64_C(0x40002c5c955dd701), UINT64_C(0x4000162e46d6f26c), UINT64_C(0x40000b1722757b1b),
    UINT64_C(0x4000058b90fd3e0c), UINT64_C(0x400002c5c86f3f26), UINT64_C(0x40000162e433c79b),
    UINT64_C(0x400000b17218edd0), UINT64_C(0x40000058b90c3968), UINT64_C(0x4000002c5c860d54),
    UINT64_C(0x400000162e4302d2), UINT64_C(0x4000000b17218073), UINT64_C(0x400000058b90bffc),
    UINT64_C(0x40000002c5c85fef), UINT64_C(0x4000000162e42ff3), UINT64_C(0x40000000b17217f9),
    UINT64_C(0x4000000058b90bfc), UINT64_C(0x400000002c5c85fe),
};

uint64_t hf__exp2_fraction(uint32_t f) {
    uint64_t power = UINT64_C(1) << 62;
    for (size_t i = 0; i < 32; i++) {
        if (f & (UINT32_C(0x80000000) >> i)) power = hf__mul_high(power, roots_of_two[i]) << 2;
    }
    return power;
}

#define FOUR_LOG2_E_Q29 UINT64_C(3098164009) /* 4 / ln 2 */

/* tanh x = (1 - e^-2x) / (1 + e^-2x), with e^-2x = 2^-(4 s / ln 2) for x = 2 s and s = sqrt(t). */
uint32_t hf__tanh_2_sqrt(uint64_t t) {
    const uint64_t one = UINT64_C(1) << 62;
    uint64_t root = hf__isqrt(t << 26);               /* Q29 */
    uint64_t exponent = root * FOUR_LOG2_E_Q29 >> 26; /* Q32 */
    uint64_t whole = exponent >> 32;
    uint32_t fraction = (uint32_t)exponent;
    if (whole >= 62) return UINT32_C(1) << 31;
    uint64_t power = fraction == 0 ? one : hf__exp2_fraction(UINT32_C(0) - fraction) >> 1; /* 2^-fraction */
    power >>= whole;
    return (uint32_t)((one - power) / ((one + power) >> 31));
}
