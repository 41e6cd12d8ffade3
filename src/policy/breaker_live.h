/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BREAKER_LIVE_H
#define HF_POLICY_BREAKER_LIVE_H

/* The rules of a breaker, which can be replaced while calls use them. Two copies stand side by side: readers
 * copy the one that the version names, the writer fills the other and then moves the version. A reader that
 * finds the version moved may have read what was being written, and tries again; so nobody waits for
 * anybody, and there is nothing to free. */

#include "core/breaker.h"
#include "core/breaker_state.h"

struct hf__breaker_rules {
    struct hf__open_rules open;
    struct hf__limits limits;
    int64_t slow_call_ns;
    hf_time warm_until; /* does not open by itself before */
    uint64_t floor;     /* see hf__window_span */
    uint32_t size;      /* of the window: calls or buckets */
    uint32_t reserved;
};

#define HF__RULES_WORDS (sizeof(struct hf__breaker_rules) / sizeof(uint64_t))
_Static_assert(sizeof(struct hf__breaker_rules) % sizeof(uint64_t) == 0, "whole words");

struct hf__breaker_live {
    _Atomic uint64_t version;
    _Atomic uint64_t word[2][HF__RULES_WORDS];
};

struct hf__breaker_rules hf__breaker_live_read(const struct hf__breaker_live *live);

/* One writer at a time. */
void hf__breaker_live_write(struct hf__breaker_live *live, const struct hf__breaker_rules *rules);

#endif
