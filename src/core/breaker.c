/* SPDX-License-Identifier: MIT */
#include "core/breaker.h"

#include "base/num.h"
#include "base/rng.h"

#include <holdfast/result.h>

#define STREAK_SHIFT 3
#define STREAK_MAX 0xfu
#define GEN_SHIFT HF__CONTROL_GENERATION_SHIFT
#define GEN_MASK HF__CONTROL_GENERATION_MASK
#define MS_SHIFT 22

uint64_t hf__control_pack(struct hf__control control) {
    return (uint64_t)control.ms << MS_SHIFT | (uint64_t)(control.generation & GEN_MASK) << GEN_SHIFT |
           (uint64_t)control.streak << STREAK_SHIFT | (uint64_t)control.state;
}

struct hf__control hf__control_unpack(uint64_t word) {
    return (struct hf__control){
        .ms = (int64_t)(word >> MS_SHIFT),
        .generation = hf__control_generation(word),
        .streak = (uint32_t)(word >> STREAK_SHIFT) & STREAK_MAX,
        .state = hf__control_state(word),
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

/* From a tenth at `since` to all at the end, in a straight line. */
static uint32_t recovery_share(const struct hf__open_rules *rules, hf_time since, hf_time now) {
    int64_t for_ns = hf__left(now, since); /* a day at most: the product fits */
    int64_t gained =
        for_ns / HF_MICROSECOND * (HF_PPM - HF__RECOVERY_BEGIN_PPM) / (rules->recovery_ns / HF_MICROSECOND);
    return (uint32_t)hf__min(HF__RECOVERY_BEGIN_PPM + gained, HF_PPM);
}

static struct hf__admission_answer admit_recovering(struct hf__control control, const struct hf__open_rules *rules,
                                                    hf_time now) {
    hf_time since = hf__word_time(control.ms);
    struct hf__admission_answer answer = {.verdict = HF__ADMIT_SHARE, .reason = HF_REASON_RECOVERING, .retry_at = now};
    if (rules->recovery_ns == 0 || now >= hf__add(since, rules->recovery_ns)) { /* T9 */
        answer.verdict = HF__ADMIT_MOVE;
        control.state = HF_BREAKER_CLOSED;
        control.streak = 0;
        answer.next = hf__control_pack(control);
    } else {
        answer.share_ppm = recovery_share(rules, since, now);
    }
    return answer;
}

struct hf__admission_answer hf__control_admit(uint64_t word, const struct hf__open_rules *rules, hf_time now) {
    struct hf__control control = hf__control_unpack(word);
    struct hf__admission_answer answer = {.verdict = HF__ADMIT_CALL, .next = word, .retry_at = HF_NEVER};
    switch (control.state) {
    case HF_BREAKER_CLOSED:
    case HF_BREAKER_METRICS_ONLY:
    case HF_BREAKER_DISABLED: break;
    case HF_BREAKER_RECOVERING: return admit_recovering(control, rules, now);
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

/* After one more round that failed. */
static uint32_t longer(uint32_t streak) { return streak < STREAK_MAX ? streak + 1 : STREAK_MAX; }

uint64_t hf__control_trip(uint64_t word, const struct hf__open_rules *rules, hf_time now, int64_t hint_ns,
                          uint64_t random) {
    struct hf__control control = hf__control_unpack(word);
    uint32_t streak = control.state == HF_BREAKER_RECOVERING ? longer(control.streak) : 0; /* T8 : T1 */
    return move(control, HF_BREAKER_OPEN, streak, open_until_ms(rules, streak, now, hint_ns, random));
}

uint64_t hf__control_told(uint64_t word, uint32_t rules) {
    return word | (uint64_t)(rules & STREAK_MAX) << STREAK_SHIFT; /* T10 */
}

bool hf__control_set(uint64_t word, hf_breaker_state state, const struct hf__open_rules *rules, hf_time now,
                     uint64_t *out) {
    struct hf__control control = hf__control_unpack(word);
    *out = word;
    switch (state) {
    case HF_BREAKER_CLOSED: /* T5 */ *out = move(control, state, 0, hf__word_ms_down(now)); return true;
    case HF_BREAKER_OPEN: /* T6 */
        if (control.state != state) {
            struct hf__open_rules exactly = *rules; /* set by hand: no jitter */
            exactly.open_jitter_ppm = 0;
            *out = move(control, state, 0, open_until_ms(&exactly, 0, now, 0, 0));
        }
        return true;
    case HF_BREAKER_FORCED_OPEN:
    case HF_BREAKER_METRICS_ONLY:
    case HF_BREAKER_DISABLED: /* T7 */
        if (control.state != state) *out = move(control, state, 0, hf__word_ms_down(now));
        return true;
    case HF_BREAKER_RECOVERING: /* the breaker gets there by itself */
    case HF_BREAKER_HALF_OPEN: return control.state == state;
    }
    return false;
}

uint64_t hf__control_restore(uint64_t word, hf_breaker_state state, uint32_t streak, int64_t left_ns, int64_t for_ns,
                             hf_time now) {
    int64_t ms = hf__word_ms_down(now);
    if (state == HF_BREAKER_METRICS_ONLY) streak = 0; /* no rule has been told yet */
    if (state == HF_BREAKER_HALF_OPEN) {
        state = HF_BREAKER_OPEN;
        left_ns = 0;
    }
    if (state == HF_BREAKER_OPEN) ms = hf__word_ms_up(hf__add(now, left_ns));
    if (state == HF_BREAKER_RECOVERING) ms = hf__word_ms_down(hf__left(now, for_ns));
    return move(hf__control_unpack(word), state, streak, ms);
}

uint64_t hf__control_decide(uint64_t word, struct hf__tally tally, const struct hf__open_rules *rules, hf_time now,
                            int64_t hint_ns, uint64_t random) {
    struct hf__control control = hf__control_unpack(word);
    if (control.state != HF_BREAKER_HALF_OPEN) return word;
    if (tally.ok >= rules->probes - rules->probe_failures_allowed) { /* T3 */
        if (rules->recovery_ns > 0) return move(control, HF_BREAKER_RECOVERING, control.streak, hf__word_ms_down(now));
        return move(control, HF_BREAKER_CLOSED, 0, hf__word_ms_down(now));
    }
    if (tally.bad > rules->probe_failures_allowed) { /* T4 */
        uint32_t streak = longer(control.streak);
        return move(control, HF_BREAKER_OPEN, streak, open_until_ms(rules, streak, now, hint_ns, random));
    }
    return word;
}
