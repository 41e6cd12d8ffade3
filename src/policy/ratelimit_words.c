/* SPDX-License-Identifier: MIT */
#include "policy/ratelimit_words.h"

#include "base/num.h"
#include "shm/region.h"

#include <holdfast/region_view.h>

static uint64_t load(const _Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_acquire); }

static bool swap(_Atomic uint64_t *word, uint64_t *seen, uint64_t next) {
    return atomic_compare_exchange_weak_explicit(word, seen, next, memory_order_acq_rel, memory_order_acquire);
}

static uint64_t rules_of(const struct hf__rate_words *words, uint32_t i) {
    return atomic_load_explicit(&words->rules[i], memory_order_relaxed);
}

static void load_rules(const struct hf__rate_words *words, uint64_t *out) {
    for (uint32_t i = 0; i < hf__rate_words_count(words); i++) {
        out[i] = rules_of(words, i);
    }
}

/* ---- several tiers ---- */

/* Reads the head and its tiers, bringing up those that lack its decision. Ends: every round but the last either
 * moved a word on or saw that somebody else did. */
static void catch_up(struct hf__rate_words *words, const uint64_t *rules, int64_t now, struct hf__tiers *out) {
    uint32_t i = 0, count = hf__rate_words_count(words);
    while (i < count) {
        if (i == 0) {
            out->head = load(&words->head);
            for (uint32_t j = 0; j < count; j++) out->tier[j] = load(&words->tier[j]);
        }
        int state = hf__tiers_state(out, i);
        if (state == 1) {
            i++;
            continue;
        }
        uint64_t seen = out->tier[i];
        if (state == 0) {
            (void)swap(&words->tier[i], &seen, hf__tiers_fold(out, rules, count, i, now));
        } else if (load(&words->head) == out->head) {
            /* No interleaving leaves this: foreign bytes in shared memory, mended rather than believed. */
            (void)swap(&words->tier[i], &seen, hf__tiers_mend(out, i));
        }
        i = 0;
    }
}

/* Brings up the tiers after a decision of our own, so that the next comer, or our own death, finds nothing left to do. Where
 * an exchange fails somebody has done it for us, or will. */
static void bring_up(struct hf__rate_words *words, const uint64_t *rules, int64_t now, struct hf__tiers *all,
                     uint64_t head) {
    uint32_t count = hf__rate_words_count(words);
    all->head = head;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t seen = all->tier[i];
        uint64_t next = hf__tiers_fold(all, rules, count, i, now);
        (void)atomic_compare_exchange_strong_explicit(&words->tier[i], &seen, next, memory_order_acq_rel,
                                                      memory_order_acquire);
        all->tier[i] = next;
    }
}

static bool tiers_take(struct hf__rate_words *words, const uint64_t *rules, int64_t now, uint32_t weight,
                       int64_t wait_until, int64_t *out_taken, int64_t *out_at, bool *out_first) {
    struct hf__tiers all = {0};
    uint64_t next, seen;
    do {
        catch_up(words, rules, now, &all);
        if (!hf__tiers_take(&all, rules, hf__rate_words_count(words), now, weight, wait_until, &next, out_taken,
                            out_at))
            return false;
        seen = all.head;
    } while (!swap(&words->head, &seen, next));
    *out_first = all.head == 0;
    bring_up(words, rules, now, &all, next);
    return true;
}

static bool tiers_refund(struct hf__rate_words *words, const uint64_t *rules, int64_t now, uint32_t weight,
                         const int64_t *taken) {
    struct hf__tiers all = {0};
    uint64_t next, seen;
    do {
        catch_up(words, rules, now, &all);
        if (!hf__tiers_refund(&all, rules, hf__rate_words_count(words), weight, taken, &next)) return false;
        seen = all.head;
    } while (!swap(&words->head, &seen, next));
    bring_up(words, rules, now, &all, next);
    return true;
}

/* ---- either ---- */

static int64_t tat_of(const struct hf__rate_words *words, uint64_t word) {
    return hf__rate_words_count(words) == 1 ? (int64_t)word : hf__tier_tat(word);
}

static uint64_t with_tat(const struct hf__rate_words *words, uint64_t word, int64_t tat) {
    return hf__rate_words_count(words) == 1 ? (uint64_t)tat : hf__tier_set(word, tat);
}

bool hf__rate_words_take(struct hf__rate_words *words, int64_t now, uint32_t weight, int64_t wait_until,
                         int64_t *out_taken, int64_t *out_at, bool *out_first) {
    uint64_t rules[HF_RATE_TIERS_MAX];
    load_rules(words, rules);
    *out_at = HF_NEVER; /* more than can ever be there at once */
    for (uint32_t i = 0; i < hf__rate_words_count(words); i++) {
        if (weight > hf__rate_burst(rules[i])) return false;
    }
    if (hf__rate_words_count(words) > 1) {
        return tiers_take(words, rules, now, weight, wait_until, out_taken, out_at, out_first);
    }
    uint64_t seen = atomic_load_explicit(&words->tier[0], memory_order_relaxed);
    do {
        int64_t tat = (int64_t)seen;
        if (!hf__rate_take(&tat, rules, 1, now, weight, wait_until, out_taken, out_at)) return false;
    } while (!swap(&words->tier[0], &seen, (uint64_t)out_taken[0]));
    *out_first = seen == 0;
    return true;
}

bool hf__rate_words_refund(struct hf__rate_words *words, int64_t now, uint32_t weight, const int64_t *taken) {
    uint64_t rules[HF_RATE_TIERS_MAX];
    load_rules(words, rules);
    if (hf__rate_words_count(words) > 1) return tiers_refund(words, rules, now, weight, taken);
    uint64_t seen = load(&words->tier[0]);
    int64_t tat, before;
    do {
        tat = (int64_t)seen;
        if (!hf__rate_refund(&tat, rules, 1, weight, taken, &before)) return false;
    } while (!swap(&words->tier[0], &seen, (uint64_t)before));
    return true;
}

void hf__rate_words_delay(struct hf__rate_words *words, uint32_t i, int64_t ns, int64_t now) {
    uint64_t seen = load(&words->tier[i]);
    int64_t tat;
    do {
        tat = hf__add(hf__max(tat_of(words, seen), now), ns);
    } while (!swap(&words->tier[i], &seen, with_tat(words, seen, tat)));
}

/* Raising a tier beside the head's decisions is sound: one that was made on the lower value counts as made before. */
void hf__rate_words_drain(struct hf__rate_words *words, int64_t until, int64_t now) {
    uint64_t rules = rules_of(words, 0), seen = load(&words->tier[0]);
    int64_t tat;
    do {
        tat = hf__rate_drain(tat_of(words, seen), rules, until, now);
    } while (!swap(&words->tier[0], &seen, with_tat(words, seen, tat)));
}

void hf__rate_words_set(struct hf__rate_words *words, uint32_t i, uint64_t rules, int64_t now) {
    uint64_t before = atomic_exchange_explicit(&words->rules[i], rules, memory_order_relaxed);
    uint64_t seen = load(&words->tier[i]);
    int64_t tat;
    do {
        tat = tat_of(words, seen);
        if (tat <= now) return; /* a full bucket is full under any rules */
    } while (!swap(&words->tier[i], &seen, with_tat(words, seen, hf__rate_rescale(tat, before, rules, now))));
}

int64_t hf__rate_words_available_in(const struct hf__rate_words *words, uint32_t i, int64_t now) {
    return hf__rate_available(tat_of(words, load(&words->tier[i])), rules_of(words, i), now);
}

int64_t hf__rate_words_available(const struct hf__rate_words *words, int64_t now) {
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < hf__rate_words_count(words); i++) {
        least = hf__min(least, hf__rate_words_available_in(words, i, now));
    }
    return least;
}

/* ---- seen from outside ---- */

int hf_region_view_rate_limit(hf_region_view *view, uint32_t index, hf_region_rate_limit *out, hf_time now) {
    if (out == NULL || out->struct_size < sizeof *out) return HF_E_INVALID;
    struct hf__region_seen seen;
    int rc = hf__region_view_find(view, index, HF_REGION_RATE_LIMIT, &seen);
    if (rc < 0) return rc;
    const struct hf__rate_words *words = seen.state;
    if (seen.bytes != sizeof *words || words->count < 1 || words->count > HF_RATE_TIERS_MAX) return HF_E_STATE;
    *out = (hf_region_rate_limit){.struct_size = out->struct_size, .tiers = hf__rate_words_count(words)};
    for (uint32_t i = 0; i < out->tiers; i++) {
        uint64_t rules = rules_of(words, i);
        out->tier[i].interval_ns = hf__rate_interval(rules);
        out->tier[i].burst = hf__rate_burst(rules);
        out->tier[i].available = hf__rate_words_available_in(words, i, now);
    }
    return 0;
}
