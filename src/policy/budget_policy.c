/* SPDX-License-Identifier: MIT */
#include "policy/budget_policy.h"

#include "base/num.h"
#include "core/budget.h"
#include "policy/config_check.h"
#include "shm/region.h"

#include <holdfast/region_view.h>

#include <stdlib.h>
#include <string.h>

/* One word moved by compare-exchange, relaxed throughout: the word is the whole state, nothing is
 * published through it, and compare-exchange alone makes the decision atomic. The refill time in the word
 * is not moved by deposits, so refill is credited by whoever looks next. */
struct hf_budget {
    hf_policy base; /* for name and reference count; a budget is no member of a pipeline */
    struct hf__budget_rules rules;
    hf_budget *parent;              /* NULL: none */
    struct hf__budget_state *state; /* `own`, or in the region */
    hf_region *region;
    struct hf__budget_state own;
};

static void budget_destroy(hf_policy *policy) {
    hf_budget_free(((hf_budget *)(void *)policy)->parent);
    hf__region_unref(((hf_budget *)(void *)policy)->region);
    free(policy);
}

static const struct hf__policy_ops budget_ops = {.kind = "budget", .destroy = budget_destroy};

void hf_budget_config_init(hf_budget_config *config) {
    *config = (hf_budget_config){
        .struct_size = (uint32_t)sizeof *config,
        .ratio_ppm = 200000,
        .min_per_second = 3,
        .burst = 30,
        .kind = HF_BUDGET_BY_RATE,
        .min_concurrent = 3,
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
    if (rc == 0) {
        rc = hf__check_range("budget", name, "kind", c->kind, HF_BUDGET_BY_RATE, HF_BUDGET_BY_CONCURRENCY, 0, NULL,
                             error);
    }
    if (rc == 0) rc = hf__check_range("budget", name, "min_concurrent", c->min_concurrent, 0, 10000, 0, NULL, error);
    if (rc == 0 && c->region != NULL && c->kind == HF_BUDGET_BY_CONCURRENCY) {
        rc = hf__error_set(
            error, HF_E_INVALID,
            "budget \"%s\": kind is by concurrency, expected by rate in a region: what a process that dies "
            "had under way would be counted for ever",
            name);
    }
    return rc;
}

#define BUDGET_RULES 3

static int house(hf_budget *budget, const hf_budget_config *c, hf_error *error) {
    const struct hf__region_rule rules[BUDGET_RULES] = {
        {"ratio_ppm", c->ratio_ppm}, {"min_per_second", c->min_per_second}, {"burst", c->burst}};
    struct hf__region_want want = {.kind = HF_REGION_BUDGET,
                                   .name = budget->base.name,
                                   .rules = rules,
                                   .rule_count = BUDGET_RULES,
                                   .bytes = sizeof(struct hf__budget_state)};
    void *state;
    int rc = hf__region_house(c->region, &want, &budget->own, &state, &budget->region, error);
    budget->state = state;
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
    if (rc == 0) rc = house(made, &chosen, error);
    if (rc < 0) {
        free(made);
        return rc;
    }
    *out_budget = made;
    (*out_budget)->rules = hf__budget_rules(&chosen);
    (*out_budget)->parent = chosen.parent == NULL ? NULL : hf__budget_ref(chosen.parent);
    return 0;
}

void hf_budget_free(hf_budget *budget) { hf__policy_unref(budget == NULL ? NULL : &budget->base); }

hf_budget *hf__budget_ref(hf_budget *budget) {
    hf__policy_ref(&budget->base);
    return budget;
}

int hf__budget_for(hf_budget **out_budget, const char *name, hf_budget *given, hf_error *error) {
    if (given == NULL) return hf_budget_new(out_budget, name, NULL, error);
    *out_budget = hf__budget_ref(given);
    return 0;
}

/* ---- one level ---- */

static bool by_concurrency(const hf_budget *budget) { return budget->rules.kind == HF_BUDGET_BY_CONCURRENCY; }

static void count(_Atomic uint64_t *counter) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

static bool swap(hf_budget *budget, uint64_t *seen, uint64_t next) {
    return atomic_compare_exchange_weak_explicit(&budget->state->word, seen, next, memory_order_relaxed,
                                                 memory_order_relaxed);
}

static uint64_t load(const hf_budget *budget) {
    return atomic_load_explicit(&budget->state->word, memory_order_relaxed);
}

static void move(hf_budget *budget, int32_t calls, int32_t retries) {
    uint64_t seen = load(budget);
    while (!swap(budget, &seen, hf__budget_moved(seen, calls, retries))) continue;
}

static void deposit(hf_budget *budget) {
    uint64_t seen = load(budget), next;
    do {
        next = hf__budget_deposit(seen, &budget->rules);
        if (next == seen) return; /* full: nothing is written */
    } while (!swap(budget, &seen, next));
}

static bool take(hf_budget *budget, hf_time now) {
    uint64_t seen = load(budget), next;
    do {
        bool granted = by_concurrency(budget)
                           ? hf__budget_join(seen, &budget->rules, &next)
                           : hf__budget_withdraw(seen, &budget->rules, hf__ns_to_ms_down(now), &next);
        if (!granted) return false;
    } while (!swap(budget, &seen, next));
    return true;
}

static void settle(hf_budget *budget, bool used) {
    if (by_concurrency(budget)) {
        move(budget, 0, -1);
    } else if (!used) {
        uint64_t seen = load(budget);
        while (!swap(budget, &seen, hf__budget_refund(seen, &budget->rules))) continue;
    }
}

static uint32_t available(const hf_budget *budget, hf_time now) {
    if (budget->rules.unlimited) return UINT32_MAX;
    if (by_concurrency(budget)) return hf__budget_room(load(budget), &budget->rules);
    return hf__budget_available(load(budget), &budget->rules, hf__ns_to_ms_down(now)) / 1000;
}

/* ---- all levels ---- */

void hf__budget_begin(hf_budget *budget) {
    for (; budget != NULL; budget = budget->parent) {
        if (by_concurrency(budget)) move(budget, 1, 0);
        else deposit(budget);
    }
}

bool hf__budget_counts_calls(const hf_budget *budget) {
    for (; budget != NULL; budget = budget->parent) {
        if (by_concurrency(budget)) return true;
    }
    return false;
}

void hf__budget_end(hf_budget *budget) {
    for (; budget != NULL; budget = budget->parent) {
        if (by_concurrency(budget)) move(budget, -1, 0);
    }
}

/* From the nearest level outward. Between a grant here and a refusal above, another may be refused here for what is then
 * given back: an extra attempt less, never one too many. */
// NOLINTNEXTLINE(misc-no-recursion): as deep as there are levels
bool hf__budget_take(hf_budget *budget, hf_time now) {
    if (!budget->rules.unlimited && !take(budget, now)) {
        count(&budget->state->denied);
        return false;
    }
    if (budget->parent != NULL && !hf__budget_take(budget->parent, now)) {
        if (!budget->rules.unlimited) settle(budget, false);
        count(&budget->state->denied_by_parent);
        return false;
    }
    count(&budget->state->granted);
    return true;
}

static bool would_grant_here(const hf_budget *budget, uint32_t resends, bool held, hf_time now) {
    if (budget->rules.unlimited) return true;
    uint64_t word = load(budget), unused;
    if (by_concurrency(budget)) {
        return hf__budget_join(held ? hf__budget_moved(word, 0, -1) : word, &budget->rules, &unused);
    }
    int64_t now_ms = hf__ns_to_ms_down(now);
    if (resends > 0) word = hf__budget_charge(word, &budget->rules, resends, now_ms);
    return hf__budget_withdraw(word, &budget->rules, now_ms, &unused);
}

bool hf__budget_would_grant(const hf_budget *budget, uint32_t resends, bool held, hf_time now) {
    for (; budget != NULL; budget = budget->parent) {
        if (!would_grant_here(budget, resends, held, now)) return false;
    }
    return true;
}

void hf__budget_settle(hf_budget *budget, bool used) {
    for (; budget != NULL; budget = budget->parent) {
        if (!budget->rules.unlimited) settle(budget, used);
    }
}

/* By concurrency resends are part of the attempt that makes them. */
void hf__budget_charge_for(hf_budget *budget, uint32_t resends, hf_time now) {
    if (resends == 0) return;
    for (; budget != NULL; budget = budget->parent) {
        if (budget->rules.unlimited || by_concurrency(budget)) continue;
        uint64_t seen = load(budget), next;
        do {
            next = hf__budget_charge(seen, &budget->rules, resends, hf__ns_to_ms_down(now));
        } while (!swap(budget, &seen, next));
    }
}

uint32_t hf_budget_available(const hf_budget *budget, hf_time now) {
    uint32_t least = UINT32_MAX;
    for (; budget != NULL; budget = budget->parent) {
        uint32_t here = available(budget, now);
        if (here < least) least = here;
    }
    return least;
}

uint64_t hf_budget_denied(const hf_budget *budget) {
    return atomic_load_explicit(&budget->state->denied, memory_order_relaxed) +
           atomic_load_explicit(&budget->state->denied_by_parent, memory_order_relaxed);
}

int hf_budget_snapshot(const hf_budget *budget, hf_budget_info *out_info, hf_time now) {
    hf_budget_info info = {.struct_size = out_info->struct_size};
    if (info.struct_size < sizeof info.struct_size || info.struct_size > sizeof info) return HF_E_INVALID;
    uint64_t word = load(budget);
    info.available = hf_budget_available(budget, now);
    info.calls = by_concurrency(budget) ? hf__budget_calls(word) : 0;
    info.retries = by_concurrency(budget) ? hf__budget_retries(word) : 0;
    info.granted = atomic_load_explicit(&budget->state->granted, memory_order_relaxed);
    info.denied = atomic_load_explicit(&budget->state->denied, memory_order_relaxed);
    info.denied_by_parent = atomic_load_explicit(&budget->state->denied_by_parent, memory_order_relaxed);
    memcpy(out_info, &info, info.struct_size);
    return 0;
}

/* ---- seen from outside ---- */

int hf_region_view_budget(hf_region_view *view, uint32_t index, hf_budget_config *out_config, hf_budget_info *out_info,
                          hf_time now) {
    if (out_config != NULL && out_config->struct_size < sizeof *out_config) return HF_E_INVALID;
    struct hf__region_seen seen;
    int rc = hf__region_view_find(view, index, HF_REGION_BUDGET, &seen);
    if (rc < 0) return rc;
    if (seen.rule_count != BUDGET_RULES || seen.bytes != sizeof(struct hf__budget_state)) return HF_E_STATE;
    hf_budget_config config;
    hf_budget_config_init(&config);
    config.ratio_ppm = (uint32_t)seen.rules[0];
    config.min_per_second = (uint32_t)seen.rules[1];
    config.burst = (uint32_t)seen.rules[2];
    if (check(seen.name, &config, NULL) < 0) return HF_E_STATE;
    /* A budget that stands on the state for as long as it is asked. */
    hf_budget budget = {.rules = hf__budget_rules(&config), .state = seen.state};
    rc = hf_budget_snapshot(&budget, out_info, now);
    if (rc == 0 && out_config != NULL) {
        config.struct_size = out_config->struct_size;
        *out_config = config;
    }
    return rc;
}
