/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_CONCURRENCY_H
#define HF_CORE_CONCURRENCY_H

/* Adaptive concurrency: what one window of calls makes of the limit. Integers only: the limit counts 1/1024 of a slot.
 * Let L be the limit, rtt the mean of the window, base the round trip without load.
 *
 *   every algorithm   the window was dropped from (timed out, told to slow down)     L * backoff
 *                     most in flight * 2 < L: the limit was not what limited         L stays
 *                     L never above growth(most in flight), nor outside [min, max]
 *   AIMD              otherwise                                                      L + 1
 *   Vegas             base = least rtt; queue = ceil(L * (1 - base / rtt))
 *   (Brakmo 1994)     queue < 3 log10 L                                              L + log10 L
 *                     queue > 6 log10 L                                              L - log10 L
 *   Gradient2         base = slow average of rtt, where the limit was used up only downward;
 *   (Netflix)         g = clamp(tolerance * base / rtt, 1/2, 1)                      L + s * (g * L + 4 - L)
 *
 * growth(n) = n * max(6/5, 5 - log10 n): few calls may be many times as many tomorrow, thousands not (failsafe-go).
 *
 * Whoever trusts a base is held down for ever by a route that became slower for good. So base is measured afresh once a
 * period: for one window the limit is less by the queue that there is believed to be, and the rtt of that window is the new
 * base. What is turned away then would have waited; where there is no queue nothing is turned away, and the base of Vegas
 * is the least rtt of the period. */

#include <holdfast/concurrency.h>

#define HF__LIMIT_ONE 1024

struct hf__limit_rules {
    uint32_t algorithm; /* hf_limit_algorithm */
    uint32_t min, max;
    uint32_t backoff_ppm, drop_ppm, tolerance_ppm, smoothing_ppm, jitter_ppm;
    int64_t slow_ns, period_ns;
};

/* What is kept from window to window. */
struct hf__limit_state {
    int64_t limit;     /* in 1/1024 */
    int64_t base_ns;   /* 0: not known yet */
    int64_t best_ns;   /* the least rtt of this period, 0: none yet */
    int64_t saved;     /* the limit to go back to after a measurement, 0: none is under way */
    int64_t period_at; /* when base is measured next */
    uint32_t windows;  /* seen, saturating */
};

/* One window. */
struct hf__limit_window {
    uint32_t calls;          /* that count: successes and drops */
    uint32_t drops;          /* of these */
    uint32_t most_in_flight; /* at once */
    int64_t rtt_ns;          /* mean of the successes, 0: there was none */
    int64_t now;
    uint64_t random;
};

void hf__limit_init(struct hf__limit_state *state, const struct hf__limit_rules *rules, uint32_t initial, int64_t now);
void hf__limit_update(struct hf__limit_state *state, const struct hf__limit_rules *rules,
                      const struct hf__limit_window *window);

/* The limit in whole slots, at least one. */
uint32_t hf__limit_slots(const struct hf__limit_state *state);

/* The queue that Vegas believes there is behind `limit` slots. */
int64_t hf__limit_queue(int64_t limit, int64_t base_ns, int64_t rtt_ns);

/* The most that the limit may be when at most `in_flight` were at once; in whole slots. */
int64_t hf__limit_growth(uint32_t in_flight);

/* ---- slots: in flight, one word ---- */

/* Takes a slot; false when `in_flight` has come to the limit less what is kept for the more important: with `reserve_ppm`
 * of the limit kept for each step between critical, normal and sheddable. */
bool hf__limit_take(uint64_t in_flight, uint32_t slots, uint32_t reserve_ppm, uint32_t priority, uint64_t *out);

#endif
