/* SPDX-License-Identifier: MIT */
#include "policy/breaker_inside.h"

#include "base/rng.h"
#include "core/breaker_probe.h"

#define COUNT_BITS 49
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

uint64_t hf__breaker_control(const hf_breaker *b) {
    return atomic_load_explicit(&b->state->control, memory_order_acquire); /* (M1) */
}

void hf__breaker_use(hf_breaker *b, const struct hf__breaker_rules *rules) {
    hf__breaker_live_write(&b->rules, rules);
    atomic_store_explicit(&b->slow_call_ns, rules->slow_call_ns, memory_order_relaxed); /* (M7) */
    atomic_store_explicit(&b->size, rules->size, memory_order_relaxed);
    atomic_store_explicit(&b->floor, rules->floor, memory_order_relaxed);
    atomic_store_explicit(&b->judge_success, true, memory_order_relaxed); /* (M9) */
}

void hf__breaker_load_probes(const hf_breaker *b, uint64_t *out) {
    for (uint32_t i = 0; i < HF_BREAKER_PROBES_MAX; i++) {
        out[i] = atomic_load_explicit(&b->state->probe[i], memory_order_acquire); /* (M3) */
    }
}

static uint64_t rejected_in(const hf_breaker *b, uint32_t generation) {
    uint64_t word = atomic_load_explicit(&b->state->rejected, memory_order_relaxed); /* (M4) */
    return word >> COUNT_BITS == generation ? word & COUNT_MASK : 0;
}

void hf__breaker_count_rejection(hf_breaker *b, uint32_t generation) {
    _Atomic uint64_t *word = &b->state->rejected;
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed), first = (uint64_t)generation << COUNT_BITS | 1;
    while (seen >> COUNT_BITS != generation) {
        if (hf__generation_newer((uint32_t)(seen >> COUNT_BITS), generation)) return;
        if (atomic_compare_exchange_weak_explicit(word, &seen, first, memory_order_relaxed, memory_order_relaxed))
            return;
    }
    /* Who stalls here may be counted in the next generation: it is only a number to look at. (M4) */
    (void)atomic_fetch_add_explicit(word, 1, memory_order_relaxed);
}

/* The limits that decide in a state. Recovering, as many results as there were probes are enough: the
 * dependency has just failed, and waiting for min_calls would let the ramp run to its end unseen. */
static struct hf__limits limits_in(const struct hf__breaker_rules *rules, hf_breaker_state state) {
    struct hf__limits limits = rules->limits;
    if (state == HF_BREAKER_RECOVERING && limits.min_calls > rules->open.probes) limits.min_calls = rules->open.probes;
    return limits;
}

void hf__breaker_describe(const hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t control, hf_time now,
                          hf_breaker_info *info) {
    struct hf__control c = hf__control_unpack(control);
    uint64_t probes[HF_BREAKER_PROBES_MAX];
    /* While nothing is recorded the window stays as it was when it tripped. */
    bool records = hf__state_records(c.state);
    struct hf__counts counts = hf__breaker_count(b, rules, records ? now : HF_NEVER, 0).counts;
    uint32_t overdue = records ? hf__breaker_overdue(b, rules, c.generation, now) : 0;
    struct hf__counts as_judged = overdue == 0 ? counts : hf__breaker_count(b, rules, now, overdue).counts;
    struct hf__limits limits = limits_in(rules, c.state);
    hf__breaker_load_probes(b, probes);
    struct hf__tally tally = hf__probe_tally(probes, rules->open.probes, control);
    struct hf__admission_answer answer = hf__control_admit(control, &rules->open, now);
    struct hf__claim_answer claim = hf__probe_claim(probes, control, &rules->open, now);
    /* Full with no lease that will end: fewer probes are asked for than before, and the next admission decides. */
    bool full = answer.verdict == HF__ADMIT_PROBE && claim.verdict == HF__CLAIM_FULL && claim.retry_at != HF_NEVER;
    bool rejects = answer.verdict == HF__ADMIT_REJECT || full;
    *info = (hf_breaker_info){
        .struct_size = (uint32_t)sizeof *info,
        .state = (int32_t)c.state,
        .generation = c.generation,
        .total = counts.total,
        .failures = counts.failures,
        .slow = counts.slow,
        .consecutive = counts.consecutive,
        .probes_flying = tally.flying,
        .probes_ok = tally.ok,
        .probes_failed = tally.bad,
        .rejected = rejected_in(b, c.generation),
        .retry_at = full      ? claim.retry_at
                    : rejects ? answer.retry_at
                              : now,
        .admit_ppm = rejects                             ? 0
                     : answer.verdict == HF__ADMIT_SHARE ? answer.share_ppm
                                                         : HF_PPM,
        .rules = hf__limits_reached(&as_judged, &limits),
        .overdue = overdue,
    };
}

static void tell(hf_breaker *b, uint64_t from, uint64_t to, const hf_breaker_info *info, hf_time now, uint32_t cause) {
    hf_breaker_event event = {
        .struct_size = (uint32_t)sizeof event,
        .from = (int32_t)hf__control_unpack(from).state,
        .to = (int32_t)hf__control_unpack(to).state,
        .rules = cause,
        .name = b->base.name,
        .at = now,
        .info = info,
    };
    b->on_change(b->on_change_arg, &event);
}

bool hf__breaker_change(hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t from, uint64_t to, hf_time now,
                        uint32_t cause) {
    struct hf__control before = hf__control_unpack(from), after = hf__control_unpack(to);
    bool told = b->on_change != NULL && (before.state != after.state || cause != 0);
    uint64_t expected = from;
    hf_breaker_info info;
    if (told) hf__breaker_describe(b, rules, from, now, &info); /* the numbers that decided, before the reset */
    if (hf__state_records(after.state) && !hf__control_same(from, to)) {
        hf__breaker_reset_window(b, after.generation, now);
    }
    if (!atomic_compare_exchange_strong_explicit(&b->state->control, &expected, to, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        return false; /* (M1) */
    }
    if (told) tell(b, from, to, &info, now, cause);
    return true;
}

void hf__breaker_decide(hf_breaker *b, const struct hf__breaker_rules *rules, hf_time now, int64_t hint_ns,
                        uint64_t *rng) {
    for (;;) {
        uint64_t control = hf__breaker_control(b), probes[HF_BREAKER_PROBES_MAX];
        hf__breaker_load_probes(b, probes);
        struct hf__tally tally = hf__probe_tally(probes, rules->open.probes, control);
        uint64_t random = tally.bad > 0 ? hf__rng_next(rng) : 0;
        uint64_t next = hf__control_decide(control, tally, &rules->open, now, hint_ns, random);
        if (next == control || hf__breaker_change(b, rules, control, next, now, 0)) return;
    }
}

void hf__breaker_judge_window(hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t ticket, hf_time now,
                              int64_t hint_ns, uint64_t *rng) {
    for (;;) {
        uint64_t control = hf__breaker_control(b), next;
        struct hf__control c = hf__control_unpack(control);
        if (!hf__control_same(control, ticket) || now < rules->warm_until) return;
        if (atomic_load_explicit(&b->judge_success, memory_order_relaxed)) {
            atomic_store_explicit(&b->judge_success, false, memory_order_relaxed); /* (M9) */
        }
        uint32_t overdue = hf__breaker_overdue(b, rules, c.generation, now);
        struct hf__picture picture = hf__breaker_count(b, rules, now, overdue);
        struct hf__limits limits = limits_in(rules, c.state);
        uint32_t reached = picture.tag == c.generation ? hf__limits_reached(&picture.counts, &limits) : 0;
        if (c.state == HF_BREAKER_METRICS_ONLY) {
            next = hf__control_told(control, reached);
            reached &= ~c.streak;
        } else {
            next = hf__control_trip(control, &rules->open, now, hint_ns, reached ? hf__rng_next(rng) : 0);
        }
        if (reached == 0 || hf__breaker_change(b, rules, control, next, now, reached)) return;
    }
}
