/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_COUNTERS_H
#define HF_ENGINE_COUNTERS_H

/* How the calls of a pipeline ended. Counted once for each call, at its end, in the shard of its thread: a
 * healthy call adds to one number in a line that no other thread writes to. What can be worked out from other
 * numbers is not counted. Relaxed: the counts publish nothing; a reader that sums them up while calls end may
 * see one call's numbers in part. */

#include <holdfast/pipeline.h>
#include <holdfast/result.h>

#include <stdatomic.h>

#define HF__SHARDS 16
#define HF__REASONS 24

enum hf__end_kind {
    HF__ENDED_OK, /* in time, with the first attempt */
    HF__ENDED_OK_AGAIN,
    HF__ENDED_OK_LATE,
    HF__ENDED_FALLBACK,
    HF__ENDED_FAILED,
    HF__ENDED_REJECTED,
    HF__ENDED_TIMEOUT,
    HF__ENDED_CANCELLED,
    HF__ENDINGS
};

struct hf__shard {
    _Atomic uint64_t ended[HF__ENDINGS];
    _Atomic uint64_t further_attempts; /* beyond the first of a call */
    _Atomic uint64_t no_attempt;       /* calls that made none */
    _Atomic uint64_t budget_denied;    /* calls that wanted another attempt and were not granted it */
    _Atomic uint64_t reserved[5];
    _Atomic uint64_t reason[HF__REASONS];     /* of calls without a value, and of those that a fallback answered */
    _Atomic uint64_t policy[HF_MAX_POLICIES]; /* the same by the place of the policy that gave the reason */
    _Atomic uint64_t unused[4];
};
_Static_assert(sizeof(struct hf__shard) % 64 == 0, "whole cache lines");
_Static_assert(HF__ENDINGS * sizeof(uint64_t) == 64, "a healthy call touches the first line only");

struct hf__ended {
    int status;
    int32_t reason;
    uint32_t place; /* of the policy, HF_MAX_POLICIES or more: none */
    uint32_t flags; /* HF_RESULT_* */
    uint32_t attempts;
};

/* A call has ended; `shards` has HF__SHARDS of them, `shard` is any number. */
void hf__count(struct hf__shard *shards, uint32_t shard, const struct hf__ended *ended);

/* The same for a success in time with the first attempt. */
static inline void hf__count_ok(struct hf__shard *shards, uint32_t shard) {
    atomic_fetch_add_explicit(&shards[shard % HF__SHARDS].ended[HF__ENDED_OK], 1, memory_order_relaxed);
}

#endif
