/* SPDX-License-Identifier: MIT */
#include "core/throttle.h"

#include "base/num.h"

#define COUNT_BITS 22
#define COUNT_MAX ((INT64_C(1) << COUNT_BITS) - 1)
#define EPOCH_MASK ((UINT64_C(1) << (64 - 2 * COUNT_BITS)) - 1)

static uint64_t epoch_of(uint64_t word) { return word >> 2 * COUNT_BITS; }
static int64_t requests_of(uint64_t word) { return (int64_t)(word >> COUNT_BITS) & COUNT_MAX; }
static int64_t accepts_of(uint64_t word) { return (int64_t)word & COUNT_MAX; }

uint64_t hf__throttle_epoch(const struct hf__throttle_rules *rules, int64_t now) {
    return (uint64_t)(now / rules->bucket_ns) & EPOCH_MASK;
}

/* How many buckets before `epoch` the word was written; a large number if after it. */
static uint64_t age(uint64_t word, uint64_t epoch) { return (epoch - epoch_of(word)) & EPOCH_MASK; }

static uint64_t clamp(int64_t count) { return (uint64_t)hf__max(0, hf__min(count, COUNT_MAX)); }

uint64_t hf__throttle_add(uint64_t word, uint64_t epoch, int32_t requests, int32_t accepts) {
    uint64_t behind = age(word, epoch);
    if (behind != 0 && behind <= EPOCH_MASK / 2) word = epoch << 2 * COUNT_BITS;
    return epoch_of(word) << 2 * COUNT_BITS | clamp(requests_of(word) + requests) << COUNT_BITS |
           clamp(accepts_of(word) + accepts);
}

struct hf__throttle_counts hf__throttle_sum(const uint64_t *words, uint64_t epoch) {
    struct hf__throttle_counts sum = {0, 0};
    for (int i = 0; i < HF__THROTTLE_BUCKETS; i++) {
        uint64_t behind = age(words[i], epoch);
        if (behind >= HF__THROTTLE_BUCKETS && behind <= EPOCH_MASK / 2) continue;
        sum.requests += (uint64_t)requests_of(words[i]);
        sum.accepts += (uint64_t)accepts_of(words[i]);
    }
    return sum;
}

uint32_t hf__throttle_excess(const struct hf__throttle_rules *rules, struct hf__throttle_counts counts) {
    /* At most 10 * 2^22 requests and a K of 100: far from overflow. */
    int64_t asked = (int64_t)counts.requests * HF_PPM;
    int64_t fine = (int64_t)(counts.accepts + rules->padding) * rules->multiplier_ppm;
    if (asked <= fine) return 0;
    return (uint32_t)hf__min((asked - fine) / ((int64_t)counts.requests + 1), rules->max_reject_ppm);
}

uint32_t hf__throttle_share(const struct hf__throttle_rules *rules, uint32_t excess, const uint64_t *requests,
                            uint32_t priority) {
    int64_t all = 0, lesser = 0;
    for (uint32_t i = 0; i < HF_PRIORITIES; i++) {
        all += (int64_t)requests[i];
        /* What the lesser classes can be relieved of, each at most max_reject. */
        if (i > priority) lesser += (int64_t)requests[i] * rules->max_reject_ppm / HF_PPM;
    }
    int64_t left = all * excess / HF_PPM - lesser;
    if (left <= 0) return 0;
    if (requests[priority] == 0) return excess; /* the first of its class */
    return (uint32_t)hf__min(left * HF_PPM / (int64_t)requests[priority], rules->max_reject_ppm);
}
