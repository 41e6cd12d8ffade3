/* SPDX-License-Identifier: MIT */
#include "core/not_before.h"

#include "base/num.h"
#include "base/rng.h"

uint64_t hf__not_before_push(uint64_t word, int64_t hint_ns, int64_t cap_ns, hf_time now) {
    hf_time until = hf__add(now, hf__min(hint_ns, cap_ns));
    return hint_ns <= 0 || until <= (hf_time)word ? word : (uint64_t)until;
}

hf_time hf__not_before_at(uint64_t word, hf_time now) { return (hf_time)word > now ? (hf_time)word : 0; }

hf_time hf__not_before_start(hf_time until, hf_time begun, uint64_t random) {
    return hf__add(until, hf__rng_between(random, 0, hf__left(until, begun) / 4));
}
