/* SPDX-License-Identifier: MIT */
#include "policy/budget_policy.h"

#include "base/num.h"
#include "core/budget.h"
#include "policy/config_check.h"

#include <stdlib.h>

/* One word moved by compare-exchange, relaxed throughout: the word is the whole state, nothing is
 * published through it, and compare-exchange alone makes the decision atomic. The refill time in the word
 * is not moved by deposits, so refill is credited by whoever looks next. */
struct hf_budget {
    hf_policy base; /* for name and reference count; a budget is no member of a pipeline */
    struct hf__budget_rules rules;
    _Atomic uint64_t word;
    _Atomic uint64_t denied;
};

static void budget_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops budget_ops = {.kind = "budget", .destroy = budget_destroy};

void hf_budget_config_init(hf_budget_config *config) {
    *config = (hf_budget_config){
        .struct_size = (uint32_t)sizeof *config,
        .ratio_ppm = 200000,
        .min_per_second = 3,
        .burst = 30,
    };
}

static int check(const char *name, const hf_budget_config *c, hf_error *error) {
    int rc = hf__check_range("budget", name, "ratio_ppm", c->ratio_ppm, 0, HF_PPM, HF_BUDGET_UNLIMITED,
                             "HF_BUDGET_UNLIMITED", error);
    if (rc == 0 && c->ratio_ppm != HF_BUDGET_UNLIMITED && c->ratio_ppm % 1000 != 0) {
        rc = hf__error_set(error, HF_E_INVALID, "budget \"%s\": ratio_ppm is %lu, expected a multiple of 1000", name,
                           (unsigned long)c->ratio_ppm);
    }
    if (rc == 0) rc = hf__check_range("budget", name, "min_per_second", c->min_per_second, 0, 10000, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("budget", name, "burst", c->burst, 1, 10000, 0, NULL, error);
    return rc;
}

int hf_budget_new(hf_budget **out_budget, const char *name, const hf_budget_config *config, hf_error *error) {
    hf_budget_config chosen;
    hf_budget_config_init(&chosen);
    void *made = NULL;
    int rc = hf__policy_new(out_budget == NULL ? NULL : &made, sizeof(hf_budget), &budget_ops, name, error);
    if (out_budget != NULL) *out_budget = NULL;
    if (made == NULL) return rc;
    rc = hf__config_copy("budget", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    if (rc < 0) {
        free(made);
        return rc;
    }
    *out_budget = made;
    (*out_budget)->rules = hf__budget_rules(&chosen);
    return 0;
}

void hf_budget_free(hf_budget *budget) { hf__policy_unref(budget == NULL ? NULL : &budget->base); }

hf_budget *hf__budget_ref(hf_budget *budget) {
    hf__policy_ref(&budget->base);
    return budget;
}

void hf__budget_deposit_one(hf_budget *budget) {
    uint64_t seen = atomic_load_explicit(&budget->word, memory_order_relaxed);
    uint64_t next;
    do {
        next = hf__budget_deposit(seen, &budget->rules);
        if (next == seen) return; /* full: nothing is written */
    } while (
        !atomic_compare_exchange_weak_explicit(&budget->word, &seen, next, memory_order_relaxed, memory_order_relaxed));
}

bool hf__budget_take(hf_budget *budget, hf_time now) {
    if (budget->rules.unlimited) return true;
    uint64_t seen = atomic_load_explicit(&budget->word, memory_order_relaxed);
    uint64_t next;
    do {
        if (!hf__budget_withdraw(seen, &budget->rules, hf__ns_to_ms_down(now), &next)) {
            atomic_fetch_add_explicit(&budget->denied, 1, memory_order_relaxed);
            return false;
        }
    } while (
        !atomic_compare_exchange_weak_explicit(&budget->word, &seen, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}

void hf__budget_give_back(hf_budget *budget) {
    uint64_t seen = atomic_load_explicit(&budget->word, memory_order_relaxed);
    while (!budget->rules.unlimited &&
           !atomic_compare_exchange_weak_explicit(&budget->word, &seen, hf__budget_refund(seen, &budget->rules),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void hf__budget_charge_for(hf_budget *budget, uint32_t resends, hf_time now) {
    if (budget->rules.unlimited || resends == 0) return;
    uint64_t seen = atomic_load_explicit(&budget->word, memory_order_relaxed);
    uint64_t next;
    do {
        next = hf__budget_charge(seen, &budget->rules, resends, hf__ns_to_ms_down(now));
    } while (
        !atomic_compare_exchange_weak_explicit(&budget->word, &seen, next, memory_order_relaxed, memory_order_relaxed));
}

uint32_t hf_budget_available(const hf_budget *budget, hf_time now) {
    if (budget->rules.unlimited) return UINT32_MAX;
    uint64_t word = atomic_load_explicit(&budget->word, memory_order_relaxed);
    return hf__budget_available(word, &budget->rules, hf__ns_to_ms_down(now)) / 1000;
}

uint64_t hf_budget_denied(const hf_budget *budget) {
    return atomic_load_explicit(&budget->denied, memory_order_relaxed);
}
