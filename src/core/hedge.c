/* SPDX-License-Identifier: MIT */
#include "core/hedge.h"

#define FIRST_BIT 10 /* the first doubling begins at 2^10 ns */
#define PARTS 8      /* of a doubling; 2^3 */
#define PART_BITS 3

static uint32_t highest_bit(uint64_t value) {
    uint32_t bit = 0;
    while (value >>= 1) bit++;
    return bit;
}

uint32_t hf__age_bucket(int64_t age_ns) {
    if (age_ns < INT64_C(1) << FIRST_BIT) return 0;
    uint32_t bit = highest_bit((uint64_t)age_ns);
    uint32_t part = (uint32_t)((uint64_t)age_ns >> (bit - PART_BITS)) & (PARTS - 1);
    uint32_t bucket = (bit - FIRST_BIT) * PARTS + part;
    return bucket < HF__AGE_BUCKETS ? bucket : HF__AGE_BUCKETS - 1;
}

int64_t hf__age_bucket_end(uint32_t bucket) {
    uint32_t bit = FIRST_BIT + bucket / PARTS, part = bucket % PARTS;
    return (INT64_C(1) << bit) + (int64_t)(part + 1) * (INT64_C(1) << (bit - PART_BITS));
}

int64_t hf__age_quantile(const uint32_t *done, const uint32_t *cut_off, uint32_t share_ppm) {
    uint64_t at_risk = 0;
    for (uint32_t i = 0; i < HF__AGE_BUCKETS; i++) at_risk += (uint64_t)done[i] + cut_off[i];
    /* S as a fraction of 2^32, rounded down by less than one part in 2^24 over all buckets. */
    uint64_t one = UINT64_C(1) << 32, surviving = one;
    uint64_t goal = one - one * share_ppm / HF_PPM;
    for (uint32_t i = 0; i < HF__AGE_BUCKETS && at_risk > 0; i++) {
        surviving = surviving / at_risk * (at_risk - done[i]) + surviving % at_risk * (at_risk - done[i]) / at_risk;
        if (done[i] > 0 && surviving <= goal) return hf__age_bucket_end(i);
        at_risk -= (uint64_t)done[i] + cut_off[i]; /* who was cut off in this bucket was at risk in it */
    }
    return HF_NEVER;
}
