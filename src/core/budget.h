/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BUDGET_H
#define HF_CORE_BUDGET_H

/* The retry budget as pure functions over one word:
 *
 *     time_ms 38 | missing 26
 *
 * `missing` is what the bucket lacks of being full, in 1/1000 of a token, so that a zero-filled word is a
 * full bucket and a full bucket ignores a deposit: healthy traffic writes nothing. `time_ms` is when the
 * refill by time was last credited; 38 bits of milliseconds are 8.7 years, and wrap: only the difference,
 * taken modulo 2^38 and read as negative above half of it, counts.
 *
 * Refill: min_per_second tokens a second is min_per_second thousandths a millisecond, exactly. */

#include <holdfast/budget.h>

/* What a configuration comes to, in thousandths. */
struct hf__budget_rules {
    uint32_t kind;           /* hf_budget_kind */
    uint32_t ratio_ppm;      /* by concurrency */
    uint32_t min_concurrent; /* by concurrency */
    uint32_t capacity;       /* burst * 1000 */
    uint32_t deposit;        /* ratio_ppm / 1000 */
    uint32_t per_ms;         /* min_per_second */
    bool unlimited;
};

struct hf__budget_rules hf__budget_rules(const hf_budget_config *config);

/* A call was begun. Needs no time: the word's own stays. */
uint64_t hf__budget_deposit(uint64_t word, const struct hf__budget_rules *rules);

/* Takes one token at `now_ms`; false and `*out` unchanged when there is not a whole one. */
bool hf__budget_withdraw(uint64_t word, const struct hf__budget_rules *rules, int64_t now_ms, uint64_t *out);

/* Takes `tokens`, or what there is: for load that is on the wire already. */
uint64_t hf__budget_charge(uint64_t word, const struct hf__budget_rules *rules, uint32_t tokens, int64_t now_ms);

/* Gives back a token that was taken for an attempt that never started. */
uint64_t hf__budget_refund(uint64_t word, const struct hf__budget_rules *rules);

/* Thousandths of a token available at `now_ms`. */
uint32_t hf__budget_available(uint64_t word, const struct hf__budget_rules *rules, int64_t now_ms);

/* ---- by concurrency: calls 32 | retries 32, both under way ---- */

/* A call (`calls`) or a retry (`retries`) began (1) or ended (-1). */
uint64_t hf__budget_moved(uint64_t word, int32_t calls, int32_t retries);

/* One retry more; false and `*out` unchanged when there are as many as there may be. One decision on one word: two
 * threads cannot both take the last. */
bool hf__budget_join(uint64_t word, const struct hf__budget_rules *rules, uint64_t *out);

/* How many more there may be now. */
uint32_t hf__budget_room(uint64_t word, const struct hf__budget_rules *rules);

uint32_t hf__budget_calls(uint64_t word);
uint32_t hf__budget_retries(uint64_t word);

#endif
