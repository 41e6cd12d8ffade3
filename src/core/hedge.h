/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_HEDGE_H
#define HF_CORE_HEDGE_H

/* The latency that a share of attempts stays below, estimated from ages of attempts, some of which were cut
 * off: a loser that was cancelled at 80 ms says that it would have taken 80 ms or more, and nothing else.
 * Leaving these out makes the estimate sink with every hedge that wins, down to what the fast ones take
 * (tests/core/hedge_test.c: from 600 ms to 21 ms). The estimator of Kaplan and Meier ("Nonparametric estimation
 * from incomplete observations", 1958) uses exactly what they say:
 *
 *     S(t) = product over ages i <= t of (1 - done_i / at_risk_i)
 *
 * is the share that takes longer than t, where done_i is how many ended at age i, and at_risk_i how many were
 * still under way then, cut off later or not. The estimate is the first t with S(t) <= 1 - share.
 *
 * Ages are counted in buckets, eight for each doubling from 1 us to 18 minutes: within 12.5 %. */

#include <holdfast/types.h>

#define HF__AGE_BUCKETS 240

/* The bucket of an age in ns, and the age at which a bucket ends. */
uint32_t hf__age_bucket(int64_t age_ns);
int64_t hf__age_bucket_end(uint32_t bucket);

/* The estimate, or HF_NEVER when the ages do not reach that far (they were cut off earlier). */
int64_t hf__age_quantile(const uint32_t *done, const uint32_t *cut_off, uint32_t share_ppm);

#endif
