/* SPDX-License-Identifier: MIT */
#include <holdfast/ratelimit.h>

#include "base/num.h"
#include "base/rng.h"
#include "core/backoff.h" /* HF__DAY_MS */
#include "os/random_seed.h"
#include "policy/config_check.h"
#include "policy/keyed_table.h"
#include "policy/ratelimit_words.h"
#include "shm/region.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One limit is `words`. With keys, `words` holds the rules only and the tats are the numbers of each key, moved under
 * the lock of its shard; both decide with the same functions. Counters are relaxed: they publish nothing. */
struct hf_rate_limit {
    hf_policy base;
    struct hf__rate_words *words; /* `own`, or in the region */
    hf_region *region;
    struct hf__rate_words own;
    struct hf__keyed_table *keys; /* NULL: one limit for all */
    int64_t max_wait_ns;
    uint32_t phase_ppm; /* drawn, if it was to be random */
    bool drain_on_throttled;
    hf_rate_on_evict *on_evict;
    void *on_evict_arg;
    _Atomic uint64_t rejected, evictions;
};

#define FILL_MAX_MS (31 * HF__DAY_MS)

/* ---- keys ---- */

static uint32_t load_rules(const hf_rate_limit *limit, uint64_t *out) {
    for (uint32_t i = 0; i < hf__rate_words_count(limit->words); i++) {
        out[i] = atomic_load_explicit(&limit->words->rules[i], memory_order_relaxed);
    }
    return hf__rate_words_count(limit->words);
}

/* What the first permits shift the refill by, to tell instances apart. */
static int64_t phase_of(const hf_rate_limit *limit, uint64_t rules) {
    return hf__ppm(hf__rate_interval(rules), limit->phase_ppm);
}

static void tell_eviction(hf_rate_limit *limit, const struct hf__keyed_slot *slot, const char *key, hf_time now) {
    uint64_t evictions = atomic_fetch_add_explicit(&limit->evictions, 1, memory_order_relaxed) + 1;
    if (limit->on_evict == NULL) return;
    hf_rate_eviction event = {
        .struct_size = (uint32_t)sizeof event, .limit = limit->base.name, .for_key = key, .evictions = evictions};
    for (uint32_t i = 0; i < hf__rate_words_count(limit->words); i++) {
        event.forgotten_ns = hf__max(event.forgotten_ns, hf__left(slot->lost[i], now));
    }
    limit->on_evict(limit->on_evict_arg, &event);
}

static bool keyed_take(hf_rate_limit *limit, const char *key, uint32_t weight, hf_time wait_until, hf_time now,
                       int64_t *out_taken, hf_time *out_at) {
    uint64_t rules[HF_RATE_TIERS_MAX];
    uint32_t count = load_rules(limit, rules);
    *out_at = HF_NEVER;
    for (uint32_t i = 0; i < count; i++) {
        if (weight > hf__rate_burst(rules[i])) return false;
    }
    struct hf__keyed_slot slot = hf__keyed_open(limit->keys, key, true);
    bool first = slot.numbers[0] == 0;
    bool taken = hf__rate_take(slot.numbers, rules, count, now, weight, wait_until, out_taken, out_at);
    for (uint32_t i = 0; taken && i < count; i++) {
        slot.numbers[i] = hf__add(out_taken[i], first ? phase_of(limit, rules[i]) : 0);
    }
    hf__keyed_close(limit->keys, &slot);
    if (slot.evicted) tell_eviction(limit, &slot, key, now);
    return taken;
}

static bool keyed_refund(hf_rate_limit *limit, const char *key, uint32_t weight, const int64_t *taken) {
    uint64_t rules[HF_RATE_TIERS_MAX];
    uint32_t count = load_rules(limit, rules);
    int64_t before[HF_RATE_TIERS_MAX];
    struct hf__keyed_slot slot = hf__keyed_open(limit->keys, key, false);
    bool given = slot.numbers != NULL && hf__rate_refund(slot.numbers, rules, count, weight, taken, before);
    if (given) memcpy(slot.numbers, before, count * sizeof before[0]);
    hf__keyed_close(limit->keys, &slot);
    return given;
}

static void keyed_drain(hf_rate_limit *limit, const char *key, hf_time until, hf_time now) {
    uint64_t rules[HF_RATE_TIERS_MAX] = {0};
    (void)load_rules(limit, rules);
    struct hf__keyed_slot slot = hf__keyed_open(limit->keys, key, true);
    slot.numbers[0] = hf__rate_drain(slot.numbers[0], rules[0], until, now);
    hf__keyed_close(limit->keys, &slot);
    if (slot.evicted) tell_eviction(limit, &slot, key, now);
}

static int64_t keyed_available(const hf_rate_limit *limit, const char *key, hf_time now) {
    static const int64_t unknown[HF_RATE_TIERS_MAX];
    uint64_t rules[HF_RATE_TIERS_MAX];
    uint32_t count = load_rules(limit, rules);
    struct hf__keyed_slot slot = hf__keyed_open(limit->keys, key, false);
    const int64_t *tat = slot.numbers == NULL ? unknown : slot.numbers;
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < count; i++) least = hf__min(least, hf__rate_available(tat[i], rules[i], now));
    hf__keyed_close(limit->keys, &slot);
    return least;
}

struct rescale {
    uint32_t index;
    uint64_t from, to;
    hf_time now;
};

static void rescale_key(void *arg, int64_t *numbers) {
    const struct rescale *change = arg;
    int64_t *tat = &numbers[change->index];
    if (*tat > change->now) *tat = hf__rate_rescale(*tat, change->from, change->to, change->now);
}

/* ---- standing alone ---- */

static bool take(hf_rate_limit *limit, const char *key, uint32_t weight, hf_time wait_until, hf_time now,
                 int64_t *out_taken, hf_time *out_at) {
    bool first = false, taken = false;
    if (limit->keys != NULL) taken = keyed_take(limit, key, weight, wait_until, now, out_taken, out_at);
    else taken = hf__rate_words_take(limit->words, now, weight, wait_until, out_taken, out_at, &first);
    for (uint32_t i = 0; first && limit->phase_ppm > 0 && i < hf__rate_words_count(limit->words); i++) {
        uint64_t rules = atomic_load_explicit(&limit->words->rules[i], memory_order_relaxed);
        hf__rate_words_delay(limit->words, i, phase_of(limit, rules), now);
    }
    if (!taken) atomic_fetch_add_explicit(&limit->rejected, 1, memory_order_relaxed);
    return taken;
}

static bool refund(hf_rate_limit *limit, const char *key, uint32_t weight, hf_time now, const int64_t *taken) {
    if (limit->keys != NULL) return keyed_refund(limit, key, weight, taken);
    return hf__rate_words_refund(limit->words, now, weight, taken);
}

static const char *key_or_none(const char *key) { return key == NULL ? "" : key; }

int hf_rate_limit_take(hf_rate_limit *limit, hf_rate_ticket *out_ticket, const char *key, uint32_t weight,
                       int64_t max_wait_ns, hf_time now) {
    if (weight > HF_WEIGHT_MAX) return HF_E_INVALID;
    *out_ticket = (hf_rate_ticket){.at = now, .weight = weight};
    if (weight == 0) return 0;
    hf_time until = hf__add(now, hf__min(hf__max(max_wait_ns, 0), HF__DAY_MS * HF_MILLISECOND));
    return take(limit, key_or_none(key), weight, until, now, out_ticket->opaque, &out_ticket->at) ? 0 : HF_E_REJECTED;
}

bool hf_rate_limit_refund(hf_rate_limit *limit, const hf_rate_ticket *ticket, const char *key, hf_time now) {
    return ticket->weight == 0 || refund(limit, key_or_none(key), ticket->weight, now, ticket->opaque);
}

void hf_rate_limit_drain(hf_rate_limit *limit, const char *key, hf_time until, hf_time now) {
    if (limit->keys != NULL) keyed_drain(limit, key_or_none(key), until, now);
    else hf__rate_words_drain(limit->words, until, now);
}

int64_t hf_rate_limit_available(const hf_rate_limit *limit, const char *key, hf_time now) {
    if (limit->keys != NULL) return keyed_available(limit, key_or_none(key), now);
    return hf__rate_words_available(limit->words, now);
}

uint64_t hf_rate_limit_rejected(const hf_rate_limit *limit) {
    return atomic_load_explicit(&limit->rejected, memory_order_relaxed);
}

uint64_t hf_rate_limit_evictions(const hf_rate_limit *limit) {
    return atomic_load_explicit(&limit->evictions, memory_order_relaxed);
}

uint32_t hf_rate_limit_keys(const hf_rate_limit *limit) {
    return limit->keys == NULL ? 0 : hf__keyed_count(limit->keys);
}

/* ---- in a pipeline ---- */

/* The frame of a call. */
struct state {
    int64_t
        mark; /* 0: none taken. While parked: the instant of the permits, plus 1. Then: attempts made before, plus 1 */
    int64_t taken[HF_RATE_TIERS_MAX];
};
_Static_assert(sizeof(struct state) <= sizeof(((struct hf_frame *)0)->word), "fits a frame");

static hf_rate_limit *limit_of(hf_policy *policy) { return (hf_rate_limit *)(void *)policy; }
static struct state *state_of(struct hf_frame *frame) { return (struct state *)(void *)frame->word; }

static int rate_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_rate_limit *limit = limit_of(policy);
    struct state *state = state_of(frame);
    if (x->caller->weight == 0) return HF__PASS;
    hf_time at = state->mark - 1;
    if (state->mark == 0) {
        /* A permit at the deadline or later would be of no use. */
        hf_time last = x->deadline == HF_NEVER ? HF_NEVER : x->deadline - 1;
        hf_time until = hf__max(x->now, hf__min(hf__add(x->now, limit->max_wait_ns), last));
        if (!take(limit, x->caller->key, x->caller->weight, until, x->now, state->taken, &at)) {
            x->reason = HF_REASON_RATE_LIMITED;
            x->at = at;
            return HF__TURN;
        }
    }
    bool wait = x->now < at;
    state->mark = hf__add(wait ? at : x->attempts, 1);
    if (!wait) return HF__PASS;
    x->at = at;
    return HF__PARK;
}

static void rate_leave(hf_policy *policy, struct hf_frame *frame, const struct hf_x *x) {
    (void)refund(limit_of(policy), x->caller->key, x->caller->weight, x->now, state_of(frame)->taken);
}

static int rate_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_rate_limit *limit = limit_of(policy);
    const struct state *state = state_of(frame);
    if (state->mark == x->attempts + INT64_C(1)) { /* nothing inside has reached the dependency */
        (void)refund(limit, x->caller->key, x->caller->weight, x->now, state->taken);
    } else if (!x->rejected && limit->drain_on_throttled && x->outcome.kind == HF_THROTTLED) {
        uint64_t rules = atomic_load_explicit(&limit->words->rules[0], memory_order_relaxed);
        int64_t hint = x->outcome.retry_after_ns > 0 ? x->outcome.retry_after_ns : hf__rate_interval(rules);
        hf_rate_limit_drain(limit, x->caller->key, hf__add(x->now, hint), x->now);
    }
    return HF__PASS;
}

static void rate_destroy(hf_policy *policy) {
    hf__keyed_table_free(limit_of(policy)->keys);
    hf__region_unref(limit_of(policy)->region);
    free(policy);
}

static void rate_tell(const hf_policy *policy, struct hf__facts *facts) {
    facts->line_ns = ((const hf_rate_limit *)(const void *)policy)->max_wait_ns;
}

static const struct hf__policy_ops rate_ops = {.kind = "rate limit",
                                               .admit = rate_admit,
                                               .leave = rate_leave,
                                               .settle = rate_settle,
                                               .settle_ok = hf__nothing_on_success,
                                               .tell = rate_tell,
                                               .destroy = rate_destroy};

/* ---- making and changing ---- */

void hf_rate_limit_config_init(hf_rate_limit_config *config) {
    *config = (hf_rate_limit_config){.struct_size = (uint32_t)sizeof *config, .tiers = 1, .drain_on_throttled = 1};
    for (int i = 0; i < HF_RATE_TIERS_MAX; i++) config->tier[i] = (hf_rate_tier){.burst = 1, .period_ms = 1000};
}

static int check_tier(const char *name, const hf_rate_tier *tier, hf_error *error) {
    int rc = hf__check_range("rate limit", name, "period_ms", tier->period_ms, 1, HF__DAY_MS, 0, NULL, error);
    if (rc < 0) return rc;
    int64_t most = tier->period_ms * (HF_RATE_PERMITS_MAX / 1000);
    rc = hf__check_range("rate limit", name, "permits", tier->permits, 1, most, 0, NULL, error);
    if (rc == 0) rc = hf__check_range("rate limit", name, "burst", tier->burst, 1, HF_RATE_BURST_MAX, 0, NULL, error);
    if (rc == 0 && hf__mul(tier->period_ms, tier->burst) / tier->permits > FILL_MAX_MS) {
        rc = hf__error_set(error, HF_E_INVALID,
                           "rate limit \"%s\": burst is %lu, which takes more than 31 days to fill; expected burst * "
                           "period_ms / permits up to %lld",
                           name, (unsigned long)tier->burst, (long long)FILL_MAX_MS);
    }
    return rc;
}

static int check(const char *name, const hf_rate_limit_config *c, hf_error *error) {
    int rc = hf__check_range("rate limit", name, "tiers", c->tiers, 1, HF_RATE_TIERS_MAX, 0, NULL, error);
    for (uint32_t i = 0; rc == 0 && i < c->tiers; i++) rc = check_tier(name, &c->tier[i], error);
    if (rc == 0) rc = hf__check_range("rate limit", name, "max_wait_ms", c->max_wait_ms, 0, HF__DAY_MS, 0, NULL, error);
    if (rc == 0) {
        rc = hf__check_range("rate limit", name, "drain_on_throttled", c->drain_on_throttled, 0, 1, 0, NULL, error);
    }
    if (rc == 0) {
        rc = hf__check_range("rate limit", name, "phase_ppm", c->phase_ppm, 0, HF_PPM, HF_RATE_PHASE_RANDOM,
                             "HF_RATE_PHASE_RANDOM", error);
    }
    if (rc == 0) rc = hf__check_range("rate limit", name, "max_keys", c->max_keys, 0, HF_RATE_KEYS_MAX, 0, NULL, error);
    if (rc == 0 && c->max_keys > 0 && c->region != NULL) {
        rc = hf__error_set(error, HF_E_INVALID, "rate limit \"%s\": max_keys is %lu, expected 0 in a region", name,
                           (unsigned long)c->max_keys);
    }
    return rc;
}

static void begin_words(void *state, void *arg) {
    const hf_rate_limit_config *c = arg;
    struct hf__rate_words *words = state;
    words->count = c->tiers;
    for (uint32_t i = 0; i < c->tiers; i++) atomic_init(&words->rules[i], hf__rate_rules(&c->tier[i]));
}

static int house(hf_rate_limit *limit, hf_rate_limit_config *c, hf_error *error) {
    struct hf__region_rule rules[1 + 3 * HF_RATE_TIERS_MAX] = {{"tiers", c->tiers}};
    uint32_t count = 1;
    for (uint32_t i = 0; i < c->tiers; i++) {
        rules[count++] = (struct hf__region_rule){"permits", c->tier[i].permits};
        rules[count++] = (struct hf__region_rule){"burst", c->tier[i].burst};
        rules[count++] = (struct hf__region_rule){"period_ms", (uint64_t)c->tier[i].period_ms};
    }
    struct hf__region_want want = {.kind = HF_REGION_RATE_LIMIT,
                                   .name = limit->base.name,
                                   .rules = rules,
                                   .rule_count = count,
                                   .bytes = sizeof(struct hf__rate_words),
                                   .begin = begin_words,
                                   .begin_arg = c};
    void *state;
    int rc = hf__region_house(c->region, &want, &limit->own, &state, &limit->region, error);
    limit->words = state;
    return rc;
}

static int fill(hf_rate_limit *limit, hf_rate_limit_config *c, hf_error *error) {
    int rc = house(limit, c, error);
    if (rc < 0) return rc;
    limit->max_wait_ns = hf__ms_to_ns(c->max_wait_ms);
    limit->drain_on_throttled = c->drain_on_throttled != 0;
    limit->phase_ppm =
        c->phase_ppm != HF_RATE_PHASE_RANDOM ? c->phase_ppm : (uint32_t)hf__rng_between(hf__random_seed(), 0, HF_PPM);
    limit->on_evict = c->on_evict;
    limit->on_evict_arg = c->on_evict_arg;
    if (c->max_keys == 0) return 0;
    limit->keys = hf__keyed_table_new(c->max_keys, c->tiers);
    if (limit->keys != NULL) return 0;
    hf__region_unref(limit->region);
    return hf__error_set(error, HF_E_NOMEM, "rate limit \"%s\": no memory, or no random secret, for %lu keys",
                         limit->base.name, (unsigned long)c->max_keys);
}

int hf_rate_limit_new(hf_rate_limit **out_limit, const char *name, const hf_rate_limit_config *config,
                      hf_error *error) {
    hf_rate_limit_config chosen;
    hf_rate_limit_config_init(&chosen);
    void *made = NULL;
    if (out_limit != NULL) *out_limit = NULL;
    int rc = hf__policy_new(out_limit == NULL ? NULL : &made, sizeof(hf_rate_limit), &rate_ops, name, error);
    if (rc == 0) rc = hf__config_copy("rate limit", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    if (rc == 0) rc = fill(made, &chosen, error);
    if (rc < 0) {
        free(made);
        return rc;
    }
    assert(out_limit != NULL && made != NULL);
    *out_limit = made;
    return 0;
}

void hf_rate_limit_free(hf_rate_limit *limit) { hf__policy_unref(limit == NULL ? NULL : &limit->base); }

hf_policy *hf_rate_limit_policy(hf_rate_limit *limit) { return limit == NULL ? NULL : &limit->base; }

int hf_rate_limit_set(hf_rate_limit *limit, uint32_t index, const hf_rate_tier *tier, hf_time now, hf_error *error) {
    const char *name = limit->base.name;
    int rc = hf__check_range("rate limit", name, "index", index, 0, (int64_t)hf__rate_words_count(limit->words) - 1, 0,
                             NULL, error);
    if (rc == 0) rc = check_tier(name, tier, error);
    if (rc < 0) return rc;
    uint64_t rules = hf__rate_rules(tier);
    if (limit->keys == NULL) {
        hf__rate_words_set(limit->words, index, rules, now);
        return 0;
    }
    struct rescale change = {.index = index, .to = rules, .now = now};
    change.from = atomic_exchange_explicit(&limit->words->rules[index], rules, memory_order_relaxed);
    hf__keyed_each(limit->keys, rescale_key, &change);
    return 0;
}
