/* SPDX-License-Identifier: MIT */
#include <holdfast/breaker_admin.h>

#include "policy/breaker_inside.h"

#include "base/num.h"
#include "os/must.h"
#include "policy/config_check.h"

/* What people and supervisors do with a breaker, beside its calls. */

int hf_breaker_set(hf_breaker *breaker, hf_breaker_state state, hf_time now) {
    struct hf__breaker_rules rules = hf__breaker_live_read(&breaker->rules);
    for (;;) {
        uint64_t control = hf__breaker_control(breaker), next;
        if (!hf__control_set(control, state, &rules.open, now, &next)) {
            bool by_itself = state == HF_BREAKER_HALF_OPEN || state == HF_BREAKER_RECOVERING;
            return by_itself ? HF_E_STATE : HF_E_INVALID;
        }
        if (next == control || hf__breaker_change(breaker, &rules, control, next, now, 0)) return 0;
    }
}

int hf_breaker_snapshot(hf_breaker *breaker, hf_breaker_info *out_info, hf_time now) {
    if (out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    uint32_t size = out_info->struct_size;
    struct hf__breaker_rules rules = hf__breaker_live_read(&breaker->rules);
    /* Consistent when the control word is the same before and after. It changes seldom; a reader that is
     * unlucky this often gets a picture in which two generations may be mixed. */
    for (int i = 0; i < 64; i++) {
        uint64_t control = hf__breaker_control(breaker);
        hf__breaker_describe(breaker, &rules, control, now, out_info);
        if (hf__breaker_control(breaker) == control) break;
    }
    out_info->struct_size = size;
    return 0;
}

const char *hf_breaker_state_name(int32_t state) {
    switch ((hf_breaker_state)state) {
    case HF_BREAKER_CLOSED: return "closed";
    case HF_BREAKER_METRICS_ONLY: return "metrics-only";
    case HF_BREAKER_DISABLED: return "disabled";
    case HF_BREAKER_RECOVERING: return "recovering";
    case HF_BREAKER_HALF_OPEN: return "half-open";
    case HF_BREAKER_OPEN: return "open";
    case HF_BREAKER_FORCED_OPEN: return "forced open";
    }
    return "unknown";
}

/* ---- other rules ---- */

static int check_fixed(const hf_breaker *b, const hf_breaker_config *c, hf_error *error) {
    const char *name = b->base.name;
    if ((uint32_t)c->window_kind != b->shape.kind) {
        return hf__error_set(error, HF_E_INVALID, "breaker \"%s\": window_kind is %d, but was made as %d and stays",
                             name, (int)c->window_kind, (int)b->shape.kind);
    }
    if (c->window_kind == HF_BREAKER_BY_CALLS) {
        return hf__check_range("breaker", name, "window", c->window, 1, b->shape.capacity, 0, NULL, error);
    }
    if (hf__breaker_width_ns(c) != b->width_ns) {
        return hf__error_set(error, HF_E_INVALID,
                             "breaker \"%s\": window_ms is %lld in %u buckets, but a bucket was made %lld ns long and "
                             "stays so",
                             name, (long long)c->window_ms, c->buckets, (long long)b->width_ns);
    }
    return hf__check_range("breaker", name, "buckets", c->buckets, 1, b->shape.capacity, 0, NULL, error);
}

/* A window of calls that grows begins at what it holds now, and its next success must count again. */
static void grow(hf_breaker *b, struct hf__breaker_rules *rules, const struct hf__breaker_rules *old) {
    struct hf__window_span span = {.size = old->size, .capacity = b->shape.capacity, .floor = old->floor};
    uint64_t head = atomic_load(&b->state->head); /* (M2) */
    rules->floor = rules->size > old->size ? hf__window_floor(head, &span) : old->floor;
}

static void clear_clean(hf_breaker *b) {
    _Atomic uint64_t *word = &b->state->head;
    uint64_t head = atomic_load(word);
    while (!atomic_compare_exchange_weak(word, &head, hf__window_with_clean(head, false))) {
    }
}

int hf_breaker_reconfigure(hf_breaker *breaker, const hf_breaker_config *config, hf_error *error) {
    hf_breaker_config chosen;
    hf_breaker_config_init(&chosen);
    if (breaker->region != NULL) {
        return hf__error_set(error, HF_E_STATE,
                             "breaker \"%s\" lives in a region, where all processes must have the same rules",
                             breaker->base.name);
    }
    int rc = hf__config_copy("breaker", breaker->base.name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = hf__breaker_config_check(breaker->base.name, &chosen, error);
    if (rc == 0) rc = check_fixed(breaker, &chosen, error);
    if (rc < 0) return rc;
    struct hf__breaker_rules rules = hf__breaker_rules_of(&chosen);
    HF_MUST(pthread_mutex_lock(&breaker->reconfigure) == 0);
    struct hf__breaker_rules old = hf__breaker_live_read(&breaker->rules);
    bool by_calls = breaker->shape.kind == HF_BREAKER_BY_CALLS;
    if (by_calls) grow(breaker, &rules, &old);
    hf__breaker_use(breaker, &rules);
    /* Who finds the window spotless by the old rules sets `clean` and then reads the rules: it sees the new
     * ones, or this sees its flag. Both in the one order of sequential consistency. */
    if (by_calls) clear_clean(breaker);
    HF_MUST(pthread_mutex_unlock(&breaker->reconfigure) == 0);
    return 0;
}

/* ---- saving and restoring ---- */

void hf_breaker_save(hf_breaker *breaker, hf_breaker_saved *out_saved, hf_time now) {
    struct hf__control c = hf__control_unpack(hf__breaker_control(breaker));
    *out_saved = (hf_breaker_saved){.state = (int32_t)c.state};
    if (c.state != HF_BREAKER_METRICS_ONLY) out_saved->streak = c.streak; /* there it has the rules that were told */
    if (c.state == HF_BREAKER_OPEN) out_saved->left_ns = hf__left(hf__word_time(c.ms), now);
    if (c.state == HF_BREAKER_RECOVERING) out_saved->for_ns = hf__left(now, hf__word_time(c.ms));
}

static bool can_be_restored(const hf_breaker_saved *saved, int64_t elapsed_ns) {
    return saved->state >= HF_BREAKER_CLOSED && saved->state <= HF_BREAKER_FORCED_OPEN && saved->left_ns >= 0 &&
           saved->for_ns >= 0 && elapsed_ns >= 0;
}

int hf_breaker_restore(hf_breaker *breaker, const hf_breaker_saved *saved, int64_t elapsed_ns, hf_time now) {
    if (saved == NULL || !can_be_restored(saved, elapsed_ns)) return HF_E_INVALID;
    struct hf__breaker_rules rules = hf__breaker_live_read(&breaker->rules);
    int64_t left_ns = hf__left(saved->left_ns, elapsed_ns), for_ns = hf__add(saved->for_ns, elapsed_ns);
    for (;;) {
        uint64_t control = hf__breaker_control(breaker);
        uint64_t next =
            hf__control_restore(control, (hf_breaker_state)saved->state, saved->streak, left_ns, for_ns, now);
        if (hf__breaker_change(breaker, &rules, control, next, now, 0)) return 0;
    }
}
