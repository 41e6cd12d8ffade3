/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_RATELIMIT_H
#define HF_CORE_RATELIMIT_H

/* The generic cell rate algorithm (ITU-T I.371, virtual scheduling) as pure functions over words.
 *
 * One rate is two words:
 *
 *     rules   interval 47 | burst 17     ns between permits, permits that may come at once
 *     tat     the theoretical arrival time, ns: when the bucket would be full again
 *
 * A bucket that lacks k permits of being full has tat = now + k * interval; one that is full has tat <= now,
 * so a zero-filled word is a full bucket. Taking w permits:
 *
 *     at   = max(now, tat + w * interval - burst * interval)     when they may be used
 *     tat' = max(tat, at) + w * interval
 *
 * and `at` <= now admits at once. From tat' >= at + w * interval at every admission it follows that in any
 * time T at most burst + T / interval permits are used: the first of n permits used in [s, s + T] leaves
 * tat >= s + w * interval, each further one adds its own, and the last demands tat' <= s + T + burst * interval.
 * The interval is rounded up to whole nanoseconds, so the bound holds for the configured rate too.
 *
 * Several rates in one decision (tiers): see the second half of this file and docs/design/ratelimit.md. */

#include <holdfast/ratelimit.h>

/* permits per period, checked by the caller: 1 <= permits, the interval fits its field. */
uint64_t hf__rate_rules(const hf_rate_tier *tier);
int64_t hf__rate_interval(uint64_t rules);
int64_t hf__rate_burst(uint64_t rules);

/* Takes `weight` permits (at most any burst) of `count` rates at once, to be used at `now`, or later but not after
 * `wait_until`. `*out_at` is the instant; false: nothing was taken, and it is when asking again can succeed. */
bool hf__rate_take(const int64_t *tat, const uint64_t *rules, uint32_t count, int64_t now, uint32_t weight,
                   int64_t wait_until, int64_t *out_tat, int64_t *out_at);

/* Takes back a take that was the last: `tat` is still what it left in `taken`. False, and nothing done, when others have
 * taken since: what lies under theirs cannot be pulled out without letting too many through. */
bool hf__rate_refund(const int64_t *tat, const uint64_t *rules, uint32_t count, uint32_t weight, const int64_t *taken,
                     int64_t *out_tat);

/* No permit before `until`, at most a day from `now`, and then no burst. */
int64_t hf__rate_drain(int64_t tat, uint64_t rules, int64_t until, int64_t now);

/* Permits there at `now`; below 0 when more are promised than there are. */
int64_t hf__rate_available(int64_t tat, uint64_t rules, int64_t now);

/* The same share of the burst missing under other rules: a full bucket stays full, an empty one empty, and what was
 * promised keeps its instant. */
int64_t hf__rate_rescale(int64_t tat, uint64_t from, uint64_t to, int64_t now);

/* ---- tiers -----------------------------------------------------------------------------------------
 *
 * Up to four rates, one decision. A head word orders the decisions, and each tier's word follows it:
 *
 *     head    serial 46 | refund 1 | weight 17                    the last decision
 *     tier    tat 60 (ns, 36 years) | tag 4
 *
 * A tier whose tag is the low 4 bits of the head's serial has the head's decision in it; one whose tag is
 * one behind lacks it, and whoever meets it brings it up (hf__tiers_fold). A decision is made on a head whose
 * tiers all have caught up and moves the head alone; the exchange fails if another decision came between. So
 * all tiers are taken at one instant or none, nothing is ever undone, and a process that dies between its
 * exchange and the bringing up leaves that to the next comer.
 *
 * What is folded: weight w used at `at` = max(now, every tier's earliest instant): tat' = max(tat, at) + w *
 * interval, in every tier. `at` is not stored: from a tier not yet folded it is bounded by tat + w * interval -
 * tolerance, from a folded one by tat' - tolerance, and the tier that decided gives it exactly. A later `now`
 * of a helper only makes the bound stricter. */

#define HF__RATE_TIERS 4

struct hf__tiers {
    uint64_t head;
    uint64_t tier[HF__RATE_TIERS];
};

/* Does tier `i` hold the head's decision (1), lack it (0), or belong to another head (-1)? */
int hf__tiers_state(const struct hf__tiers *all, uint32_t i);

/* Tier `i` with the head's decision in it; hf__tiers_state must be 0. `rules` of `count` tiers. */
uint64_t hf__tiers_fold(const struct hf__tiers *all, const uint64_t *rules, uint32_t count, uint32_t i, int64_t now);

/* Tier `i` as if it had followed the head, for one that belongs to none. */
uint64_t hf__tiers_mend(const struct hf__tiers *all, uint32_t i);

/* As hf__rate_take, for all tiers, which must all have caught up. `out_tat` is what each tier will hold. */
bool hf__tiers_take(const struct hf__tiers *all, const uint64_t *rules, uint32_t count, int64_t now, uint32_t weight,
                    int64_t wait_until, uint64_t *out_head, int64_t *out_tat, int64_t *out_at);

/* As hf__rate_refund: the head after it. */
bool hf__tiers_refund(const struct hf__tiers *all, const uint64_t *rules, uint32_t count, uint32_t weight,
                      const int64_t *taken, uint64_t *out_head);

/* The instant in a tier's word. */
int64_t hf__tier_tat(uint64_t tier);

/* The word with another instant in it. */
uint64_t hf__tier_set(uint64_t tier, int64_t tat);

#endif
