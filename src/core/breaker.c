/* SPDX-License-Identifier: MIT */
#include "core/breaker.h"

#include "base/num.h"
#include "base/rng.h"

#include <holdfast/result.h>

#define STATE_MASK 0x7u
#define STREAK_SHIFT 3
#define STREAK_MAX 0xfu
#define GEN_SHIFT 7
#define GEN_MASK 0x7fffu
#define MS_SHIFT 22
#define STATUS_SHIFT 5
#define STATUS_MASK 0x3u

uint64_t hf__control_pack(struct hf__control control) {
    return (uint64_t)control.ms << MS_SHIFT | (uint64_t)(control.generation & GEN_MASK) << GEN_SHIFT |
           (uint64_t)control.streak << STREAK_SHIFT | (uint64_t)control.state;
}

struct hf__control hf__control_unpack(uint64_t word) {
    return (struct hf__control){
        .ms = (int64_t)(word >> MS_SHIFT),
        .generation = (uint32_t)(word >> GEN_SHIFT) & GEN_MASK,
        .streak = (uint32_t)(word >> STREAK_SHIFT) & STREAK_MAX,
        .state = (hf_breaker_state)(word & STATE_MASK),
    };
}

static int64_t clamp_ms(int64_t ms) { return hf__max(0, hf__min(ms, HF__MS_NEVER)); }

int64_t hf__word_ms_down(hf_time at) { return clamp_ms(hf__ns_to_ms_down(at)); }

int64_t hf__word_ms_up(hf_time at) { return clamp_ms(hf__ns_to_ms_up(at)); }

hf_time hf__word_time(int64_t ms) { return ms >= HF__MS_NEVER ? HF_NEVER : hf__ms_to_ns(ms); }

/* The word of the next generation. */
static uint64_t move(struct hf__control control, hf_breaker_state state, uint32_t streak, int64_t ms) {
    control.state = state;
    control.generation = (control.generation + 1) & GEN_MASK;
    control.streak = streak < STREAK_MAX ? streak : STREAK_MAX;
    control.ms = ms;
    return hf__control_pack(control);
}

struct hf__admission_answer hf__control_admit(uint64_t word, hf_time now) {
    struct hf__control control = hf__control_unpack(word);
    struct hf__admission_answer answer = {.verdict = HF__ADMIT_CALL, .next = word, .retry_at = HF_NEVER};
    switch (control.state) {
    case HF_BREAKER_CLOSED:
    case HF_BREAKER_DISABLED: break;
    case HF_BREAKER_HALF_OPEN: answer.verdict = HF__ADMIT_PROBE; break;
    case HF_BREAKER_OPEN:
        if (now >= hf__word_time(control.ms)) { /* T2 */
            answer.verdict = HF__ADMIT_MOVE;
            answer.next = move(control, HF_BREAKER_HALF_OPEN, control.streak, hf__word_ms_down(now));
            break;
        }
        answer.verdict = HF__ADMIT_REJECT;
        answer.reason = HF_REASON_OPEN;
        answer.retry_at = hf__word_time(control.ms);
        break;
    case HF_BREAKER_FORCED_OPEN:
        answer.verdict = HF__ADMIT_REJECT;
        answer.reason = HF_REASON_FORCED_OPEN;
        break;
    }
    return answer;
}

/* open * 2^streak up to the longest, then jitter both ways, so that the clients of one dependency do not
 * probe it together; a hint only lengthens it. */
static int64_t open_until_ms(const struct hf__open_rules *rules, uint32_t streak, hf_time now, int64_t hint_ns,
                             uint64_t random) {
    int64_t wait = hf__min(hf__mul(rules->open_ns, INT64_C(1) << streak), rules->open_max_ns);
    int64_t width = hf__ppm(wait, rules->open_jitter_ppm);
    wait = hf__rng_between(random, wait - width, wait + width);
    wait = hf__max(wait, hf__min(hint_ns, rules->open_max_ns));
    return hf__word_ms_up(hf__add(now, hf__max(wait, HF_MILLISECOND)));
}

uint64_t hf__control_trip(uint64_t word, const struct hf__open_rules *rules, hf_time now, int64_t hint_ns,
                          uint64_t random) {
    return move(hf__control_unpack(word), HF_BREAKER_OPEN, 0, open_until_ms(rules, 0, now, hint_ns, random)); /* T1 */
}

bool hf__control_set(uint64_t word, hf_breaker_state state, const struct hf__open_rules *rules, hf_time now,
                     uint64_t *out) {
    struct hf__control control = hf__control_unpack(word);
    *out = word;
    switch (state) {
    case HF_BREAKER_CLOSED:
        /* T5 */
        *out = move(control, state, 0, hf__word_ms_down(now));
        return true;
    case HF_BREAKER_OPEN: /* T6 */
        if (control.state != state) {
            struct hf__open_rules exactly = *rules; /* set by hand: no jitter */
            exactly.open_jitter_ppm = 0;
            *out = move(control, state, 0, open_until_ms(&exactly, 0, now, 0, 0));
        }
        return true;
    case HF_BREAKER_FORCED_OPEN:
    case HF_BREAKER_DISABLED: /* T7 */
        if (control.state != state) *out = move(control, state, 0, hf__word_ms_down(now));
        return true;
    case HF_BREAKER_HALF_OPEN: return control.state == state; /* an open breaker gets there by itself */
    }
    return false;
}

uint64_t hf__probe_pack(int64_t lease_ms, uint32_t generation, enum hf__probe_status status) {
    return (uint64_t)lease_ms << MS_SHIFT | (uint64_t)(generation & GEN_MASK) << GEN_SHIFT |
           (uint64_t)status << STATUS_SHIFT;
}

enum hf__probe_status hf__probe_status_of(uint64_t slot) {
    return (enum hf__probe_status)((slot >> STATUS_SHIFT) & STATUS_MASK);
}

bool hf__probe_expired(uint64_t slot, hf_time now) { return now >= hf__word_time((int64_t)(slot >> MS_SHIFT)); }

uint64_t hf__probe_settle(uint64_t slot, enum hf__probe_status status) {
    return (slot & ~((uint64_t)STATUS_MASK << STATUS_SHIFT)) | (uint64_t)status << STATUS_SHIFT;
}

/* A slot belongs to the present round if its generation matches and its lease ends after the round began;
 * the second tells a slot from before the generation wrapped around. */
static bool of_this_round(uint64_t slot, struct hf__control control) {
    return ((slot >> GEN_SHIFT) & GEN_MASK) == control.generation && (int64_t)(slot >> MS_SHIFT) >= control.ms;
}

struct hf__claim_answer hf__probe_claim(const uint64_t *slots, uint64_t control, const struct hf__open_rules *rules,
                                        hf_time now) {
    struct hf__control c = hf__control_unpack(control);
    struct hf__claim_answer answer = {.verdict = HF__CLAIM_FULL, .retry_at = HF_NEVER};
    for (uint32_t i = 0; i < rules->probes; i++) {
        enum hf__probe_status status = hf__probe_status_of(slots[i]);
        bool ours = of_this_round(slots[i], c);
        /* Of an older round too: at most N fly. */
        if (status == HF__PROBE_FLYING && !hf__probe_expired(slots[i], now)) {
            answer.retry_at = hf__min(answer.retry_at, hf__word_time((int64_t)(slots[i] >> MS_SHIFT)));
            continue;
        }
        if (status == HF__PROBE_FLYING && ours) {
            answer.verdict = HF__CLAIM_EXPIRE;
            answer.index = i;
            answer.next = hf__probe_settle(slots[i], HF__PROBE_BAD);
            return answer;
        }
        if (status != HF__PROBE_FREE && ours) continue; /* has its result */
        if (answer.verdict == HF__CLAIM_SLOT) continue; /* go on looking for ended leases */
        answer.verdict = HF__CLAIM_SLOT;
        answer.index = i;
        answer.next =
            hf__probe_pack(hf__word_ms_up(hf__add(now, rules->probe_lease_ns)), c.generation, HF__PROBE_FLYING);
    }
    return answer;
}

struct hf__tally hf__probe_tally(const uint64_t *slots, uint32_t count, uint64_t control) {
    struct hf__control c = hf__control_unpack(control);
    struct hf__tally tally = {0, 0, 0};
    if (c.state != HF_BREAKER_HALF_OPEN) return tally;
    for (uint32_t i = 0; i < count; i++) {
        if (!of_this_round(slots[i], c)) continue;
        switch (hf__probe_status_of(slots[i])) {
        case HF__PROBE_FREE: break;
        case HF__PROBE_FLYING: tally.flying++; break;
        case HF__PROBE_OK: tally.ok++; break;
        case HF__PROBE_BAD: tally.bad++; break;
        }
    }
    return tally;
}

uint64_t hf__control_decide(uint64_t word, struct hf__tally tally, const struct hf__open_rules *rules, hf_time now,
                            int64_t hint_ns, uint64_t random) {
    struct hf__control control = hf__control_unpack(word);
    if (control.state != HF_BREAKER_HALF_OPEN) return word;
    if (tally.ok >= rules->probes - rules->probe_failures_allowed) { /* T3 */
        return move(control, HF_BREAKER_CLOSED, 0, hf__word_ms_down(now));
    }
    if (tally.bad > rules->probe_failures_allowed) { /* T4 */
        uint32_t streak = control.streak < STREAK_MAX ? control.streak + 1 : STREAK_MAX;
        return move(control, HF_BREAKER_OPEN, streak, open_until_ms(rules, streak, now, hint_ns, random));
    }
    return word;
}
