/* SPDX-License-Identifier: MIT */
#ifndef HF_BASE_FIXED_H
#define HF_BASE_FIXED_H

/* Fixed-point mathematics where a formula is not one of whole numbers: the same result on every machine, no
 * libm, no rounding mode. A Qn number is an integer that stands for itself / 2^n. */

#include <stdint.h>

/* High half of the 128-bit product. */
uint64_t hf__mul_high(uint64_t a, uint64_t b);

/* The largest r with r * r <= x. */
uint32_t hf__isqrt(uint64_t x);

/* 2^(f / 2^32), from 1 to 2, in Q62. Exact to 2^-55. */
uint64_t hf__exp2_fraction(uint32_t f);

/* tanh(2 * sqrt(t)) for t in Q32, t < 2^38, in Q31. Exact to 2^-27. */
uint32_t hf__tanh_2_sqrt(uint64_t t);

#endif
