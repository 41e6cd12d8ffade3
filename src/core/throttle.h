/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_THROTTLE_H
#define HF_CORE_THROTTLE_H

/* Client-side throttling (Beyer et al., "Site Reliability Engineering", ch. 21, "Handling Overload") as pure functions
 * over words. Of the last `window` it counts what was asked for, at the start and turned back here or not, and what the
 * dependency accepted. The share to be turned back is
 *
 *     excess = max(0, (requests - K * (accepts + padding)) / (requests + 1))       at most max_reject
 *
 * so that a healthy dependency sees everything, a dead one 1 / K of what it could take, and a share that never falls to
 * nothing. `padding` stands for attempts that have only begun: without it a cold start looks like an outage.
 *
 * The window is 10 buckets. A bucket is one word, so that its epoch and counts roll together:
 *
 *     total   epoch 20 | requests 22 | accepts 22
 *     class   epoch 20 | requests 22 | 0 22              one for each priority
 *
 * A word of another epoch counts as empty. Epochs come round after 12 days of a 10 s window. */

#include <holdfast/throttle.h>

#define HF__THROTTLE_BUCKETS 10

struct hf__throttle_rules {
    int64_t bucket_ns;
    uint32_t multiplier_ppm; /* K */
    uint32_t max_reject_ppm;
    uint32_t padding;
};

/* What the window holds. */
struct hf__throttle_counts {
    uint64_t requests, accepts;
};

uint64_t hf__throttle_epoch(const struct hf__throttle_rules *rules, int64_t now);

/* The word after so many more (or fewer, not below none) of each in `epoch`. Counts saturate. A word that is ahead of
 * `epoch`, because another thread's clock is, keeps its own. */
uint64_t hf__throttle_add(uint64_t word, uint64_t epoch, int32_t requests, int32_t accepts);

/* The sum of the words of a window that ends with `epoch`. */
struct hf__throttle_counts hf__throttle_sum(const uint64_t *words, uint64_t epoch);

/* The share of all requests to be turned back, in ppm. */
uint32_t hf__throttle_excess(const struct hf__throttle_rules *rules, struct hf__throttle_counts counts);

/* The share of the requests of `priority` to be turned back, in ppm, when `excess` of all shall be: the least important
 * first, each class up to max_reject. `requests` of each priority. */
uint32_t hf__throttle_share(const struct hf__throttle_rules *rules, uint32_t excess, const uint64_t *requests,
                            uint32_t priority);

#endif
